"""Export and import: rows a second by Jobwire's jobs and by a loop over the bare library that does the same.

The loop has one process and no fence, no step, no progress, no list of bad rows; the job reads hostile bytes in a
child process and can be killed at any time. table_jobs.py is the program that does one of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.measurement import Bench, Figures, Goal, Measurement, Ratios, Variant
from bench.programs import measure_program, run_program

ROWS = 300_000
FORMATS = ("csv", "jsonl", "parquet", "xlsx")
ACTIONS = ("import", "export")
RATE = "rows/s"


def _name(action: str, side: str, form: str) -> str:
    return f"{action} {form}, {side}"


def _measure(action: str, side: str, form: str, rows: int, shared: Path, folder: Path) -> Figures:
    place = shared / folder.name
    place.mkdir(exist_ok=True)
    return measure_program("bench.table_jobs", action, side, form, place, rows)


@contextmanager
def _open(folder: Path, bench: Bench) -> Iterator[Sequence[Variant]]:
    rows = int(ROWS * bench.size.share)
    shared = folder / "tables"
    shared.mkdir(exist_ok=True)
    run_program("bench.table_jobs", "prepare", "jobwire", "all", shared, rows)
    yield [
        Variant(_name(action, side, form), partial(_measure, action, side, form, rows, shared))
        for action in ACTIONS
        for form in FORMATS
        for side in ("jobwire", "bare")
    ]


TABLES = Measurement(
    name="tables",
    title="Export and import of 300,000 documents on SQLite, beside a loop over the bare library",
    open=_open,
    goals=[
        Goal(
            f"{action} {form}: at least 0.85 of the bare library",
            RATE,
            _name(action, "jobwire", form),
            0.85,
            against=(_name(action, "bare", form),),
        )
        for action in ACTIONS
        for form in FORMATS
    ],
    ratios=Ratios(
        RATE,
        {
            _name(action, side, form): _name(action, "jobwire", form)
            for action in ACTIONS
            for form in FORMATS
            for side in ("jobwire", "bare")
        },
    ),
)
