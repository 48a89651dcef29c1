"""What the query of an import call says, as the fields of its job's input (importing.ImportInput)."""

from collections.abc import Mapping
from typing import Any, Final

from jobwire.blobs.links import LIFETIME_S_MAX, FileLinks
from jobwire.dialects.parse import refuse_faults
from jobwire.kinds.faults import Fault

_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "false": False}
_SOURCE_TYPE: Final = "application/octet-stream"


def read_import_query(query: Mapping[str, str]) -> dict[str, Any]:
    """The fields; `types` is written `price:number,built:date`, `process` true or false; the kind judges the rest.

    RequestError for types that are no pairs.
    """
    wanted: dict[str, Any] = {name: value for name, value in query.items() if name != "name"}
    if "process" in wanted:
        wanted["process"] = _BOOLEANS.get(wanted["process"], wanted["process"])
    if "types" in wanted:
        wanted["types"] = dict(_read_type(part) for part in wanted["types"].split(","))
    return wanted


def names_file(wanted: Mapping[str, Any], *, is_body_sent: bool) -> bool:
    """Whether the query, not the body, says where the file is; RequestError where both do, or it does twice."""
    places = [name for name in ("url", "source") if name in wanted]
    if len(places) + is_body_sent > 1:
        others = " and ".join([*places[1:], *(["a body"] if is_body_sent else [])])
        detail = f"says where the file is, and so does {others}; send one of them"
        raise refuse_faults([Fault(f"/{places[0]}", detail)])
    return bool(places)


def _read_type(pair: str) -> tuple[str, str]:
    # From the right: a column's name may hold a colon.
    column, colon, of_type = pair.rpartition(":")
    if not colon:
        raise refuse_faults([Fault("/types", f"{pair!r} is no pair; write column:type, as price:number,built:date")])
    return column, of_type


def name_source(links: FileLinks, sha256: str) -> str:
    """An upload as an import's source: a signed link, because an address alone proves nothing about who may read."""
    return links.sign(sha256, name="upload", content_type=_SOURCE_TYPE, lifetime_s=LIFETIME_S_MAX)
