"""When a job will start and end, as its customer is told. domain/estimate.py has how that is found out.

What it stands on is read for all polls together: slots once a second, run times every five, as often as workers write
them. An estimate itself costs no statement.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from jobwire.domain.estimate import (
    Estimate,
    Forecast,
    Span,
    estimate_running,
    estimate_waiting,
    rehearse_queue,
    retry_after_s,
)
from jobwire.domain.job import JobRow
from jobwire.domain.run_times import RunTimes, Tally, fade_runs
from jobwire.domain.states import State
from jobwire.store.contract import Place, Reader, Store
from jobwire.store.estimates import PERIOD_MS, PERIODS_MAX, RunRow, read_running, read_runs, read_slots
from jobwire.store.pending import Pending

SLOTS_MS = 1_000
RUNS_MS = 5_000
RUNS_KNOWN_MIN = 5
GOLDEN_RATIO = 0.618033988749895

AT_ONCE = Span(0.0, 0.0)
_NO_RUNS = RunTimes({})


@dataclass(frozen=True, slots=True)
class _Period:
    """The runs of four hours: for each queue all that held a slot, for each kind the completed ones."""

    queues: Mapping[str, RunTimes]
    kinds: Mapping[str, RunTimes]


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read last, and what was made of it since; replaced as a whole, so that any thread may look."""

    slots_at: int
    runs_at: int
    slots: Mapping[str, int]
    running: Mapping[str, int]
    periods: Mapping[int, _Period]
    completed: dict[str, RunTimes] = field(default_factory=dict)
    forecasts: dict[tuple[str, int], Forecast | None] = field(default_factory=dict)

    def find_completed(self, kind: str) -> RunTimes:
        """The recent completed runs of a kind; none where they are too few to tell anything."""
        if kind not in self.completed:
            parts = {number: period.kinds[kind] for number, period in self.periods.items() if kind in period.kinds}
            self.completed[kind] = fade_runs(parts) if _count(parts) >= RUNS_KNOWN_MIN else _NO_RUNS
        return self.completed[kind]

    def find_forecast(self, queue: str) -> Forecast | None:
        """The forecast of a queue; None without live slots or where too few runs are known."""
        slots = self.slots.get(queue, 0)
        if (queue, slots) not in self.forecasts:
            parts = {
                number: period.queues[queue] for number, period in self.periods.items() if queue in period.queues
            }
            count = _count(parts)
            runs = fade_runs(parts) if count >= RUNS_KNOWN_MIN else _NO_RUNS
            self.forecasts[queue, slots] = rehearse_queue(runs, slots, runs_known=count)
        return self.forecasts[queue, slots]


class Estimates:
    """Estimates over one ledger; thread-safe. `clock` gives Unix milliseconds."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._known = _Known(-SLOTS_MS, -RUNS_MS, {}, {}, {})
        self._reading: Pending[None] | None = None

    async def find(self, row: JobRow, place: Place | None) -> Estimate | None:
        """The estimate for a queued or running job, from facts at most a second old.

        `place` is where a queued job stands, or will when it is due. None when nothing honest can be said: no worker
        of its queue is alive, fewer than five runs are known, a cap holds the job back, or it has been running longer
        than any before it.
        """
        now = self._clock()
        if not self._is_fresh(now):
            reading = self._reading
            if reading is None or reading.is_done:
                reading = self._reading = self._store.read(self.refresh)
            await reading
        known = self._known
        runs = known.find_completed(row.kind)
        if row.state == State.RUNNING:
            return None if row.started_at is None else estimate_running(runs, for_ms=max(0, now - row.started_at))
        if place is None or place.blocked_by is not None:
            return None
        # Who has waited longer than the slots were last looked at found none free.
        is_new = now - row.created_at < SLOTS_MS
        running = known.running.get(row.queue, 0) if is_new else known.slots.get(row.queue, 0)
        start = self.find_start(row.queue, place.position, running=running)
        delay_ms = 0 if row.run_at is None else max(0, row.run_at - now)
        return None if start is None else estimate_waiting(start, delay_ms=delay_ms, runs=runs)

    def retry_after_s(self, row: JobRow, estimate: Estimate | None, *, least_s: int) -> int:
        """When whoever polls the live job should ask again; the same for the same job at the same moment."""
        now, is_running = self._clock(), row.state == State.RUNNING
        since = row.started_at if is_running and row.started_at is not None else row.created_at
        return retry_after_s(
            estimate,
            age_ms=max(0, now - since),
            is_running=is_running,
            due_in_ms=0 if row.run_at is None else max(0, row.run_at - now),
            # Jobs that were submitted one after the other are spread evenly.
            spread=row.number * GOLDEN_RATIO % 1,
            least_s=least_s,
        )

    def find_start(self, queue: str, position: int, *, running: int) -> Span | None:
        """When a job starts at that position of a queue where so many run; None when that is not known."""
        known = self._known
        if position < known.slots.get(queue, 0) - running:
            return AT_ONCE
        forecast = known.find_forecast(queue)
        return None if forecast is None else forecast.start(position)

    def refresh(self, reader: Reader) -> None:
        """Read again what is older than a second."""
        now, known = self._clock(), self._known
        if self._is_fresh(now):
            return
        slots, running = read_slots(reader, now), read_running(reader)
        if 0 <= now - known.runs_at < RUNS_MS:
            runs_at, found = known.runs_at, {}
        else:
            # Only the newest periods still change; what is older was read before.
            first = max(now // PERIOD_MS - PERIODS_MAX + 1, max(known.periods, default=0) - 1)
            runs_at, found = now, _gather(read_runs(reader, first))
        if all(known.periods.get(number) == period for number, period in found.items()):
            self._known = _Known(now, runs_at, slots, running, known.periods, known.completed, known.forecasts)
            return
        oldest = now // PERIOD_MS - PERIODS_MAX
        periods = {number: period for number, period in {**known.periods, **found}.items() if number > oldest}
        self._known = _Known(now, runs_at, slots, running, periods)

    def _is_fresh(self, now: int) -> bool:
        return 0 <= now - self._known.slots_at < SLOTS_MS


def _gather(rows: Iterable[RunRow]) -> dict[int, _Period]:
    queues: _Tallies = defaultdict(lambda: defaultdict(dict))
    kinds: _Tallies = defaultdict(lambda: defaultdict(dict))
    for period, queue, kind, is_completed, bucket, runs, total_us in rows:
        wanted = (queues[period][queue], kinds[period][kind]) if is_completed else (queues[period][queue],)
        for tallies in wanted:
            before = tallies.get(bucket)
            added = Tally(runs, total_us)
            tallies[bucket] = added if before is None else Tally(before.runs + runs, before.total_us + total_us)
    return {number: _Period(_close(queues[number]), _close(kinds[number])) for number in queues}


_Tallies = defaultdict[int, defaultdict[str, dict[int, Tally]]]


def _close(tallies: Mapping[str, Mapping[int, Tally]]) -> dict[str, RunTimes]:
    return {name: RunTimes(buckets) for name, buckets in tallies.items()}


def _count(parts: Mapping[int, RunTimes]) -> int:
    return sum(part.total for part in parts.values())
