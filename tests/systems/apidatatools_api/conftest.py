"""One running house for each engine, one with its workers stopped, and the files both may fetch."""

import pytest
from apidatatools_house import FileServer, run_tools

import house_engines
from house_engines import run_on_engines
from house_fixtures import customer_of, house_of, maker_of, site_of

house_engine = house_engines.house_engine
pytest_runtest_setup = house_engines.pytest_runtest_setup

CORE = {"test_apidatatools_acceptance"}

files = site_of(FileServer)
running_tools = house_of(run_tools)
stopped_tools = house_of(run_tools, workers=0, APIDATATOOLS_SYNC_MS="0")
customer = customer_of("running_tools")
new_customer = maker_of("running_tools")
waiting = customer_of("stopped_tools")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    run_on_engines(metafunc, is_core=metafunc.module.__name__ in CORE)
