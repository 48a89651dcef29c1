"""apidatatools: format, validate and convert files, at once or as jobs. Start at dialect.py; tools/ has the work."""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Final

from jobwire.dialects.spec import Dialect
from jobwire.kinds.contract import Kind
from jobwire.kinds.registry import make_kind
from jobwire.service.call import System
from jobwire.service.services import Services
from jobwire.systems.apidatatools import running
from jobwire.systems.apidatatools.dialect import APIDATATOOLS, FRIENDLY
from jobwire.systems.apidatatools.fields import QUEUE
from jobwire.systems.apidatatools.routes_tools import KINDS
from jobwire.systems.apidatatools.settings import ToolSettings
from jobwire.systems.apidatatools.tools import TOOLS
from jobwire.systems.apidatatools.work import ToolWork, conclude

ATTEMPTS_MAX: Final = 3


def make_kinds(services: Services) -> Sequence[Kind]:
    """The kinds of this system, bound to the services of one house; ValueError for settings that cannot work."""
    settings = ToolSettings(services.settings)
    settings.check()
    return [
        make_kind(
            ToolWork(TOOLS[tool], services.blobs, settings, links=services.links, clock=services.clock).run,
            name=kind,
            queue=QUEUE,
            attempts=ATTEMPTS_MAX,
            timeout=settings.job_s,
            description=f"Run {tool} on a file.",
            on_final=conclude,
        )
        for kind, tool in KINDS.items()
    ]


def choose_dialect(settings: Mapping[str, str]) -> Dialect:
    """The vendor's errors, or those that the documented clients can read."""
    return FRIENDLY if ToolSettings(settings).has_friendly_errors else APIDATATOOLS


SYSTEM: Final = System(
    name=APIDATATOOLS.name,
    dialect=APIDATATOOLS,
    kinds=make_kinds,
    migrations=(resources.files(__package__).joinpath("migrations", "0001.sql").read_text(encoding="utf-8"),),
    isolated=(running.__name__,),
    holds_files=True,
    choose_dialect=choose_dialect,
)
