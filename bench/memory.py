"""How much memory programs take: their proportional set size (PSS), as the kernel counts it."""

from collections.abc import Iterable
from pathlib import Path


def measure_pss_mib(leaders: Iterable[int]) -> float:
    """The PSS of all processes in the sessions that these process ids lead: a shared page counts once."""
    sessions = set(leaders)
    total_kib = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) in sessions:
                total_kib += _read_pss_kib(folder / "smaps_rollup")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return total_kib / 1024


def _read_pss_kib(rollup: Path) -> int:
    for line in rollup.read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
