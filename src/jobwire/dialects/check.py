"""Refuses a table that contradicts itself before it serves a call: what is wrong, where, and what may stand there."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from jobwire.dialects.parse import Submission
from jobwire.dialects.sent import QUERY_FIELDS, PageWords, Sent
from jobwire.dialects.sources import LINEAGE_SOURCES, TEXTS
from jobwire.dialects.spec import CODES, Action, Dialect, Field, JobSource, Route
from jobwire.domain.phases import Phase

PART_SOURCES = frozenset({"input", "output", "error.details"})
TIME_SOURCES = frozenset({"created_at", "run_at", "started_at", "finalized_at", "deadline_at", "cancel_requested_at"})
CODEC_SOURCES: Mapping[str, frozenset[str] | None] = {
    **dict.fromkeys(("iso_us", "iso_ms", "iso_s", "epoch_ms", "epoch_s"), TIME_SOURCES),
    "whole": frozenset({"progress.percent", "progress.done", "progress.total"}),
    "upper": frozenset({"error.code", "progress.stage"}),
    "text": None,
}
TAKEN = frozenset({*Submission.__struct_fields__, "idempotency_key"})
HOLES = ("mount", "id", "number", "origin")
HEADER_SOURCES = ("code", "word", "status", "request_id")
SHARED = ("path", "is_open", "body", "body_bytes_max", "before_body", "limits")
_NEW_JOB = ("submit", "rerun")
_NAMES_A_JOB = ("status", "cancel", "rerun", "remove", "result")
_SEGMENT = re.compile(r"[^{}]*|\{\w+\}[^{}]*")
_HOLE = re.compile(r"\{(\w*)\}")
_WITHOUT_WORDS = frozenset({"id", "word", "retry_after_s"})
_SPELLED = frozenset({*TEXTS, *LINEAGE_SOURCES, *_WITHOUT_WORDS})


def check_dialect(dialect: Dialect) -> None:
    """ValueError for the first contradiction, with the dialect, the place and the fix."""
    for fault in _find_faults(dialect):
        raise ValueError(f"dialect {dialect.name}: {fault}")


def _find_faults(dialect: Dialect) -> Iterator[str]:
    if missing := [phase.value for phase in Phase if phase not in dialect.phases]:
        yield f"phases has no word for {', '.join(missing)}"
    if missing := [code for code in CODES if code not in dialect.errors]:
        yield f"errors has no word for {', '.join(missing)}"
    for item in dialect.job:
        yield from _check_field(item, "job")
    for name, source in dialect.error_headers.items():
        if source not in HEADER_SOURCES:
            yield f"error_headers: {name} shows {source!r}; a header shows one of {', '.join(HEADER_SOURCES)}"
    for route in dialect.routes:
        where = f"route {route.method} {route.path}"
        yield from (f"{where}: {fault}" for fault in _check_route(route, dialect))
    yield from _check_shared(dialect.routes)


def _check_field(item: Field, where: str) -> Iterator[str]:
    here = f"{where}: field {item.path!r}"
    means = [item.source is not None, item.template is not None, item.value is not None]
    if sum(means) > 1:
        yield f"{here} shows by one of source, template and value, not by {sum(means)}"
    if item.source is not None and item.source not in get_args(JobSource):
        yield f"{here} shows {item.source!r}, which there is not; there are {', '.join(get_args(JobSource))}"
    if item.codec is not None and item.codec not in CODEC_SOURCES:
        yield f"{here} has the codec {item.codec!r}, which there is not; there are {', '.join(CODEC_SOURCES)}"
    if item.part is not None and item.source not in PART_SOURCES:
        yield f"{here} takes a part of {item.source}; only {_list(PART_SOURCES)} have parts"
    if item.plus_s and (item.source not in TIME_SOURCES or item.codec is None):
        yield f"{here}: plus_s needs a codec and one of {_list(TIME_SOURCES)}"
    if item.codec is not None and item.part is not None and item.codec != "text":
        yield f"{here}: a part may be anything, which only the codec text can write"
    if item.codec is not None and item.part is None:
        written = CODEC_SOURCES.get(item.codec)
        if item.source is None or item.source in _SPELLED or (written is not None and item.source not in written):
            yield f"{here}: {item.source or 'a constant'} is not for the codec {item.codec}"
    if item.words is not None and (item.source is None or item.source in _WITHOUT_WORDS):
        yield f"{here}: words are for stored values, not for {item.source or 'constants'}"
    if item.omit_null and item.path.endswith("[]"):
        yield f"{here} is a list of one and cannot be left out"
    yield from (f"{here}: {fault}" for fault in _check_template(item.template or ""))


def _check_template(template: str) -> Iterator[str]:
    for hole in _HOLE.findall(template):
        if hole not in HOLES:
            yield f"{{{hole}}} is no hole of a template; there are {', '.join(HOLES)}"


def _check_route(route: Route, dialect: Dialect) -> Iterator[str]:
    if (route.action is None) == (route.endpoint is None):
        yield "give an action or an endpoint, not both or none"
    if route.action is not None and route.action not in get_args(Action):
        yield f"there is no action {route.action!r}; there are {', '.join(get_args(Action))}"
    if unknown := set(route.limits or ()) - {limit.name for limit in dialect.limits}:
        yield f"the dialect has no limit {_list(unknown)}"
    for segment in route.path.split("/"):
        if _SEGMENT.fullmatch(segment) is None:
            yield f"segment {segment!r} must be text, or one parameter with text behind it"
    for item in route.shape or ():
        yield from _check_field(item, "shape")
    for template in (route.headers or {}).values():
        yield from _check_template(template)
    if route.headers is not None and route.action not in _NEW_JOB:
        yield "headers are those of a new job; only submit and rerun have them"
    if route.if_final != "refuse" and route.action != "cancel":
        yield "if_final is for cancel"
    if route.only is not None:
        yield from _check_sent(route.only, route)
    if route.wait is not None:
        yield from _check_sent(Sent(route.wait.place, route.wait.name), route)
    if route.action in _NAMES_A_JOB:
        yield from _check_reference(route, dialect)
    yield from _check_takes(route, dialect)
    yield from _check_page(route.page)


def _check_reference(route: Route, dialect: Dialect) -> Iterator[str]:
    reference = route.job or dialect.job_reference
    if dialect.ids.form == "tail" and reference.find is None:
        yield "a job cannot be found by the tail of its id; give its reference a `find`"
    yield from _check_sent(Sent(reference.place, reference.name, reference.pattern), route)


def _check_takes(route: Route, dialect: Dialect) -> Iterator[str]:
    if not route.takes:
        return
    if route.action != "submit":
        yield "takes are for submit"
    seen: set[str] = set()
    for take in route.takes:
        root = take.into.partition(".")[0]
        if root not in TAKEN:
            yield f"nothing is taken into {take.into!r}; there are {_list(TAKEN)}"
        if any(_overlap(take.into, other) for other in seen):
            yield f"two takes fill {take.into!r}"
        seen.add(take.into)
        if take.sent is None and take.value is None:
            yield f"the take into {take.into!r} says neither where it is sent nor its value"
        if take.sent is not None:
            yield from _check_sent(take.sent, route)
    if "kind" not in seen:
        yield "the takes say no kind; add Take('kind', …)"
    if "idempotency_key" in seen and dialect.idempotency_header is None:
        yield "a take into idempotency_key needs the dialect's idempotency_header"


def _check_sent(sent: Sent, route: Route) -> Iterator[str]:
    if sent.place == "body" and route.body not in ("json", "json_or_none"):
        yield f"{sent} is read from a body, but the route's body is {route.body!r}"
    if sent.place == "path" and f"{{{sent.name}}}" not in route.path:
        yield f"{sent} is no parameter of the path"
    if sent.place != "body" and not sent.name:
        yield f"{sent} has no name"
    yield from _check_pattern(sent.pattern)


def _check_pattern(pattern: str | None) -> Iterator[str]:
    if pattern is None:
        return
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        yield f"the pattern {pattern!r} is no regular expression: {error}"
        return
    if groups > 1:
        yield f"the pattern {pattern!r} has {groups} groups; one says what is read"


def _check_page(page: PageWords) -> Iterator[str]:
    if unknown := set(page.query) - set(QUERY_FIELDS):
        yield f"the page has no field {_list(unknown)}; there are {', '.join(QUERY_FIELDS)}"
    if "limit" not in page.query or ("cursor" in page.query) == ("start" in page.query):
        yield "the page needs a name for limit, and for one of cursor and start"
    if not any(item.source == "jobs" for item in page.fields):
        yield "the page shows no jobs"


def _check_shared(routes: Iterable[Route]) -> Iterator[str]:
    last: dict[tuple[str, str], Route] = {}
    for route in routes:
        key = (route.method, re.sub(r"\{\w+\}", "{}", route.path))
        before, last[key] = last.get(key), route
        if before is None:
            continue
        if before.only is None:
            yield f"two routes claim {route.method} {route.path}; `only` can tell the first from the second"
        for name in SHARED:
            if getattr(before, name) != getattr(route, name):
                yield f"the routes of {route.method} {route.path} differ in {name}, but share one path"


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
