"""A real `jobwire serve` with workers, and schemathesis against one of its descriptions."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from house_engines import address_in

HERE = Path(__file__).parent
STOP_S = 60


class Server(NamedTuple):
    """Its address, and the key of one account."""

    url: str
    key: str


@contextmanager
def serve(folder: Path, *arguments: str, scopes: str = "jobs:read,jobs:write") -> Iterator[Server]:
    """`jobwire serve` with these arguments on a ledger of its own, until the end of the block."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBWIRE_")}
    environment |= {
        "JOBWIRE_DB": address_in(folder),
        "JOBWIRE_FILES": str(folder / "files"),
        "PYTHONPATH": str(HERE),
    }
    log = folder / "server.log"
    command = [sys.executable, "-m", "jobwire"]
    with log.open("w") as written:
        process = subprocess.Popen(
            [*command, "serve", *arguments, "--port", "0"],
            cwd=folder, env=environment, stdout=written, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        try:
            url = next((found[1] for line in process.stderr if (found := re.search(r"listens on (\S+)", line))), None)
            assert url is not None, "the server did not start"
            made = subprocess.run(
                [*command, "keys", "create", "--owner", "acme", "--scopes", scopes, "--json"],
                env=environment, capture_output=True, check=True, timeout=STOP_S,
            )  # fmt: skip
            yield Server(url, json.loads(made.stdout)["key"])
            assert process.poll() is None, "the server has died"
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=STOP_S)


def fuzz(server: Server, folder: Path, *, path: str, header: str, seconds: int, options: Sequence[str]) -> None:
    """Let schemathesis look for faults; what it found fails the test, with the calls that repeat it."""
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"),
            "run", server.url + path, "-H", header.format(key=server.key), "--max-time", str(seconds),
            "--continue-on-failure", "--generation-database", "none", "--no-color", *options,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "fuzz_hooks"},
        capture_output=True, text=True, timeout=seconds + 300, check=False,
    )  # fmt: skip
    print(done.stdout[-4_000:])
    if done.returncode != 0:
        pytest.fail(f"{done.stdout}\n{done.stderr}", pytrace=False)
