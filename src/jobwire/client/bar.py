"""A line of progress on a terminal; on anything else nothing at all."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from jobwire.client.models import Job

_BAR_CHARS = 24
_COLUMNS_MIN = 20


@contextmanager
def open_bar(*, is_wanted: bool, out: TextIO | None = None) -> Iterator[Callable[[Job], None] | None]:
    """What shows a job on one line of `out` (standard error); None if it is not wanted or no terminal."""
    screen = sys.stderr if out is None else out
    if not is_wanted or screen is None or not screen.isatty():
        yield None
        return
    has_shown = False

    def show(job: Job) -> None:
        nonlocal has_shown
        columns = max(_COLUMNS_MIN, shutil.get_terminal_size().columns - 1)
        screen.write(f"\r\x1b[K{describe(job)[:columns]}")
        screen.flush()
        has_shown = True

    try:
        yield show
    finally:
        if has_shown:
            screen.write("\n")
            screen.flush()


def describe(job: Job) -> str:
    """A job in one line: phase, bar, percent, and what is known of its place, stage and end."""
    percent = 100.0 if job.phase == "completed" else min(100.0, max(0.0, job.progress.percent))
    filled = int(percent / 100 * _BAR_CHARS)
    words = [f"{job.phase:<10} [{'#' * filled}{'-' * (_BAR_CHARS - filled)}] {percent:5.1f} %"]
    if job.position is not None:
        words.append(f"{job.position} ahead")
    if job.progress.total:
        words.append(f"{job.progress.done or 0:g}/{job.progress.total:g}")
    words += [word for word in (job.progress.stage, job.progress.message) if word]
    if job.estimate is not None and job.estimate.ends_in_p50_s is not None:
        words.append(f"ends in about {job.estimate.ends_in_p50_s:.0f} s")
    if job.error is not None:
        words.append(job.error.message)
    # A message is somebody's text: what moves the cursor must not reach the terminal.
    return "".join(char if char.isprintable() else "?" for char in "  ".join(words))
