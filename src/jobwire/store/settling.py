"""Settlement: what the domain decided is applied under the fence. domain/settlement.py decides."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jobwire.domain.settlement import Settlement, cancel
from jobwire.domain.states import Event, State
from jobwire.store.capping import Capping
from jobwire.store.contract import Settled
from jobwire.store.final_hooks import run_hook
from jobwire.store.transaction import decode_numbers, encode_error, encode_json


class Settling(Capping):
    """See Store.settle."""

    def settle(self, settlements: Sequence[Settlement]) -> Settled:
        """T5 to T13, T16: applies the decisions whose fence is current; keeps the others as diagnostics."""
        newest: dict[int, Settlement] = {}
        for settlement in settlements:
            number, fence = settlement.lease.number, settlement.lease.fence
            if number not in newest or newest[number].lease.fence < fence:
                newest[number] = settlement
        groups: dict[Event, list[Settlement]] = defaultdict(list)
        for settlement in self._honour_cancels(list(newest.values())):
            groups[settlement.event].append(settlement)
        accepted: list[int] = []
        for event, group in groups.items():
            accepted += self._apply(event, group)
        if len(accepted) < len(settlements):
            taken = set(accepted)
            self._keep_late(
                [s for s in settlements if s.lease.number not in taken or newest[s.lease.number] is not s]
            )
        return Settled(accepted, [])

    def _honour_cancels(self, settlements: Sequence[Settlement]) -> Sequence[Settlement]:
        """A job whose cancel was asked neither fails nor goes back to its queue, even if the worker had not heard of
        it: what failed may have failed because of what was cancelled with it."""
        undone = [s.lease.number for s in settlements if s.state is State.FAILED or s.delay_ms is not None]
        if not undone:
            return settlements
        asked = {row[0] for row in self.query(self.sql.settle["asked"], numbers=encode_json(undone))}
        return [replace(cancel(s.lease), progress=s.progress) if s.lease.number in asked else s for s in settlements]

    def _apply(self, event: Event, group: Sequence[Settlement]) -> list[int]:
        if event is Event.COMPLETED:
            rows = encode_json([(s.lease.number, s.lease.fence, s.output, s.progress) for s in group])
        else:
            rows = encode_json([self._decision_row(s) for s in group])
        accepted_json = self._one(self.sql.settle["accepted"], rows=rows)[0]
        accepted = decode_numbers(accepted_json)
        if not accepted:
            return accepted
        self._run(self.sql.settle["complete" if event is Event.COMPLETED else "decide"], rows=rows, now=self.now)
        self._run(self.sql.settle["end_leases"], numbers=accepted_json)
        self._end_permits(accepted_json)
        self._log(event, accepted_json)
        if event is not Event.COMPLETED:
            taken = set(accepted)
            self._place_back([s for s in group if s.lease.number in taken])
            self._log_attempts([s for s in group if s.lease.number in taken])
        if group[0].delay_ms is None:
            self._end(accepted_json)
            if event is not Event.COMPLETED:
                self._leave_hooks(accepted_json)
        return accepted

    def _decision_row(self, s: Settlement) -> tuple[Any, ...]:
        run_at = self.now + s.delay_ms if s.delay_ms else None
        finalized_at = self.now if s.delay_ms is None else None
        error = None if s.error is None else encode_error(s.error)
        lease = (s.lease.number, s.lease.fence, int(s.state), int(s.reason), int(s.moves_fence))
        return (*lease, s.attempt_refund, s.loss, run_at, finalized_at, error, s.progress)

    def _place_back(self, group: Sequence[Settlement]) -> None:
        ready = [s.lease.number for s in group if s.delay_ms == 0]
        later = [s.lease.number for s in group if s.delay_ms]
        if ready:
            self._enter_order(encode_json(ready))
        if later:
            self._run(self.sql.settle["back_to_due"], numbers=encode_json(later))

    def _log_attempts(self, group: Sequence[Settlement]) -> None:
        rows = [
            (s.lease.number, s.lease.fence, s.event.name.lower(), s.error.code if s.error else None, s.internal)
            for s in group
            if s.error is not None or s.loss
        ]
        if rows:
            self._run(self.sql.settle["log_attempts"], rows=encode_json(rows), now=self.now)

    def _keep_late(self, refused: Sequence[Settlement]) -> None:
        rows = [
            (
                s.lease.number,
                s.lease.fence,
                "late",
                s.error.code if s.error else None,
                f"refused: {s.event.name.lower()}",
            )
            for s in refused
        ]
        self._run(self.sql.settle["log_attempts"], rows=encode_json(rows), now=self.now)

    def _end(self, numbers: str) -> None:
        """What every job that became final needs, however it did: its unique key is free, its hook has run."""
        self._run(self.sql.settle["end_live"], numbers=numbers)
        if not self.final_hooks:
            return
        found = self.query(self.sql.settle["final_jobs"], numbers=numbers, kinds=encode_json(list(self.final_hooks)))
        for row in found:
            run_hook(self, self.final_hooks[row[2]], row)

    def _leave_hooks(self, numbers: str) -> None:
        """The hooks this process does not have are left to one that has them; who completes a job has its hook."""
        self._run(self.sql.settle["leave_hooks"], numbers=numbers, kinds=encode_json(list(self.final_hooks)))
