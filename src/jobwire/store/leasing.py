"""Leases: claim, renew, retire, rescue, and what may be written under a fence."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import msgspec

from jobwire.domain.order import count_leaves
from jobwire.domain.settlement import AttemptFacts, Lease, settle_loss
from jobwire.domain.states import Event
from jobwire.store.contract import Claim, ClaimRequest, HeldLease, LeaseLost, ProgressReport
from jobwire.store.settling import Settling
from jobwire.store.transaction import encode_json

_decode_claims = msgspec.json.Decoder(list[Claim]).decode
_decode_leases = msgspec.json.Decoder(list[HeldLease]).decode


class Leasing(Settling):
    """See Store.claim, heartbeat, retire, rescue and save_step."""

    def claim(self, request: ClaimRequest) -> list[Claim]:
        """T3: takes the first jobs in order that no cap holds back, grows their fences and leases them."""
        spots, permits = self._admit(request.queue, request.limit)
        if not spots:
            return []
        numbers = encode_json([number for *_, number in spots])
        self._run(self.sql.claim["start"], now=self.now, numbers=numbers)
        self._run(self.sql.claim["lease"], worker=request.worker, numbers=numbers)
        self._take_permits(permits)
        for priority, lane in groupby(spots, itemgetter(0)):
            turns = [turn for _, turn, _ in lane]
            self._run(self.sql.claim["move_lane"], queue=request.queue, priority=priority, turn=turns[-1])
            self._count(request.queue, priority, {leaf: -n for leaf, n in count_leaves(turns).items()})
        self._log(Event.CLAIMED, numbers)
        return _decode_claims(self._one(self.sql.claim["claimed"], numbers=numbers)[0])

    def heartbeat(self, worker: str, *, lease_ms: int, progress: Sequence[ProgressReport]) -> list[HeldLease]:
        """T4: renews the worker's leases and writes progress under the fence."""
        self._run(self.sql.heartbeat["renew"], worker=worker, expires_at=self.now + lease_ms)
        if progress:
            # One report an attempt, so that the version grows by one with its event.
            rows = encode_json(list({(report.number, report.fence): report for report in progress}.values()))
            numbers = self._one(self.sql.heartbeat["progressed"], rows=rows)[0]
            if numbers != "[]":
                self._run(self.sql.heartbeat["progress"], rows=rows)
                self._log(Event.PROGRESSED, numbers)
        return _decode_leases(self._one(self.sql.heartbeat["held"], worker=worker)[0])

    def retire(self, worker: str) -> None:
        """Ends the worker's leases."""
        self._run(self.sql.heartbeat["retire"], worker=worker)

    def rescue(self, limit: int) -> int:
        """T8, T11: takes back jobs whose worker's lease has expired, as the domain decides."""
        settlements = [
            settle_loss(
                Lease(number, fence),
                facts=AttemptFacts(attempt, attempts_max, losses, cancel_requested=bool(cancel_requested)),
            )
            for number, fence, attempt, attempts_max, losses, cancel_requested in self.query(
                self.sql.rescue["expired"], now=self.now, limit=limit
            )
        ]
        if settlements:
            self.settle(settlements)
        self._run(self.sql.heartbeat["forget_workers"], now=self.now)
        return len(settlements)

    def save_step(self, lease: Lease, *, name: str, output: str) -> bool:
        """Keeps a step's output under the fence."""
        params = {"number": lease.number, "fence": lease.fence, "name": name, "output": output, "now": self.now}
        return self.execute(self.sql.get["save_step"], **params) == 1

    def check_lease(self, lease: Lease) -> None:
        """Raises LeaseLost unless the fence is current."""
        if self._one(self.sql.get["holds"], number=lease.number, fence=lease.fence) is None:
            raise LeaseLost(f"job {lease.number} is no longer leased with fence {lease.fence}")
