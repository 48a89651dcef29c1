"""One running house for each engine, and the corpora of real files."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents_house import DocumentHouse, run_documents

from postgres_server import is_left_out, new_ledger

ENGINES = ("sqlite",) if is_left_out() else ("sqlite", "postgresql")
CORPORA = Path(sys.prefix) / "corpora"


def make_address(engine: str, folder: Path) -> str:
    """The address of a new ledger."""
    return str(folder / "jobs.db") if engine == "sqlite" else new_ledger()


@pytest.fixture(scope="module", params=ENGINES)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocumentHouse]:
    """A house whose worker runs."""
    folder = tmp_path_factory.mktemp("library")
    with run_documents(folder, make_address(request.param, folder)) as house:
        yield house


@pytest.fixture(params=ENGINES)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new ledger of each engine."""
    return make_address(request.param, tmp_path)


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of corpora, which `make install` fetches."""
    if not CORPORA.is_dir():
        pytest.fail("the corpora are not there; run python tools/fetch_corpora.py", pytrace=False)
    return CORPORA
