"""What is posted to the writer: writes, claims that wait for work, their withdrawals, and news of other processes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobwire.domain.job import NewJob
from jobwire.store.contract import Claim, ClaimRequest
from jobwire.store.operations import OpenTransaction
from jobwire.store.pending import Pending
from jobwire.store.transaction import refuse_closed


@dataclass(slots=True)
class Write:
    """One posted operation and its answer; `jobs` when it is a submission, which may share a batch with others."""

    apply: Callable[[OpenTransaction], Any]
    pending: Pending[Any] = field(default_factory=Pending)
    jobs: Sequence[NewJob] | None = None


@dataclass(slots=True)
class Parked:
    """A claim that waits for work."""

    request: ClaimRequest
    pending: Pending[list[Claim]]


@dataclass(slots=True)
class Withdrawal:
    """A parked claim that is to wait no longer; needs no transaction, so that no outage can hold it up."""

    pending: Pending[list[Claim]]


@dataclass(frozen=True, slots=True)
class Foreign:
    """What another process has committed; `changed` as in Wake, None in `queues` stands for any."""

    queues: frozenset[str] | None
    changed: bool


Answer = tuple[Pending[Any], Any, BaseException | None]
Served = list[tuple[Parked, list[Claim]]]
Item = Write | Parked | Withdrawal | Foreign


def refuse(item: Item | None) -> None:
    """Tell whoever posted this that the ledger is closed."""
    if isinstance(item, Write | Parked):
        item.pending.fail(refuse_closed())


def fail_all(writes: Sequence[Write], refusal: BaseException) -> None:
    """Give every write this error as its answer."""
    for write in writes:
        write.pending.fail(refusal)


def join_submissions(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """The writes in their order, submissions that follow each other together."""
    beside: list[Write] = []
    for write in writes:
        if write.jobs is not None:
            beside.append(write)
            continue
        if beside:
            yield beside
            beside = []
        yield [write]
    if beside:
        yield beside
