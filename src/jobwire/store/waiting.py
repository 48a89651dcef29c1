"""Waiting jobs come into their order, expire and are cancelled; old ones are pruned."""

from collections.abc import Sequence

from jobwire.domain.outcome import PublicError
from jobwire.domain.states import Event, Reason, State
from jobwire.store.contract import CancelReply
from jobwire.store.files import RELEASED_MS
from jobwire.store.settling import Settling
from jobwire.store.transaction import decode_numbers, encode_error, encode_json

# A job leaves three to five entries in the log: pruning ten for each job keeps the log from growing for ever.
EVENTS_A_JOB = 10


class Waiting(Settling):
    """See Store.promote, cancel and prune."""

    def promote(self, limit: int) -> int | None:
        """T2, T14: due jobs enter their order; jobs past their deadline expire."""
        late = self._one(self.sql.promote["late"], now=self.now, limit=limit)[0]
        if late != "[]":
            message = "The job was not started before its deadline."
            self._end_waiting(late, State.FAILED, Reason.EXPIRED, PublicError("expired", message, retryable=True))
        self._run(self.sql.promote["pass_deadlines"], now=self.now)
        numbers = self._one(self.sql.promote["due"], now=self.now, limit=limit)[0]
        if numbers != "[]":
            self._run(self.sql.promote["leave_due"], numbers=numbers)
            self._run(self.sql.promote["become_ready"], numbers=numbers)
            self._enter_order(numbers)
            self._log(Event.PROMOTED, numbers)
        self._end_windows()
        next_at: int | None = self._one(self.sql.promote["next_due"])[0]
        return next_at

    def _end_waiting(self, numbers: str, state: State, reason: Reason, error: PublicError | None = None) -> None:
        self._leave_order(numbers)
        self._run(self.sql.promote["leave_due"], numbers=numbers)
        text = None if error is None else encode_error(error)
        params = {"state": int(state), "reason": int(reason), "error": text}
        self._run(self.sql.cancel["end_waiting"], numbers=numbers, now=self.now, **params)
        self._log(Event.CANCELLED if state is State.CANCELLED else Event.EXPIRED, numbers)
        self._end(numbers)
        self._leave_hooks(numbers)

    def cancel(self, owner: int, numbers: Sequence[int]) -> list[CancelReply | None]:
        """T9, T10: a waiting job ends at once; a running one is asked, once."""
        found = {
            row[0]: row for row in self.query(self.sql.cancel["found"], numbers=encode_json(numbers), owner=owner)
        }
        waiting = [n for n, (_, state, _) in found.items() if state == State.QUEUED]
        running = [n for n, (_, state, asked) in found.items() if state == State.RUNNING and not asked]
        if waiting:
            self._end_waiting(encode_json(waiting), State.CANCELLED, Reason.REQUESTED)
        if running:
            self._run(self.sql.cancel["ask_running"], numbers=encode_json(running), now=self.now)
            self._log(Event.CANCEL_REQUESTED, encode_json(running))
        changed = {*waiting, *running}
        return [CancelReply(State(found[n][1]), n in changed) if n in found else None for n in numbers]

    def prune(self, before: int, limit: int) -> int:
        """Deletes final jobs with everything that belongs to them; events stay while a job they may concern does."""
        numbers = self._one(self.sql.prune["old"], before=before, limit=limit)[0]
        for name in ("job", "state", "concurrency", "step", "attempt_log", "unheard_end"):
            self._run(self.sql.prune[name], numbers=numbers)
        self._run(self.sql.prune["release_files"], numbers=numbers, at=self.now + RELEASED_MS)
        self._run(self.sql.prune["idempotency"], now=self.now)
        self._prune_events(before, limit * EVENTS_A_JOB)
        return len(decode_numbers(numbers))

    def _prune_events(self, before: int, limit: int) -> None:
        self._run(self.sql.prune["event"], before=before, limit=limit)
