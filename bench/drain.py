"""Drain: the jobs are there, the workers start; jobs a second from the first start to the last kept result."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.measurement import Figures, Goal, Measurement, Size, Variant
from bench.peers import Huey, Jobwire, Peer, wait_for_results
from bench.ticks import read_ticks

PEERS: Sequence[tuple[Peer, int]] = (
    (Jobwire("Jobwire"), 60_000),
    (Huey("Huey, no fsync", is_fsynced=False), 12_000),
    (Huey("Huey, fsync", is_fsynced=True), 4_000),
)


def _measure(peer: Peer, jobs: int, folder: Path) -> Figures:
    peer.fill(folder, jobs)
    with peer.work(folder):
        ended_at = wait_for_results(peer, folder, jobs)
    return {"jobs/s": jobs / (ended_at - read_ticks(folder).first_at)}


@contextmanager
def _open(folder: Path, size: Size) -> Iterator[Sequence[Variant]]:
    yield [Variant(peer.name, partial(_measure, peer, int(jobs * size.share))) for peer, jobs in PEERS]


DRAIN = Measurement(
    name="drain",
    title="Drain: first start to last kept result, no producer",
    open=_open,
    goals=[
        Goal("drain: at least 4 x Huey without fsync", "jobs/s", "Jobwire", 4.0, against="Huey, no fsync"),
    ],
)
