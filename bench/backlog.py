"""`python -m bench backlog`: what a claim and a position cost with 10 k to 10 M jobs waiting.

The jobs belong to a thousand owners. Each position is read while nothing else moves and compared, a few times, with
COUNT(*) over the jobs before it. The status is read over HTTP from `jobwire serve` on a connection kept open.
"""

import http.client
import json
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from bench.children import Failed
from bench.databases import SHOWN, Databases, Engine, Site
from bench.filling import fill, make_owners, make_settlements
from bench.plot import Axis, Chart, Series
from bench.servers import OWNER, make_key, serving_jobwire
from bench.study import ENGINES, Finding, databases_of, make_parser, opened_house, percentile, progress, publish
from jobwire.domain.ids import show_id
from jobwire.store.contract import ClaimRequest
from jobwire.wiring import House

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
OWNERS = 1_000
CLAIMS = 50
BATCHES = (1, 100)
POSITIONS = 500
COMPARED = 5
POLLS = 500
POLL_S_MAX = 30.0
STATUS_GOAL_MS = 5.0
FOLDS_MIN = 10
WHATS = ("position", "status", "claim of 1", "claim of 100")
DRAWN = ("position", "claim of 100")
BEFORE = (
    "SELECT count(*) FROM ready WHERE queue = '{row.queue}' "
    "AND (priority, turn, number) < ({row.priority}, {row.turn}, {row.number})"
)
WAITING = (
    "SELECT j.key FROM job AS j JOIN ready AS r ON r.queue = j.queue AND r.priority = j.priority "
    "AND r.turn = j.turn AND r.number = j.number WHERE j.owner = :owner"
)


Measured = list[dict[str, float]]


@dataclass(slots=True)
class Times:
    """Milliseconds of one thing at one backlog."""

    what: str
    p50_ms: float
    p95_ms: float


def main(words: list[str]) -> int:
    """Measure and show; the exit code."""
    parser = make_parser("backlog", "Time claims and positions at growing backlogs.")
    parser.add_argument("--jobs-max", type=int, default=SIZES[-1], help="leave larger backlogs out (10,000,000)")
    options = parser.parse_args(words)
    sizes = [size for size in SIZES if size <= options.jobs_max]
    if not sizes:
        parser.error(f"--jobs-max must be at least {SIZES[0]}, got {options.jobs_max}")
    values: dict[Engine, Measured] = {}
    with databases_of(options) as databases:
        for engine in options.engine or ENGINES:
            values[engine] = _measure_engine(databases, engine, sizes)
        finding = Finding(
            "backlog",
            "Milliseconds of a claim, a position and a status read by the number of waiting jobs, p50 / p95",
            *_tabulate(values),
            {engine: values[engine] for engine in values},
            _judge(values),
        )
        return publish(finding, [_draw(values)], options=options, databases=databases, words=words)


def _measure_engine(databases: Databases, engine: Engine, sizes: Sequence[int]) -> Measured:
    rows: Measured = []
    with opened_house(databases, engine) as (site, house):
        owners = make_owners(house, [OWNER, *(f"owner-{number}" for number in range(1, OWNERS))])
        for size in sizes:
            waiting = site.count("SELECT count(*) FROM ready")
            began = time.monotonic()
            fill(house, size - waiting, owners)
            seconds = time.monotonic() - began
            _keep_up(house)
            row = {"waiting": float(size), "submitted/s": (size - waiting) / seconds}
            owner = owners[0]
            waits = (_time_positions(site, house, owner), _time_polls(site, house, owner))
            for times in (*waits, *_time_claims(house)):
                row |= {f"{times.what} p50 ms": times.p50_ms, f"{times.what} p95 ms": times.p95_ms}
            progress.print(
                f"[dim]{SHOWN[engine]}[/dim]  {'  '.join(f'{name} {value:,.2f}' for name, value in row.items())}"
            )
            rows.append(row)
    return rows


