"""The short way of a poll: a known key, a job in the ledger, a render, in front of everything else.

It answers only what it is sure of. Anything unusual gives None, and endpoint.py answers on the long way with the
same bytes: an unknown key, a scope that lacks, a limit that is used up, a job that is not there.
"""

import re
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, NamedTuple, Protocol

from jobwire.dialects.parse import JobName, read_name
from jobwire.dialects.sources import Facts
from jobwire.domain.job import JobRow
from jobwire.http.actions import is_shown
from jobwire.http.answer import Answer, Scope
from jobwire.http.limits import list_limits, take_limits, tell_limit
from jobwire.http.present import answer_status, find_facts
from jobwire.http.requests import give_request_id, read_base_url
from jobwire.http.routing import Served
from jobwire.http.site import Site
from jobwire.service.call import Principal
from jobwire.service.owners import digest_token
from jobwire.service.tokens import TOKEN_CHARS_MAX


class Target(NamedTuple):
    """A status route that can be read off the request line: by its last segment, or by its one query field.

    `carriers` gives for each header what stands before its token, in lower case; `needs_origin` says that some of its
    answers name the server as the caller does; `identity` is the header by which a caller says for whom it calls,
    `pattern` what a whole name in the path must be.
    """

    site: Site
    served: Served
    carriers: dict[bytes, bytes]
    query_start: bytes | None
    needs_origin: bool
    identity: bytes | None = None
    pattern: re.Pattern[str] | None = None


class Caller(NamedTuple):
    """What the headers of a poll say: where it goes, by whose key, the ETag already seen, the request id, the origin.

    The same for the same headers on one connection; who the key belongs to is asked anew for each poll.
    """

    target: Target
    key_digest: bytes
    seen: bytes | None
    sent_id: bytes | None
    origin: str | None


class Poll(NamedTuple):
    """What was recognised: by what headers, which job, for whom."""

    caller: Caller
    name: JobName
    principal: Principal


class Row(Protocol):
    """A job on its way from the ledger; None when there is no such job."""

    @property
    def is_done(self) -> bool:
        """Whether it is there."""

    def on_done(self, callback: Callable[[], object]) -> None:
        """Have `callback` called when it is there, on any thread."""

    def result(self) -> JobRow | None:
        """What has come."""

    def __await__(self) -> Generator[None, None, JobRow | None]: ...


class Asked(NamedTuple):
    """A poll that waits for its row."""

    poll: Poll
    row: Row


