"""`python -m bench vacuum`: claims while 5,000 jobs a second flow, free and with a snapshot that pins every dead row.

A pinned snapshot (a forgotten transaction, a dump, a lagging replica) keeps PostgreSQL from removing what claims and
settlements leave behind. Submissions, claims and settlements of 100 jobs follow each other at a steady pace; the rate
of claiming is the jobs claimed over the seconds spent in claims, commit included.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain

import psycopg

from bench.databases import Databases, Site
from bench.filling import fill, make_jobs, make_owners, make_settlements
from bench.plot import Axis, Chart, Series
from bench.study import Finding, databases_of, make_parser, opened_house, percentile, progress, publish
from jobwire.store.contract import ClaimRequest
from jobwire.wiring import House

BATCH = 100
RATE = 5_000
SECONDS = 60
BACKLOG = 20_000
OWNERS = 20
# The last third tells: a pinned snapshot hurts more the longer it lasts.
TOLD_SHARE = 1 / 3
GOAL = 0.9


@dataclass(slots=True)
class Flow:
    """One run, second by second."""

    claimed: list[int] = field(default_factory=list)
    claim_s: list[list[float]] = field(default_factory=list)

    def rate_of(self, seconds: slice) -> float:
        """Jobs claimed for each second spent in claims."""
        return sum(self.claimed[seconds]) / sum(sum(taken) for taken in self.claim_s[seconds])

    @property
    def told(self) -> slice:
        """The seconds that the verdict rests on."""
        return slice(-max(1, int(len(self.claimed) * TOLD_SHARE)), None)


def main(words: list[str]) -> int:
    """Measure and show; the exit code."""
    parser = make_parser("vacuum", "Claims while jobs flow, free and with a pinned snapshot (PostgreSQL only).")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"length of each of the two runs ({SECONDS})")
    options = parser.parse_args(words)
    if options.seconds < 1:
        parser.error(f"--seconds must be at least 1, got {options.seconds}")
    options.engine = ["postgres"]
    with databases_of(options) as databases:
        flows = {name: _flow(databases, options.seconds, is_pinned=name == "pinned") for name in ("free", "pinned")}
        ratio = flows["pinned"].rate_of(flows["pinned"].told) / flows["free"].rate_of(flows["free"].told)
        word = "reached" if ratio >= GOAL else "missed"
        finding = Finding(
            "vacuum",
            f"Claims of {BATCH} while {RATE:,} jobs a second flow, over {options.seconds} s",
            *_tabulate(flows),
            {name: _list_seconds(flow) for name, flow in flows.items()},
            [f"{word}: in the last third claims beside a pinned snapshot are at least {GOAL} x free: {ratio:.2f}"],
        )
        return publish(finding, [_draw(flows)], options=options, databases=databases, words=words)


def _flow(databases: Databases, seconds: int, *, is_pinned: bool) -> Flow:
    flow = Flow()
    with opened_house(databases, "postgres") as (site, house):
        owners = make_owners(house, [f"owner-{number}" for number in range(OWNERS)])
        fill(house, BACKLOG, owners)
        with _pinned(site) if is_pinned else _free():
            began = time.monotonic()
            for second in range(seconds):
                _run_second(house, owners, flow, until=began + second + 1)
                p50_ms = percentile(flow.claim_s[-1], 0.5) * 1000
                progress.print(
                    f"[dim]{'pinned' if is_pinned else 'free'} {second + 1}/{seconds}[/dim]  "
                    f"{flow.claimed[-1]:,} jobs, claim p50 {p50_ms:.2f} ms"
                )
    return flow


def _run_second(house: House, owners: Sequence[int], flow: Flow, *, until: float) -> None:
    """A second's share of the flow; what does not fit into the second is left out and shows as a lower flow."""
    claimed, taken = 0, []
    began = until - 1
    for number in range(RATE // BATCH):
        time.sleep(max(0.0, began + number * BATCH / RATE - time.monotonic()))
        house.store.submit(make_jobs(house, owners[number % len(owners)], BATCH)).result()
        before = time.perf_counter()
        claims = house.store.claim(ClaimRequest("bench", "default", BATCH)).result()
        taken.append(time.perf_counter() - before)
        claimed += len(claims)
        house.store.settle(make_settlements(claims)).result()
        if time.monotonic() > until:
            break
    flow.claimed.append(claimed)
    flow.claim_s.append(taken)


@contextmanager
def _pinned(site: Site) -> Iterator[None]:
    """A transaction that holds the oldest snapshot of the database until the end."""
    with psycopg.connect(site.address) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT count(*) FROM job")
        yield


@contextmanager
def _free() -> Iterator[None]:
    yield


def _tabulate(flows: dict[str, Flow]) -> tuple[list[str], list[list[str]]]:
    header = [
        "snapshot",
        "claimed/s of claiming",
        "… in the last third",
        "claim p50 ms, first → last third",
        "flow, jobs/s",
    ]
    rows = []
    for name, flow in flows.items():
        first = slice(0, len(flow.claimed[flow.told]))
        p50_ms = [
            percentile(list(chain.from_iterable(flow.claim_s[part])), 0.5) * 1000 for part in (first, flow.told)
        ]
        rates = [f"{flow.rate_of(part):,.0f}" for part in (slice(None), flow.told)]
        rows.append(
            [name, *rates, f"{p50_ms[0]:.2f} → {p50_ms[1]:.2f}", f"{sum(flow.claimed) / len(flow.claimed):,.0f}"]
        )
    return header, rows


def _list_seconds(flow: Flow) -> list[dict[str, float]]:
    return [
        {"second": second, "jobs": claimed, "claim p50 ms": percentile(taken, 0.5) * 1000}
        for second, (claimed, taken) in enumerate(zip(flow.claimed, flow.claim_s, strict=True), 1)
    ]


def _draw(flows: dict[str, Flow]) -> Chart:
    series = [
        Series(name, [(row["second"], row["claim p50 ms"]) for row in _list_seconds(flow)])
        for name, flow in flows.items()
    ]
    return Chart(
        f"A claim of {BATCH} while {RATE:,} jobs a second flow", Axis("seconds"), Axis("claim p50, ms"), series
    )
