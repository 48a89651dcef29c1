"""The HTTP servers measured: `jobwire serve`, and bare uvicorn with a constant answer to compare it with."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.children import find_free_port, python, running, wait_for_server
from bench.databases import Site
from bench.peers.table import JOBWIRE
from jobwire.config import Settings, read_settings
from jobwire.wiring import open_house

OWNER = "bench"


@dataclass(frozen=True, slots=True)
class Server:
    """A server on loopback; `leader` is its process id, where that is known."""

    port: int
    leader: int = 0

    @property
    def url(self) -> str:
        """Its address without a path."""
        return f"http://127.0.0.1:{self.port}"


def read_bench_settings(site: Site) -> Settings:
    """The settings for working on the ledger of `site` from this process."""
    return read_settings({}, db=site.address, files=site.folder / "files", systems="none")


def environment_of(site: Site) -> Mapping[str, str]:
    """The settings of a Jobwire program on the ledger of `site`."""
    return {**JOBWIRE, "JOBWIRE_DB": site.address, "JOBWIRE_FILES": str(site.folder / "files")}


def make_key(site: Site) -> str:
    """A real API key of the owner `bench` in the ledger of `site`."""
    house = open_house(read_bench_settings(site))

    async def make() -> str:
        await house.services.owners.create_owner(OWNER)
        return (await house.services.owners.create_key(OWNER)).key

    try:
        return asyncio.run(make())
    finally:
        house.close()


@contextmanager
def serving_jobwire(
    site: Site, *, app: str | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """`jobwire serve` on the ledger of `site`, with the settings of the peers unless `environment` says else."""
    port = find_free_port()
    target = [app] if app else []
    command = [str(Path(sys.executable).with_name("jobwire")), "serve", *target, "--port", str(port)]
    with running(command, site.folder, {**environment_of(site), **(environment or {})}) as process:
        server = Server(port, process.pid)
        wait_for_server(f"{server.url}/healthz", process)
        yield server


@contextmanager
def serving_constant(folder: Path, body_bytes: int) -> Iterator[Server]:
    """Bare uvicorn that always answers the same `body_bytes` bytes."""
    server = Server(find_free_port())
    options = ("--http", "httptools", "--loop", "uvloop", "--log-level", "warning", "--no-access-log")
    command = python("-m", "uvicorn", "bench.constant_app:app", "--no-server-header", *options, "--port", server.port)
    with running(command, folder, {"BENCH_BODY_BYTES": str(body_bytes)}) as process:
        wait_for_server(server.url, process)
        yield server
