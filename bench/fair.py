"""`python -m bench fair`: one owner with a million jobs waiting, then a thousand newcomers with ten each.

When does each newcomer's first and last job start, in rounds? A round is one job of every owner that waits: with
equal weights a newcomer starts within one, whatever the other's backlog; first come, first served would make it wait
for the whole million.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bench.children import Failed
from bench.databases import SHOWN, Databases, Engine
from bench.filling import fill, make_jobs, make_owners, make_settlements
from bench.plot import Axis, Chart, Series
from bench.study import ENGINES, Finding, databases_of, make_parser, opened_house, percentile, progress, publish
from jobwire.store.contract import ClaimRequest

FLOOD = 1_000_000
NEWCOMERS = 1_000
JOBS_EACH = 10
BATCH = 100
# The flood has been served for a while when the newcomers come.
SERVED_BEFORE = 1_000
ROUNDS_GOAL = 1.0
CURVE_POINTS = 60


@dataclass(frozen=True, slots=True)
class Starts:
    """For each newcomer, after how many claimed jobs its first and last job started, and after how many seconds."""

    firsts: Sequence[int]
    lasts: Sequence[int]
    firsts_s: Sequence[float]
    newcomers: int

    @property
    def round_jobs(self) -> int:
        """Jobs of a round: one of each newcomer and one of the flood."""
        return self.newcomers + 1


def main(words: list[str]) -> int:
    """Measure and show; the exit code."""
    parser = make_parser("fair", "When newcomers start beside one owner's flood.")
    parser.add_argument("--flood", type=int, default=FLOOD, help=f"jobs of the one owner ({FLOOD:,})")
    parser.add_argument("--newcomers", type=int, default=NEWCOMERS, help=f"owners that come later ({NEWCOMERS:,})")
    options = parser.parse_args(words)
    least = SERVED_BEFORE + 2 * JOBS_EACH * (options.newcomers + 1)
    if options.newcomers < 1 or options.flood < least:
        parser.error(f"--newcomers must be at least 1 and --flood at least {least:,} then, got {options.flood:,}")
    with databases_of(options) as databases:
        starts = {
            engine: _run(databases, engine, flood=options.flood, newcomers=options.newcomers)
            for engine in options.engine or ENGINES
        }
        finding = Finding(
            "fair",
            f"{options.newcomers:,} newcomers with {JOBS_EACH} jobs each beside one owner's {options.flood:,}",
            *_tabulate(starts),
            {engine: _list_newcomers(one) for engine, one in starts.items()},
            _judge(starts),
        )
        return publish(finding, [_draw(starts)], options=options, databases=databases, words=words)


def _run(databases: Databases, engine: Engine, *, flood: int, newcomers: int) -> Starts:
    with opened_house(databases, engine) as (_, house):
        crowd, *small = make_owners(house, ["flood", *(f"newcomer-{number}" for number in range(newcomers))])
        fill(house, flood, [crowd])
        request = ClaimRequest("bench", "default", BATCH)
        for _ in range(SERVED_BEFORE // BATCH):
            house.store.settle(make_settlements(house.store.claim(request).result())).result()
        came_at = time.monotonic()
        for pending in [house.store.submit(make_jobs(house, owner, JOBS_EACH)) for owner in small]:
            pending.result()
        served: dict[int, list[int]] = defaultdict(list)
        first_s: dict[int, float] = {}
        claimed = 0
        while sum(map(len, served.values())) < newcomers * JOBS_EACH:
            claims = house.store.claim(request).result()
            now_s = time.monotonic() - came_at
            for claim in claims:
                claimed += 1
                if claim.owner != crowd:
                    served[claim.owner].append(claimed)
                    first_s.setdefault(claim.owner, now_s)
            house.store.settle(make_settlements(claims)).result()
            if claimed > flood:
                raise Failed(f"the newcomers were not served within {flood:,} jobs")
        progress.print(f"[dim]{SHOWN[engine]}[/dim]  all newcomers served within {claimed:,} claimed jobs")
        return Starts(
            sorted(numbers[0] for numbers in served.values()),
            sorted(numbers[-1] for numbers in served.values()),
            sorted(first_s.values()),
            newcomers,
        )


def _tabulate(starts: dict[Engine, Starts]) -> tuple[list[str], list[list[str]]]:
    header = ["", "first job, rounds p50 / max", f"job {JOBS_EACH}, rounds p50 / max", "first job, seconds p50 / max"]
    rows = [
        [
            SHOWN[engine],
            *(
                f"{percentile(numbers, 0.5) / one.round_jobs:.2f} / {numbers[-1] / one.round_jobs:.2f}"
                for numbers in (one.firsts, one.lasts)
            ),
            f"{percentile(one.firsts_s, 0.5):.2f} / {one.firsts_s[-1]:.2f}",
        ]
        for engine, one in starts.items()
    ]
    return header, rows


def _judge(starts: dict[Engine, Starts]) -> list[str]:
    verdicts = []
    for engine, one in starts.items():
        # The batch that was under way when they came belongs to nobody's round.
        reached = (one.firsts[-1] - 1) / one.round_jobs
        word = "reached" if reached <= ROUNDS_GOAL else "missed"
        verdicts.append(f"{word}: {SHOWN[engine]}, every newcomer starts within {ROUNDS_GOAL:g} round: {reached:.2f}")
    return verdicts


def _list_newcomers(starts: Starts) -> list[dict[str, float]]:
    return [
        {"first": first, "last": last, "first_s": first_s}
        for first, last, first_s in zip(starts.firsts, starts.lasts, starts.firsts_s, strict=True)
    ]


def _draw(starts: dict[Engine, Starts]) -> Chart:
    series = []
    for engine, one in starts.items():
        for what, numbers in (("first job", one.firsts), (f"job {JOBS_EACH}", one.lasts)):
            step = max(1, len(numbers) // CURVE_POINTS)
            curve = [(number / one.round_jobs, float(index)) for index, number in enumerate(numbers, 1)]
            series.append(Series(f"{SHOWN[engine]}, {what}", [(0.0, 0.0), *curve[::step], curve[-1]]))
    return Chart("Newcomers served beside the flood", Axis("rounds since they came"), Axis("newcomers"), series)
