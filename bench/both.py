"""Both: producer and workers at the same time; jobs a second from the first submission to the last kept result."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.measurement import Figures, Goal, Measurement, Size, Variant
from bench.peers import WARM_JOBS, Huey, Jobwire, Peer, wait_for_results

PEERS: Sequence[tuple[Peer, int]] = (
    (Jobwire("Jobwire, groups of 500"), 40_000),
    (Jobwire("Jobwire, one by one from 32 tasks", mode="singles"), 15_000),
    (Huey("Huey, no fsync", is_fsynced=False), 10_000),
    (Huey("Huey, fsync", is_fsynced=True), 3_000),
)


def _measure(peer: Peer, jobs: int, folder: Path) -> Figures:
    peer.fill(folder, WARM_JOBS)
    with peer.together(folder, jobs):
        ended_at = wait_for_results(peer, folder, jobs + WARM_JOBS)
    return {"jobs/s": jobs / (ended_at - float((folder / "began").read_text()))}


@contextmanager
def _open(folder: Path, size: Size) -> Iterator[Sequence[Variant]]:
    yield [Variant(peer.name, partial(_measure, peer, int(jobs * size.share))) for peer, jobs in PEERS]


BOTH = Measurement(
    name="both",
    title="Producer and workers together: first submission to last kept result",
    open=_open,
    goals=[
        Goal("both: at least 3 x Huey without fsync", "jobs/s", PEERS[0][0].name, 3.0, against="Huey, no fsync"),
    ],
)
