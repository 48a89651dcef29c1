"""Counts a call against its route's limits and tells the caller what is left."""

from collections.abc import Sequence
from functools import lru_cache

from jobwire.dialects.spec import LimitHeaders, Route
from jobwire.domain.errors import RequestError
from jobwire.http.answer import Headers, encode_header
from jobwire.service.call import Principal
from jobwire.service.limits import Limit, Limits, LimitState, Subject, fit_tier


def list_limits(principal: Principal, route: Route | None, own: Sequence[Limit]) -> list[Subject]:
    """What a call counts against: its owner's limit for this class of calls, then its key's limits of the route."""
    wanted: list[Subject] = []
    limit = principal.plan.get("read" if route is None or route.method == "GET" else "write")
    if limit is not None:
        wanted.append((f"owner:{principal.owner}", limit))
    wanted += [(principal.key_id, fit_tier(one, principal.scopes) if one.tiers else one) for one in own]
    return wanted


def take_limits(limits: Limits, wanted: Sequence[Subject]) -> LimitState | None:
    """The state to show: of the limit that refuses the call, else of the last; None without any."""
    if len(wanted) > 1:
        # What one of several limits refuses must not cost the others a call.
        wanted = next(([one] for one in wanted if not limits.look(*one).remaining), wanted)
    state = None
    for subject, limit in wanted:
        state = limits.take(subject, limit)
        if state.retry_after_s is not None:
            break
    return state


def name_limit_headers(names: LimitHeaders) -> tuple[str, ...]:
    """The headers that `tell_limit` gives."""
    return (names.limit, names.policy) if names.policy is not None else (names.limit, names.remaining, names.reset)


def tell_limit(state: LimitState | None, names: LimitHeaders | None, *, now: int) -> Headers:
    """The headers for a limit's state at `now` (Unix ms)."""
    if state is None or names is None:
        return []
    limit = state.limit
    left_s = max(0, state.reset_at_s - now // 1_000)
    if names.policy is not None:
        wait_s = state.retry_after_s or left_s
        policy, name, label = _encode_policy(limit, names)
        return [policy, (name, b'"%s";r=%d;t=%d' % (label, state.remaining, wait_s))]
    return [
        encode_header(names.limit, str(limit.count)),
        encode_header(names.remaining, str(state.remaining)),
        encode_header(names.reset, str(left_s if names.counts_down else state.reset_at_s)),
    ]


@lru_cache(maxsize=1_000)
def _encode_policy(limit: Limit, names: LimitHeaders) -> tuple[tuple[bytes, bytes], bytes, bytes]:
    """The policy as a header, and the name of the other one and of the limit."""
    policy = encode_header(names.policy or "", f'"{limit.name}";q={limit.count};w={limit.window_s}')
    return policy, names.limit.lower().encode("ascii"), limit.name.encode("ascii")


def refuse_limited(state: LimitState) -> RequestError:
    """The refusal of a call over its limit."""
    limit = state.limit
    return RequestError(
        "rate_limited",
        limit.message
        or f"More than {limit.count} calls in {limit.window_s} s; try again in {state.retry_after_s} s.",
        details={"violated_policies": [limit.name]},
        retry_after_s=state.retry_after_s,
    )
