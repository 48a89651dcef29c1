"""What an owner may call, by class: `read` for GET, `write` for the rest. limits.py counts."""

import re
from collections.abc import Iterable, Mapping

from jobwire.service.limits import LIMIT_COUNT_MAX, LIMIT_WINDOW_S_MAX, Limit
from jobwire.store.rates import OwnerLimit

CLASSES = ("read", "write")
NO_LIMIT = "none"

_RATE = re.compile(r"([0-9]{1,7})/([0-9]{1,5})")

Plan = Mapping[str, Limit]


def parse_plan(text: str) -> Plan:
    """The limits of `read=6000/60,write=600/60`: calls in so many seconds, by class. ValueError for anything else."""
    plan: dict[str, Limit] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        name, _, rate = part.strip().partition("=")
        limit = parse_rate(name, rate)
        if limit is not None:
            plan[name] = limit
    return plan


def parse_rate(name: str, rate: str) -> Limit | None:
    """The limit of a class from `6000/60`, calls in so many seconds, or None from `none`; ValueError otherwise."""
    if name not in CLASSES:
        raise ValueError(f"{name!r} is no class of calls; there are {' and '.join(CLASSES)}")
    if rate == NO_LIMIT:
        return None
    shape = _RATE.fullmatch(rate)
    count, window_s = (int(shape[1]), int(shape[2])) if shape else (0, 0)
    if not (1 <= count <= LIMIT_COUNT_MAX and 1 <= window_s <= LIMIT_WINDOW_S_MAX):
        bounds = f"1 to {LIMIT_COUNT_MAX:,} calls in 1 to {LIMIT_WINDOW_S_MAX:,} seconds, as in 6000/60"
        raise ValueError(f"the limit of {name} is {rate!r}; it is {bounds}, or {NO_LIMIT}")
    return Limit(name, count, window_s, flows=True)


def change_plan(plan: Plan, own: Iterable[OwnerLimit]) -> Plan:
    """The plan of an owner: that of all, except where the owner has a limit of its own."""
    changed = dict(plan)
    for name, count, window_s in own:
        changed.pop(name, None)
        if count:
            changed[name] = Limit(name, count, window_s, flows=True)
    return changed
