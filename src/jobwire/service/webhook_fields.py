"""What the fields of webhooks may hold, in submissions and in endpoints. webhooks.py and jobs.py apply it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from jobwire.domain.errors import JobError
from jobwire.domain.webhooks import ANY_EVENT, EVENT_TYPES
from jobwire.kinds.registry import NAME_RULE, NAME_SHAPE
from jobwire.kinds.spelling import did_you_mean, quote
from jobwire.net.fetch import FetchPolicy, validate_url
from jobwire.service.submission import refuse
from jobwire.store.webhooks import Wish

FILTER_KINDS_MAX = 50

_TYPES = (*EVENT_TYPES.values(), ANY_EVENT)


def read_wish(webhook: str | Mapping[str, Any], policy: FetchPolicy) -> str:
    """What a submission asks for, as JSON text: a URL, or `{url, events}`."""
    asked = {"url": webhook} if isinstance(webhook, str) else dict(webhook)
    if unknown := sorted(asked.keys() - {"url", "events"}):
        raise refuse(f"/webhook/{unknown[0]}", f"unknown field {quote(unknown[0])}; a webhook has url and events")
    place = "/webhook" if isinstance(webhook, str) else "/webhook/url"
    url = check_url(asked.get("url"), policy, pointer=place)
    return msgspec.json.encode(Wish(url, check_events(asked.get("events"), pointer="/webhook/events"))).decode()


def check_url(url: object, policy: FetchPolicy, *, pointer: str = "/url") -> str:
    """The URL, if the policy could let it be reached; a name that leads to a private address is refused later."""
    if not isinstance(url, str):
        raise refuse(pointer, f"the URL is {quote(url)}; give an http or https URL")
    try:
        parsed = validate_url(url, policy)
    except JobError as error:
        raise refuse(pointer, error.message) from None
    if parsed.user is not None or parsed.password is not None:
        raise refuse(pointer, "the URL holds a user or password; let the signature tell who sends")
    return str(parsed)


def check_events(events: Sequence[str] | None, *, pointer: str = "/events") -> list[str] | None:
    """The event types, each once; None stands for the four that end a job."""
    if events is None:
        return None
    if isinstance(events, str) or not 1 <= len(events) <= len(_TYPES):
        raise refuse(pointer, f"events must be a list of 1 to {len(_TYPES)} types; leave it out for the final ones")
    for index, type_ in enumerate(events):
        if type_ not in _TYPES:
            hint = did_you_mean(type_, _TYPES) if isinstance(type_, str) else ""
            raise refuse(f"{pointer}/{index}", f"there is no event {quote(type_)}{hint}")
    return list(dict.fromkeys(events))


def check_kinds(kinds: Sequence[str] | None) -> list[str] | None:
    """The names of kinds, each once; None stands for all. A kind need not exist yet."""
    if kinds is None:
        return None
    if not 1 <= len(kinds) <= FILTER_KINDS_MAX:
        raise refuse("/kinds", f"kinds has {len(kinds)} names; give 1 to {FILTER_KINDS_MAX}, or leave it out for all")
    for index, kind in enumerate(kinds):
        if NAME_SHAPE.fullmatch(kind) is None:
            raise refuse(f"/kinds/{index}", f"{quote(kind)} is no kind's name; it has {NAME_RULE}")
    return list(dict.fromkeys(kinds))
