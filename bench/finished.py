"""Fills a ledger with finished jobs of one owner, straight through the store."""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

from bench.databases import Site
from bench.jobwire_app import app
from bench.orders import make_order
from bench.servers import OWNER, make_key, read_bench_settings
from jobwire.domain.ids import show_id
from jobwire.domain.settlement import Lease, Settlement
from jobwire.domain.states import Event, Reason, State
from jobwire.store.contract import ClaimRequest
from jobwire.wiring import House, open_house

GROUP = 2_000
OUTPUT = (
    '{"announcementId":42,"completedOperations":["translate_description","process_location","analyze_images"],'
    '"finalStatus":"active"}'
)
# Submitted is version 1, started 2, completed 3.
ETAG = '"3"'


@dataclass(frozen=True, slots=True)
class Finished:
    """A ledger of finished jobs: a key of their owner, and a file of their ids in random order."""

    key: str
    ids: Path
    first_id: str
    etag: str = ETAG


def prepare_finished(site: Site, jobs: int, *, polled: int | None = None) -> Finished:
    """Submit, claim and complete `jobs` jobs, 2,000 a commit; the file has the newest `polled` of them, or all."""
    key = make_key(site)
    house = open_house(read_bench_settings(site), app.kinds)
    try:
        ids = _finish_jobs(house, jobs)
    finally:
        house.close()
    # The ids are of one time and would be asked for in the order of the file's pages.
    ids = ids[-polled:] if polled else ids
    random.shuffle(ids)
    path = site.folder / "ids.txt"
    path.write_text("\n".join(ids) + "\n")
    return Finished(key, path, ids[0])


def list_ids(site: Site) -> list[str]:
    """The ids of all jobs of the ledger in random order."""
    house = open_house(read_bench_settings(site))
    try:
        keys = house.store.read(lambda reader: reader.query("SELECT key FROM job ORDER BY random()")).result()
    finally:
        house.close()
    return [show_id(key) for (key,) in keys]


def _finish_jobs(house: House, jobs: int) -> list[str]:
    owner = asyncio.run(_find_owner(house))
    build, store = house.services.jobs.build, house.store
    ids: list[str] = []
    for start in range(0, jobs, GROUP):
        group = [build(owner, "noop", make_order()) for _ in range(min(GROUP, jobs - start))]
        store.submit(group).result()
        ids += [show_id(job.key) for job in group]
        claims = store.claim(ClaimRequest("bench", "default", len(group))).result()
        store.settle(
            [
                Settlement(
                    Lease(claim.number, claim.fence), Event.COMPLETED, State.COMPLETED, Reason.NONE, output=OUTPUT
                )
                for claim in claims
            ]
        ).result()
    return ids


async def _find_owner(house: House) -> int:
    return (await house.services.owners.create_owner(OWNER)).id
