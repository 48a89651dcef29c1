"""Both: producer and workers at the same time; jobs a second from the first submission to the last kept result."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.measurement import Bench, Figures, Goal, Measurement, Ratios, Variant
from bench.peers import WARM_JOBS
from bench.peers.child import Load
from bench.peers.contract import CLIENTS, Peer, read_note
from bench.peers.table import BULLMQ, HUEY, JOBWIRE_POSTGRES, JOBWIRE_SQLITE, PGQUEUER, SIDES, jobwire_beside

GROUPS, SINGLES = "groups of 500", "one by one"
# A producer and the workers share the cores: two thirds of the jobs of a drain take as long.
BOTH_SHARE = 2 / 3


def _name(side: str, *, is_grouped: bool) -> str:
    return f"{side}, {GROUPS if is_grouped else SINGLES}"


def _measure(peer: Peer, bench: Bench, folder: Path, *, is_grouped: bool) -> Figures:
    jobs = int((peer.bulk * BOTH_SHARE if is_grouped else peer.singles) * bench.size.share)
    # Huey is given its jobs by one thread, which is where it is fastest.
    clients = 1 if is_grouped or (peer.engine == "sqlite" and not peer.has_groups) else CLIENTS
    with peer.opened(bench.databases, folder) as site:
        peer.fill(site, Load(is_grouped=True, jobs=WARM_JOBS))
        with peer.together(site, Load(is_grouped=is_grouped, jobs=jobs, clients=clients)):
            ended_at = peer.wait_for_results(site, jobs + WARM_JOBS)
        return {"jobs/s": jobs / (ended_at - read_note(site, "began"))}


@contextmanager
def _open(folder: Path, bench: Bench) -> Iterator[Sequence[Variant]]:
    yield [
        Variant(_name(peer.name, is_grouped=is_grouped), partial(_measure, peer, bench, is_grouped=is_grouped))
        for is_grouped in (True, False)
        for peer in SIDES.values()
        if peer.has_groups or not is_grouped
    ]


BOTH = Measurement(
    name="both",
    title="Producer and workers together: first submission to last kept result; "
    f"one by one is {CLIENTS} clients at once, one thread for Huey",
    open=_open,
    goals=[
        Goal(
            "both, SQLite: at least 3 x Huey without fsync", "jobs/s", _name(JOBWIRE_SQLITE, is_grouped=True), 3.0,
            against=(_name(HUEY, is_grouped=False),),
        ),
        Goal(
            "both, SQLite: at least 2 x BullMQ", "jobs/s", _name(JOBWIRE_SQLITE, is_grouped=True), 2.0,
            against=(_name(BULLMQ, is_grouped=True),),
        ),
        Goal(
            "both, PostgreSQL: at least 1.5 x PgQueuer", "jobs/s", _name(JOBWIRE_POSTGRES, is_grouped=True), 1.5,
            against=(_name(PGQUEUER, is_grouped=True),),
        ),
    ],
    ratios=Ratios(
        "jobs/s",
        {
            _name(peer.name, is_grouped=is_grouped): _name(
                # Who cannot submit in groups is held against the best Jobwire does, as its users would be.
                jobwire_beside(peer), is_grouped=is_grouped or not peer.has_groups
            )
            for is_grouped in (True, False)
            for peer in SIDES.values()
        },
    ),
)  # fmt: skip
