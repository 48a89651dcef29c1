"""Runs one attempt, on the loop, in a thread or in a child process, and says how it ended. loop.py settles it."""

import asyncio
import logging
import math
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from jobwire.blobs.scratch import Scratch
from jobwire.domain.errors import JobError, RequestError
from jobwire.domain.outcome import Completed, Failed, Outcome, PublicError, Snoozed
from jobwire.kinds.contract import Snooze
from jobwire.kinds.schema import decode_input, encode_output
from jobwire.store.contract import LeaseLost
from jobwire.worker.attempt import Attempt
from jobwire.worker.context import LoopContext, ThreadContext, Tools
from jobwire.worker.threads import HandlerThreads

logger = logging.getLogger("jobwire.worker")

INTERNAL_MESSAGE = "The job failed for an internal reason; the operator has the details."
INTERNAL_CHARS_MAX = 20_000
DETAILS_BYTES_MAX = 16_384
_OURS = __name__.rpartition(".")[0]


async def run_attempt(attempt: Attempt, tools: Tools, *, threads: HandlerThreads, scratch: Scratch) -> Outcome | None:
    """How the attempt ended; None when its lease was lost and nothing may be said about it. Never raises."""
    try:
        return Completed(await _call_handler(attempt, tools, threads=threads, scratch=scratch))
    except Snooze as snooze:
        return Snoozed(snooze.delay_ms)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # Told to stop, the reason decides and not how the handler unwound. A cancellation, an exit or whatever else
        # of the handler's own making is an accident like any other: it must cost an attempt, and never the worker.
        return _explain(_from_handler(error), attempt) if attempt.stop is None else attempt.stopped_outcome()


def _from_handler(error: BaseException) -> BaseException:
    """The error with its traceback from the handler on: what leads there is ours and the same every time."""
    place = error.__traceback__
    while place is not None and place.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
        place = place.tb_next
    return error if place is None else error.with_traceback(place)


def _explain(error: BaseException, attempt: Attempt) -> Outcome | None:
    match error:
        case LeaseLost():
            return None
        case JobError():
            return Failed(_make_public(error), _wait_of(error), _describe(error))
        case RequestError():
            # The ledger or an input refused the work: the caller's words are fit for the customer.
            public = PublicError(error.code, _writable(error.message), retryable=error.code == "unavailable")
            return Failed(public, None, _describe(error))
    logger.error("job %d (%s) failed", attempt.claim.number, attempt.kind.name, exc_info=error)
    return Failed(PublicError("internal_error", INTERNAL_MESSAGE, retryable=True), None, _describe(error))


async def _call_handler(attempt: Attempt, tools: Tools, *, threads: HandlerThreads, scratch: Scratch) -> str:
    kind = attempt.kind
    if kind.isolation == "process":
        target = f"{kind.handler.__module__}:{kind.handler.__qualname__}"
        # Removed from here: a child that is killed removes nothing.
        with scratch.make_folder() as folder:
            payload, serve = _child_payload(attempt, folder), _make_context(attempt, tools, scratch=scratch).serve
            return await tools.children.run_handler(target, payload, limits=kind.limits, serve=serve)
    given: list[Any] = []
    if kind.takes_context:
        inner = _make_context(attempt, tools, scratch=scratch)
        given.append(inner if kind.is_async else ThreadContext(inner, asyncio.get_running_loop()))
    value = decode_input(kind, attempt.claim.input)
    call = partial(kind.handler, *given, **value) if kind.spread_input else partial(kind.handler, *given, value)
    if kind.is_async:
        return encode_output(await call())
    return encode_output(await threads.run(call))


def _make_context(attempt: Attempt, tools: Tools, *, scratch: Scratch) -> LoopContext:
    return LoopContext(attempt, tools, scratch=scratch, has_steps=attempt.claim.fence > 1)


def _child_payload(attempt: Attempt, folder: Path) -> str:
    claim = attempt.claim
    facts = {"key": claim.key, "number": claim.number, "owner": claim.owner, "attempt": claim.attempt}
    given = {"folder": str(folder), "input": msgspec.Raw(claim.input.encode())}
    return msgspec.json.encode({**facts, **given}).decode()


def _make_public(error: JobError) -> PublicError:
    details: str | None = None
    if error.details:
        try:
            encoded = msgspec.json.encode(error.details)
            details = encoded.decode() if len(encoded) <= DETAILS_BYTES_MAX else None
        except (TypeError, ValueError, OverflowError, RecursionError):
            logger.warning("details of error %s are not JSON and were left out", error.code)
    return PublicError(_writable(error.code), _writable(error.message), bool(error.retryable), details)


def _wait_of(error: JobError) -> int | None:
    wait = error.retry_after_ms
    return max(0, int(wait)) if isinstance(wait, int | float) and math.isfinite(wait) else None


def _describe(error: BaseException) -> str:
    return _writable("".join(traceback.format_exception(error))[-INTERNAL_CHARS_MAX:])


def _writable(text: object) -> str:
    """The text as every ledger takes it, or no settle would pass: lone surrogates (of a file name, say) are escaped,
    and the character NUL, which PostgreSQL's texts have not, is replaced."""
    return str(text).encode(errors="backslashreplace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
