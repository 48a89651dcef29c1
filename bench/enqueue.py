"""Enqueue: submissions through each library's own call with no worker running, one by one and in groups."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.children import Failed
from bench.databases import Site
from bench.measurement import Bench, Figures, Goal, Measurement, Ratios, Variant
from bench.peers.child import GROUP, Load
from bench.peers.contract import CLIENTS, Peer
from bench.peers.table import (
    HUEY_FSYNCED,
    JOBWIRE_POSTGRES,
    JOBWIRE_SQLITE,
    POSTGRES_CLASS,
    SIDES,
    jobwire_beside,
)  # fmt: skip

SINGLES, ALONE, GROUPS = f"one by one/s, {CLIENTS} clients", "one by one/s, 1 client", f"in groups of {GROUP}/s"
# A client that waits for each answer submits a fifth as many in the same time.
ALONE_SHARE = 0.2


def _submit(peer: Peer, site: Site, load: Load) -> float:
    before = site.count(peer.left)
    seconds = peer.fill(site, load)
    taken = site.count(peer.left) - before
    if taken != load.jobs:
        raise Failed(f"{peer.name} was given {load.jobs} jobs and has {taken}")
    return load.jobs / seconds


def _measure(peer: Peer, bench: Bench, folder: Path) -> Figures:
    singles, bulk = int(peer.singles * bench.size.share), int(peer.bulk * bench.size.share)
    with peer.opened(bench.databases, folder) as site:
        alone = _submit(peer, site, Load(is_grouped=False, jobs=int(singles * ALONE_SHARE)))
        before = site.spent()
        figures = {SINGLES: _submit(peer, site, Load(is_grouped=False, jobs=singles, clients=CLIENTS)), ALONE: alone}
        figures |= site.spent().for_each(before, singles)
        if peer.has_groups:
            figures[GROUPS] = _submit(peer, site, Load(is_grouped=True, jobs=bulk))
    return figures


@contextmanager
def _open(folder: Path, bench: Bench) -> Iterator[Sequence[Variant]]:
    yield [Variant(peer.name, partial(_measure, peer, bench)) for peer in SIDES.values()]


ENQUEUE = Measurement(
    name="enqueue",
    title="Enqueue: each library's own call in one process, no worker running; commits and log of the one by one",
    open=_open,
    goals=[
        Goal(
            "enqueue, PostgreSQL: one by one at least 4 x the best of the class", SINGLES, JOBWIRE_POSTGRES, 4.0,
            against=POSTGRES_CLASS,
        ),
        Goal(
            "enqueue, SQLite: one by one at least 4 x Huey with fsync", SINGLES, JOBWIRE_SQLITE, 4.0,
            against=(HUEY_FSYNCED,),
        ),
    ],
    ratios=Ratios(SINGLES, {peer.name: jobwire_beside(peer) for peer in SIDES.values()}),
)  # fmt: skip
