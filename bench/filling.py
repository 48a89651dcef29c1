"""Fills a ledger with waiting jobs of many owners, through the store, so that its counters are right."""

import random
import time
from collections import deque
from collections.abc import Iterator, Sequence

from bench.orders import make_order
from bench.study import progress
from jobwire.domain.ids import make_key
from jobwire.domain.job import NewJob, Receipt
from jobwire.domain.settlement import Lease, Settlement
from jobwire.domain.states import Event, Reason, State
from jobwire.store.accounts import get_or_create_owner
from jobwire.store.contract import Claim
from jobwire.store.pending import Pending
from jobwire.wiring import House

GROUP = 2_000
OWNERS_A_GROUP = 10
# While one group is on its way to the disk the next is made.
UNDER_WAY_MAX = 2
KEY_BITS = 82
TELL_EVERY_JOBS = 500_000


def make_owners(house: House, names: Sequence[str]) -> list[int]:
    """The ids of owners, made if they are not there."""
    return house.store.write(lambda tx: [get_or_create_owner(tx, name).id for name in names]).result()


def make_jobs(house: House, owner: int, count: int) -> list[NewJob]:
    """New jobs of an owner: one is built and checked, the others are like it."""
    first = house.services.jobs.build(owner, "noop", make_order())
    now = time.time_ns() // 1_000_000
    return [first, *(first._replace(key=make_key(now, random.getrandbits(KEY_BITS))) for _ in range(count - 1))]


def fill(house: House, jobs: int, owners: Sequence[int]) -> None:
    """Submit `jobs` waiting jobs, the owners in turn with equal shares, 2,000 a commit."""
    under_way: deque[Pending[list[Receipt]]] = deque()
    done = 0
    for group in _make_groups(house, jobs, owners):
        under_way.append(house.store.submit(group))
        if len(under_way) > UNDER_WAY_MAX:
            under_way.popleft().result()
        done += len(group)
        if done % TELL_EVERY_JOBS < len(group):
            progress.print(f"[dim]{done:,} of {jobs:,} submitted[/dim]")
    for pending in under_way:
        pending.result()


def _make_groups(house: House, jobs: int, owners: Sequence[int]) -> Iterator[list[NewJob]]:
    share = max(1, GROUP // OWNERS_A_GROUP)
    turn, left = 0, jobs
    while left:
        group: list[NewJob] = []
        while left and len(group) < GROUP:
            count = min(share, left, GROUP - len(group))
            group += make_jobs(house, owners[turn % len(owners)], count)
            turn, left = turn + 1, left - count
        yield group


def make_settlements(claims: Sequence[Claim]) -> list[Settlement]:
    """What a worker says of jobs that went well."""
    return [
        Settlement(Lease(claim.number, claim.fence), Event.COMPLETED, State.COMPLETED, Reason.NONE, output="1")
        for claim in claims
    ]
