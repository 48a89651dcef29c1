"""Where the values of a job's shape come from: the pieces of text and the holes for each source of spec.JobSource.

A hole names a column of the row, or of the facts behind it, so that a render picks all its values in one step.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from jobwire.dialects.codecs import CODECS, plain, quote
from jobwire.dialects.spec import CodecName, JobSource
from jobwire.domain.estimate import Estimate
from jobwire.domain.ids import ID_PREFIX, show_id
from jobwire.domain.job import JobRow
from jobwire.domain.outcome import PublicError
from jobwire.domain.progress import NO_PROGRESS, Progress


class Facts(NamedTuple):
    """What is shown of a job beside its row: its place in the order, the keys of the jobs it descends from, the word
    of the cap that holds it back, when it will start and end, and when to ask again.

    A job that was never rerun is its own root; the key of an ancestor that was pruned is None.
    """

    position: int | None
    rerun_of: str | None
    root: str | None
    blocked_by: str | None = None
    estimate: Estimate | None = None
    retry_after_s: int | None = None


class Hole(NamedTuple):
    """A column's place in a text: written by `write`, or as it is; `null` is what a null becomes."""

    column: int
    write: Callable[[Any], str] | None = None
    null: str = "null"


Piece = str | Hole
ShowOutput = Callable[[str], str]
"""Gives the JSON text of an output to show, from the one that is stored."""

_COLUMNS = {f"row.{name}": index for index, name in enumerate(JobRow._fields)} | {
    f"facts.{name}": len(JobRow._fields) + index for index, name in enumerate(Facts._fields)
}
PLACE_SOURCES = frozenset({"position", "blocked_by"})
LINEAGE_SOURCES = frozenset({"rerun_of", "root_id"})


def find_pieces(
    source: JobSource,
    *,
    codec: CodecName | None,
    kinds: Mapping[str, str] | None,
    show_output: ShowOutput | None,
) -> tuple[Piece, ...]:
    """The pieces that show a source, through `codec` if one is named."""
    if source == "kind" and kinds is not None:
        return (Hole(_COLUMNS["row.kind"], {kind: quote(word) for kind, word in kinds.items()}.__getitem__),)
    if source == "output" and show_output is not None:
        return (Hole(_COLUMNS["row.output"], show_output),)
    if source in _TEXTS:
        return _TEXTS[source]
    write = plain if codec is None else CODECS[codec]
    name, _, part = source.partition(".")
    if not part:
        return (Hole(_COLUMNS[f"row.{name}"], write),)
    read = _READERS[name]
    null = write(getattr(NO_PROGRESS, part)) if name == "progress" else "null"
    return (Hole(_COLUMNS[f"row.{name}"], partial(_write_part, read, attrgetter(part), write), null),)


def _write_part(
    read: Callable[[str], Any], pick: Callable[[Any], Any], write: Callable[[Any], str], text: str
) -> str:
    value = pick(read(text))
    return "null" if value is None else write(value)


# A poll reads a stored text several times, once for each part it shows.
@lru_cache(maxsize=256)
def _read_progress(text: str) -> Progress:
    return msgspec.json.decode(text, type=Progress)


@lru_cache(maxsize=256)
def read_error(text: str) -> PublicError:
    """A job's public error from the text the ledger keeps; `details` is JSON text or None."""
    return msgspec.json.decode(text, type=PublicError)


def show_error(text: str) -> str:
    """The JSON object a customer reads: code, message, retryable and details."""
    error = read_error(text)
    return (
        f'{{"code":{plain(error.code)},"message":{plain(error.message)},'
        f'"retryable":{plain(error.retryable)},"details":{error.details or "null"}}}'
    )


def show_estimate(estimate: Estimate) -> str:
    """The JSON object a customer reads: seconds from now, null where nothing is known."""
    return f"{{{','.join(f'{quote(name)}:{plain(value)}' for name, value in estimate._asdict().items())}}}"


_READERS: Mapping[str, Callable[[str], Any]] = {"progress": _read_progress, "error": read_error}

_TEXTS: Mapping[JobSource, tuple[Piece, ...]] = {
    "id": (f'"{ID_PREFIX}', Hole(_COLUMNS["row.key"]), '"'),
    "number": (Hole(_COLUMNS["row.number"]),),
    "kind": (Hole(_COLUMNS["row.kind"], quote),),
    "queue": (Hole(_COLUMNS["row.queue"], quote),),
    "priority": (Hole(_COLUMNS["row.priority"]),),
    "attempt": (Hole(_COLUMNS["row.attempt"]),),
    "attempts_max": (Hole(_COLUMNS["row.attempts_max"]),),
    "version": (Hole(_COLUMNS["row.version"]),),
    "tags": (Hole(_COLUMNS["row.tags"], str, "[]"),),
    "output": (Hole(_COLUMNS["row.output"], str),),
    "error": (Hole(_COLUMNS["row.error"], show_error),),
    "error.details": (Hole(_COLUMNS["row.error"], lambda text: read_error(text).details or "null"),),
    "position": (Hole(_COLUMNS["facts.position"], str),),
    "blocked_by": (Hole(_COLUMNS["facts.blocked_by"], quote),),
    "estimate": (Hole(_COLUMNS["facts.estimate"], show_estimate),),
    "retry_after_s": (Hole(_COLUMNS["facts.retry_after_s"], str),),
    "rerun_of": (Hole(_COLUMNS["facts.rerun_of"], lambda key: f'"{show_id(key)}"'),),
    "root_id": (Hole(_COLUMNS["facts.root"], lambda key: f'"{show_id(key)}"'),),
}
TEMPLATE_PIECES: Mapping[str, tuple[Piece, ...]] = {
    "{id}": (ID_PREFIX, Hole(_COLUMNS["row.key"])),
    "{number}": (Hole(_COLUMNS["row.number"]),),
}
