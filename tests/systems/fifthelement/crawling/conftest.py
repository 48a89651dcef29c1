"""A house that crawls without waiting between two requests, and sites for it."""

from collections.abc import Callable, Iterator, Mapping

import pytest
from crawl_site import Answerer, Page, Site
from fifthelement_house import Client, RunningHouse, run_fifthelement


@pytest.fixture(scope="session")
def crawling_house(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with run_fifthelement(tmp_path_factory.mktemp("crawling"), FIFTHELEMENT_CRAWL_DELAY_MS="0") as house:
        yield house


@pytest.fixture
def crawler(crawling_house: RunningHouse, workspace_names: Iterator[str]) -> Client:
    """A fresh workspace at the house that crawls."""
    return crawling_house.make_client(next(workspace_names))


@pytest.fixture
def serve() -> Iterator[Callable[[Mapping[str, Page | Answerer]], Site]]:
    """Serves tables of pages until the test ends."""
    sites: list[Site] = []

    def open_site(pages: Mapping[str, Page | Answerer]) -> Site:
        sites.append(Site(pages))
        return sites[-1]

    yield open_site
    for site in sites:
        site.close()
