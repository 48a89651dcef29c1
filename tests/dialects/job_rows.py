"""Job rows of every phase, as the ledger gives them."""

from jobwire.domain.job import JobRow
from jobwire.domain.phases import Phase

AT = 1_930_000_000_089
KEY = "0" * 25 + "v"

WAITING = JobRow(
    number=7, key=KEY, owner=1, kind="echo", queue="default", priority=5, turn=1, attempts_max=5, deadline_at=None,
    tags=None, rerun_of=None, root=None, created_at=AT, state=0, reason=0, version=1, fence=0, attempt=0,
    cancel_requested_at=None, run_at=None, started_at=None, finalized_at=None, progress=None, output=None, error=None,
)  # fmt: skip
PROGRESS = '{"percent":62.4,"stage":"sort","done":5,"total":8,"message":"half"}'
ERROR = '{"code":"too_big","message":"It is \\"big\\"","retryable":true,"details":"{\\"limit\\":3}"}'
_ENDED = {"started_at": AT + 1_000, "finalized_at": AT + 2_000, "attempt": 1}

ROWS = {
    Phase.SCHEDULED: WAITING._replace(run_at=AT + 60_000),
    Phase.WAITING: WAITING,
    Phase.RETRYING: WAITING._replace(run_at=AT + 60_000, attempt=1, error=ERROR),
    Phase.RUNNING: WAITING._replace(state=1, attempt=1, started_at=AT + 1_000, progress=PROGRESS),
    Phase.CANCELLING: WAITING._replace(state=1, attempt=1, started_at=AT + 1_000, cancel_requested_at=AT + 1_500),
    Phase.COMPLETED: WAITING._replace(state=2, output='{"a":[1,"%s"]}', progress=PROGRESS, **_ENDED),
    Phase.FAILED: WAITING._replace(state=3, reason=1, error=ERROR, **_ENDED),
    Phase.CANCELLED: WAITING._replace(state=4, reason=5, **_ENDED),
    Phase.EXPIRED: WAITING._replace(state=3, reason=4, finalized_at=AT + 2_000, error=ERROR),
}
