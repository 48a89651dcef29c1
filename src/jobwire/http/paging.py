"""One page of an owner's jobs: what the ledger finds, sifted by what it does not select by."""

from collections.abc import Mapping

from jobwire.dialects.parse import Page
from jobwire.domain.job import JobFilter, JobRow
from jobwire.domain.phases import Phase
from jobwire.domain.states import State
from jobwire.service.jobs import Jobs

FIND_MAX = 100
FIND_ROUNDS_MAX = 10

# The state that is stored of a job in each phase; domain/phases.py has the way back.
STATE_OF: Mapping[Phase, State] = {
    Phase.SCHEDULED: State.QUEUED,
    Phase.WAITING: State.QUEUED,
    Phase.RETRYING: State.QUEUED,
    Phase.RUNNING: State.RUNNING,
    Phase.CANCELLING: State.RUNNING,
    Phase.COMPLETED: State.COMPLETED,
    Phase.FAILED: State.FAILED,
    Phase.EXPIRED: State.FAILED,
    Phase.CANCELLED: State.CANCELLED,
}


async def find_page(
    jobs: Jobs, owner: int, page: Page, *, kinds: Mapping[str, str] | None
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


def _select(page: Page, *, before: int | None, limit: int) -> JobFilter:
    states = None if page.phases is None else tuple(sorted({int(STATE_OF[phase]) for phase in page.phases}))
    return JobFilter(
        kind=page.kind, states=states, tag=page.tag, created_after=page.created_after, before=before, limit=limit
    )


def _is_wanted(row: JobRow, page: Page, kinds: Mapping[str, str] | None) -> bool:
    return (page.phases is None or row.phase in page.phases) and (kinds is None or row.kind in kinds)
