"""The site ends with the process that runs it, however that ends."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

pytestmark = pytest.mark.slow

END_S = 20
KEEPER = """
import sys
from pathlib import Path
from jobwire.cli.demo_wordpress import Blog
Blog(Path(sys.argv[1])).install()
print("ready", flush=True)
sys.stdin.read()
"""


def working_in(folder: Path) -> set[int]:
    """The processes that work in the folder."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            if path.readlink().is_relative_to(folder):
                found.add(int(path.parent.name))
    return found


def wait_for_end(pid: int) -> None:
    """Until the process is gone; AssertionError after END_S."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            readable, _, _ = select.select([handle], [], [], END_S)
        finally:
            os.close(handle)
        assert readable, Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the site's user may enter."""
    with TemporaryDirectory(prefix="jobwire-wp-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def test_no_process_of_a_site_outlives_a_run_that_was_killed(folder: Path) -> None:
    command = [sys.executable, "-c", KEEPER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "ready\n"
        started = working_in(folder)
        # The database, PHP's server with its four workers, and what waits for it.
        assert len(started) >= 6
        keeper.kill()
    for pid in started:
        wait_for_end(pid)
