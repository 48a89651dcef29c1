"""The jobs export and import: documents and vectors to a file, rows of a file to documents."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from jobwire.kinds.contract import Kind
from jobwire.service.services import Services
from jobwire.systems.fifthelement.settings import FifthelementSettings


class ExportInput(msgspec.Struct, frozen=True, rename="camel"):
    """What to export, and how."""

    repository: str
    format: Literal["jsonl", "csv", "parquet", "xlsx"] = "jsonl"
    include_vectors: bool = False


class ImportInput(msgspec.Struct, frozen=True, rename="camel"):
    """The kept file to import (the address of its bytes and its name), and whether bad rows refuse the rest."""

    repository: str
    source: str
    name: str = ""
    rows: Literal["valid", "all"] = "valid"


def make_kinds(services: Services, settings: FifthelementSettings) -> Sequence[Kind]:
    """The kinds of this part, bound to one house."""
    return ()
