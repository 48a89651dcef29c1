"""Reads how long a caller wants to wait: the field of the route's Wait, or RFC 7240's Prefer header. Pure."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from jobwire.dialects.parse import refuse_faults
from jobwire.dialects.spec import Wait
from jobwire.kinds.faults import Fault
from jobwire.kinds.spelling import quote

_SECONDS = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s?")


class Asked(NamedTuple):
    """How long to wait, in seconds; the preferences that are honoured by that, and whether one is `respond-async`."""

    seconds: float
    applied: tuple[str, ...] = ()
    is_async: bool = False


NO_WAIT = Asked(0.0)


def read_wait(wait: Wait | None, *, query: Mapping[str, str], body: Any, prefer: str | None) -> Asked:
    """What a call asks for; a preference that cannot be read or is too long is bent, a field is refused.

    RequestError invalid_request.
    """
    if wait is None:
        return NO_WAIT
    preferred = _read_prefer(prefer) if wait.prefers and prefer is not None else {}
    is_async = "respond-async" in preferred
    sent = query.get(wait.name) if wait.place == "query" else body.get(wait.name) if isinstance(body, dict) else None
    if sent is not None:
        return Asked(_read_field(wait, sent), is_async=is_async)
    seconds = preferred.get("wait", "")
    if seconds.isascii() and seconds.isdecimal():
        granted = min(int(seconds[:9]), wait.seconds_max)
        return Asked(float(granted), (f"wait={granted}",), is_async)
    return Asked(float(wait.seconds_default), (), is_async)


def _read_field(wait: Wait, sent: Any) -> float:
    text = sent if isinstance(sent, str) else str(sent) if type(sent) in (int, float) else ""
    shape = _SECONDS.fullmatch(text)
    if shape is not None and wait.is_capped:
        return min(float(shape[1]), wait.seconds_max)
    if shape is None or float(shape[1]) > wait.seconds_max:
        detail = f"{quote(sent)} is no time to wait; give seconds, 0 to {wait.seconds_max}"
        raise refuse_faults([Fault(f"/{wait.name}", detail)])
    return float(shape[1])


def _read_prefer(header: str) -> dict[str, str]:
    """The preferences by name; of one that is sent twice the first counts (RFC 7240, 2)."""
    preferred: dict[str, str] = {}
    for item in header.split(","):
        name, _, value = item.partition(";")[0].partition("=")
        preferred.setdefault(name.strip().lower(), value.strip().strip('"'))
    return preferred
