"""Checks what a client sends, naming every wrong field at once. fields.py has the rules, upsert.py what follows."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from jobwire.domain.errors import JobError, RequestError
from jobwire.kinds.spelling import quote
from jobwire.net.fetch import FetchPolicy, validate_url
from jobwire.systems.rentix.fields import (
    AGENT_FIELDS,
    CLIENT_STATUSES,
    CUSTOM_SIZE,
    EXTERNAL_ID_CHARS_MAX,
    ID_MAX,
    LISTING_FIELDS,
    NAME_CHARS_MAX,
    PHOTOS_MAX,
    PHOTOS_MIN,
    Choice,
    Number,
    Point,
    Rule,
    Text,
    secondary_types,
)


@dataclass(frozen=True, slots=True)
class FileRef:
    """A picture to import: `external_id` names the stored file that is used instead, if there is one."""

    url: str
    external_id: str | None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file the client announces to send."""

    content_type: str
    size_bytes: int
    external_id: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Which row a body is about: exactly one of the two is given."""

    id: int | None
    external_id: str | None


@dataclass(frozen=True, slots=True)
class ListingChange:
    """A checked listing body: `fields` to set (None clears one); None elsewhere means "not given"."""

    identity: Identity
    fields: Mapping[str, Any]
    status: str | None = None
    files: Sequence[FileRef] | None = None
    file_ids: Sequence[int] | None = None
    agent: int | None = None
    clears_agent: bool = False


@dataclass(slots=True)
class Complaints:
    """The messages collected while checking one body."""

    messages: list[str] = field(default_factory=list)

    def add(self, message: str) -> None:
        self.messages.append(message)

    def refuse_if_any(self) -> None:
        """Raise RequestError invalid_request with every message in details.messages, unless there is none."""
        if self.messages:
            raise invalid(self.messages)


def invalid(messages: Sequence[str]) -> RequestError:
    """The refusal that names all of `messages`."""
    return RequestError("invalid_request", "; ".join(messages), details={"messages": list(messages)})


def require_object(body: Any) -> Mapping[str, Any]:
    """The body itself if it is a JSON object; raises RequestError."""
    if not isinstance(body, dict):
        raise invalid(["the body must be a JSON object"])
    return body


def read_listing(body: Any, policy: FetchPolicy) -> ListingChange:
    """Check the body of one upsert; unknown keys are ignored. Raises RequestError naming every wrong field."""
    given = require_object(body)
    complaints = Complaints()
    change = ListingChange(
        identity=_read_identity(given, complaints),
        fields=_read_fields(given, LISTING_FIELDS, complaints),
        status=_read_status(given.get("announcementStatus"), complaints),
        files=_read_files(given.get("files"), policy, complaints=complaints),
        file_ids=_read_ids("fileIds", given.get("fileIds"), complaints),
        agent=_read_id("userId", given.get("userId"), complaints),
        clears_agent="userId" in given and given["userId"] is None,
    )
    complaints.refuse_if_any()
    return change


def read_agent(body: Any) -> tuple[Identity, Mapping[str, Any]]:
    """Check the body of a user's upsert; raises RequestError naming every wrong field."""
    given = require_object(body)
    complaints = Complaints()
    identity = _read_identity(given, complaints)
    fields = _read_fields(given, AGENT_FIELDS, complaints)
    complaints.refuse_if_any()
    return identity, fields


def read_import(body: Any, policy: FetchPolicy) -> FileRef:
    """Check `{url, externalId?}`; raises RequestError naming every wrong field."""
    given = require_object(body)
    complaints = Complaints()
    external_id = _read_external_id("externalId", given.get("externalId"), complaints)
    url = _read_url("url", given.get("url"), policy, complaints=complaints)
    complaints.refuse_if_any()
    return FileRef(url, external_id)


def read_link(body: Any) -> tuple[int, str]:
    """The id and externalId of a link, both required; raises RequestError naming every wrong field."""
    given = require_object(body)
    complaints = Complaints()
    number = _read_id("id", given.get("id"), complaints)
    external_id = _read_external_id("externalId", given.get("externalId"), complaints)
    for name in ("id", "externalId"):
        if given.get(name) is None:
            complaints.add(f"{name} is required")
    complaints.refuse_if_any()
    return number or 0, external_id or ""


def read_identity(body: Any) -> Identity:
    """The one of id and externalId that a body gives; raises RequestError."""
    complaints = Complaints()
    identity = _read_identity(require_object(body), complaints)
    complaints.refuse_if_any()
    return identity


def read_upload(body: Any, *, content_types: Collection[str], bytes_max: int) -> Upload:
    """Check `{fileName, contentType, size, externalId?}`; raises RequestError naming every wrong field."""
    given = require_object(body)
    complaints = Complaints()
    for name, rule in (("fileName", Text(NAME_CHARS_MAX)), ("size", Number(lowest=1, highest=bytes_max))):
        if fault := find_fault(name, given.get(name), rule):
            complaints.add(fault)
    content_type = given.get("contentType")
    if content_type not in content_types:
        complaints.add(f"contentType must be one of the following values: {', '.join(content_types)}")
    size = given.get("size")
    if isinstance(size, float) and not size.is_integer():
        complaints.add("size must be a whole number of bytes")
    external_id = _read_external_id("externalId", given.get("externalId"), complaints)
    complaints.refuse_if_any()
    return Upload(str(content_type), int(given["size"]), external_id)


def check_public(form: Mapping[str, Any], photos: int, *, required: Collection[str] = ()) -> list[str]:
    """What a listing lacks to be public, given its merged fields and how many photos it has."""
    return list(_find_gaps(form, photos, required))


