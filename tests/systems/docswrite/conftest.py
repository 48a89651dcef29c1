"""The run's real WordPress and calls to it; and for the tests of the API one running house for each engine."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from itertools import count
from typing import Any

import pytest
from docswrite_house import Client, Google, RunningHouse, run_docswrite
from wordpress_site import LOOPBACK, WordPressSite, start_site

import house_engines
from house_engines import run_on_engines
from jobwire.net.fetch import Fetcher
from jobwire.systems.docswrite.wordpress import SiteLogin, WordPress

house_engine = house_engines.house_engine
pytest_runtest_setup = house_engines.pytest_runtest_setup

ON_LEDGERS = {
    "test_docswrite_acceptance", "test_docswrite_exports", "test_docswrite_kills", "test_docswrite_later",
    "test_docswrite_pollers", "test_docswrite_sites",
}  # fmt: skip

Work = Callable[[WordPress], Coroutine[Any, Any, Any]]


@pytest.fixture(scope="session")
def site() -> WordPressSite:
    return start_site()


@pytest.fixture
def ask(site: WordPressSite) -> Callable[..., Any]:
    """Run `work(client)` as a user of the site: `ask(work, user="editor", password=…, root=…)`."""

    def run(work: Work, *, user: str = "editor", password: str | None = None, root: str | None = None) -> Any:
        async def talk() -> Any:
            async with Fetcher(LOOPBACK) as fetcher:
                secret = site.passwords[user] if password is None else password
                return await work(WordPress(fetcher, SiteLogin(root or f"{site.url}/wp-json/", user, secret)))

        return asyncio.run(talk())

    return run


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__ in ON_LEDGERS:
        run_on_engines(metafunc)


@pytest.fixture(scope="session")
def google(house_engine: str, site: WordPressSite) -> Iterator[Google]:
    # The same documents are exported on each engine: what the last one published would be found again.
    site.forget_content()
    server = Google()
    yield server
    server.close()


@pytest.fixture(scope="session")
def running(house_engine: str, tmp_path_factory: pytest.TempPathFactory, google: Google) -> Iterator[RunningHouse]:
    with run_docswrite(tmp_path_factory.mktemp("running"), google) as house:
        yield house


@pytest.fixture(scope="session")
def stopped(house_engine: str, tmp_path_factory: pytest.TempPathFactory, google: Google) -> Iterator[RunningHouse]:
    """A house whose worker is stopped: whatever is submitted waits."""
    with run_docswrite(tmp_path_factory.mktemp("stopped"), google, workers=0) as house:
        yield house


@pytest.fixture(scope="session")
def owner_names() -> Iterator[str]:
    return (f"Customer {number}" for number in count(1))


@pytest.fixture
def client(running: RunningHouse, site: WordPressSite, owner_names: Iterator[str]) -> Client:
    """A new customer at the running house, the site connected."""
    return running.make_client(next(owner_names), site)


@pytest.fixture
def waiting(stopped: RunningHouse, site: WordPressSite, owner_names: Iterator[str]) -> Client:
    """A new customer at the house whose worker is stopped."""
    return stopped.make_client(next(owner_names), site)
