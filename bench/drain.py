"""Drain: the jobs are there, the workers start; jobs a second from the first start to the last kept result.

Beside the rate, what it took: commits and log for each job, and the memory of all worker processes together.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.measurement import Bench, Figures, Goal, Measurement, Ratios, Variant
from bench.memory import measure_pss_mib
from bench.peers.child import Load
from bench.peers.contract import Peer
from bench.peers.table import BULLMQ, HUEY, JOBWIRE_POSTGRES, JOBWIRE_SQLITE, OBAN, PGQUEUER, SIDES, jobwire_beside
from bench.ticks import read_ticks


def _measure(peer: Peer, bench: Bench, folder: Path) -> Figures:
    jobs = int(peer.bulk * bench.size.share)
    with peer.opened(bench.databases, folder) as site:
        peer.fill(site, Load(is_grouped=True, jobs=jobs))
        before = site.spent()
        with peer.work(site) as workers:
            ended_at = peer.wait_for_results(site, jobs)
            memory = measure_pss_mib(worker.pid for worker in workers)
        rate = jobs / (ended_at - read_ticks(folder).first_at)
        return {"jobs/s": rate, **site.spent().for_each(before, jobs), "workers' MiB": memory}


@contextmanager
def _open(folder: Path, bench: Bench) -> Iterator[Sequence[Variant]]:
    yield [Variant(peer.name, partial(_measure, peer, bench)) for peer in SIDES.values()]


DRAIN = Measurement(
    name="drain",
    title="Drain: first start to last kept result, no producer",
    open=_open,
    goals=[
        Goal("drain, SQLite: at least 4 x Huey without fsync", "jobs/s", JOBWIRE_SQLITE, 4.0, against=(HUEY,)),
        Goal("drain, SQLite: at least 3 x BullMQ", "jobs/s", JOBWIRE_SQLITE, 3.0, against=(BULLMQ,)),
        Goal("drain, PostgreSQL: at least 2 x PgQueuer", "jobs/s", JOBWIRE_POSTGRES, 2.0, against=(PGQUEUER,)),
        Goal("drain, PostgreSQL: at least 6 x Oban", "jobs/s", JOBWIRE_POSTGRES, 6.0, against=(OBAN,)),
    ],
    ratios=Ratios("jobs/s", {peer.name: jobwire_beside(peer) for peer in SIDES.values()}),
)