class StatusReader:
    """The short way to the status routes of all sites whose tables allow it."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self._by_head: dict[str, Target] = {}
        self._by_path: dict[str, Target] = {}
        for site in sites:
            for served in site.served:
                if served.route.action == "status":
                    self._add(site, served)

    def _add(self, site: Site, served: Served) -> None:
        dialect, reference = site.dialect, served.reference
        carriers = {
            carrier.name.lower().encode(): b"" if carrier.scheme is None else f"{carrier.scheme.lower()} ".encode()
            for carrier in dialect.credentials
        }
        is_plain = all(carrier.place == "header" for carrier in dialect.credentials) and len(carriers) == len(
            dialect.credentials
        )
        identity = None if dialect.identity_header is None else dialect.identity_header.encode()
        if served.route.method != "GET" or ("admit" in dialect.hooks and identity is None) or not is_plain:
            return
        if reference.pattern is not None and reference.place != "path":
            return
        pattern = None if reference.pattern is None else re.compile(reference.pattern)
        if served.route.only is not None or _shares_path(site, served):
            return
        head, _, last = served.route.path.rpartition("/")
        needs_origin = any(view.needs_origin for view in served.views.values())
        for mount in (dialect.mount, *dialect.aliases):
            if reference.place == "path" and last == f"{{{reference.name}}}" and "{" not in head:
                self._by_head[mount + head] = Target(site, served, carriers, None, needs_origin, identity, pattern)
            elif reference.place == "query" and "{" not in served.route.path:
                start = f"{reference.name}=".encode()
                self._by_path[mount + served.route.path] = Target(
                    site, served, carriers, start, needs_origin, identity
                )

    def answer_now(self, scope: Scope) -> Answer | Asked | None:
        """The whole answer to a poll, or what it waits for, or None.

        A scope without a scheme is one of which it is not known here, and no answer that names it is given.
        """
        poll = self._recognise(scope)
        return None if poll is None else self._answer_now(poll)

    def read_caller(self, scope: Scope) -> Caller | None:
        """What `answer_again` takes for later polls with the headers of this one, which was answered at once."""
        target, _ = self._find(scope["path"], scope["query_string"])
        return None if target is None else _read_caller(target, scope)

    def answer_again(self, caller: Caller, url: bytes) -> Answer | Asked | None:
        """As `answer_now`, to a GET of another path with the headers of an earlier poll: 5 µs of them are saved."""
        path, _, query = url.partition(b"?")
        target, name = self._find(path.decode("ascii"), query)
        poll = _make_poll(caller, name) if target is caller.target and name is not None else None
        return None if poll is None else self._answer_now(poll)

    def _answer_now(self, poll: Poll) -> Answer | Asked | None:
        asked = Asked(poll, _ask(poll))
        if not asked.row.is_done:
            return asked
        answer = self.answer_asked(asked)
        if answer is None or isinstance(answer, Answer):
            return answer
        try:
            answer.send(None)
        except StopIteration as finished:
            answered: Answer | None = finished.value
            return answered
        answer.close()
        return None

    def answer_asked(self, asked: Asked) -> Answer | Coroutine[Any, Any, Answer | None] | None:
        """The whole answer to a poll whose row is there, at once or after more that has to be waited for, or None."""
        poll, pending = asked
        row = pending.result()
        if row is None:
            return None
        view = poll.caller.target.served.views[row.phase]
        has_facts = view.needs_position or view.needs_estimate or view.needs_input or view.needs_origin
        if has_facts or row.rerun_of is not None:
            return _answer_with_facts(poll, row)
        return _answer_row(poll, row, None)

    async def answer(self, scope: Scope) -> Answer | None:
        """The whole answer to a poll, or None."""
        poll = self._recognise(scope)
        if poll is None:
            return None
        row = await _ask(poll)
        return None if row is None else await _answer_with_facts(poll, row)

    def _recognise(self, scope: Scope) -> Poll | None:
        target, name = self._find(scope["path"], scope["query_string"])
        if target is None or name is None or scope["method"] not in ("GET", "HEAD"):
            return None
        caller = _read_caller(target, scope)
        return None if caller is None else _make_poll(caller, name)

    def _find(self, path: str, query: bytes) -> tuple[Target | None, JobName | None]:
        head, _, last = path.rpartition("/")
        target = self._by_head.get(head)
        if target is not None:
            if target.served.route.wait is not None and query:
                return None, None
            if target.pattern is not None and not _is_whole(target.pattern, last):
                return None, None
            return target, read_name(target.served.reference.style, last, target.site.dialect.ids)
        target = self._by_path.get(path)
        if target is None or target.query_start is None:
            return None, None
        if not query.startswith(target.query_start):
            return None, None
        # An encoded or second field is no name in either style, and goes the long way.
        sent = query[len(target.query_start) :].decode("latin-1")
        return target, read_name(target.served.reference.style, sent, target.site.dialect.ids)


def _read_caller(target: Target, scope: Scope) -> Caller | None:
    if target.needs_origin and "scheme" not in scope:
        return None
    carriers = target.carriers
    token: str | None = None
    seen: bytes | None = None
    sent_id: bytes | None = None
    for header, value in scope["headers"]:
        if header in carriers:
            start = carriers[header]
            if value[: len(start)].lower() == start and (carried := value[len(start) :].strip()):
                if token is not None:
                    return None
                token = carried.decode("latin-1")
        elif header == b"if-none-match":
            seen = value if seen is None else seen + b", " + value
        elif header == b"x-request-id":
            sent_id = sent_id or value
        elif header == target.identity or (header == b"prefer" and target.served.route.wait is not None):
            return None
    if token is None or len(token) > TOKEN_CHARS_MAX:
        return None
    return Caller(target, digest_token(token), seen, sent_id, _read_origin(scope) if target.needs_origin else None)


def _make_poll(caller: Caller, name: JobName) -> Poll | None:
    site, served, *_ = caller.target
    principal = site.services.owners.find_known(caller.key_digest)
    if principal is None or site.dialect.name in principal.disabled_systems:
        return None
    scope_needed = served.route.scope
    if scope_needed is not None and scope_needed not in principal.scopes:
        return None
    return Poll(caller, name, principal)


def _read_origin(scope: Scope) -> str:
    hosts = b", ".join([value for name, value in scope["headers"] if name == b"host"])
    return read_base_url(scope, {"host": hosts.decode("latin-1")})


def _is_whole(pattern: re.Pattern[str], text: str) -> bool:
    found = pattern.search(text)
    return found is not None and found[pattern.groups] == text


def _shares_path(site: Site, served: Served) -> bool:
    return sum((one.route.method, one.route.path) == ("GET", served.route.path) for one in site.served) > 1


def _ask(poll: Poll) -> Row:
    caller, name, principal = poll
    return caller.target.site.services.store.get(principal.owner, key=name.key, number=name.number)


async def _answer_with_facts(poll: Poll, row: JobRow) -> Answer | None:
    site, served, *_ = poll.caller.target
    view = served.views[row.phase]
    return _answer_row(poll, row, await find_facts(site.services, view, row, origin=poll.caller.origin))


def _answer_row(poll: Poll, row: JobRow, facts: Facts | None) -> Answer | None:
    ((site, served, *_), _, seen, sent_id, _), _, principal = poll
    dialect = site.dialect
    if not is_shown(dialect, row):
        return None
    state = None
    if served.limits or principal.plan:
        limits, wanted = site.services.limits, list_limits(principal, served.route, served.limits)
        if limits.must_ask(wanted):
            return None
        state = take_limits(limits, wanted)
        if state is not None and state.retry_after_s is not None:
            return None
    answer = answer_status(site, served.views[row.phase], row, facts, seen=seen)
    if state is not None:
        answer.headers.extend(tell_limit(state, dialect.limit_headers, now=site.services.clock()))
    answer.headers.append((b"x-request-id", give_request_id(sent_id)))
    return answer
