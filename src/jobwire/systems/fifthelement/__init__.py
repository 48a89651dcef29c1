"""fifthelement: a knowledge platform whose jobs process, crawl, embed, export and import. Start at dialect.py."""

from collections.abc import Sequence
from importlib import resources
from typing import Final

from jobwire.kinds.contract import Kind
from jobwire.service.call import System
from jobwire.service.services import Services
from jobwire.systems.fifthelement import (
    crawl_pages,
    crawl_records,
    crawling,
    documents,
    embedding,
    embedding_local,
    extracting,
    records,
    records_chunks,
    sitemaps,
    table_documents,
    table_records,
    tables,
)
from jobwire.systems.fifthelement.dialect import FIFTHELEMENT
from jobwire.systems.fifthelement.settings import FifthelementSettings
from jobwire.tables import writing

PARTS: Final = (documents, crawling, embedding, tables)
ISOLATED: Final = tuple(
    module.__name__ for module in (extracting, crawl_pages, sitemaps, embedding_local, table_documents, writing)
)
"""The modules whose functions run in child processes."""


# What the parts keep of a document goes with it; records.py knows none of them.
records.DOCUMENT_HOOKS = (
    *records_chunks.DOCUMENT_HOOKS,
    *table_records.DELETE_HOOKS,
    *crawl_records.DOCUMENT_HOOKS,
)
records.REPOSITORY_HOOKS = crawl_records.REPOSITORY_HOOKS


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
    holds_files=True,
)
