"""One route for each tool, made from the tools' table: body mode answers at once, url and file mode make jobs."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from jobwire.dialects.sources import show_error
from jobwire.dialects.spec import Route
from jobwire.domain.errors import JobError, RequestError
from jobwire.domain.ids import show_uuid
from jobwire.domain.job import JobRow, Receipt
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.domain.states import FINAL_EVENTS
from jobwire.net.urls import validate_url
from jobwire.service.call import Call, Reply
from jobwire.store.contract import Transaction
from jobwire.systems.apidatatools.arrivals import find_own_upload
from jobwire.systems.apidatatools.described import SOURCE_TYPES, tell_tool
from jobwire.systems.apidatatools.error_words import ERRORS
from jobwire.systems.apidatatools.fields import RETRY_AFTER_S, find_extension, name_kind
from jobwire.systems.apidatatools.quota import take_unit
from jobwire.systems.apidatatools.settings import ToolSettings
from jobwire.systems.apidatatools.tools import TOOLS
from jobwire.systems.apidatatools.tools.contract import OptionValue, Tool
from jobwire.systems.apidatatools.work import ToolInput

BODY_BYTES_MAX: Final = 50_000_000
REFERENCE_BYTES_MAX: Final = 65_536
PRIORITY_WAITED_FOR: Final = 0
"""Calls that somebody waits for do not stand behind jobs."""


class UrlBody(msgspec.Struct, frozen=True):
    """What url mode takes."""

    url: str


class FileBody(msgspec.Struct, frozen=True):
    """What file mode takes: the `key` of an upload's form."""

    file: str


@dataclass(frozen=True, slots=True)
class ToolRoute:
    """The endpoint of one tool."""

    tool: Tool

    async def admit(self, call: Call) -> None:
        """Refuse a call by its headers before its body comes."""
        read_source_type(call.headers)
        self._read_options(call.headers)

    async def run(self, call: Call) -> Reply:
        """Run the tool on the body and answer with its result, or make a job of it."""
        assert call.upload is not None
        mode = read_source_type(call.headers)
        settings = ToolSettings(call.services.settings)
        size_bytes = call.upload.stat().st_size
        if size_bytes == 0:
            raise RequestError("empty_body", "The body is empty; send the content, or where it is.")
        asked = ToolInput(
            request_id=str(uuid.uuid4()),
            base_url=settings.public_url or call.base_url,
            month="",
            options=self._read_options(call.headers),
        )
        if mode != "body" and size_bytes > REFERENCE_BYTES_MAX:
            limit = f"The body names a file; it may have {REFERENCE_BYTES_MAX} bytes."
            raise RequestError("payload_too_large", limit, details={"limit_bytes": REFERENCE_BYTES_MAX})
        match mode:
            case "body":
                blob = await asyncio.to_thread(call.services.blobs.put, call.upload)
                asked = msgspec.structs.replace(asked, sha256=blob.sha256)
            case "url":
                url = read_url(await asyncio.to_thread(call.upload.read_bytes), settings)
                asked = msgspec.structs.replace(asked, url=url, extension=self._check_extension(urlsplit(url).path))
            case "file":
                key = _read_body(await asyncio.to_thread(call.upload.read_bytes), FileBody).file
                upload = await find_own_upload(call, key)
                extension = self._check_extension(upload.filename)
                asked = msgspec.structs.replace(asked, sha256=upload.sha256, extension=extension)
        is_sync = mode == "body" and size_bytes <= settings.sync_bytes_max
        receipt = await self._submit(call, asked, settings, is_sync=is_sync)
        if is_sync:
            row = await _wait_for_end(call, receipt, settings.sync_ms)
            if row is not None and row.phase in FINAL_PHASES:
                return _answer_final(row)
        return Reply(
            {
                "status": "queued",
                "job_id": show_uuid(receipt.key),
                "request_id": asked.request_id,
                "message": "Your job has been queued.",
                "retry_after": RETRY_AFTER_S,
            },
            202,
        )

    async def _submit(self, call: Call, asked: ToolInput, settings: ToolSettings, *, is_sync: bool) -> Receipt:
        services, owner = call.services, call.principal.owner

        def start(tx: Transaction) -> Receipt:
            month = take_unit(tx, owner, units_max=settings.units_max)
            asked_in = msgspec.to_builtins(msgspec.structs.replace(asked, month=month))
            priority = PRIORITY_WAITED_FOR if is_sync else None
            job = services.jobs.build(owner, name_kind(self.tool.name), asked_in, priority=priority)
            (receipt,) = services.jobs.admit_in(tx, [job])
            return receipt

        return await services.store.write(start)

    def _read_options(self, headers: Mapping[str, str]) -> dict[str, OptionValue]:
        try:
            return self.tool.read_options(headers)
        except JobError as error:
            raise refuse_input(error.code, error.message, error.details) from None

    def _check_extension(self, name: str) -> str:
        extension = find_extension(name)
        if extension not in self.tool.extensions:
            allowed = ", ".join(self.tool.extensions)
            raise RequestError(
                "invalid_file_extension", f"The file ends in {extension[:20]!r}; this tool takes {allowed}."
            )
        return extension


