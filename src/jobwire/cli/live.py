"""How a job is followed on screen: a bar on a terminal, elsewhere a line whenever something changes."""

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from jobwire.cli.output import errors


class LiveJob:
    """One job on standard error, while the `with` block lasts."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("[bold]{task.fields[phase]:<10}"),
            BarColumn(),
            TextColumn("{task.percentage:>5.1f} %"),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=errors,
            disable=not errors.is_terminal,
        )
        self._task = self._bar.add_task("job", total=100, phase="", note="")
        self._shown = ""

    def show(self, phase: str, percent: float, note: str) -> None:
        """What is known now."""
        self._bar.update(self._task, completed=percent, phase=phase, note=note)
        line = f"{phase} {percent:g} % {note}".strip()
        if line != self._shown and not errors.is_terminal:
            errors.print(line, highlight=False, markup=False)
        self._shown = line

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._bar.stop()
