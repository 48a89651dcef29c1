"""A real WordPress with MariaDB on loopback, of Debian's packages, for as long as a demo takes."""

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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jobwire.config import SettingError

PACKAGES = "wordpress php-cli php-mysql php-xml php-curl php-gd php-mbstring php-intl php-zip mariadb-server"
PROGRAMS = ("php", "mariadbd", "mariadb-install-db", "mariadb", "setpriv")
SOURCE = Path("/usr/share/wordpress")
USER = "nobody"
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Blog:
    """A site that runs: its address, and a login that publishes there."""

    url: str
    login: str
    password: str


def check_packages() -> None:
    """SettingError with the command that installs what is missing."""
    if not SOURCE.is_dir() or not all(shutil.which(program) for program in PROGRAMS):
        raise SettingError(
            f"this demo runs a WordPress; install one: apt-get install --no-install-recommends {PACKAGES}"
        )


@contextmanager
def run_wordpress() -> Iterator[Blog]:
    """A new site with one user; it is gone at the end."""
    check_packages()
    with (
        tempfile.TemporaryDirectory(prefix="jobwire-wordpress-", ignore_cleanup_errors=True) as name,
        ExitStack() as ends,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        parts = shutil.copytree(str(files("jobwire.cli") / "wordpress"), folder / "parts")
        url = f"http://127.0.0.1:{_find_port()}"
        _start_database(folder, ends)
        site = _copy_site(folder, parts, url)
        password = _run(folder, "php", str(parts / "install.php"), str(site))
        _start(folder, ends, "php", "-S", url.removeprefix("http://"), "-t", str(site), str(parts / "router.php"))
        _wait(lambda: _answers(f"{url}/wp-json/"), folder)
        yield Blog(url, "editor", password)


def _start_database(folder: Path, ends: ExitStack) -> None:
    data, place = folder / "db", folder / "run"
    for path in (data, place):
        path.mkdir()
        _give(path)
    known = ("--no-defaults", f"--datadir={data}")
    _run(folder, "mariadb-install-db", *known, "--auth-root-authentication-method=normal", "--skip-test-db")
    server = ("mariadbd", *known, f"--socket={place / 'db'}", f"--pid-file={place / 'pid'}", "--skip-networking")
    _start(folder, ends, *server, "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--skip-log-bin")
    _wait((place / "db").exists, folder)
    sql = (
        "CREATE DATABASE demo; CREATE USER demo@localhost IDENTIFIED BY 'demo'; GRANT ALL ON demo.* TO demo@localhost"
    )
    _run(folder, "mariadb", "--no-defaults", "-uroot", "-S", str(place / "db"), "-e", sql)


def _copy_site(folder: Path, parts: Path, url: str) -> Path:
    site = shutil.copytree(SOURCE, folder / "site", ignore=shutil.ignore_patterns("wp-config.php"))
    theme, uploads = (site / "wp-content" / name for name in ("themes/demo", "uploads"))
    for path in (theme, uploads):
        path.mkdir(parents=True, exist_ok=True)
    shutil.copy(parts / "theme.php", theme / "index.php")
    (theme / "style.css").write_text("/*\nTheme Name: Demo\n*/\n")
    config = (parts / "config.php").read_text()
    for word, value in (("@SOCKET@", folder / "run" / "db"), ("@URL@", url), ("@SECRET@", secrets.token_hex())):
        config = config.replace(word, str(value))
    (site / "wp-config.php").write_text(config)
    _give(uploads)
    return site


def _start(folder: Path, ends: ExitStack, *command: str) -> None:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - programs of Debian
            [*_as_user(), *command],
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, "PHP_CLI_SERVER_WORKERS": "4"},
            start_new_session=True,
        )
    ends.callback(_stop, process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run([*_as_user(), *command], capture_output=True, text=True, cwd=folder, check=False)  # noqa: S603
    if done.returncode:
        raise SettingError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout.strip()


def _wait(is_ready: Callable[[], bool], folder: Path) -> None:
    give_up_at = time.monotonic() + START_S
    while not is_ready():
        if time.monotonic() > give_up_at:
            raise SettingError(f"WordPress did not start: {(folder / 'log').read_text(errors='replace')[-500:]}")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own loopback server
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _as_user() -> list[str]:
    """MariaDB refuses root; children end with us."""
    end = ["setpriv", "--pdeathsig", "KILL"]
    return [*end, "--reuid", USER, "--regid", "nogroup", "--clear-groups"] if os.geteuid() == 0 else end


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, USER)


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
