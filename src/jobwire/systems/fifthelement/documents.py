"""The job document_processing: a file or a text becomes text, metadata and chunks."""

from collections.abc import Sequence

import msgspec

from jobwire.kinds.contract import Kind
from jobwire.service.services import Services
from jobwire.systems.fifthelement.settings import FifthelementSettings


class ProcessInput(msgspec.Struct, frozen=True, rename="camel"):
    """Which document to process."""

    repository: str
    document: str


def make_kinds(services: Services, settings: FifthelementSettings) -> Sequence[Kind]:
    """The kind of this part, bound to one house."""
    return ()
