"""docswrite: documents become posts of a WordPress. dialect.py is its API, exporting.py its job.

document.py is what lies between reading and writing: source.py reads a file into a document, content.py writes it as
HTML or blocks, pictures.py prepares its pictures; these three run in a limited child. wordpress.py talks to the site.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import Final

from jobwire.dialects.spec import CodecName, Dialect
from jobwire.kinds.contract import Kind
from jobwire.kinds.registry import make_kind
from jobwire.service.call import System
from jobwire.service.services import Services
from jobwire.systems.docswrite import content, pictures, source
from jobwire.systems.docswrite.dialect import DOCSWRITE
from jobwire.systems.docswrite.exporting import DOCSWRITE_EXPORT, STAGES, Exporting
from jobwire.systems.docswrite.settings import DocswriteSettings, EpochUnit

QUEUE: Final = "docswrite"
MIGRATIONS: Final = ("0001.sql",)

_CODECS: Final[Mapping[EpochUnit, CodecName]] = {"ms": "epoch_ms", "s": "epoch_s"}


def make_kinds(services: Services) -> Sequence[Kind]:
    """The kind of this system, bound to the services of one house; ValueError for settings that cannot work."""
    settings = DocswriteSettings(services.settings)
    settings.check()
    return (
        make_kind(
            Exporting(services, settings).export,
            name=DOCSWRITE_EXPORT,
            queue=QUEUE,
            attempts=settings.attempts_max,
            timeout="30m",
            stages=STAGES,
            retry=settings.retry,
            # A document is never exported twice at once: its key names it and its site.
            key_running_max=1,
        ),
    )


def choose_dialect(settings: Mapping[str, str]) -> Dialect:
    """The dialect with its times in the unit that the settings name."""
    codec = _CODECS[DocswriteSettings(settings).epoch_unit]
    job = tuple(replace(field, codec=codec) if field.codec == "epoch_ms" else field for field in DOCSWRITE.job)
    return replace(DOCSWRITE, job=job)


def _read_migration(name: str) -> str:
    return resources.files(__package__).joinpath("migrations", name).read_text(encoding="utf-8")


SYSTEM: Final = System(
    name=DOCSWRITE.name,
    dialect=DOCSWRITE,
    kinds=make_kinds,
    migrations=tuple(_read_migration(name) for name in MIGRATIONS),
    isolated=(source.__name__, content.__name__, pictures.__name__),
    holds_files=True,
    choose_dialect=choose_dialect,
)
