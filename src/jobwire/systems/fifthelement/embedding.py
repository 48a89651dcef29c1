"""The job batch_embedding: chunks become vectors."""

from collections.abc import Sequence

import msgspec

from jobwire.kinds.contract import Kind
from jobwire.service.services import Services
from jobwire.systems.fifthelement.settings import FifthelementSettings


class EmbedInput(msgspec.Struct, frozen=True, rename="camel"):
    """Which repository's chunks to embed."""

    repository: str


def make_kinds(services: Services, settings: FifthelementSettings) -> Sequence[Kind]:
    """The kind of this part, bound to one house."""
    return ()
