"""One page of an owner's jobs: what the ledger finds, sifted by what it does not select by.

store/slices.py has the pages that begin at a number instead of below a job.
"""

from collections.abc import Collection

from jobwire.domain.job import JobFilter, JobRow, Page
from jobwire.domain.phases import STATE_OF
from jobwire.service.jobs import Jobs
from jobwire.store import slices
from jobwire.store.contract import Store

FIND_MAX = 100
FIND_ROUNDS_MAX = 10


async def find_page(
    jobs: Jobs, owner: int, page: Page, *, kinds: Collection[str] | None
) -> tuple[list[JobRow], int | None]:
    """The rows of a page, and the job number to go on below (None: there are no more).

    Phases are finer than the states the ledger selects by. After FIND_ROUNDS_MAX looks a page comes back short, with
    a place to go on, so that no call can walk through an owner's whole history.
    """
    rows: list[JobRow] = []
    before = page.before
    count = min(FIND_MAX, page.limit + 1)
    for _ in range(FIND_ROUNDS_MAX):
        found = await jobs.find(owner, _select(page, before=before, limit=count))
        rows += [row for row in found if _is_wanted(row, page, kinds)]
        if len(rows) > page.limit:
            return rows[: page.limit], rows[page.limit - 1].number
        if len(found) < count:
            return rows, None
        before = found[-1].number
    return rows, before


async def find_slice(
    store: Store, owner: int, page: Page, *, kinds: Collection[str] | None
) -> tuple[list[JobRow], int]:
    """The rows of a page that begins at a number, and how many jobs match in all (TOTAL_MAX if there are more)."""
    wanted = kinds if page.kind is None else [kind for kind in (page.kind,) if kinds is None or kind in kinds]
    numbers, total = await store.read(
        lambda reader: slices.find_slice(
            reader, owner, kinds=wanted, phases=page.phases, start=page.start or 0, limit=page.limit
        )
    )
    pending = [store.get(owner, number=number) for number in numbers]
    return [row for row in [await one for one in pending] if row is not None], total


def _select(page: Page, *, before: int | None, limit: int) -> JobFilter:
    states = None if page.phases is None else tuple(sorted({int(STATE_OF[phase]) for phase in page.phases}))
    return JobFilter(
        kind=page.kind,
        queue=page.queue,
        states=states,
        tag=page.tag,
        created_after=page.created_after,
        created_before=page.created_before,
        before=before,
        limit=limit,
    )


def _is_wanted(row: JobRow, page: Page, kinds: Collection[str] | None) -> bool:
    return (page.phases is None or row.phase in page.phases) and (kinds is None or row.kind in kinds)
