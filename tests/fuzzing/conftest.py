"""The engine of a fuzzed server; `JOBWIRE_FUZZ_S` says for how long (make fuzz: ten minutes)."""

import pytest

import house_engines
from house_engines import run_on_engines

house_engine = house_engines.house_engine
sqlite_file = house_engines.sqlite_file
pytest_runtest_setup = house_engines.pytest_runtest_setup


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    run_on_engines(metafunc)
