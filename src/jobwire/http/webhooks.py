"""The webhooks' actions. dialects/native_webhooks.py has their paths, webhook_forms.py the bodies."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from jobwire.dialects.codecs import iso_ms
from jobwire.dialects.parse import PAGE_DEFAULT, PAGE_MAX, read_form, refuse_faults, unix_ms
from jobwire.dialects.render import wrap_body
from jobwire.dialects.spec import Action
from jobwire.dialects.webhook_forms import (
    DeliveryPage,
    DeliveryView,
    EndpointChange,
    EndpointForm,
    EndpointPage,
    EndpointView,
    MessageSent,
    Redelivered,
    RedeliveryForm,
    RotationForm,
    SecretState,
    SecretView,
)
from jobwire.domain.webhooks import DeliveryRow, DeliveryState
from jobwire.http.answer import Answer, encode_header, json_answer
from jobwire.http.routing import Served
from jobwire.http.site import Site
from jobwire.kinds.faults import Fault
from jobwire.kinds.spelling import quote
from jobwire.service.call import Call
from jobwire.service.webhooks import NewSecret, Shown

STATE_WORDS: Mapping[DeliveryState, str] = {state: state.name.lower() for state in DeliveryState}
_SOURCES: Mapping[str | None, bool | None] = {None: None, "registered": False, "submission": True}
_CURSOR_PARTS = 3
_CURSOR_DIGITS_MAX = 18


async def create_endpoint(site: Site, served: Served, call: Call) -> Answer:
    """201 with the secret, which is shown this once."""
    form = read_form(EndpointForm, call.body)
    shown, secret = await call.services.webhooks.create(
        call.principal.owner, form.url, events=form.events, kinds=form.kinds, scheme=form.scheme
    )
    location = encode_header("Location", f"{site.prefix}{site.dialect.mount}/webhooks/{shown.endpoint.id}")
    return _answer(served, show_endpoint(shown, secret), [location])


async def list_endpoints(site: Site, served: Served, call: Call) -> Answer:
    """A page of the caller's endpoints."""
    _check_query(call, "source", "cursor", "limit")
    source = call.query.get("source")
    if source not in _SOURCES:
        raise refuse_faults([Fault("/source", f"no source is {quote(source)}; there are registered and submission")])
    limit = _read_limit(call)
    found = await call.services.webhooks.find(
        call.principal.owner, before=call.query.get("cursor"), is_ad_hoc=_SOURCES[source], limit=limit + 1
    )
    page = [show_endpoint(shown) for shown in found[:limit]]
    return _answer(served, EndpointPage(page, page[-1].id if len(found) > limit else None))


async def read_endpoint(site: Site, served: Served, call: Call) -> Answer:
    """One of the caller's endpoints."""
    return _answer(served, show_endpoint(await call.services.webhooks.read(call.principal.owner, call.params["id"])))


async def change_endpoint(site: Site, served: Served, call: Call) -> Answer:
    """The endpoint after the change."""
    form = read_form(EndpointChange, call.body)
    changes = {
        name: value
        for name, value in (
            ("url", form.url), ("events", form.events), ("kinds", form.kinds), ("is_enabled", form.enabled)
        )
        if value is not UNSET
    }  # fmt: skip
    shown = await call.services.webhooks.change(call.principal.owner, call.params["id"], **changes)
    return _answer(served, show_endpoint(shown))


async def delete_endpoint(site: Site, served: Served, call: Call) -> Answer:
    """204."""
    await call.services.webhooks.delete(call.principal.owner, call.params["id"])
    return Answer(204, [], b"")


async def rotate_endpoint(site: Site, served: Served, call: Call) -> Answer:
    """The endpoint with its new secret."""
    form = read_form(RotationForm, call.body)
    shown, secret = await call.services.webhooks.rotate(
        call.principal.owner, call.params["id"], overlap_s=form.overlap_s
    )
    assert shown is not None
    return _answer(served, show_endpoint(shown, secret))


async def rotate_owner(site: Site, served: Served, call: Call) -> Answer:
    """The secret that signs for the URLs of the caller's submissions."""
    form = read_form(RotationForm, call.body)
    _, secret = await call.services.webhooks.rotate(call.principal.owner, overlap_s=form.overlap_s)
    return _answer(served, SecretView(secret.text, secret.row.generation))


async def send_test(site: Site, served: Served, call: Call) -> Answer:
    """202: the message is on its way."""
    return _answer(
        served, MessageSent(await call.services.webhooks.send_test(call.principal.owner, call.params["id"]))
    )


