"""Makes a peer's environment: `python -m bench.peers.install [NAME …]`; the measurements do it on demand.

A folder for each in $JOBWIRE_BENCH_PEERS, else $XDG_CACHE_HOME/jobwire-bench, else bench/out/peers; never in the
project's own environment. What is there already stays: delete the folder to get newer versions.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.children import Failed

INSTALL_S_MAX = 600.0


class Missing(Exception):  # noqa: N818 - states a fact, carries no blame
    """Something a peer needs is not there; the message says what and how to get it."""


@dataclass(frozen=True, slots=True)
class Package:
    """What to install: pip requirements for a Python of at least `python`, or npm packages."""

    name: str
    requirements: tuple[str, ...]
    python: tuple[int, int] = (3, 11)
    is_node: bool = False


PACKAGES: Mapping[str, Package] = {
    package.name: package
    for package in (
        Package("pgqueuer", ("pgqueuer[asyncpg,cli]", "uvloop")),
        Package("oban", ("oban", "uvloop"), python=(3, 12)),
        Package("procrastinate", ("procrastinate", "psycopg[binary]", "uvloop")),
        Package("dbos", ("dbos", "psycopg[binary]")),
        Package("celery", ("celery[redis]", "hiredis")),
        Package("bullmq", ("bullmq", "ioredis"), is_node=True),
    )
}


def find_home() -> Path:
    """Where the environments are."""
    if named := os.environ.get("JOBWIRE_BENCH_PEERS"):
        return Path(named)
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache) / "jobwire-bench"
    return Path(__file__).resolve().parent.parent / "out" / "peers"


def ensure(name: str) -> list[str]:
    """The command that starts a program of package `name`, installed now if it is not; Missing says why it is not."""
    package = PACKAGES[name]
    folder = find_home() / name
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (_install_node if package.is_node else _install_python)(package, folder)
        (folder / "ready").write_text(f"{_list_versions(package, folder)}\n")
    return [_find_node()] if package.is_node else [str(folder / "bin" / "python")]


def read_versions(name: str) -> str:
    """The installed versions of what package `name` asks for."""
    ready = find_home() / name / "ready"
    return ready.read_text().strip() if ready.exists() else ""


def _install_python(package: Package, folder: Path) -> None:
    _run([_find_python(package), "-m", "venv", str(folder)], package)
    _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *package.requirements], package)


def _install_node(package: Package, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Missing(f"{package.name} needs npm and Node.js: apt-get install -y npm")
    _find_node()
    _run(
        [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), *package.requirements],
        package,
    )


def _run(command: list[str], package: Package) -> None:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_S_MAX)
    except subprocess.TimeoutExpired as late:
        raise Missing(f"{package.name} was not installed within {INSTALL_S_MAX:g} s: {' '.join(command)}") from late
    if ended.returncode != 0:
        words = (ended.stderr or ended.stdout).strip()[-400:]
        raise Missing(f"{package.name} cannot be installed ({' '.join(command[-3:])}): {words}")


def _find_python(package: Package) -> str:
    """This Python if it is new enough, else the oldest that is, on PATH or among pyenv's."""
    if sys.version_info[:2] >= package.python:
        return sys.executable
    major, minimum = package.python
    for minor in range(minimum, minimum + 4):
        found = [shutil.which(f"python{major}.{minor}", path=_search_path(f"{major}.{minor}"))]
        if found[0] is not None:
            return found[0]
    raise Missing(f"{package.name} needs Python {major}.{minimum} or newer: put python{major}.{minimum} on PATH")


def _search_path(version: str) -> str:
    # pyenv's own folders before its shims, which exist for versions that are not chosen and then refuse to start.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders = [str(folder / "bin") for folder in sorted(pyenv.glob(f"{version}.*"))]
    on_path = [part for part in os.environ.get("PATH", "").split(os.pathsep) if "shims" not in part]
    return os.pathsep.join(folders + on_path)


def _find_node() -> str:
    node = shutil.which("node")
    if node is None:
        raise Missing("bullmq needs Node.js: apt-get install -y nodejs npm")
    return node


def _list_versions(package: Package, folder: Path) -> str:
    names = [requirement.partition("[")[0] for requirement in package.requirements]
    if package.is_node:
        script = ";".join(
            f"console.log('{name} '+require('{folder}/node_modules/{name}/package.json').version)" for name in names
        )
        command = [_find_node(), "-e", script]
    else:
        script = f"from importlib.metadata import version\nfor n in {names!r}: print(n, version(n))"
        command = [str(folder / "bin" / "python"), "-c", script]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise Failed(f"{package.name} was installed but cannot be asked for its version: {ended.stderr[-300:]}")
    return ", ".join(ended.stdout.split("\n")[:-1])


def main() -> int:
    """Install the named packages, or all; the exit code."""
    missing = 0
    for name in sys.argv[1:] or PACKAGES:
        try:
            ensure(name)
            print(f"{name}: {read_versions(name)}")
        except (Missing, KeyError) as refusal:
            missing += 1
            print(refusal if isinstance(refusal, Missing) else f"no peer {name!r}; there are {', '.join(PACKAGES)}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
