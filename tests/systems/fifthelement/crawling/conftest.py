"""A house that crawls without waiting between two requests, and sites for it."""

from collections.abc import Callable, Iterator, Mapping

import pytest
from crawl_site import Answerer, Page, Site
from fifthelement_house import run_fifthelement

from house_fixtures import customer_of, house_of

crawling_house = house_of(run_fifthelement, FIFTHELEMENT_CRAWL_DELAY_MS="0")
crawler = customer_of("crawling_house")


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
