"""The job web_crawling: a site's pages become documents."""

from collections.abc import Sequence

import msgspec

from jobwire.kinds.contract import Kind
from jobwire.service.services import Services
from jobwire.systems.fifthelement.settings import FifthelementSettings


class CrawlInput(msgspec.Struct, frozen=True, rename="camel"):
    """Where to crawl from, and how far."""

    repository: str
    url: str
    max_pages: int = 100
    max_depth: int = 2


def make_kinds(services: Services, settings: FifthelementSettings) -> Sequence[Kind]:
    """The kind of this part, bound to one house."""
    return ()
