"""Programs that do one thing, time it and print their figures as JSON; each in a process of its own."""

import json
import subprocess

from bench.children import Failed, python
from bench.measurement import Figures


def run_program(module: str, *words: object) -> str:
    """What `python -m module words…` prints; Failed with the end of its complaints."""
    done = subprocess.run(python("-m", module, *words), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{module} {' '.join(map(str, words))} failed:\n{done.stderr[-2_000:]}")
    return done.stdout


def measure_program(module: str, *words: object) -> Figures:
    """The figures that a program prints."""
    figures: dict[str, float] = json.loads(run_program(module, *words))
    return figures
