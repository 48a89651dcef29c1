"""Compiles a dialect's shapes once into one render function for each phase; a rendered status costs microseconds.

A shape becomes a text with holes: everything that is known beforehand (keys, words, constants, the envelope) is
fused, and only stored values are filled in. sources.py has the holes.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from jobwire.dialects.codecs import plain, quote
from jobwire.dialects.sources import (
    LINEAGE_SOURCES,
    NUMBER_PIECES,
    ORIGIN_PIECES,
    PLACE_SOURCES,
    Facts,
    Hole,
    Piece,
    ShowOutput,
    find_id,
    find_pieces,
    show_job_id,
)
from jobwire.dialects.spec import LIVE_PHASES, Dialect, Envelope, Field
from jobwire.domain.job import JobRow, Receipt
from jobwire.domain.phases import FINAL_PHASES, Phase

Tree = dict[str, "Field | Tree"]
_HOLES = re.compile(r"(\{id\}|\{number\}|\{origin\})")
# What is not known of a job without facts: all but its root, which is itself.
_NOTHING_MORE = (None,) * (len(Facts._fields) - 3)


@dataclass(frozen=True, slots=True)
class View:
    """How a job of one phase is shown, and which facts beside its row that takes.

    `render` takes None for the facts of a job that has no place in the order and descends from no other.
    `retry_after_s` is the least time until the next poll where one is told, None where not.
    """

    render: Callable[[JobRow, Facts | None], bytes]
    needs_position: bool
    needs_estimate: bool
    needs_lineage: bool
    retry_after_s: int | None = None
    needs_input: bool = False
    needs_origin: bool = False


Views = Mapping[Phase, View]


def compile_views(
    dialect: Dialect,
    shape: Sequence[Field],
    *,
    envelope: Envelope | None = None,
    show_output: ShowOutput | None = None,
    prefix: str = "",
    is_polled: bool = False,
) -> Views:
    """The view of every phase; its links stand below `prefix` and the dialect's mount.

    With `is_polled` the caller of a live job is told when to ask again, in a header if not in the shape.
    ValueError if two fields claim one path, or an object's first key may be left out.
    """
    dialect = replace(dialect, mount=prefix + dialect.mount)
    return {
        phase: _compile_view(
            [item for item in shape if phase in item.when],
            dialect,
            phase=phase,
            envelope=envelope,
            show_output=show_output,
            is_polled=is_polled,
        )
        for phase in Phase
    }


def _compile_view(
    shown: Sequence[Field],
    dialect: Dialect,
    *,
    phase: Phase,
    envelope: Envelope | None,
    show_output: ShowOutput | None,
    is_polled: bool,
) -> View:
    pieces = _emit_object(_plant(shown, phase), dialect, phase=phase, show_output=show_output)
    before, after = wrap_texts(envelope)
    sources = {item.source for item in shown}
    tells_retry = phase in LIVE_PHASES and (is_polled or "retry_after_s" in sources)
    retry_after_s = dialect.retry_after_s if tells_retry else None
    return View(
        _make_render([before, *pieces, after]),
        needs_position=not sources.isdisjoint(PLACE_SOURCES),
        needs_estimate="estimate" in sources or retry_after_s is not None,
        needs_lineage=not sources.isdisjoint(LINEAGE_SOURCES),
        retry_after_s=retry_after_s,
        needs_input="input" in sources,
        needs_origin=any("{origin}" in (item.template or "") for item in shown),
    )


def _make_render(pieces: Sequence[Piece]) -> Callable[[JobRow, Facts | None], bytes]:
    template = "".join(piece.replace("%", "%%") if isinstance(piece, str) else "%s" for piece in pieces)
    holes = [piece for piece in pieces if isinstance(piece, Hole)]
    # Two columns more than there are holes, because an itemgetter of one index gives no tuple.
    pick = itemgetter(*[hole.column for hole in holes], -1, -1)
    written = [(index, hole.write, hole.null) for index, hole in enumerate(holes) if hole.write is not None]

    def render(row: JobRow, facts: Facts | None) -> bytes:
        values = list(pick(row + (facts or (None, None, row.key, *_NOTHING_MORE))))
        for index, write, null in written:
            value = values[index]
            values[index] = null if value is None else write(value)
        del values[-2:]
        return (template % tuple(values)).encode()

    return render


def _plant(shown: Sequence[Field], phase: Phase) -> Tree:
    root: Tree = {}
    for item in shown:
        *parents, leaf = item.path.split(".")
        node = root
        for parent in parents:
            below = node.setdefault(parent, {})
            if isinstance(below, Field):
                raise ValueError(f"{item.path!r} lies below another field in phase {phase}")
            node = below
        if leaf in node:
            raise ValueError(f"two fields claim {item.path!r} in phase {phase}; make their `when` disjoint")
        node[leaf] = item
    return root


def _emit_object(tree: Tree, dialect: Dialect, *, phase: Phase, show_output: ShowOutput | None) -> list[Piece]:
    pieces: list[Piece] = ["{"]
    for index, (key, below) in enumerate(tree.items()):
        label = f"{',' if index else ''}{quote(key.removesuffix('[]'))}:"
        first, last = ("[", "]") if key.endswith("[]") else ("", "")
        if isinstance(below, dict):
            pieces += [label, first, *_emit_object(below, dialect, phase=phase, show_output=show_output), last]
            continue
        value = _emit_value(below, dialect, phase=phase, show_output=show_output)
        if below.omit_null and index == 0:
            raise ValueError(f"{below.path!r} may be left out, so it cannot be the first key of its object")
        pieces += _left_out_when_null(label, value) if below.omit_null else [label, first, *value, last]
    return [*pieces, "}"]


def _left_out_when_null(label: str, value: Sequence[Piece]) -> Sequence[Piece]:
    match value:
        case ["null"]:
            return ()
        case [Hole(column, write, "null")] if write is not None:
            return (Hole(column, lambda found: "" if (text := write(found)) == "null" else label + text, ""),)
    return (label, *value)


def _emit_value(item: Field, dialect: Dialect, *, phase: Phase, show_output: ShowOutput | None) -> tuple[Piece, ...]:
    if item.template is not None:
        return _emit_template(item.template, dialect)
    match item.source:
        case None:
            return (plain(item.value),)
        case "word":
            return (quote(dialect.phases[phase]),)
        case "retry_after_s" if phase in FINAL_PHASES or dialect.retry_after_s is None:
            return (plain(dialect.retry_after_s),)
    return find_pieces(item, item.source, ids=dialect.ids, kinds=dialect.kinds, show_output=show_output)


def _emit_template(template: str, dialect: Dialect) -> tuple[Piece, ...]:
    filled = {"{id}": find_id(dialect.ids), "{number}": NUMBER_PIECES, "{origin}": ORIGIN_PIECES}
    pieces: list[Piece] = []
    for part in _HOLES.split(template.replace("{mount}", dialect.mount)):
        pieces += filled.get(part, (quote(part)[1:-1],))
    return ('"', *pieces, '"')


def fill_template(template: str, dialect: Dialect, job: JobRow | Receipt, *, mount: str, origin: str) -> str:
    """A template's text for one job, outside of a body; `mount` has the server's own prefix in it."""
    values = {"{id}": show_job_id(dialect.ids, job), "{number}": str(job.number), "{origin}": origin}
    return "".join(values.get(part, part) for part in _HOLES.split(template.replace("{mount}", mount)))


def wrap_texts(envelope: Envelope | None) -> tuple[str, str]:
    """The texts before and after a body in its envelope."""
    if envelope is None:
        return "", ""
    *above, key = envelope.key.split(".")
    outer = "".join(f"{{{quote(name)}:" for name in above)
    first = "".join(f"{quote(name)}:{plain(value)}," for name, value in envelope.first.items())
    last = "".join(f",{quote(name)}:{plain(value)}" for name, value in envelope.last.items())
    return f"{outer}{{{first}{quote(key)}:", f"{last}}}{'}' * len(above)}"


def wrap_body(body: Any, envelope: Envelope | None) -> bytes:
    """A body as JSON in its envelope."""
    before, after = wrap_texts(envelope)
    return f"{before}{plain(body)}{after}".encode()
