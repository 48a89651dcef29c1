"""Starts the programs under measurement and ends them, whatever happens in between."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.ticks import FOLDER

START_S = 30.0
END_S = 15.0


class Failed(Exception):  # noqa: N818 - the outcome of a measurement
    """A measurement cannot be trusted: something died, was lost or ran twice."""


def python(*arguments: object) -> list[str]:
    """A command of this very Python."""
    return [sys.executable, *(str(argument) for argument in arguments)]


@contextmanager
def running(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a process group of its own; its output goes to a file in `folder`."""
    log = folder / f"{len(list(folder.glob('*.log')))}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, FOLDER: str(folder), **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
        _check_end(process, command, log)
    except Failed:
        # What is waited for in vain is best explained by what died meanwhile.
        _check_end(process, command, log)
        raise
    finally:
        _end(process)


def _check_end(process: "subprocess.Popen[bytes]", command: Sequence[str], log: Path) -> None:
    if process.poll() not in (None, 0):
        raise Failed(f"{' '.join(command)} ended with {process.returncode}:\n{log.read_text()[-800:]}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a program to its end."""
    with running(command, folder, environment) as process:
        process.wait()


def wait_until(is_so: Callable[[], bool], what: str, *, timeout_s: float, every_s: float = 0.002) -> float:
    """Wait for `is_so()`; the monotonic time at which it was seen."""
    end = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > end:
            raise Failed(f"waited {timeout_s:g} s for {what} in vain")
        time.sleep(every_s)
    return time.monotonic()


def wait_for_server(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until `process` answers at `url`."""

    def answers() -> bool:
        if process.poll() is not None:
            raise Failed(f"the server at {url} ended before it answered")
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    wait_until(answers, url, timeout_s=START_S, every_s=0.05)


def find_free_port() -> int:
    """A port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
