"""The sides: Jobwire on both engines, and the peers; a new one is a row here and a `*_peer` file beside."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from bench.peers.contract import ROOT, Peer
from bench.peers.install import ensure, find_home

SLOTS = "1000"
JOBWIRE_KEPT = "SELECT count(*) FROM state WHERE state = 2 AND output = '1'"
JOBWIRE_LEFT = "SELECT count(*) FROM state WHERE state < 2"
JOBWIRE = {"JOBWIRE_WORKERS": SLOTS, "JOBWIRE_SYSTEMS": "none", "JOBWIRE_LOG": "warning"}


def _here(module: str) -> Callable[[], Sequence[str]]:
    return lambda: [sys.executable, "-m", "bench.peers.child", module]


def _apart(package: str) -> Callable[[], Sequence[str]]:
    return lambda: [*ensure(package), "-m", "bench.peers.child", f"bench.peers.{package}_peer"]


def _in_node() -> Sequence[str]:
    return [*ensure("bullmq"), str(ROOT / "bench" / "peers" / "bullmq_peer.js")]


_jobwire = partial(
    Peer, find_command=_here("bench.jobwire_child"), kept=JOBWIRE_KEPT, left=JOBWIRE_LEFT, environment=JOBWIRE
)


def _huey(name: str, *, is_fsynced: bool, jobs: int) -> Peer:
    return Peer(
        name,
        _here("bench.peers.huey_peer"),
        "sqlite",
        kept="SELECT count(*) FROM kv",
        left="SELECT count(*) FROM task",
        bulk=jobs,
        singles=jobs,
        processes=1,  # a consumer with two children
        has_groups=False,
        environment={"BENCH_FSYNC": "1" if is_fsynced else "0"},
    )


JOBWIRE_SQLITE = "Jobwire, SQLite"
JOBWIRE_POSTGRES = "Jobwire, PostgreSQL"
HUEY, HUEY_FSYNCED = "Huey, SQLite, no fsync", "Huey, SQLite, fsync"
PGQUEUER, OBAN, PROCRASTINATE, DBOS = "PgQueuer", "Oban", "Procrastinate", "DBOS"
CELERY, BULLMQ = "Celery, Redis", "BullMQ, Redis"

SIDES: Mapping[str, Peer] = {
    peer.name: peer
    for peer in (
        _jobwire(
            name=JOBWIRE_SQLITE,
            engine="sqlite",
            bulk=60_000,
            singles=15_000,
            processes=1,
            works_while_submitting=True,
        ),
        _huey(HUEY, is_fsynced=False, jobs=12_000),
        _huey(HUEY_FSYNCED, is_fsynced=True, jobs=4_000),
        _jobwire(name=JOBWIRE_POSTGRES, engine="postgres", bulk=60_000, singles=12_000),
        Peer(
            PGQUEUER,
            _apart("pgqueuer"),
            "postgres",
            kept="SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'",
            left="SELECT count(*) FROM pgqueuer",
            bulk=24_000,
            singles=4_000,
        ),
        Peer(
            OBAN,
            _apart("oban"),
            "postgres",
            kept="SELECT count(*) FROM oban_jobs WHERE state = 'completed'",
            left="SELECT count(*) FROM oban_jobs WHERE state <> 'completed'",
            bulk=8_000,
            singles=3_000,
        ),
        Peer(
            PROCRASTINATE,
            _apart("procrastinate"),
            "postgres",
            kept="SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'",
            left="SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'",
            bulk=1_500,
            singles=1_500,
        ),
        Peer(
            DBOS,
            _apart("dbos"),
            "postgres",
            kept="SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'",
            left="SELECT count(*) FROM dbos.workflow_status WHERE status <> 'SUCCESS'",
            bulk=1_500,
            singles=1_500,
            has_groups=False,
        ),
        Peer(
            CELERY,
            _apart("celery"),
            "redis",
            kept="1 DBSIZE",
            left="0 LLEN celery + 0 HLEN unacked",
            bulk=3_000,
            singles=3_000,
            processes=1,  # a worker with two prefork children
            has_groups=False,
        ),
        Peer(
            BULLMQ,
            _in_node,
            "redis",
            kept="0 ZCARD bull:bench:completed",
            left="0 LLEN bull:bench:wait + 0 LLEN bull:bench:active",
            bulk=20_000,
            singles=6_000,
            environment={"BENCH_PACKAGES": str(find_home() / "bullmq")},
        ),
    )
}

SQLITE_CLASS = (HUEY_FSYNCED, HUEY)
POSTGRES_CLASS = (PGQUEUER, OBAN, PROCRASTINATE, DBOS)


def jobwire_beside(peer: Peer) -> str:
    """The Jobwire that a peer is compared with: its own engine's; Redis is of one machine, as SQLite is."""
    return JOBWIRE_POSTGRES if peer.engine == "postgres" else JOBWIRE_SQLITE
