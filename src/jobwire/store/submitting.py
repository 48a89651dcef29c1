"""Submission: jobs, their order, event and keys in one transaction. domain/order.py gives the turns."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from jobwire.domain.job import IDEMPOTENCY_MS, NewJob, Receipt
from jobwire.domain.order import FIFO_LANE, count_leaves, give_turns
from jobwire.domain.states import Event
from jobwire.store.counting import Counting
from jobwire.store.files import hold_inputs
from jobwire.store.transaction import encode_json
from jobwire.store.webhooks import keep_wishes

_decode_queues = msgspec.json.Decoder(list[str]).decode


class Submitting(Counting):
    """See Store.submit."""

    def submit(self, jobs: Sequence[NewJob]) -> list[Receipt]:
        """T1: writes jobs, order, event and keys; a job whose key is known gives the earlier one's receipt."""
        if self._are_fresh(jobs):
            return self._insert(jobs)
        # One after the other, so that a twin in the same batch finds the first.
        return [self._find_earlier(job) or self._insert([job])[0] for job in jobs]

    def _are_fresh(self, jobs: Sequence[NewJob]) -> bool:
        """Whether nothing of a batch was sent before, and no key of it is known or stands twice in it."""
        keys = {job.key for job in jobs}
        if len(keys) < len(jobs) or self._were_sent(keys):
            return False
        keyed = [job for job in jobs if job.idempotency_key is not None or job.unique_key is not None]
        if not keyed:
            return True
        idempotency = [(job.owner, job.idempotency_key) for job in keyed if job.idempotency_key is not None]
        unique = [(job.owner, job.kind, job.unique_key) for job in keyed if job.unique_key is not None]
        if len(set(idempotency)) < len(idempotency) or len(set(unique)) < len(unique):
            return False
        return not self._are_known(keyed)

    def _were_sent(self, keys: Collection[str]) -> bool:
        return self._one(self.sql.submit["sent_before"], keys=encode_json(list(keys))) is not None

    def _are_known(self, keyed: Sequence[NewJob]) -> bool:
        sent = encode_json([(job.owner, job.kind, job.unique_key, job.idempotency_key) for job in keyed])
        return self._one(self.sql.submit["known"], sent=sent) is not None

    def _find_earlier(self, job: NewJob) -> Receipt | None:
        sent = self._one(self.sql.submit["number_of"], key=job.key, owner=job.owner)
        if sent is not None:
            return Receipt(sent[0], job.key, is_new=False)
        if job.idempotency_key is not None:
            known = self._one(
                self.sql.submit["known_submission"], owner=job.owner, key=job.idempotency_key, now=self.now
            )
            if known is not None:
                number, key, fingerprint = known
                return Receipt(number, key, is_new=False, conflict=fingerprint != (job.fingerprint or ""))
        if job.unique_key is not None:
            live = self._one(self.sql.submit["live_job"], owner=job.owner, kind=job.kind, unique_key=job.unique_key)
            if live is not None:
                self._keep_idempotency(job, live[0])
                return Receipt(live[0], live[1], is_new=False)
        return None

    def _insert(self, jobs: Sequence[NewJob]) -> list[Receipt]:
        if not jobs:
            return []
        last, unfair = self._one(self.sql.submit["take_numbers"], count=len(jobs))
        numbers = range(last - len(jobs) + 1, last + 1)
        turns = self._take_turns(jobs, _decode_queues(unfair))
        rows = encode_json(
            [self._job_row(number, job, turn) for number, job, turn in zip(numbers, jobs, turns, strict=True)]
        )
        # The batch is parsed once, for the jobs; what follows from them is read back from their pages: 6 µs a job in
        # groups of 500 instead of 10.
        new = {"first": numbers[0], "last": last}
        if any(job.webhook is not None or job.rerun_of is not None for job in jobs):
            keep_wishes(self, jobs, numbers)
        hold_inputs(self, jobs, numbers)
        self._run(self.sql.submit["insert_jobs"], rows=rows, now=self.now)
        self._run(self.sql.submit["insert_states"], **new)
        if any(job.concurrency_key is not None or job.rerun_of is not None for job in jobs):
            keys = [(number, job.concurrency_key, job.rerun_of) for number, job in zip(numbers, jobs, strict=True)]
            self._run(self.sql.submit["insert_concurrency"], rows=encode_json(keys))
        if any(job.run_at is not None for job in jobs):
            self._run(self.sql.submit["set_due"], rows=rows)
            self._run(self.sql.submit["insert_due"], **new)
        self._run(self.sql.submit["insert_ready"], **new)
        if any(job.deadline_at is not None for job in jobs):
            self._run(self.sql.submit["insert_deadlines"], **new)
        self._run(self.sql.events["log_new"], now=self.now, event=int(Event.SUBMITTED), **new)
        for number, job in zip(numbers, jobs, strict=True):
            self._keep_keys(job, number)
        self._keep_steps(jobs, numbers)
        self.ready_queues.update(job.queue for job in jobs)
        self.has_changes = True
        return [
            Receipt(number, job.key, is_new=True, turn=turn, created_at=self.now)
            for number, job, turn in zip(numbers, jobs, turns, strict=True)
        ]

    def _keep_steps(self, jobs: Sequence[NewJob], numbers: Sequence[int]) -> None:
        """Begins reruns with outputs of their origins' steps. Their fences start at 1: a claim above it has steps."""
        for job, number in zip(jobs, numbers, strict=True):
            if job.kept_steps:
                steps = {"number": number, "origin": job.rerun_of, "names": encode_json(job.kept_steps)}
                self._run(self.sql.submit["keep_steps"], **steps)
                self._run(self.sql.submit["begin_with_steps"], number=number)

    def _job_row(self, number: int, job: NewJob, turn: int) -> tuple[Any, ...]:
        run_at = job.run_at if job.run_at is not None and job.run_at > self.now else None
        place = (number, job.key, job.owner, job.kind, job.queue, job.priority, turn, job.attempts_max)
        return (*place, job.deadline_at, job.tags, job.rerun_of, job.root, job.input, run_at)

    def _take_turns(self, jobs: Sequence[NewJob], unfair: Collection[str]) -> list[int]:
        """The jobs' turns, after counting those that enter the order now."""
        lanes: dict[tuple[str, int, int], list[int]] = defaultdict(list)
        for index, job in enumerate(jobs):
            lanes[job.queue, job.priority, FIFO_LANE if job.queue in unfair else job.owner].append(index)
        later = {index for index, job in enumerate(jobs) if job.run_at is not None and job.run_at > self.now}
        turns = [0] * len(jobs)
        entered: dict[tuple[str, int], list[int]] = defaultdict(list)
        for (queue, priority, owner), places in lanes.items():
            lane = {"queue": queue, "priority": priority, "owner": owner}
            now_turn, last_turn, weight = self._one(self.sql.submit["lane_of"], **lane)
            given = give_turns(len(places), now_turn=now_turn or 0, last_turn=last_turn, weight=weight or 1)
            for place, turn in zip(places, given, strict=True):
                turns[place] = turn
            entered[queue, priority] += [turns[place] for place in places if place not in later] if later else given
            self._run(self.sql.submit["move_owner"], last_turn=given[-1], **lane)
        for (queue, priority), waiting in entered.items():
            self._count(queue, priority, count_leaves(waiting))
        return turns

    def _keep_keys(self, job: NewJob, number: int) -> None:
        if job.unique_key is not None:
            self._run(
                self.sql.submit["insert_live"],
                owner=job.owner,
                kind=job.kind,
                unique_key=job.unique_key,
                number=number,
            )
        self._keep_idempotency(job, number)

    def _keep_idempotency(self, job: NewJob, number: int) -> None:
        if job.idempotency_key is not None:
            self._run(
                self.sql.submit["insert_idempotency"],
                owner=job.owner,
                key=job.idempotency_key,
                fingerprint=job.fingerprint or "",
                number=number,
                expires_at=self.now + IDEMPOTENCY_MS,
            )
