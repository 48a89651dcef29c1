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


def measure_tree_mib(root: int) -> float:
    """The PSS of a process and all that descend from it; a millisecond each, where every other process costs one, too,
    if all are looked through for a session."""
    total_kib, found = 0, [root]
    while found:
        folder = Path("/proc", str(found.pop()))
        try:
            for children in folder.glob("task/*/children"):
                found += map(int, children.read_text().split())
            total_kib += _read_pss_kib(folder / "smaps_rollup")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return total_kib / 1024


def _read_pss_kib(rollup: Path) -> int:
    for line in rollup.read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
