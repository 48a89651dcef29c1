"""Crawling: pages a second from a loopback site by Jobwire's job, beside a loop of aiohttp, Protego and selectolax.

The job judges every connection, reads pages in child processes held to limits, keeps each with its document, chunks
and links in the ledger, and can be killed at any time; the loop does none of it. crawl_jobs.py does one of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.children import find_free_port, python, running, wait_for_server
from bench.crawl_jobs import CORPORA
from bench.measurement import Bench, Figures, Goal, Measurement, Ratios, Variant
from bench.peers.install import Missing
from bench.programs import measure_program

PAGES = 410
SIDES = ("jobwire", "bare")
RATE = "pages/s"


def _measure(side: str, url: str, amount: int, folder: Path) -> Figures:
    return measure_program("bench.crawl_jobs", side, folder, url, amount)


@contextmanager
def _open(folder: Path, bench: Bench) -> Iterator[Sequence[Variant]]:
    if not CORPORA.is_dir():
        raise Missing("the corpora; fetch them: python tools/fetch_corpora.py")
    port = find_free_port()
    url = f"http://127.0.0.1:{port}/"
    with running(python("-m", "bench.crawl_jobs", "serve", str(folder), str(port)), folder) as server:
        wait_for_server(url, server)
        amount = max(1, int(PAGES * bench.size.share))
        yield [Variant(side, partial(_measure, side, url, amount)) for side in SIDES]


CRAWLING = Measurement(
    name="crawling",
    title="Crawling 410 pages of documentation (60 MB) on loopback into SQLite, 4 requests at a time",
    open=_open,
    goals=[Goal("at least 0.85 of the bare loop", RATE, "jobwire", 0.85, against=("bare",))],
    ratios=Ratios(RATE, dict.fromkeys(SIDES, "jobwire")),
)
