"""The Store: what the ledger promises, whatever database keeps it: sqlite/ for one machine, postgres/ for many.

Every method is non-blocking and thread-safe and returns a Pending: `await` it in a coroutine, call `.result()`
elsewhere (pending.py). A write's Pending is fulfilled after its commit has reached the disk. Statements take their
time from the store's clock; a test passes its own. Anything whose guard does not hold changes nothing.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from jobwire.domain.caps import Cap
from jobwire.domain.job import JobFilter, JobRow, NewJob, Receipt
from jobwire.domain.settlement import Lease, Settlement
from jobwire.domain.states import State
from jobwire.store.pending import Pending
from jobwire.store.statements import SqlTexts

T = TypeVar("T")

NO_LAST = 2**63 - 1


class Claim(NamedTuple):
    """One claimed job in a worker's hands; `input` is JSON text; only a fence above 1 can have completed steps.

    `progress` is the JSON text of what the attempts before reported last."""

    number: int
    fence: int
    key: str
    owner: int
    kind: str
    attempt: int
    attempts_max: int
    losses: int
    created_at: int
    input: str
    progress: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """Ask for up to `limit` jobs of `queue` in their order, leased to `worker`."""

    worker: str
    queue: str
    limit: int

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"a claim asks for at least 1 job, got {self.limit}")


class HeldLease(NamedTuple):
    """A lease as the ledger sees it: the worker stops what is not in the list and cancels what says so."""

    number: int
    fence: int
    cancel_requested: int


class ProgressReport(NamedTuple):
    """Progress of one attempt; `progress` is JSON text; ignored unless the fence is current."""

    number: int
    fence: int
    progress: str


class Settled(NamedTuple):
    """What a settle came to: the numbers accepted (the others' leases were lost) and the next claims.

    A number settled twice in one call, by a worker that lost the job and got it back, means the later lease.
    """

    accepted: list[int]
    claims: list[Claim]


@dataclass(frozen=True, slots=True)
class CancelReply:
    """What a cancel came to: the state found, and whether this call changed anything."""

    state: State
    changed: bool


class Place(NamedTuple):
    """Where a waiting job stands: how many come first, and the word of the cap that holds it back, if one does."""

    position: int
    blocked_by: str | None


class EventRow(NamedTuple):
    """One entry of the event log; `event` is a domain Event, `version` the job's version after it."""

    no: int
    at: int
    event: int
    number: int
    version: int


class AttemptRow(NamedTuple):
    """One entry of a job's attempt log, for operators: how an attempt ended and the internal error text."""

    fence: int
    attempt: int
    at: int
    event: str
    code: str | None
    internal: str


class OwnerRow(NamedTuple):
    """A customer account; `disabled_systems` is a JSON array of system names."""

    id: int
    name: str
    is_suspended: int
    weight: int
    disabled_systems: str
    created_at: int


class KeyRow(NamedTuple):
    """An API key without its secret; `scopes` is a JSON array; `secret_hash` is SHA-256 in hex, of the secret or, for
    a key that has the form of a JWT, of all of it; `last_used_at` is up to a minute behind."""

    id: str
    owner: int
    secret_hash: str
    scopes: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None = None


@dataclass(frozen=True, slots=True)
class Wake:
    """Something changed: in these queues work became ready; `changed` says that some job's state moved."""

    queues: frozenset[str]
    changed: bool


class Rows(Protocol):
    """What answers portable statements; `sql` names its parameters `:name`."""

    def query(self, sql: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """All rows of a statement."""


class Reader(Rows, Protocol):
    """A snapshot of the ledger, also for a system's own tables."""

    @property
    def sql(self) -> SqlTexts:
        """The statements in which the engine differs from others."""


class Transaction(Reader, Protocol):
    """One open transaction: everything done through it commits together or not at all."""

    now: int

    def execute(self, sql: str, /, **params: Any) -> int:
        """Run a statement; returns the number of rows it changed."""

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], /, **shared: Any) -> None:
        """Insert many rows in one statement: texts, numbers, nulls for `columns`, the same `shared` for all.

        On SQLite 3 µs a row of 14 columns; as values of their own, whose names it looks up, they take 13."""

    def find(
        self, table: str, columns: Sequence[str], key: str, values: Sequence[str], /, **shared: Any
    ) -> list[tuple[Any, ...]]:
        """The rows whose text column `key` has one of the values and whose other columns are as `shared` says.

        On SQLite 0.7 µs a value; 25 at a time as parameters, whose names it looks up, they take 1.3."""

    def attempt(self, work: Callable[[], T]) -> tuple[T | None, Exception | None]:
        """Runs `work`; if it fails, gives its error, and nothing that it wrote stays. Raises only where the whole
        transaction is over."""

    def submit(self, jobs: Sequence[NewJob]) -> list[Receipt]:
        """Submit jobs as `Store.submit` does, inside this transaction."""

    def cancel(self, owner: int, numbers: Sequence[int]) -> list[CancelReply | None]:
        """Cancel jobs as `Store.cancel` does, inside this transaction."""

    def place(self, number: int) -> Place:
        """Where a job stands, or will when it is due, as this transaction has left its queue's order."""

    def set_cap(self, cap: Cap) -> None:
        """No claim goes over the cap from now on; what runs already counts, and is not stopped."""

    def drop_cap(self, scope: str, name: str) -> None:
        """The cap holds nothing back any more."""