def _keep_up(house: House) -> None:
    """What the upkeep of any server does meanwhile, all at once."""
    folds = 0
    while house.store.fold().result() or folds < FOLDS_MIN:
        folds += 1


def _time_claims(house: House) -> list[Times]:
    times = []
    for batch in BATCHES:
        request = ClaimRequest("bench", "default", batch)
        taken = []
        for _ in range(CLAIMS):
            began = time.perf_counter()
            claims = house.store.claim(request).result()
            taken.append(time.perf_counter() - began)
            house.store.settle(make_settlements(claims)).result()
        times.append(_sum_up(f"claim of {batch}", taken))
    return times


def _time_positions(site: Site, house: House, owner: int) -> Times:
    keys = random.choices(_list_waiting(house, owner), k=POSITIONS)
    rows = [row for key in keys if (row := house.store.get(owner, key=key).result()) is not None]
    taken = []
    for row in rows:
        began = time.perf_counter()
        house.store.position(row).result()
        taken.append(time.perf_counter() - began)
    for row in rows[:COMPARED]:
        before = site.count(BEFORE.format(row=row))
        told = house.store.position(row).result().position
        if told != before:
            raise Failed(f"job {row.number} is told the position {told}; {before} jobs wait before it")
    return _sum_up("position", taken)


def _time_polls(site: Site, house: House, owner: int) -> Times:
    key = make_key(site)
    ids = [show_id(job) for job in random.choices(_list_waiting(house, owner), k=POLLS)]
    taken = []
    with (
        serving_jobwire(site, environment={"JOBWIRE_WORKERS": "0"}) as server,
        closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=POLL_S_MAX)) as connection,
    ):
        for job in ids:
            began = time.perf_counter()
            connection.request("GET", f"/v1/jobs/{job}", headers={"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            body = json.loads(answer.read())
            taken.append(time.perf_counter() - began)
            if answer.status != 200 or body["position"] is None:
                raise Failed(f"a waiting job was answered {answer.status} {body}")
    return _sum_up("status", taken)


def _list_waiting(house: House, owner: int) -> list[str]:
    """The keys of the owner's waiting jobs; they lie everywhere in the order, as those of every owner do."""
    return [key for (key,) in house.store.read(lambda reader: reader.query(WAITING, owner=owner)).result()]


def _sum_up(what: str, taken: Sequence[float]) -> Times:
    return Times(what, percentile(taken, 0.5) * 1000, percentile(taken, 0.95) * 1000)


def _tabulate(values: Mapping[Engine, Measured]) -> tuple[list[str], list[list[str]]]:
    header = ["", "waiting", *WHATS, "submitted/s"]
    rows = [
        [
            SHOWN[engine],
            f"{row['waiting']:,.0f}",
            *(f"{row[f'{what} p50 ms']:.2f} / {row[f'{what} p95 ms']:.2f}" for what in WHATS),
            f"{row['submitted/s']:,.0f}",
        ]
        for engine, measured in values.items()
        for row in measured
    ]
    return header, rows


def _judge(values: Mapping[Engine, Measured]) -> list[str]:
    verdicts = []
    for engine, measured in values.items():
        row = measured[-1]
        reached = row["status p95 ms"]
        word = "reached" if reached <= STATUS_GOAL_MS else "missed"
        verdicts.append(
            f"{word}: {SHOWN[engine]}, a status read with its position at {row['waiting']:,.0f} waiting takes "
            f"at most {STATUS_GOAL_MS} ms at p95: {reached:.2f} ms"
        )
    return verdicts


def _draw(values: Mapping[Engine, Measured]) -> Chart:
    series = [
        Series(f"{SHOWN[engine]}, {what}", [(row["waiting"], row[f"{what} p95 ms"]) for row in measured])
        for engine, measured in values.items()
        for what in DRAWN
    ]
    title = "p95 of a claim of 100 and of a position by the number of waiting jobs"
    return Chart(title, Axis("jobs waiting", is_log=True), Axis("milliseconds", is_log=True), series)
