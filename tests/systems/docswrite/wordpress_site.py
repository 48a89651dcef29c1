"""A real WordPress with MariaDB on loopback: started at the first use, ended with the run.

Everything is in one temporary folder and runs as a user without rights. Its moods (wordpress/moods.php) make it
answer as sites in trouble do.
"""

import atexit
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from jobwire.net.fetch import FetchPolicy

LOOPBACK = FetchPolicy(allow=(ip_network("127.0.0.1/32"),))
INSTALL = (
    "apt-get install -y --no-install-recommends wordpress php-cli php-mysql php-sqlite3 php-xml php-curl php-gd "
    "php-mbstring php-intl php-zip mariadb-server"
)
PROGRAMS = ("php", "mariadbd", "mariadb-install-db", "mariadb")
PACKAGE = Path("/usr/share/wordpress")
PARTS = Path(__file__).parent / "wordpress"
USER = "nobody"
START_S = 60
SERVER_SETTINGS = (
    "--skip-networking",
    "--skip-name-resolve",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=0",
    "--skip-log-bin",
)
PHP_SETTINGS = ("-d", "upload_max_filesize=64M", "-d", "post_max_size=64M", "-d", "memory_limit=256M")


class WordPressSite:
    """One site; `passwords` are the application passwords of the users editor (all rights), writer and reader."""

    def __init__(self) -> None:
        require_packages()
        self._folder = Path(tempfile.mkdtemp(prefix="jobwire-wp-"))
        self._folder.chmod(0o755)
        # A copy: its user may not be able to read the project's folder.
        self._parts = Path(shutil.copytree(PARTS, self._folder / "parts"))
        self._groups: list[subprocess.Popen[bytes]] = []
        atexit.register(self.stop)
        self.files = self._folder / "site"
        self.url = f"http://127.0.0.1:{_find_port()}"
        self._start_database()
        self._copy_files()
        self.passwords: Mapping[str, str] = json.loads(self._run("php", self._parts / "install.php", self.files))
        self._serve()

    @property
    def _socket(self) -> Path:
        return self._folder / "run" / "db.sock"

    def stop(self) -> None:
        """End every process of the site and delete its folder."""
        for process in reversed(self._groups):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._groups.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextlib.contextmanager
    def mood(self, name: str) -> Iterator[None]:
        """The site in a mood of wordpress/moods.php."""
        path = self.files / "wp-content" / "moods" / name
        path.touch()
        try:
            yield
        finally:
            path.unlink()

    @contextlib.contextmanager
    def maintenance(self) -> Iterator[None]:
        """The site while WordPress updates itself."""
        path = self.files / ".maintenance"
        path.write_text("<?php $upgrading = time();")
        try:
            yield
        finally:
            path.unlink()

    @contextlib.contextmanager
    def plain_links(self) -> Iterator[None]:
        """The site without pretty addresses: its API is behind `?rest_route=`."""
        self.run_php("update_option('permalink_structure', '');")
        try:
            yield
        finally:
            self.run_php("update_option('permalink_structure', '/%postname%/');")

    def run_php(self, code: str) -> str:
        """What the code prints with WordPress loaded."""
        return self._run("php", "-r", f"require '{self.files}/wp-load.php'; {code}")

    def count(self, table: str, condition: str) -> int:
        """The rows of one of WordPress' tables."""
        query = f"SELECT COUNT(*) FROM wp_{table} WHERE {condition}"
        return int(self.run_php(f'global $wpdb; echo $wpdb->get_var("{query}");'))

    def forget_content(self) -> None:
        """Delete all posts, pages and pictures."""
        every = 'foreach ($wpdb->get_col("SELECT ID FROM {$wpdb->posts}") as $id) wp_delete_post($id, true);'
        self.run_php(f"global $wpdb; {every}")

    def read_page(self, url: str) -> str:
        """A page as a visitor gets it."""
        with urllib.request.urlopen(url, timeout=30) as response:
            page: str = response.read().decode()
            return page

    def open_blocks(self) -> "BlockParser":
        """WordPress' own parser and serialiser of blocks."""
        return BlockParser([*_as_user(), "php", str(self._parts / "blocks.php"), str(self.files)])

    def _start_database(self) -> None:
        data = self._folder / "db"
        for path in (data, self._socket.parent):
            path.mkdir()
            _give(path)
        install = ("--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db")
        self._run("mariadb-install-db", *install)
        self._start(
            "mariadbd",
            "--no-defaults",
            f"--datadir={data}",
            f"--socket={self._socket}",
            f"--pid-file={self._socket.with_suffix('.pid')}",
            *SERVER_SETTINGS,
        )
        self._await(self._socket.exists, "MariaDB")
        user = "CREATE USER site@localhost IDENTIFIED BY 'site'; GRANT ALL ON site.* TO site@localhost"
        client = ("mariadb", "--no-defaults", "-uroot", "-S", self._socket)
        self._run(*client, "-e", f"CREATE DATABASE site; {user}")

    def _copy_files(self) -> None:
        self.files.mkdir()
        for path in PACKAGE.iterdir():
            if path.name in ("wp-admin", "wp-includes"):
                (self.files / path.name).symlink_to(path)
            elif path.suffix == ".php" and path.name != "wp-config.php":
                shutil.copy(path, self.files)  # these find the site by the folder they are in
        content = self.files / "wp-content"
        for name in ("uploads", "moods", "plugins", "mu-plugins", "themes/plain"):
            (content / name).mkdir(parents=True, exist_ok=True)
        config = (
            (self._parts / "wp-config.php")
            .read_text()
            .replace("@SOCKET@", str(self._socket))
            .replace("@URL@", self.url)
        )
        (self.files / "wp-config.php").write_text(config)
        shutil.copy(self._parts / "moods.php", content / "mu-plugins")
        shutil.copy(self._parts / "theme.php", content / "themes" / "plain" / "index.php")
        (content / "themes" / "plain" / "style.css").write_text("/*\nTheme Name: Plain\n*/\n")
        _give(content / "uploads")

    def _serve(self) -> None:
        address = self.url.removeprefix("http://")
        serve = ("php", *PHP_SETTINGS, "-S", address, "-t", self.files, self._parts / "router.php")
        self._start(*serve, PHP_CLI_SERVER_WORKERS="4")
        self._await(self._answers, "PHP")

    def _answers(self) -> bool:
        try:
            return bool(self.read_page(f"{self.url}/wp-json/"))
        except (urllib.error.URLError, OSError):
            return False

    def _start(self, *command: Any, **environment: str) -> None:
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [*_as_user(), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self._groups.append(process)

    def _run(self, *command: Any) -> str:
        done = subprocess.run(
            [*_as_user(), *map(str, command)], capture_output=True, text=True, cwd=self._folder, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {(done.stderr or done.stdout)[-2000:]}")
        return done.stdout

    def _await(self, is_ready: Any, what: str) -> None:
        deadline = time.monotonic() + START_S
        process = self._groups[-1]
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not start: {(self._folder / 'log').read_text()[-2000:]}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)


class BlockParser:
    """A PHP process that reads contents and writes them back; close it when done."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def parse(self, content: str) -> dict[str, Any]:
        """`written` by serialize_blocks, the `names` of all blocks, and `stray` text outside of any."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(content).encode() + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.communicate()


def require_packages() -> None:
    """Say which command brings what is missing."""
    if not PACKAGE.is_dir() or not all(shutil.which(program) for program in PROGRAMS):
        raise RuntimeError(f"these tests publish to a real WordPress; install it: {INSTALL}")


@cache
def start_site() -> WordPressSite:
    """The run's site, started at the first call."""
    return WordPressSite()


def _as_user() -> list[str]:
    end = ["setpriv", "--pdeathsig", "KILL"]
    if os.geteuid() != 0:
        return end
    return [*end, "--reuid", USER, "--regid", "nogroup", "--clear-groups"]


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, USER)


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
