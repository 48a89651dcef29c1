"""Runs one tool in a child process with limits, the only place that reads files of strangers. work.py calls it."""

from pathlib import Path
from typing import Final

import msgspec

from jobwire.systems.apidatatools.tools import TOOLS
from jobwire.systems.apidatatools.tools.contract import Sink, Source

PREVIEW_CHARS_MAX: Final = 500

_NO_TEXT: Final = ("image/", "application/vnd.")
"""Beginnings of the types of files that have no preview."""


class ToolRequest(msgspec.Struct, frozen=True):
    """What to run on which file, and where to write; `extension` is the ending the file came with."""

    tool: str
    source: str
    extension: str | None
    options: dict[str, bool | int | str | None]
    target: str
    output_bytes_max: int


class ToolReport(msgspec.Struct, frozen=True):
    """The beginning of what was written, None where it is no text."""

    preview: str | None


def run_tool(request: ToolRequest) -> ToolReport:
    """Write the tool's file; ToolError for an input that it does not take."""
    tool = TOOLS[request.tool]
    sink = Sink(Path(request.target), bytes_max=request.output_bytes_max)
    tool.run(Source(Path(request.source), extension=request.extension), request.options, sink)
    _, content_type = tool.name_output(request.options)
    return ToolReport(None if content_type.startswith(_NO_TEXT) else sink.read_preview(PREVIEW_CHARS_MAX))
