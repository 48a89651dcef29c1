"""rentix: property listings published with translated texts, a location and optimised photos. Start at dialect.py."""

from collections.abc import Sequence
from importlib import resources
from typing import Final

from jobwire.kinds.contract import Kind
from jobwire.kinds.registry import make_kind
from jobwire.service.call import System
from jobwire.service.services import Services
from jobwire.systems.rentix import photos
from jobwire.systems.rentix.dialect import RENTIX
from jobwire.systems.rentix.media import MEDIA_OPTIMIZE, PhotoWork, conclude_media
from jobwire.systems.rentix.publishing import STAGES, Publishing, conclude_publication
from jobwire.systems.rentix.settings import RentixSettings
from jobwire.systems.rentix.upsert import ANNOUNCEMENT_FINALIZE

QUEUE: Final = "rentix"
MIGRATIONS: Final = ("0001.sql", "0002.sql")


def make_kinds(services: Services) -> Sequence[Kind]:
    """The kinds of this system, bound to the services of one house; ValueError for settings that cannot work."""
    settings = RentixSettings(services.settings)
    settings.check()
    work = PhotoWork(services.store, services.blobs, settings.fetch_policy)
    publishing = Publishing(services.store, work, settings)
    return (
        make_kind(
            publishing.finalize,
            name=ANNOUNCEMENT_FINALIZE,
            queue=QUEUE,
            attempts=settings.attempts_max,
            timeout="20m",
            stages=STAGES,
            retry=settings.retry,
            on_final=conclude_publication,
        ),
        make_kind(
            work.optimize,
            name=MEDIA_OPTIMIZE,
            queue=QUEUE,
            attempts=settings.attempts_max,
            timeout="5m",
            retry=settings.retry,
            on_final=conclude_media,
        ),
    )


def _read_migration(name: str) -> str:
    return resources.files(__package__).joinpath("migrations", name).read_text(encoding="utf-8")


SYSTEM: Final = System(
    name=RENTIX.name,
    dialect=RENTIX,
    kinds=make_kinds,
    migrations=tuple(_read_migration(name) for name in MIGRATIONS),
    isolated=(photos.__name__,),
    holds_files=True,
)
