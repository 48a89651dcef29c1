"""The HTTP servers measured: `jobwire serve`, and bare uvicorn with a constant answer to compare it with."""

import asyncio
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.children import python, running, wait_for_server
from bench.peers import environment_of, ledger_of
from jobwire.config import Settings, read_settings
from jobwire.wiring import open_house

OWNER = "bench"


@dataclass(frozen=True, slots=True)
class Server:
    """A server on loopback."""

    port: int

    @property
    def url(self) -> str:
        """Its address without a path."""
        return f"http://127.0.0.1:{self.port}"


def read_bench_settings(folder: Path) -> Settings:
    """The settings for working on the ledger of `folder` from this process."""
    return read_settings({}, db=ledger_of(folder), systems="none")


def make_key(folder: Path) -> str:
    """A real API key of the owner `bench` in the ledger of `folder`."""
    house = open_house(read_bench_settings(folder))

    async def make() -> str:
        await house.services.owners.create_owner(OWNER)
        return (await house.services.owners.create_key(OWNER)).key

    try:
        return asyncio.run(make())
    finally:
        house.close()


@contextmanager
def serving_jobwire(
    folder: Path, *, app: str | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """`jobwire serve` on the ledger of `folder`, with the settings of the peers unless `environment` says else."""
    server = Server(_free_port())
    target = [app] if app else []
    command = [str(Path(sys.executable).with_name("jobwire")), "serve", *target, "--port", str(server.port)]
    with running(command, folder, {**environment_of(folder), **(environment or {})}):
        wait_for_server(f"{server.url}/healthz")
        yield server


@contextmanager
def serving_constant(folder: Path, body_bytes: int) -> Iterator[Server]:
    """Bare uvicorn that always answers the same `body_bytes` bytes."""
    server = Server(_free_port())
    options = ("--http", "httptools", "--loop", "uvloop", "--log-level", "warning", "--no-access-log")
    command = python("-m", "uvicorn", "bench.constant_app:app", "--no-server-header", *options, "--port", server.port)
    with running(command, folder, {"BENCH_BODY_BYTES": str(body_bytes)}):
        wait_for_server(server.url)
        yield server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