async def list_deliveries(site: Site, served: Served, call: Call) -> Answer:
    """A page of an endpoint's deliveries."""
    _check_query(call, "state", "cursor", "limit")
    limit = _read_limit(call)
    found = await call.services.webhooks.deliveries(
        call.principal.owner, call.params["id"], before=_read_cursor(call), state=_read_state(call), limit=limit + 1
    )
    page = [show_delivery(row, due_at) for row, due_at in found[:limit]]
    last = found[limit - 1][0] if len(found) > limit else None
    return _answer(served, DeliveryPage(page, None if last is None else f"{last.at}.{last.no}.{last.number}"))


async def redeliver(site: Site, served: Served, call: Call) -> Answer:
    """202: they are on their way again."""
    form = read_form(RedeliveryForm, call.body)
    if (form.delivery is None) == (form.since is None):
        raise refuse_faults([Fault("", "name one delivery, or the time since which all are sent again")])
    count = await call.services.webhooks.redeliver(
        call.principal.owner,
        call.params["id"],
        delivery=form.delivery,
        since=None if form.since is None else unix_ms(form.since),
    )
    return _answer(served, Redelivered(count))


WEBHOOK_ACTIONS: Mapping[Action, Callable[[Site, Served, Call], Awaitable[Answer]]] = {
    "create_webhook": create_endpoint,
    "list_webhooks": list_endpoints,
    "read_webhook": read_endpoint,
    "change_webhook": change_endpoint,
    "delete_webhook": delete_endpoint,
    "rotate_webhook": rotate_endpoint,
    "rotate_webhook_secret": rotate_owner,
    "test_webhook": send_test,
    "list_deliveries": list_deliveries,
    "redeliver": redeliver,
}


# what is shown


def _answer(served: Served, body: Any, headers: Sequence[tuple[bytes, bytes]] = ()) -> Answer:
    return json_answer(served.route.status, wrap_body(body, served.envelope), list(headers))


def show_endpoint(shown: Shown, secret: NewSecret | None = None) -> EndpointView:
    """An endpoint as its owner reads it."""
    row = shown.endpoint
    failing = "active" if row.open_until is None else "failing"
    states = [SecretState(one.generation, _moment(one.created_at), _time(one.expires_at)) for one in shown.secrets]
    return EndpointView(
        id=row.id,
        url=row.url,
        source="submission" if row.is_ad_hoc else "registered",
        status=failing if row.disabled_at is None else "disabled",  # type: ignore[arg-type]
        events=_words(row.events),
        kinds=_words(row.kinds),
        scheme=row.scheme,
        created_at=_moment(row.created_at),
        disabled_at=_time(row.disabled_at),
        disabled_reason=row.disabled_reason,
        failures=row.failures,
        retry_at=_time(row.open_until),
        secrets=states or UNSET,
        public_keys=list(shown.public_keys) or UNSET,
        secret=UNSET if secret is None else secret.text,
    )


def show_delivery(row: DeliveryRow, due_at: int | None) -> DeliveryView:
    """A delivery as its owner reads it."""
    return DeliveryView(
        id=row.id,
        type=row.type,
        state=STATE_WORDS[DeliveryState(row.state)],  # type: ignore[arg-type]
        event_at=_moment(row.at),
        attempts=row.attempts,
        last_attempt_at=_time(row.sent_at),
        status=row.status,
        duration_ms=row.duration_ms,
        answer=row.answer,
        next_attempt_at=_time(due_at),
    )


def _moment(at: int) -> str:
    return iso_ms(at)[1:-1]


def _time(at: int | None) -> str | None:
    return None if at is None else _moment(at)


def _words(text: str | None) -> list[str] | None:
    return None if text is None else msgspec.json.decode(text, type=list[str])


# what is asked


def _check_query(call: Call, *known: str) -> None:
    for name in call.query:
        if name not in known:
            raise refuse_faults([Fault(f"/{name}", f"unknown field; there are {', '.join(known)}")])


def _read_limit(call: Call) -> int:
    text = call.query.get("limit")
    if text is None:
        return PAGE_DEFAULT
    if text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= PAGE_MAX:
        return int(text)
    raise refuse_faults([Fault("/limit", f"a page holds 1 to {PAGE_MAX}, not {quote(text)}")])


def _read_state(call: Call) -> int | None:
    word = call.query.get("state")
    if word is None:
        return None
    for state, said in STATE_WORDS.items():
        if said == word:
            return int(state)
    raise refuse_faults([Fault("/state", f"no state is {quote(word)}; there are {', '.join(STATE_WORDS.values())}")])


def _read_cursor(call: Call) -> tuple[int, int, int] | None:
    text = call.query.get("cursor")
    if text is None:
        return None
    parts: Sequence[str] = text.split(".")
    if len(parts) == _CURSOR_PARTS and all(
        part.isascii() and part.isdecimal() and len(part) <= _CURSOR_DIGITS_MAX for part in parts
    ):
        at, no, number = map(int, parts)
        return at, no, number
    raise refuse_faults([Fault("/cursor", "not a cursor of this list; send next_cursor as it was given")])