class Store(Protocol):
    """The durable ledger: at most 25 methods, each docstring a guarantee."""

    engine: ClassVar[str]
    """The package below `store` that speaks to the database."""

    def submit(self, jobs: Sequence[NewJob]) -> Pending[list[Receipt]]:
        """G1, G2: every job is on disk with its keys, or none is; a known key gives the job it named before."""

    def claim(self, request: ClaimRequest) -> Pending[list[Claim]]:
        """Each ready job goes to exactly one claim, in the order (priority, turn, number), with a fence that only
        grows; a job that would go over a cap is passed over and keeps its place. Waits (parked) until the queue has
        work; `withdraw` ends the wait with an empty list. A submission that finds a parked claim is claimed in its
        own commit."""

    def withdraw(self, pending: Pending[list[Claim]]) -> None:
        """Fulfils a parked claim with an empty list; a claim already served is served as it is."""

    def settle(self, settlements: Sequence[Settlement], claim: ClaimRequest | None = None) -> Pending[Settled]:
        """G5: applies each decision whose fence is current and refuses the others, keeping them as a diagnostic;
        then claims without waiting, in the same commit."""

    def heartbeat(
        self, worker: str, *, lease_ms: int, progress: Sequence[ProgressReport] = ()
    ) -> Pending[list[HeldLease]]:
        """Renews all leases of the worker for `lease_ms`, writes progress under the fence, and tells which leases
        the ledger still sees."""

    def retire(self, worker: str) -> Pending[None]:
        """Ends the worker's leases now instead of at their expiry; what it still held is rescued."""

    def rescue(self, limit: int = 100) -> Pending[int]:
        """G8: takes back up to `limit` jobs whose worker's lease has expired; returns how many."""

    def promote(self, limit: int = 1_000) -> Pending[int | None]:
        """Moves due jobs into their order, expires those past their deadline and lets go what a rate no longer holds;
        returns when the next is due."""

    def cancel(self, owner: int, numbers: Sequence[int]) -> Pending[list[CancelReply | None]]:
        """G7: a waiting job is cancelled at once, a running one is asked to stop; None for another owner's job."""

    def save_step(self, lease: Lease, *, name: str, output: str) -> Pending[bool]:
        """Keeps the output of a completed step under the fence; False if the lease was lost."""

    def steps(self, number: int) -> Pending[dict[str, str]]:
        """The outputs of the job's completed steps by name."""

    def write(self, work: Callable[[Transaction], T], *, lease: Lease | None = None) -> Pending[T]:
        """Runs `work` in one transaction; with a `lease`, only while it is current (else LeaseLost)."""

    def read(self, work: Callable[[Reader], T]) -> Pending[T]:
        """Runs `work` on one snapshot; it must be short (250 ms at most)."""

    def get(self, owner: int, *, key: str | None = None, number: int | None = None) -> Pending[JobRow | None]:
        """G11: the owner's job by key or number, as of the last commit; None if absent or another owner's."""

    def serve_polls(self, loop: AbstractEventLoop) -> Callable[[], None]:
        """Answers each `get` that is asked on this loop on the loop itself, where the engine would else ask a thread.
        Returns the function that ends it, to be called on the loop too."""

    def find(self, owner: int, jobs: JobFilter) -> Pending[list[JobRow]]:
        """The owner's jobs that match, newest first, without counting."""

    def position(self, row: JobRow) -> Pending[Place]:
        """G9: how many jobs stand before this one in its queue's order, in one snapshot, whatever their number."""

    def input_of(self, number: int) -> Pending[str]:
        """The input of a job as JSON text."""

    def events(
        self, after: int, *, number: int | None = None, limit: int = 1_000, until: int = NO_LAST
    ) -> Pending[list[EventRow]]:
        """G12: the event log after entry `after`, in commit order, of one job (up to entry `until`) or of all."""

    def attempts(self, number: int) -> Pending[list[AttemptRow]]:
        """The attempt log of a job, oldest first: failures, losses and refused late results."""

    def fold(self, limit: int = 10_000) -> Pending[int]:
        """Folds counters, which no answer depends on; safe to run in every process; returns how many it folded."""

    def prune(self, before: int, limit: int = 1_000) -> Pending[int]:
        """Deletes up to `limit` jobs that were final before time `before`; returns how many."""

    def listen(self, wake: Callable[[Wake], None]) -> Callable[[], None]:
        """Calls `wake` after each commit that made work ready or moved a job, also one of another process, soon
        but without promise: polling is the guarantee. Returns the function that ends it."""

    def close(self) -> None:
        """Commits what was posted before, refuses what comes after, and closes every connection."""


class LeaseLost(Exception):  # noqa: N818 - states a fact, carries no blame
    """The attempt's lease is no longer current: stop, discard, never tell the customer."""
