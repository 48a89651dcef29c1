"""Runs wrk (Debian's package) with load.lua and reads what it counted."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.children import Failed

SCRIPT = Path(__file__).parent / "load.lua"
HOW_TO_INSTALL = "wrk is missing; install it with: apt-get update && apt-get install -y wrk"


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk came to; the latencies are those of wrk's own clock."""

    requests: int
    duration_s: float
    bytes_each: float
    p50_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return self.requests / self.duration_s


def is_installed() -> bool:
    """Whether there is a wrk."""
    return shutil.which("wrk") is not None


def run_wrk(url: str, *, connections: int, seconds: int, environment: Mapping[str, str]) -> Load:
    """One thread of wrk on `connections` connections; Failed if a single answer was an error."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT), url]
    ended = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("BENCH ")]
    if ended.returncode != 0 or not lines:
        raise Failed(f"wrk ended with {ended.returncode}: {ended.stdout[-500:]}{ended.stderr[-500:]}")
    counts = json.loads(lines[0].removeprefix("BENCH "))
    if counts["errors"] or not counts["requests"]:
        raise Failed(f"wrk counted {counts['errors']} errors in {counts['requests']} answers of {url}")
    return Load(
        requests=counts["requests"],
        duration_s=counts["duration_us"] / 1e6,
        bytes_each=counts["bytes"] / counts["requests"],
        p50_ms=counts["p50_us"] / 1000,
        p99_ms=counts["p99_us"] / 1000,
    )
