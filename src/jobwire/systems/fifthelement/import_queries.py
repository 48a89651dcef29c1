"""What the query of an import call says, as the fields of its job's input (importing.ImportInput)."""

from collections.abc import Mapping
from typing import Any, Final

from jobwire.blobs.links import LIFETIME_S_MAX, FileLinks

_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "false": False}
_SOURCE_TYPE: Final = "application/octet-stream"


def read_import_query(query: Mapping[str, str]) -> dict[str, Any]:
    """The fields; `types` is written `price:number,built:date`, `process` true or false; the kind judges the rest."""
    wanted: dict[str, Any] = {name: value for name, value in query.items() if name != "name"}
    if "process" in wanted:
        wanted["process"] = _BOOLEANS.get(wanted["process"], wanted["process"])
    if "types" in wanted:
        # From the right: a column's name may hold a colon.
        pairs = [part.rpartition(":") for part in wanted["types"].split(",")]
        wanted["types"] = {column: of_type for column, _, of_type in pairs}
    return wanted


def name_source(links: FileLinks, sha256: str) -> str:
    """An upload as an import's source: a signed link, because an address alone proves nothing about who may read."""
    return links.sign(sha256, name="upload", content_type=_SOURCE_TYPE, lifetime_s=LIFETIME_S_MAX)
