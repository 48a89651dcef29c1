"""What the figures were measured on."""

import os
import platform
import sqlite3
import statistics
import time
from importlib.metadata import version
from pathlib import Path

import apsw
import psycopg

from bench.databases import Databases
from bench.peers.install import PACKAGES, Missing, read_versions

FSYNCS = 200


def measure_fsync_ms(folder: Path) -> float:
    """The median of appending a page to a file and making it durable."""
    times = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(FSYNCS):
            began = time.perf_counter()
            file.write(bytes(4_096))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def describe_machine(folder: Path, databases: Databases) -> dict[str, str]:
    """Processor, disk, versions and what else ran, as texts by name."""
    packages = ("jobwire", "huey", "uvicorn", "uvloop", "httptools", "msgspec")
    return {
        "cores": f"{os.cpu_count()} x {_processor()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "fsync": f"{measure_fsync_ms(folder):.2f} ms (median of {FSYNCS} appended pages)",
        "load before": f"{os.getloadavg()[0]:.2f} (1 minute)",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "SQLite": f"{apsw.sqlite_lib_version()} (Jobwire), {sqlite3.sqlite_version} (Huey)",
        "PostgreSQL": _describe_postgres(databases.postgres),
        "Redis": str(databases.redis) if isinstance(databases.redis, Missing) else "no log, no snapshots",
        "peers": ", ".join(filter(None, map(read_versions, PACKAGES))),
        "packages": ", ".join(f"{name} {version(name)}" for name in packages),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _describe_postgres(server: str | Missing) -> str:
    if isinstance(server, Missing):
        return str(server)
    with psycopg.connect(server) as connection:
        asked = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "max_wal_size")
        return ", ".join(f"{name} {connection.execute(f'SHOW {name}').fetchone()[0]}" for name in asked)  # type: ignore[index]