def _find_gaps(form: Mapping[str, Any], photos: int, required: Collection[str]) -> Iterator[str]:
    for name in required:
        if form.get(name) is None:
            yield f"{name} is required to publish a listing"
    for name, rule in LISTING_FIELDS.items():
        if isinstance(rule, Text) and name in form and len(form[name]) < rule.chars_min:
            yield (
                f"{name} must be between {rule.chars_min} and {rule.chars_max} characters long, "
                f"it has {len(form[name])}"
            )
    property_type, secondary = form.get("propertyType"), form.get("propertySecondaryType")
    if property_type is not None and secondary is not None:
        words = secondary_types(form.get("announcementType"), property_type)
        if secondary not in words:
            yield f"propertySecondaryType must be one of the following values: {', '.join(words)}"
    if form.get("propertyQuantitySize") == CUSTOM_SIZE and form.get("propertyQuantitySizeValue") is None:
        yield f"propertyQuantitySizeValue is required when propertyQuantitySize is {CUSTOM_SIZE}"
    if photos < PHOTOS_MIN:
        yield f"files must contain at least {PHOTOS_MIN} photos to publish a listing, there are {photos}"


def _read_identity(given: Mapping[str, Any], complaints: Complaints) -> Identity:
    number = _read_id("id", given.get("id"), complaints)
    external_id = _read_external_id("externalId", given.get("externalId"), complaints)
    if (given.get("id") is None) == (given.get("externalId") is None):
        complaints.add("give either externalId or id, exactly one of them")
    return Identity(number, external_id)


def _read_fields(given: Mapping[str, Any], rules: Mapping[str, Rule], complaints: Complaints) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, rule in rules.items():
        if name in given:
            fields[name] = given[name]
            if given[name] is not None and (message := find_fault(name, given[name], rule)):
                complaints.add(message)
    return fields


def find_fault(name: str, value: Any, rule: Rule) -> str | None:
    """What is wrong with a field's value, or None."""
    match rule:
        case Text():
            return _find_text_fault(name, value, rule.chars_max)
        case Number():
            if not _is_number(value):
                return f"{name} must be a number"
            if not rule.lowest <= value <= rule.highest:
                return f"{name} must be between {rule.lowest} and {rule.highest}, got {quote(value)}"
        case Choice():
            if not isinstance(value, str) or value not in rule.words:
                return f"{name} must be one of the following values: {', '.join(rule.words)}"
        case Point():
            if not _is_point(value):
                return f"{name} must be an object with lat between -90 and 90 and lng between -180 and 180"
        case _:
            assert_never(rule)
    return None


def _find_text_fault(name: str, value: Any, chars_max: int) -> str | None:
    if not isinstance(value, str):
        return f"{name} must be a string"
    if len(value) > chars_max:
        return f"{name} must be at most {chars_max} characters long, it has {len(value)}"
    if "\0" in value:
        return f"{name} must not contain the character U+0000"
    return None


def _is_number(value: Any) -> bool:
    # An int is not asked whether it is finite: JSON may hold one of 400 digits, which fits no float.
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _is_point(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    lat, lng = value.get("lat"), value.get("lng")
    return _is_number(lat) and _is_number(lng) and abs(lat) <= 90 and abs(lng) <= 180  # type: ignore[arg-type]


def _read_status(value: Any, complaints: Complaints) -> str | None:
    if value is None or (isinstance(value, str) and value in CLIENT_STATUSES):
        return value
    complaints.add(f"announcementStatus must be one of the following values: {', '.join(CLIENT_STATUSES)}")
    return None


def _read_id(name: str, value: Any, complaints: Complaints) -> int | None:
    if value is None or _is_id(value):
        return value  # type: ignore[no-any-return]
    complaints.add(f"{name} must be a positive integer")
    return None


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= ID_MAX


def _read_ids(name: str, value: Any, complaints: Complaints) -> Sequence[int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(_is_id(item) for item in value):
        complaints.add(f"{name} must be an array of positive integers")
    elif len(value) > PHOTOS_MAX:
        complaints.add(f"{name} must contain at most {PHOTOS_MAX} ids, it has {len(value)}")
    else:
        return list(dict.fromkeys(value))
    return None


def _read_external_id(name: str, value: Any, complaints: Complaints) -> str | None:
    if value is None:
        return None
    if value == "":
        complaints.add(f"{name} must not be empty")
    elif fault := _find_text_fault(name, value, EXTERNAL_ID_CHARS_MAX):
        complaints.add(fault)
    else:
        return str(value)
    return None


def _read_files(value: Any, policy: FetchPolicy, *, complaints: Complaints) -> Sequence[FileRef] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        complaints.add("files must be an array of {url, externalFileId?}")
        return None
    if len(value) > PHOTOS_MAX:
        complaints.add(f"files must contain at most {PHOTOS_MAX} photos, it has {len(value)}")
        return None
    refs = [_read_file(f"files[{place}]", item, policy, complaints=complaints) for place, item in enumerate(value)]
    return list({(ref.external_id or ref.url): ref for ref in refs}.values())


def _read_file(name: str, value: Any, policy: FetchPolicy, *, complaints: Complaints) -> FileRef:
    if not isinstance(value, dict):
        complaints.add(f"{name} must be an object {{url, externalFileId?}}")
        return FileRef("", None)
    external_id = _read_external_id(f"{name}.externalFileId", value.get("externalFileId"), complaints)
    return FileRef(_read_url(f"{name}.url", value.get("url"), policy, complaints=complaints), external_id)


def _read_url(name: str, value: Any, policy: FetchPolicy, *, complaints: Complaints) -> str:
    if not isinstance(value, str):
        complaints.add(f"{name} must be an http or https URL")
        return ""
    try:
        return str(validate_url(value, policy))
    except JobError as error:
        complaints.add(f"{name}: {error.message}")
        return ""
