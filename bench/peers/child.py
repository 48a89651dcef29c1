"""What every peer's program shares: the commands the harness gives it, the producers, the times they note.

    python -m bench.peers.child MODULE setup | submit one|many JOBS CLIENTS GAP_S | work

A peer says how it submits one job, how it submits many, and how it works. Clients are tasks where its `submit` is a
coroutine and threads where it is not. Runs in the peer's own environment: nothing but the standard library here.
"""

import asyncio
import inspect
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from bench.orders import make_order
from bench.ticks import FOLDER

GROUP = 500

run_loop: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run
with suppress(ImportError):  # where the peer's environment has it
    from uvloop import run as run_loop


class Program(Protocol):
    """A peer; every method may be a coroutine function or a plain one, all of the first three alike."""

    def open(self, clients: int) -> AbstractAsyncContextManager[Any] | AbstractContextManager[Any]:
        """Connect for submissions of `clients` clients at once."""

    def submit(self, order: dict[str, Any]) -> Any:
        """Submit a job and return when the peer has taken it."""

    def submit_many(self, orders: Sequence[dict[str, Any]]) -> Any:
        """Submit jobs as the peer does it best."""

    def setup(self) -> Any:
        """Make the peer's tables."""

    def work(self) -> Any:
        """Run one worker until SIGTERM."""


@dataclass(frozen=True, slots=True)
class Load:
    """What to submit: one by one from `clients` clients, `gap_s` apart, or in groups."""

    is_grouped: bool
    jobs: int
    clients: int = 1
    gap_s: float = 0.0

    @property
    def words(self) -> list[str]:
        """The load as the command line has it."""
        return ["many" if self.is_grouped else "one", str(self.jobs), str(self.clients), str(self.gap_s)]

    @property
    def shares(self) -> list[int]:
        """The jobs of each client."""
        return [self.jobs // self.clients + (index < self.jobs % self.clients) for index in range(self.clients)]

    @property
    def groups(self) -> list[int]:
        """The sizes of the groups."""
        return [min(GROUP, self.jobs - start) for start in range(0, self.jobs, GROUP)]

    def make_order(self) -> dict[str, Any]:
        """An order; with a gap it carries the time of its submission."""
        return make_order(time.monotonic() if self.gap_s else 0.0)


def read_load(words: Sequence[str]) -> Load:
    """The load of the command line: one|many JOBS CLIENTS GAP_S."""
    mode, jobs, clients, gap_s = words
    return Load(mode == "many", int(jobs), int(clients), float(gap_s))


def note(name: str) -> None:
    """Tell the harness the time at which something happened."""
    (Path(os.environ[FOLDER]) / name).write_text(str(time.monotonic()))


async def produce(program: Program, load: Load) -> None:
    """Submit from tasks."""

    async def submit_share(count: int) -> None:
        for _ in range(count):
            await program.submit(load.make_order())
            if load.gap_s:
                await asyncio.sleep(load.gap_s)

    async with program.open(load.clients):  # type: ignore[union-attr]
        note("began")
        if load.is_grouped:
            for size in load.groups:
                await program.submit_many([make_order() for _ in range(size)])
        else:
            await asyncio.gather(*[submit_share(count) for count in load.shares])
        note("ended")


def produce_in_threads(program: Program, load: Load) -> None:
    """Submit from threads; one client needs none."""

    def submit_share(count: int) -> None:
        for _ in range(count):
            program.submit(load.make_order())
            if load.gap_s:
                time.sleep(load.gap_s)

    with program.open(load.clients):  # type: ignore[union-attr]
        threads = [threading.Thread(target=submit_share, args=(count,)) for count in load.shares]
        note("began")
        if load.is_grouped:
            for size in load.groups:
                program.submit_many([make_order() for _ in range(size)])
        elif load.clients == 1:
            submit_share(load.jobs)
        else:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        note("ended")


def main() -> None:
    """Do what the command line says."""
    module, command, *words = sys.argv[1:]
    program: Program = import_module(module).Program()
    if command == "submit":
        load = read_load(words)
        is_async = inspect.iscoroutinefunction(program.submit)
        run_loop(produce(program, load)) if is_async else produce_in_threads(program, load)
        return
    outcome: Coroutine[Any, Any, None] | None = getattr(program, command)(*([read_load(words)] if words else []))
    if outcome is not None:
        run_loop(outcome)


if __name__ == "__main__":
    main()
