"""What the doctor says: one finding a check, and how it is printed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from jobwire.store.moving.marks import parse_mark, say_moved

Level = Literal["ok", "note", "problem"]
NO_UPKEEP = "no process runs upkeep: start `jobwire serve` or `jobwire worker`"
MARKS = {"ok": "[green]ok     [/green]", "note": "[yellow]note   [/yellow]", "problem": "[red]problem[/red]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, the value found, what it should be, and what to do unless it is ok."""

    level: Level
    what: str
    value: str = ""
    limit: str = ""
    fix: str = ""

    def __str__(self) -> str:
        text = f"{self.what}: {self.value}" if self.value else self.what
        text += f" ({self.limit})" if self.limit else ""
        return f"{text}; {self.fix}" if self.fix and self.level != "ok" else text


def grade(value: float, *, note_above: float, problem_above: float = float("inf")) -> Level:
    """The level of a measure that is better when it is small."""
    if value > problem_above:
        return "problem"
    return "note" if value > note_above else "ok"


def judge_move(address: str, moved_to: str) -> Finding:
    """What it means that the ledger at `address` has that mark: it is not to be served."""
    fix = f"or keep this one: jobwire move --from {address} --take-back"
    return Finding("problem", say_moved(address, parse_mark(moved_to)), fix=fix)


def judge_people(workers: int, stuck: int, keys: int) -> Iterator[Finding]:
    """Whether somebody works, cleans up and may ask, in a ledger of any engine."""
    yield Finding("ok" if workers else "note", "live workers", str(workers), fix="run `jobwire serve`")
    if stuck:
        yield Finding("problem", f"{stuck} jobs wait for a rescue for over a minute", fix=NO_UPKEEP)
    if not keys:
        yield Finding("note", "there is no API key yet", fix="jobwire keys create --owner NAME")
