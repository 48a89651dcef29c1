"""What calls take and answer, for the API's description; made from the tools' table."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from jobwire.dialects.notes import Notes, Parameter
from jobwire.systems.apidatatools.tools.contract import Option, Tool

SOURCE_TYPES: Final = ("body", "url", "file")


class UploadForm(Struct):
    """The file that will be sent; its ending says what it is."""

    filename: str


class Form(Struct):
    """Where to send the form, and its fields before the file."""

    url: str
    fields: dict[str, str]


class Announced(Struct):
    """A form that takes one file."""

    upload_id: str
    upload: Form


def _say(name: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


_TEXT: Final = {"type": "string"}
_RESULT: Final = {
    "type": "object",
    "properties": {
        "status": {"const": "success"},
        "request_id": _TEXT,
        "file": {"type": "string", "description": "Where the result is, without a key, until it ends."},
        "preview": {"type": ["string", "null"], "description": "Its first characters; null where it is no text."},
    },
    "required": ["status", "request_id", "file", "preview"],
}
_QUEUED: Final = {
    "type": "object",
    "properties": {
        "status": {"const": "queued"},
        "job_id": _TEXT,
        "request_id": _TEXT,
        "message": _TEXT,
        "retry_after": {"type": "integer", "minimum": 1},
    },
    "required": ["status", "job_id", "request_id", "message", "retry_after"],
}
_SOURCE: Final = Parameter(
    "x-source-type",
    {"type": "string", "enum": list(SOURCE_TYPES), "default": SOURCE_TYPES[0]},
    "Where the content is: in the body, at a URL, or in a file that was sent before.",
    place="header",
)
SENT: Final = Notes(
    text="The form's fields as they were given, then the file.",
    bodies=(("multipart/form-data", {"type": "object", "properties": {"file": {}}, "required": ["file"]}),),
)
FETCHED: Final = Notes(media_type="*/*")


def tell_tool(tool: Tool) -> Notes:
    """What a call of this tool takes and answers."""
    return Notes(
        text=f"200 with the result, or 202 with a job. A URL or file ends in {', '.join(tool.extensions)}.",
        parameters=(
            _SOURCE,
            *(
                Parameter(one.header, _describe_option(one), place="header", is_required=one.required)
                for one in tool.options
            ),
        ),
        bodies=(("application/json", {"oneOf": [_say("url"), _say("file")]}),),
        answer={"anyOf": [_RESULT, _QUEUED]},
    )


def _describe_option(option: Option) -> Mapping[str, Any]:
    default = {} if option.default is None else {"default": option.default}
    match option.kind:
        case "integer":
            return {"type": "integer", "minimum": option.minimum, "maximum": option.maximum, **default}
        case "boolean":
            return {"type": "boolean", **default}
        case "choice":
            return {"type": "string", "enum": list(option.choices), **default}
        case "text":
            return {"type": "string", "minLength": option.minimum, "maxLength": option.maximum, **default}
