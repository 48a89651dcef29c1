"""The writes of a Store, which are posted to the writer whatever the engine; its own store.py has the reads.

writer.py groups what is posted, operations.py has what each write does.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from jobwire.domain.job import NewJob, Receipt
from jobwire.domain.settlement import Lease, Settlement
from jobwire.store.contract import (
    CancelReply,
    Claim,
    ClaimRequest,
    HeldLease,
    ProgressReport,
    Settled,
    Transaction,
    Wake,
)
from jobwire.store.operations import OpenTransaction
from jobwire.store.pending import Pending
from jobwire.store.writer import Writer

T = TypeVar("T")


class PostingStore:
    """The half of a Store that is the same on every engine."""

    _writer: Writer

    def submit(self, jobs: Sequence[NewJob]) -> Pending[list[Receipt]]:
        """See Store.submit."""
        return self._writer.submit(jobs)

    def claim(self, request: ClaimRequest) -> Pending[list[Claim]]:
        """See Store.claim."""
        return self._writer.park(request)

    def withdraw(self, pending: Pending[list[Claim]]) -> None:
        """See Store.withdraw."""
        self._writer.withdraw(pending)

    def settle(self, settlements: Sequence[Settlement], claim: ClaimRequest | None = None) -> Pending[Settled]:
        """See Store.settle."""

        def apply(tx: OpenTransaction) -> Settled:
            settled = tx.settle(settlements)
            return settled if claim is None else Settled(settled.accepted, tx.claim(claim))

        return self._writer.post(apply)

    def heartbeat(
        self, worker: str, *, lease_ms: int, progress: Sequence[ProgressReport] = ()
    ) -> Pending[list[HeldLease]]:
        """See Store.heartbeat."""
        return self._writer.post(lambda tx: tx.heartbeat(worker, lease_ms=lease_ms, progress=progress))

    def retire(self, worker: str) -> Pending[None]:
        """See Store.retire."""
        return self._writer.post(lambda tx: tx.retire(worker))

    def rescue(self, limit: int = 100) -> Pending[int]:
        """See Store.rescue."""
        return self._writer.post(lambda tx: tx.rescue(limit))

    def promote(self, limit: int = 1_000) -> Pending[int | None]:
        """See Store.promote."""
        return self._writer.post(lambda tx: tx.promote(limit))

    def cancel(self, owner: int, numbers: Sequence[int]) -> Pending[list[CancelReply | None]]:
        """See Store.cancel."""
        return self._writer.post(lambda tx: tx.cancel(owner, numbers))

    def save_step(self, lease: Lease, *, name: str, output: str) -> Pending[bool]:
        """See Store.save_step."""
        return self._writer.post(lambda tx: tx.save_step(lease, name=name, output=output))

    def prune(self, before: int, limit: int = 1_000) -> Pending[int]:
        """See Store.prune."""
        return self._writer.post(lambda tx: tx.prune(before, limit))

    def write(self, work: Callable[[Transaction], T], *, lease: Lease | None = None) -> Pending[T]:
        """See Store.write."""

        def apply(tx: OpenTransaction) -> T:
            if lease is not None:
                tx.check_lease(lease)
            return work(tx)

        return self._writer.post(apply)

    def listen(self, wake: Callable[[Wake], None]) -> Callable[[], None]:
        """See Store.listen."""
        return self._writer.listen(wake)