def read_source_type(headers: Mapping[str, str]) -> str:
    """Where the content is; RequestError invalid_source_type."""
    word = headers.get("x-source-type", "").strip().lower() or SOURCE_TYPES[0]
    if word not in SOURCE_TYPES:
        raise RequestError("invalid_source_type", f"x-source-type is {word[:40]!r}; send {', '.join(SOURCE_TYPES)}.")
    return word


def read_url(body: bytes, settings: ToolSettings) -> str:
    """The URL that a body names, in its normal form; RequestError invalid_url for one that is never fetched."""
    try:
        return str(validate_url(_read_body(body, UrlBody).url, settings.fetch_policy))
    except JobError as error:
        raise RequestError("invalid_url", error.message) from None


def refuse_input(code: str, message: str, details: Mapping[str, Any]) -> RequestError:
    """The refusal of a call that is a tool's own; what no table has a word for is our fault."""
    known = code.lower() in ERRORS
    return RequestError(code.lower(), message, details=details) if known else RequestError("internal", message)


def _read_body(body: bytes, form: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        (name,) = form.__struct_fields__
        code = "invalid_url" if form is UrlBody else "invalid_request"
        raise RequestError(code, f'In this mode the body is a JSON object like {{"{name}": "…"}}.') from None


async def _wait_for_end(call: Call, receipt: Receipt, wait_ms: int) -> JobRow | None:
    """The job when it has ended, or as it is when the time is up; None where no more calls may wait."""
    row = await call.services.jobs.read(call.principal.owner, number=receipt.number)
    try:
        return await call.services.watching.wait(
            call.principal,
            row,
            wait_s=wait_ms / 1_000,
            is_enough=lambda seen: seen.phase in FINAL_PHASES,
            wanted=FINAL_EVENTS,
            gone=call.gone,
        )
    except RequestError:
        return None


def _answer_final(row: JobRow) -> Reply:
    if row.phase is Phase.COMPLETED:
        return Reply(msgspec.Raw((row.output or "null").encode()))
    if row.error is None:
        raise RequestError("conflict", f"The work was {row.phase}.")
    error = msgspec.json.decode(show_error(row.error))
    raise refuse_input(error["code"], error["message"], error["details"] or {})


def _make_route(tool: Tool, name: str) -> Route:
    served = ToolRoute(tool)
    return Route(
        "POST",
        f"/{name}-api",
        endpoint=served.run,
        scope="jobs:write",
        body="upload",
        body_bytes_max=BODY_BYTES_MAX,
        before_body=served.admit,
        limits=("tools",),
        notes=tell_tool(tool),
        summary=f"Run {name.replace('-', ' ')}",
    )


_TOOLS: Final = {tool.name: tool for tool in TOOLS.values()}
KINDS: Final = {name_kind(name): name for name in _TOOLS}
TOOL_ROUTES: Final = tuple(_make_route(tool, name) for tool in _TOOLS.values() for name in (tool.name, *tool.aliases))
