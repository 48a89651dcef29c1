"""fifthelement: a knowledge platform whose jobs process, crawl, embed, export and import. Start at dialect.py."""

from collections.abc import Sequence
from importlib import resources
from typing import Final

from jobwire.kinds.contract import Kind
from jobwire.service.call import System
from jobwire.service.services import Services
from jobwire.systems.fifthelement import crawl_pages, crawling, documents, embedding, sitemaps, tables
from jobwire.systems.fifthelement.dialect import FIFTHELEMENT
from jobwire.systems.fifthelement.settings import FifthelementSettings

PARTS: Final = (documents, crawling, embedding, tables)
ISOLATED: Final[tuple[str, ...]] = (crawl_pages.__name__, sitemaps.__name__)
"""The modules whose functions run in child processes."""


def make_kinds(services: Services) -> Sequence[Kind]:
    """The kinds of this system, bound to the services of one house; ValueError for settings that cannot work."""
    settings = FifthelementSettings(services.settings)
    settings.check()
    return tuple(kind for part in PARTS for kind in part.make_kinds(services, settings))


def _read_migrations() -> tuple[str, ...]:
    scripts = resources.files(__package__).joinpath("migrations").iterdir()
    ordered = sorted((script for script in scripts if script.name.endswith(".sql")), key=lambda script: script.name)
    return tuple(script.read_text(encoding="utf-8") for script in ordered)


SYSTEM: Final = System(
    name=FIFTHELEMENT.name,
    dialect=FIFTHELEMENT,
    kinds=make_kinds,
    migrations=_read_migrations(),
    isolated=ISOLATED,
)
