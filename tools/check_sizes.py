"""The file-size ratchet: no source file above the limit, except those named in sizes.json, which may only shrink."""

import json
import sys
from pathlib import Path

LINES_MAX = 400
ROOT = Path(__file__).resolve().parent.parent
ALLOWED = ROOT / "tools" / "sizes.json"


def count_lines() -> dict[str, int]:
    """Lines of every Python file of the package and its tools."""
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("tools/*.py"), *ROOT.glob("bench/*.py")]
    return {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in sorted(files)}


def find_faults(lines: dict[str, int], allowed: dict[str, int]) -> list[str]:
    """What breaks the rule, each with the fix."""
    faults = []
    for name, count in lines.items():
        limit = allowed.get(name, LINES_MAX)
        if count > limit:
            faults.append(f"{name} has {count} lines, its limit is {limit}: give part of it a file of its own")
    for name, limit in allowed.items():
        count = lines.get(name, 0)
        if count <= LINES_MAX:
            faults.append(f"{name} has {count} lines now: take it out of {ALLOWED.name}")
        elif count < limit:
            faults.append(f"{name} has shrunk to {count} lines: lower its number in {ALLOWED.name} from {limit}")
    return faults


def main() -> int:
    """Print the faults; the exit code."""
    allowed: dict[str, int] = json.loads(ALLOWED.read_text(encoding="utf-8"))
    faults = find_faults(count_lines(), allowed)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
