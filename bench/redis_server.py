"""A Redis of the run's own (Debian's redis-server) on a free port of loopback.

Without a log and without snapshots, as it is fastest: nothing it holds survives a crash.
"""

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.children import START_S, find_free_port, running, wait_until
from bench.peers.install import Missing

ASK_S_MAX = 10.0


@contextmanager
def running_redis(folder: Path) -> Iterator[int]:
    """The port of a server started here and stopped afterwards; Missing when there is no redis-server."""
    program = shutil.which("redis-server")
    if program is None:
        raise Missing("Redis is missing; install it with: apt-get install -y redis-server")
    port = find_free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "no", "--save", ""]
    with running([program, *options], folder):
        wait_until(lambda: _answers(port), "Redis", timeout_s=START_S, every_s=0.05)
        yield port


def ask_redis(port: int, database: int, command: str) -> int:
    """The number that a command of plain words answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=ASK_S_MAX) as connection:
        connection.sendall(f"SELECT {database}\r\n{command}\r\n".encode())
        with connection.makefile("rb") as answers:
            lines = [answers.readline(), answers.readline()]
    if not lines[1].startswith((b":", b"+OK")):
        raise ValueError(f"Redis answered {lines[1]!r} to {command!r}")
    return int(lines[1][1:]) if lines[1].startswith(b":") else 0


def _answers(port: int) -> bool:
    try:
        ask_redis(port, 0, "DBSIZE")
    except OSError:
        return False
    return True
