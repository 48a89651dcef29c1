"""Runs a tool on bytes, as its child process would."""

import tempfile
from pathlib import Path

import pytest

from jobwire.systems.apidatatools.tools import TOOLS, json_format, json_pieces, json_tokens, pieces
from jobwire.systems.apidatatools.tools.contract import Sink, Source, ToolError


def run_tool(name: str, data: bytes | str, **headers: str) -> bytes:
    """What the tool writes; `x_tab_space="2"` is the header x-tab-space."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        source.write_bytes(data.encode() if isinstance(data, str) else data)
        tool = TOOLS[name]
        options = tool.read_options({header.replace("_", "-"): value for header, value in headers.items()})
        sink = Sink(Path(folder, "sink"))
        tool.run(Source(source), options, sink)
        return sink.path.read_bytes()


def run_text(name: str, data: bytes | str, **headers: str) -> str:
    """What the tool writes, as text."""
    return run_tool(name, data, **headers).decode()


def refuse(name: str, data: bytes | str, **headers: str) -> ToolError:
    """The error the tool raises."""
    with pytest.raises(ToolError) as caught:
        run_tool(name, data, **headers)
    return caught.value


def cut_small(patch: pytest.MonkeyPatch, size: int) -> None:
    """Have all JSON read in pieces of that size."""
    patch.setattr(json_format, "WHOLE_BYTES_MAX", size)
    patch.setattr(json_tokens, "_CHUNK_BYTES", size)
    patch.setattr(pieces, "SEARCH_BYTES", size)
    for name in ("PIECE_BYTES", "PIECE_BYTES_MAX", "_HEAD_BYTES", "_WINDOW_BYTES"):
        patch.setattr(json_pieces, name, size)
