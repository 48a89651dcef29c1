"""Where the values of a job's shape come from: the pieces of text and the holes for each source of spec.JobSource.

A hole names a column of the row, or of the facts behind it, so that a render picks all its values in one step.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, NamedTuple, assert_never

import msgspec

from jobwire.dialects.codecs import CODECS, plain, quote
from jobwire.dialects.spec import CodecName, Field, IdForm, JobSource
from jobwire.domain.estimate import Estimate
from jobwire.domain.ids import show_hex, show_tail, show_uuid
from jobwire.domain.job import JobRow, Receipt
from jobwire.domain.outcome import PublicError
from jobwire.domain.progress import NO_PROGRESS, Progress


class Facts(NamedTuple):
    """What is shown of a job beside its row: its place in the order, the keys of the jobs it descends from, the word
    of the cap that holds it back, when it will start and end, when to ask again, what it was submitted with, and
    where the caller is.

    A job that was never rerun is its own root; the key of an ancestor that was pruned is None.
    """

    position: int | None
    rerun_of: str | None
    root: str | None
    blocked_by: str | None = None
    estimate: Estimate | None = None
    retry_after_s: int | None = None
    input: str | None = None
    origin: str | None = None


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
    item: Field,
    source: JobSource,
    *,
    ids: IdForm,
    kinds: Mapping[str, str] | None,
    show_output: ShowOutput | None,
) -> tuple[Piece, ...]:
    """The pieces that show a field's source: its part, through its codec, in its words."""
    pieces = _find_whole(item, source, ids=ids, kinds=kinds, show_output=show_output)
    if item.part is not None:
        pieces = (_take_part(pieces[0], item.part, item.codec),)
    return pieces if item.words is None else (_say(pieces[0], item.words),)


def _find_whole(
    item: Field,
    source: JobSource,
    *,
    ids: IdForm,
    kinds: Mapping[str, str] | None,
    show_output: ShowOutput | None,
) -> tuple[Piece, ...]:
    if source == "kind" and kinds is not None:
        return (Hole(_COLUMNS["row.kind"], {kind: quote(word) for kind, word in kinds.items()}.__getitem__),)
    if source == "output" and show_output is not None:
        return (Hole(_COLUMNS["row.output"], show_output),)
    if source == "id":
        return ('"', *find_id(ids), '"')
    if source in LINEAGE_SOURCES:
        return (_find_ancestor(ids, source),)
    if source in TEXTS:
        return TEXTS[source]
    write = plain if item.codec is None else CODECS[item.codec]
    if item.plus_s:
        write = partial(_write_later, write, item.plus_s * 1_000)
    name, _, part = source.partition(".")
    if not part:
        return (Hole(_COLUMNS[f"row.{name}"], write),)
    read = _READERS[name]
    null = "null"
    if name == "progress" and (nothing := getattr(NO_PROGRESS, part)) is not None:
        null = write(nothing)
    return (Hole(_COLUMNS[f"row.{name}"], partial(_write_part, read, attrgetter(part), write), null),)


def find_id(ids: IdForm) -> tuple[Piece, ...]:
    """The pieces of a job's id, without quotes."""
    match ids.form:
        case "key":
            hole = Hole(_COLUMNS["row.key"])
        case "uuid":
            hole = Hole(_COLUMNS["row.key"], show_uuid)
        case "hex":
            hole = Hole(_COLUMNS["row.key"], show_hex)
        case "number":
            hole = Hole(_COLUMNS["row.number"])
        case "tail":
            hole = Hole(_COLUMNS["row.key"], show_tail)
        case _ as unknown:
            assert_never(unknown)
    return (quote(ids.prefix)[1:-1], hole)


def show_job_id(ids: IdForm, job: JobRow | Receipt) -> str:
    """A job's id outside of a body."""
    return ids.prefix + _show_end(ids, job.key, job.number)


def _show_end(ids: IdForm, key: str, number: int) -> str:
    match ids.form:
        case "key":
            return key
        case "uuid":
            return show_uuid(key)
        case "hex":
            return show_hex(key)
        case "number":
            return str(number)
        case "tail":
            return show_tail(key)
    assert_never(ids.form)


def _find_ancestor(ids: IdForm, source: JobSource) -> Hole:
    if ids.form == "number":
        column = _COLUMNS["row.rerun_of" if source == "rerun_of" else "row.root"]
        return Hole(column, lambda number: quote(f"{ids.prefix}{number}"))
    column = _COLUMNS["facts.rerun_of" if source == "rerun_of" else "facts.root"]
    return Hole(column, lambda key: f'"{quote(ids.prefix)[1:-1]}{_show_end(ids, key, 0)}"')


def _take_part(whole: Piece, path: str, codec: CodecName | None) -> Hole:
    """A hole for what lies at `path` in a hole's JSON; null where it does not go that far."""
    assert isinstance(whole, Hole)
    show = whole.write or str
    write = plain if codec is None else CODECS[codec]

    def take(stored: Any) -> str:
        found = find_part(msgspec.json.decode(show(stored)), path)
        return "null" if found is None else write(found)

    return Hole(whole.column, take)


def find_part(value: Any, path: str) -> Any:
    """What lies at a dotted path in decoded JSON, the whole for an empty one, None if it does not go that far."""
    for key in path.split(".") if path else ():
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _say(spoken: Piece, words: Mapping[Any, Any]) -> Hole:
    """A hole in a vendor's words for its values."""
    assert isinstance(spoken, Hole)
    texts = {plain(value): plain(word) for value, word in words.items() if value != "*"}
    other = plain(words["*"]) if "*" in words else None
    write = spoken.write or str

    def say(stored: Any) -> str:
        return word_of(write(stored))

    def word_of(text: str) -> str:
        return texts.get(text) or (text if other is None or text == "null" else other)

    return Hole(spoken.column, say, word_of(spoken.null))


def _write_later(write: Callable[[Any], str], plus_ms: int, at: int) -> str:
    return write(at + plus_ms)


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

TEXTS: Mapping[JobSource, tuple[Piece, ...]] = {
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
    "input": (Hole(_COLUMNS["facts.input"], str),),
}
NUMBER_PIECES: tuple[Piece, ...] = (Hole(_COLUMNS["row.number"]),)
ORIGIN_PIECES: tuple[Piece, ...] = (Hole(_COLUMNS["facts.origin"], lambda origin: quote(origin)[1:-1]),)
