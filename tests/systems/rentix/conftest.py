"""One running house for each engine, one with its workers stopped, and the photo server both may fetch from."""

import pytest
from rentix_house import PhotoServer, run_rentix

import house_engines
from house_engines import run_on_engines
from house_fixtures import customer_of, house_of, maker_of, site_of

house_engine = house_engines.house_engine
pytest_runtest_setup = house_engines.pytest_runtest_setup
sqlite_file = house_engines.sqlite_file

CORE = {"test_acceptance", "test_listings", "test_rentix_backlog", "test_rentix_served"}
WITHOUT_LEDGER = {"location", "photos", "translation"}

photos = site_of(PhotoServer)
running = house_of(run_rentix)
stopped = house_of(run_rentix, workers=0)
client = customer_of("running")
new_client = maker_of("running")
waiting = customer_of("stopped")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.path.parent.name not in WITHOUT_LEDGER:
        run_on_engines(metafunc, is_core=metafunc.module.__name__ in CORE)
