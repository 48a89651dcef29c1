"""Submits to Huey one by one, as it can: `python -m bench.huey_produce JOBS GAP_S`."""

import os
import sys
import time
from pathlib import Path

from bench.huey_app import noop
from bench.orders import make_order
from bench.ticks import FOLDER


def main(jobs: int, gap_s: float) -> None:
    """Submit `jobs` jobs, `gap_s` apart; with a gap each carries the time of its submission."""
    (Path(os.environ[FOLDER]) / "began").write_text(str(time.monotonic()))
    for _ in range(jobs):
        noop(make_order(time.monotonic() if gap_s else 0.0))
        time.sleep(gap_s) if gap_s else None


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
