"""Waits for a job's end with the fewest requests: held by the server, told by its stream, or by polite polls.

Each way gives the final job, or None when another is to be tried.
"""

from math import inf

from jobwire.client.models import Job
from jobwire.client.steps import Answer, Cut, Flow, Send
from jobwire.client.watching import Watch

# Below the 60 s after which proxies cut a silent connection.
HOLD_S = 30
# Somebody who looks on sees the position and the percentage move.
SHOWN_HOLD_S = 2
# What is changing all the time is not asked for more often.
HELD_GAP_S = 1.0

# After a refusal because too many wait, so long by polls before it asks to be held again.
CROWDED_S = 60.0

_HELD_SHARE = 0.8
_CUTS_MAX = 2
_TOO_MANY = frozenset({429, 503})


def look(watch: Watch) -> Flow[Job | None]:
    """One poll, when it is allowed: the newest state known, None after a failure that may pass."""
    yield from watch.rest()
    told = yield Send(watch.ask(), watch.session.silence_s)
    job = watch.take(told)
    yield from watch.show()
    return job


def poll(watch: Watch, *, for_s: float = inf) -> Flow[Job | None]:
    """The final job by polls alone; None when it has not ended in `for_s`."""
    end = watch.session.clock() + for_s
    while watch.session.clock() < end:
        job = yield from look(watch)
        if job is not None and job.is_final:
            return job
    return None


def hold(watch: Watch) -> Flow[Job | None]:
    """The final job, by requests that the server holds until there is news; None where it does not hold them.

    A connection that is cut while it is held counts, because something between does not suffer it; a server that is
    gone for a moment does not.
    """
    longest_s = SHOWN_HOLD_S if watch.is_shown else HOLD_S
    cuts = 0
    while cuts < _CUTS_MAX:
        yield from watch.rest()
        wait_s = int(min(longest_s, watch.left_s))
        if wait_s < 1:
            return None
        known, began = watch.seen, watch.session.clock()
        told = yield Send(watch.ask(wait_s=wait_s), wait_s + watch.session.silence_s)
        took_s = watch.session.clock() - began
        if isinstance(told, Answer) and told.status == 400:
            return None
        job = watch.take(told)
        if job is None:
            if isinstance(told, Answer) and told.status in _TOO_MANY:
                job = yield from poll(watch, for_s=CROWDED_S)
                if job is not None:
                    return job
            cuts += took_s > HELD_GAP_S
            continue
        cuts = 0
        yield from watch.show()
        if job.is_final:
            return job
        has_moved = known is not None and known.version != job.version
        if took_s >= _HELD_SHARE * wait_s or (has_moved and _says_held(told)):
            # The server itself has waited: asking at once again is what it offers.
            watch.hinted_until = began + HELD_GAP_S
        elif known is not None and not has_moved and not _says_held(told):
            return None
    return None


def _says_held(told: Answer | Cut) -> bool:
    return isinstance(told, Answer) and "wait" in told.headers.get("preference-applied", "")
