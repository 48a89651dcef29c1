"""The server of a demo in a process of its own, and a web server for what it fetches."""

import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jobwire.config import SettingError

START_S = 30.0


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """The files of a folder on a loopback web server; gives its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the overridden method
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _environment(folder: Path, more: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    return {
        **os.environ,
        "JOBWIRE_DB": str(folder / "jobwire.db"),
        "JOBWIRE_FETCH_ALLOW": "127.0.0.0/8",
        "JOBWIRE_LOG": "warning",
        "NO_COLOR": "1",
        **more,
    }


@contextmanager
def run_server(
    folder: Path, *, systems: str, workers: int = 1, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """`jobwire serve` on a free port; gives its address, stops it at the end."""
    flags = ["--port", "0", "--systems", systems, "--workers", str(workers)]
    command = [sys.executable, "-m", "jobwire", "serve", *flags]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=_environment(folder, environment), stdout=output, stderr=output)  # noqa: S603
    try:
        yield _wait_for_address(process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    give_up_at = time.monotonic() + START_S
    while time.monotonic() < give_up_at:
        found = re.search(r"listens on (http://\S+)", log.read_text(encoding="utf-8", errors="replace"))
        if found:
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise SettingError(
        f"the server did not start; it said: {log.read_text(encoding='utf-8', errors='replace').strip()}"
    )


def make_key(folder: Path, *, owner: str) -> str:
    """An account and its key, by the command an operator would use."""
    command = [sys.executable, "-m", "jobwire", "keys", "create", "--owner", owner, "--json"]
    made = subprocess.run(command, env=_environment(folder), capture_output=True, check=True)  # noqa: S603
    return str(json.loads(made.stdout)["key"])
