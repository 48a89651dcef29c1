"""The jobs export and import as kinds: exporting.py writes files, importing.py reads them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from jobwire.kinds.contract import Kind
from jobwire.kinds.registry import make_kind
from jobwire.service.services import Services
from jobwire.systems.fifthelement.exporting import Exporting, ExportInput
from jobwire.systems.fifthelement.importing import FETCH_MS, FILE_BYTES_MAX, Importing, ImportInput
from jobwire.systems.fifthelement.settings import FifthelementSettings
from jobwire.systems.fifthelement.starting import EXPORT, IMPORT, QUEUE
from jobwire.systems.fifthelement.subjects import conclude_job
from jobwire.systems.fifthelement.table_records import conclude_import

__all__ = ["ExportInput", "ImportInput", "make_kinds"]

STAGES: Final = {"read": 30.0, "keep": 70.0}
"""Of an import: the file is read in a third of the time."""


def make_kinds(services: Services, settings: FifthelementSettings) -> Sequence[Kind]:
    """The kinds of this part, bound to one house."""
    return (
        make_kind(
            Exporting(services).run,
            name=EXPORT,
            queue=QUEUE,
            attempts=settings.attempts_max,
            timeout="1h",
            retry=settings.retry,
            on_final=conclude_job,
        ),
        make_kind(
            Importing(
                services, replace(settings.fetch_policy, body_bytes_max=FILE_BYTES_MAX, deadline_ms=FETCH_MS)
            ).run,
            name=IMPORT,
            queue=QUEUE,
            attempts=settings.attempts_max,
            timeout="2h",
            stages=STAGES,
            retry=settings.retry,
            on_final=conclude_import,
        ),
    )
