"""What the measurements ask of a side: a program, its engine, and how to count its jobs. table.py has the sides.

All get the same input and a handler that does nothing, keep their results where they can, and run two processes.
What a side cannot do like the others is said where it differs, and in docs/performance.md.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from bench.children import Failed, run, running, wait_until
from bench.databases import Databases, Engine, Site
from bench.peers import ADDRESS, WARM_JOBS, WORKER
from bench.peers.child import Load
from bench.ticks import LOOK_S, read_ticks

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENTS = 32
RUN_S_MAX = 180.0


@dataclass(frozen=True, slots=True)
class Peer:
    """One side of a comparison.

    `find_command` gives what takes the commands of child.py, or raises Missing; `kept` and `left` ask the engine for
    the jobs that have their end, and for the others; `bulk` and `singles` are the jobs of a full run, about a second
    of work each.
    """

    name: str
    find_command: Callable[[], Sequence[str]]
    engine: Engine
    kept: str
    left: str
    bulk: int
    singles: int
    processes: int = 2
    has_groups: bool = True
    works_while_submitting: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def opened(self, databases: Databases, folder: Path) -> Iterator[Site]:
        """An empty database with the peer's tables."""
        with databases.fresh(self.engine, folder) as site:
            run(self._command("setup"), folder, self._environment(site))
            yield site

    def fill(self, site: Site, load: Load) -> float:
        """Submit with no worker running; the seconds it took, without the program's start."""
        run(self._command("submit", *load.words), site.folder, self._environment(site))
        return read_note(site, "ended") - read_note(site, "began")

    @contextmanager
    def work(self, site: Site) -> Iterator[Sequence["Popen[bytes]"]]:
        """Run the workers."""
        command = self._command("work")
        with ExitStack() as stack:
            yield [
                stack.enter_context(running(command, site.folder, {**self._environment(site), WORKER: str(number)}))
                for number in range(self.processes)
            ]

    @contextmanager
    def together(self, site: Site, load: Load) -> Iterator[None]:
        """Run the workers and, once WARM_JOBS are through, a producer; its note `began` tells when."""
        if self.works_while_submitting:
            with running(self._command("together", *load.words), site.folder, self._environment(site)):
                yield
            return
        with self.work(site):
            wait_for_starts(site, WARM_JOBS)
            with running(self._command("submit", *load.words), site.folder, self._environment(site)):
                yield

    def wait_for_results(self, site: Site, jobs: int) -> float:
        """Wait until `jobs` jobs have their end; the time at which they had. Failed if one was lost or ran twice."""
        wait_for_starts(site, jobs)
        what = f"{jobs} results of {self.name}"
        ended_at = wait_until(lambda: site.count(self.kept) >= jobs, what, timeout_s=RUN_S_MAX, every_s=LOOK_S)
        counts = {
            "started": read_ticks(site.folder).count, "kept": site.count(self.kept), "left": site.count(self.left),
        }  # fmt: skip
        if counts != {"started": jobs, "kept": jobs, "left": 0}:
            raise Failed(f"{self.name} was given {jobs} jobs, but {counts}")
        return ended_at

    def _command(self, *words: str) -> list[str]:
        return [*self.find_command(), *words]

    def _environment(self, site: Site) -> Mapping[str, str]:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        return {ADDRESS: site.address, "PYTHONPATH": path, **self.environment}


def read_note(site: Site, name: str) -> float:
    """A time that a program noted."""
    path = site.folder / name
    if not path.exists():
        raise Failed(f"the producer did not come to the point where it {name}")
    return float(path.read_text())


def wait_for_starts(site: Site, count: int) -> None:
    """Wait until the handlers have been called `count` times."""
    wait_until(lambda: read_ticks(site.folder).count >= count, f"{count} starts", timeout_s=RUN_S_MAX, every_s=LOOK_S)
