"""A ledger of its own for every test on each engine, named in the environment as a user would."""

import os
from pathlib import Path

import pytest

import house_engines
from house_engines import address_in, run_on_engines

house_engine = house_engines.house_engine
pytest_runtest_setup = house_engines.pytest_runtest_setup
sqlite_file = house_engines.sqlite_file

# They say themselves which ledgers they are about.
BY_THEMSELVES = ("test_app_doctor", "test_app_move", "test_app_pooled", "test_app_transactions")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if not metafunc.module.__name__.startswith(BY_THEMSELVES):
        run_on_engines(metafunc)


@pytest.fixture(autouse=True)
def ledger(house_engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ledger's address."""
    for name in os.environ:
        if name.startswith("JOBWIRE_") and not name.startswith("JOBWIRE_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("JOBWIRE_DB", address_in(tmp_path))
    monkeypatch.setenv("JOBWIRE_FILES", str(tmp_path / "files"))
    monkeypatch.setenv("COLUMNS", "200")
    return address_in(tmp_path)
