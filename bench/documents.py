"""Processing and embedding: PDF pages and chunks a second by Jobwire's jobs, beside a loop over the bare library.

The job reads hostile files in child processes held to limits, keeps text, chunks and vectors in the ledger, and can
be killed at any time; the loop does none of it. document_jobs.py is the program that does one of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.document_jobs import CORPUS
from bench.measurement import Bench, Figures, Goal, Measurement, Ratios, Variant
from bench.peers.install import Missing
from bench.programs import measure_program

AMOUNTS = {"process": 20, "embed": 160}
SHOWN = {"process": "PDF pages", "embed": "chunks embedded"}
SIDES = ("jobwire", "bare")
RATE = "done/s"


def _name(action: str, side: str) -> str:
    return f"{SHOWN[action]}, {side}"


def _measure(action: str, side: str, amount: int, folder: Path) -> Figures:
    return measure_program("bench.document_jobs", action, side, folder, amount)


@contextmanager
def _open(folder: Path, bench: Bench) -> Iterator[Sequence[Variant]]:
    if not CORPUS.is_dir():
        raise Missing("the corpora; fetch them: python tools/fetch_corpora.py")
    yield [
        Variant(_name(action, side), partial(_measure, action, side, max(1, int(amount * bench.size.share))))
        for action, amount in AMOUNTS.items()
        for side in SIDES
    ]


DOCUMENTS = Measurement(
    name="documents",
    title="Documents on SQLite: 20 PDFs of 137 pages, 160 chunks of 110 words, beside a loop over the bare library",
    open=_open,
    goals=[
        Goal(
            f"{SHOWN[action]}: at least 0.85 of the bare library",
            RATE,
            _name(action, "jobwire"),
            0.85,
            against=(_name(action, "bare"),),
        )
        for action in AMOUNTS
    ],
    ratios=Ratios(RATE, {_name(action, side): _name(action, "jobwire") for action in AMOUNTS for side in SIDES}),
)
