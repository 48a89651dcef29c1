"""Pages of an owner's jobs that begin at a number, and their total, as portable SQL."""

from collections.abc import Collection, Mapping
from typing import Any

from jobwire.domain.job import TOTAL_MAX
from jobwire.domain.phases import Phase
from jobwire.domain.states import Reason, State
from jobwire.store.contract import Reader

_EXPIRED = int(Reason.EXPIRED)
_PHASES: Mapping[Phase, str] = {
    Phase.SCHEDULED: f"s.state = {int(State.QUEUED)} AND s.run_at IS NOT NULL AND s.attempt = 0",
    Phase.WAITING: f"s.state = {int(State.QUEUED)} AND s.run_at IS NULL",
    Phase.RETRYING: f"s.state = {int(State.QUEUED)} AND s.run_at IS NOT NULL AND s.attempt > 0",
    Phase.RUNNING: f"s.state = {int(State.RUNNING)} AND s.cancel_requested_at IS NULL",
    Phase.CANCELLING: f"s.state = {int(State.RUNNING)} AND s.cancel_requested_at IS NOT NULL",
    Phase.COMPLETED: f"s.state = {int(State.COMPLETED)}",
    Phase.FAILED: f"s.state = {int(State.FAILED)} AND s.reason <> {_EXPIRED}",
    Phase.EXPIRED: f"s.state = {int(State.FAILED)} AND s.reason = {_EXPIRED}",
    Phase.CANCELLED: f"s.state = {int(State.CANCELLED)}",
}
"""The stored state of each phase, as domain.phases.phase_of reads it."""


def find_slice(
    reader: Reader,
    owner: int,
    *,
    kinds: Collection[str] | None,
    phases: Collection[Phase] | None,
    start: int,
    limit: int,
) -> tuple[list[int], int]:
    """The numbers of the owner's jobs behind the `start` newest, and how many there are, counted up to TOTAL_MAX.

    None of `kinds` or `phases` means any.
    """
    named: dict[str, Any] = {"owner": owner}
    where = ["j.owner = :owner"]
    if kinds is not None:
        names = {f"kind_{place}": kind for place, kind in enumerate(kinds)}
        named.update(names)
        where.append(f"j.kind IN ({', '.join(f':{name}' for name in names)})" if names else "1 = 0")
    if phases is not None:
        where.append(f"({' OR '.join(_PHASES[phase] for phase in sorted(phases)) or '1 = 0'})")
    found = f"SELECT j.number FROM job j JOIN state s ON s.number = j.number WHERE {' AND '.join(where)}"  # noqa: S608
    page = f"{found} ORDER BY j.number DESC LIMIT :limit OFFSET :start"
    numbers = [int(number) for (number,) in reader.query(page, limit=limit, start=start, **named)]
    counted = f"SELECT COUNT(*) FROM ({found} LIMIT :most) AS found"  # noqa: S608
    return numbers, int(reader.query(counted, most=TOTAL_MAX, **named)[0][0])
