"""One running house for each engine, one with its workers stopped, and the site that crawls may fetch."""

import pytest
from fifthelement_house import GatedSite, run_fifthelement

import house_engines
from house_engines import run_on_engines
from house_fixtures import customer_of, house_of, maker_of, site_of

house_engine = house_engines.house_engine
pytest_runtest_setup = house_engines.pytest_runtest_setup
sqlite_file = house_engines.sqlite_file

CORE = {"test_fifthelement_acceptance", "test_fifthelement_resources", "test_fifthelement_members"}
CORE |= {"test_crawl_sites", "test_crawl_corpus", "test_crawl_killed"}

site = site_of(GatedSite)
running = house_of(run_fifthelement)
stopped = house_of(run_fifthelement, workers=0)
client = customer_of("running")
waiting = customer_of("stopped")
new_client = maker_of("stopped")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    run_on_engines(metafunc, is_core=metafunc.module.__name__ in CORE)
