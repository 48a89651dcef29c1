"""Workers on each engine; threads and child processes by themselves know no ledger and are tested once."""

import pytest

import house_engines
from house_engines import run_on_engines

house_engine = house_engines.house_engine
pytest_runtest_setup = house_engines.pytest_runtest_setup
sqlite_file = house_engines.sqlite_file


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__.startswith("test_worker_") and metafunc.module.__name__ != "test_worker_threads":
        run_on_engines(metafunc)
