"""Workers on each engine; what runs in child processes knows no ledger and runs once (children/)."""

import pytest

import house_engines
from house_engines import run_on_engines

house_engine = house_engines.house_engine
pytest_runtest_setup = house_engines.pytest_runtest_setup
sqlite_file = house_engines.sqlite_file


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__.startswith("test_worker_"):
        run_on_engines(metafunc)
