"""Counts a call against its route's limits and tells the caller what is left."""

from collections.abc import Sequence

from jobwire.dialects.spec import LimitHeaders
from jobwire.domain.errors import RequestError
from jobwire.http.answer import Headers, encode_header
from jobwire.service.limits import Limit, Limits, LimitState


def take_limits(limits: Limits, subject: str, wanted: Sequence[Limit]) -> LimitState | None:
    """The state to show: of the limit that refuses the call, else of the last; None without any."""
    state = None
    for limit in wanted:
        state = limits.take(subject, limit)
        if state.retry_after_s is not None:
            break
    return state


def tell_limit(state: LimitState | None, names: LimitHeaders | None) -> Headers:
    """The headers for a limit's state."""
    if state is None or names is None:
        return []
    return [
        encode_header(names.limit, str(state.limit.count)),
        encode_header(names.remaining, str(state.remaining)),
        encode_header(names.reset, str(state.reset_at_s)),
    ]


def refuse_limited(state: LimitState) -> RequestError:
    """The refusal of a call over its limit."""
    limit = state.limit
    return RequestError(
        "rate_limited",
        f"More than {limit.count} calls in {limit.window_s} s; try again in {state.retry_after_s} s.",
        retry_after_s=state.retry_after_s,
    )
