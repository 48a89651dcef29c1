"""`jobwire doctor`: checks what a deployment stands on, and says what to change. PostgreSQL: doctor_postgres.py.

Kept files in a bucket: doctor_files.py.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import apsw
import typer
from rich.markup import escape

from jobwire.blobs.local import LocalBlobs
from jobwire.cli.doctor_files import examine_bucket
from jobwire.cli.findings import MARKS, Finding, grade, judge_move, judge_people
from jobwire.cli.output import console, print_json
from jobwire.cli.slips import find_slips
from jobwire.cli.target import DbOption, JsonOption
from jobwire.config import Bucket, Settings, is_postgres, read_settings
from jobwire.store.sqlite import connect
from jobwire.wiring import SYSTEMS, load_systems

DISK_FREE_BYTES_MIN = 1_000_000_000
FSYNC_MS_SLOW = 20.0
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p"})


def doctor(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Check this machine and ledger; exit code 1 when something must be changed."""
    problems = 0
    for finding in examine(read_settings(db=db)):
        if as_json:
            print_json(finding)
        else:
            console.print(MARKS[finding.level], escape(str(finding)), highlight=False, soft_wrap=True)
        problems += finding.level == "problem"
    raise typer.Exit(1 if problems else 0)


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check in turn."""
    yield Finding("ok", f"Python {sys.version.split()[0]}, SQLite {apsw.sqlite_lib_version()} (apsw)")
    if is_postgres(settings.db):
        yield from _examine_server(settings.db)
    else:
        yield from _examine_ledger(settings)
    if isinstance(settings.files, Bucket):
        yield from examine_bucket(settings, settings.files)
    else:
        yield from examine_folder(settings.files, "files")
        if settings.files.is_dir():
            count, total = LocalBlobs(settings.files).measure()
            yield Finding("ok", "kept files", f"{count}, {total / 1e6:.1f} MB")
    yield from _examine_systems()
    for slip in find_slips(os.environ):
        yield Finding("note", slip.partition("; ")[0], fix=slip.partition("; ")[2])


def _examine_server(dsn: str) -> Iterator[Finding]:
    try:
        postgres = import_module("jobwire.cli.doctor_postgres")
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        yield Finding("problem", "psycopg is not installed", fix="pip install 'jobwire[postgresql]'")
        return
    yield from postgres.examine_postgres(dsn)


def _examine_ledger(settings: Settings) -> Iterator[Finding]:
    if settings.db == ":memory:":
        yield Finding("problem", "JOBWIRE_DB is :memory:, nothing survives the process", fix="name a file")
        return
    path = Path(settings.db).resolve()
    if not path.parent.is_dir():
        yield Finding("problem", f"the ledger's folder {path.parent} is not there", fix="make it, or check --db")
        return
    yield from examine_folder(path.parent, "ledger")
    file_system = _file_system_of(path.parent)
    if file_system in NETWORK_FILE_SYSTEMS:
        yield Finding(
            "problem",
            "the ledger's file system",
            file_system,
            "SQLite's locks are not safe there",
            "use a local disk",
        )
    if not path.exists():
        yield Finding("note", f"there is no ledger at {path} yet", fix="the first `jobwire serve` makes it")
        return
    try:
        connection = connect(str(path), is_reader=True)
        try:
            yield from _examine_tables(connection, path)
        finally:
            connection.close()
    except apsw.Error as error:
        what = f"{path} is no ledger of Jobwire that can be read"
        yield Finding("problem", what, str(error), fix="check --db and JOBWIRE_DB")


def _examine_tables(connection: apsw.Connection, path: Path) -> Iterator[Finding]:
    verdict = str(connection.execute("PRAGMA quick_check").get)
    kept_bytes = sum(part.stat().st_size for part in (path, path.with_name(f"{path.name}-wal")) if part.exists())
    size = f"{kept_bytes / 1e6:.1f} MB with its log, quick_check {verdict}"
    yield Finding("ok" if verdict == "ok" else "problem", f"ledger {path}", size, fix="restore the last good backup")
    rows = connection.execute("SELECT state, count(*) FROM state GROUP BY state").fetchall()
    names = ("queued", "running", "completed", "failed", "cancelled")
    counted = ", ".join(f"{count} {names[int(str(state))]}" for state, count in rows) or "none"
    yield Finding("ok", "jobs", counted)
    for (moved_to,) in connection.execute("SELECT value FROM ledger WHERE name = 'moved_to'").fetchall():
        yield judge_move(str(path), str(moved_to))
    now = time.time_ns() // 1_000_000
    workers = connection.execute("SELECT count(*) FROM worker WHERE expires_at > ?", (now,)).get
    stuck = connection.execute(
        "SELECT count(*) FROM lease LEFT JOIN worker ON worker.id = lease.worker WHERE worker.expires_at IS NULL "
        "OR worker.expires_at < ?",
        (now - 60_000,),
    ).get
    keys = connection.execute("SELECT count(*) FROM api_key WHERE revoked_at IS NULL").get
    yield from judge_people(int(str(workers)), int(str(stuck)), int(str(keys)))


def examine_folder(folder: Path, name: str) -> Iterator[Finding]:
    """Whether this user may write there, or to the nearest folder above that is there, has room, and how fast."""
    folder = folder.resolve()
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        yield Finding("problem", f"the {name} folder {folder} is not writable for this user", fix="chown or chmod it")
        return
    free = shutil.disk_usage(folder).free
    yield Finding(
        "ok" if free >= DISK_FREE_BYTES_MIN else "problem",
        f"{name} folder {folder}",
        f"{free / 1e9:.1f} GB free",
        f"at least {DISK_FREE_BYTES_MIN / 1e9:g} GB",
        "make room",
    )
    fsync_ms = _measure_fsync_ms(folder)
    yield Finding(
        grade(fsync_ms, note_above=FSYNC_MS_SLOW),
        "an fsync there takes",
        f"{fsync_ms:.2f} ms",
        f"slow above {FSYNC_MS_SLOW:g} ms",
        "whoever keeps something there waits for it; use a faster disk",
    )


def _measure_fsync_ms(folder: Path) -> float:
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        taken = []
        for _ in range(11):
            file.write(b"x" * 4096)
            file.flush()
            start = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - start)
    return sorted(taken)[5] * 1000


def _file_system_of(folder: Path) -> str:
    mounts = Path("/proc/mounts")
    best, found = "", "unknown"
    for line in mounts.read_text(encoding="utf-8").splitlines() if mounts.exists() else ():
        _, point, kind, *_ = line.split(" ")
        if (str(folder) + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, found = point, kind
    return found


def _examine_systems() -> Iterator[Finding]:
    systems, missing = load_systems("all")
    present = {system.name for system in systems}
    for name in SYSTEMS:
        if name in present:
            yield Finding("ok", f"system {name} is installed")
        else:
            yield Finding("note", f"system {name}", fix=missing[name])
