"""A real WordPress with MariaDB on loopback, of Debian's packages, for as long as a demo or a test takes."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Literal

from jobwire.config import SettingError

PACKAGES = "wordpress php-cli php-mysql php-xml php-curl php-gd php-mbstring php-intl php-zip mariadb-server"
PROGRAMS = ("php", "mariadbd", "mariadb-install-db", "mariadb", "setpriv")
SOURCE = Path("/usr/share/wordpress")
USER = "nobody"
START_S = 60.0
LOOK_S = 0.05
DATABASE_SETTINGS = (
    "--skip-networking",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    # What was answered survives the end of the server, not that of the machine.
    "--innodb-flush-log-at-trx-commit=2",
)
# PHP's server forks its workers, which nobody tells of an end: a shell waits beside it and takes all of them along.
TOGETHER = ("sh", "-c", 'trap "kill -KILL 0" TERM; "$@" & wait', "sh")
PHP_SETTINGS = ("-d", "upload_max_filesize=64M", "-d", "post_max_size=64M", "-d", "memory_limit=256M")

Part = Literal["database", "web"]


def check_packages() -> None:
    """SettingError with the command that installs what is missing."""
    if not SOURCE.is_dir() or not all(shutil.which(program) for program in PROGRAMS):
        raise SettingError(f"this runs a WordPress; install one: apt-get install --no-install-recommends {PACKAGES}")


@contextmanager
def run_wordpress() -> Iterator["Blog"]:
    """A new site with one user; it is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="jobwire-wordpress-", ignore_cleanup_errors=True) as name:
        blog = Blog(Path(name))
        try:
            blog.install()
            yield blog
        finally:
            blog.stop()


class Blog:
    """A site in a folder of its own: its address, and a login that publishes there once it is installed.

    It runs as a user without rights. SettingError for what cannot be started.
    """

    login = "editor"

    def __init__(self, folder: Path) -> None:
        check_packages()
        folder.chmod(0o755)
        self.folder = folder
        self.files = folder / "site"
        self.url = f"http://127.0.0.1:{_find_port()}"
        self.password = ""
        # A copy: its user may not be able to read the package's folder.
        self._parts = Path(shutil.copytree(str(files("jobwire.cli") / "wordpress"), folder / "parts"))
        self._running: dict[Part, subprocess.Popen[bytes]] = {}

    def install(self) -> None:
        """Make the database and the site, and serve it."""
        self._make_database()
        self._copy_files()
        self.password = self.run("php", self._parts / "install.php", self.files)
        self.start("web")

    def start(self, part: Part) -> None:
        """Start the database or what serves the pages; returns when it answers."""
        if part == "database":
            self._socket.unlink(missing_ok=True)
            place = (f"--socket={self._socket}", f"--pid-file={self._socket.with_suffix('.pid')}")
            self._start(part, "mariadbd", "--no-defaults", f"--datadir={self._data}", *place, *DATABASE_SETTINGS)
            self._wait(part, self._socket.exists)
        else:
            served = ("-S", self.url.removeprefix("http://"), "-t", str(self.files))
            self._start(part, *TOGETHER, "php", *PHP_SETTINGS, *served, str(self._parts / "router.php"))
            self._wait(part, lambda: _answers(f"{self.url}/wp-json/"))

    def kill(self, part: Part) -> None:
        """End a part by SIGKILL, with all processes it has started."""
        if (process := self._running.pop(part, None)) is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """End every process."""
        self.kill("web")
        self.kill("database")

    def run(self, *command: str | Path) -> str:
        """What a program prints."""
        words = [*as_user(), *map(str, command)]
        done = subprocess.run(words, capture_output=True, text=True, cwd=self.folder, check=False)  # noqa: S603
        if done.returncode:
            raise SettingError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
        return done.stdout.strip()

    @property
    def _data(self) -> Path:
        return self.folder / "db"

    @property
    def _socket(self) -> Path:
        return self.folder / "run" / "db.sock"

    def _make_database(self) -> None:
        for path in (self._data, self._socket.parent):
            path.mkdir()
            give(path)
        known = ("--no-defaults", f"--datadir={self._data}", "--auth-root-authentication-method=normal")
        self.run("mariadb-install-db", *known, "--skip-test-db")
        self.start("database")
        user = "CREATE USER demo@localhost IDENTIFIED BY 'demo'; GRANT ALL ON demo.* TO demo@localhost"
        client = ("mariadb", "--no-defaults", "-uroot", "-S", self._socket)
        self.run(*client, "-e", f"CREATE DATABASE demo; {user}")

    def _copy_files(self) -> None:
        self.files.mkdir()
        for path in SOURCE.iterdir():
            if path.name in ("wp-admin", "wp-includes"):
                (self.files / path.name).symlink_to(path)
            elif path.suffix == ".php" and path.name != "wp-config.php":
                shutil.copy(path, self.files)  # these find the site by the folder they are in
        theme, uploads, plugins = (self.files / "wp-content" / name for name in ("themes/demo", "uploads", "plugins"))
        for path in (theme, uploads, plugins):
            path.mkdir(parents=True)
        give(uploads)
        shutil.copy(self._parts / "theme.php", theme / "index.php")
        (theme / "style.css").write_text("/*\nTheme Name: Demo\n*/\n")
        config = (self._parts / "config.php").read_text()
        for word, value in (("@SOCKET@", self._socket), ("@URL@", self.url), ("@SECRET@", secrets.token_hex())):
            config = config.replace(word, str(value))
        (self.files / "wp-config.php").write_text(config)

    def _start(self, part: Part, *command: str) -> None:
        with (self.folder / "log").open("ab") as log:
            self._running[part] = subprocess.Popen(  # noqa: S603 - programs of Debian
                [*as_user("TERM" if part == "web" else "KILL"), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "PHP_CLI_SERVER_WORKERS": "4"},
                start_new_session=True,
            )

    def _wait(self, part: Part, is_ready: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + START_S
        process = self._running[part]
        while not is_ready():
            if process.poll() is not None or time.monotonic() > give_up_at:
                log = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise SettingError(f"the {part} of the WordPress did not start: {log}")
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_S)


def as_user(end_signal: str = "KILL") -> list[str]:
    """What stands before a command: MariaDB refuses root; children end with us, by that signal."""
    end = ["setpriv", "--pdeathsig", end_signal]
    return [*end, "--reuid", USER, "--regid", "nogroup", "--clear-groups"] if os.geteuid() == 0 else end


def give(path: Path) -> None:
    """The path is its user's."""
    if os.geteuid() == 0:
        shutil.chown(path, USER)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own loopback server
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
