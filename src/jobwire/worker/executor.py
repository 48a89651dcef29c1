"""Runs one attempt, on the loop, in a thread or in a child process, and says how it ended. loop.py settles it."""

import asyncio
import logging
import traceback
from concurrent.futures import Executor
from functools import partial
from typing import Any

import msgspec

from jobwire.domain.errors import JobError, RequestError
from jobwire.domain.outcome import CancelConfirmed, Completed, Failed, Outcome, PublicError, Snoozed
from jobwire.kinds.contract import Cancelled, Snooze
from jobwire.kinds.schema import decode_input, encode_output
from jobwire.store.contract import LeaseLost
from jobwire.worker.attempt import Attempt, Stop
from jobwire.worker.context import LoopContext, ThreadContext, Tools

logger = logging.getLogger("jobwire.worker")

INTERNAL_MESSAGE = "The job failed for an internal reason; the operator has the details."
INTERNAL_CHARS_MAX = 20_000
DETAILS_BYTES_MAX = 16_384


async def run_attempt(attempt: Attempt, tools: Tools, threads: Executor) -> Outcome | None:
    """How the attempt ended; None when its lease was lost and nothing may be said about it. Never raises."""
    try:
        return Completed(await _call_handler(attempt, tools, threads))
    except asyncio.CancelledError:
        return attempt.stopped_outcome()
    except Cancelled:
        return CancelConfirmed() if attempt.stop is Stop.CANCEL else attempt.stopped_outcome()
    except Snooze as snooze:
        return Snoozed(snooze.delay_ms)
    except LeaseLost:
        return None if attempt.stop is None else attempt.stopped_outcome()
    except JobError as error:
        return Failed(_make_public(error), error.retry_after_ms, _describe(error))
    except RequestError as error:
        # The ledger or an input refused the work: the caller's words are fit for the customer.
        retryable = error.code == "unavailable"
        return Failed(PublicError(error.code, error.message, retryable), None, _describe(error))
    except Exception as error:
        logger.exception("job %d (%s) failed", attempt.claim.number, attempt.kind.name)
        return Failed(PublicError("internal_error", INTERNAL_MESSAGE, retryable=True), None, _describe(error))


async def _call_handler(attempt: Attempt, tools: Tools, threads: Executor) -> str:
    kind = attempt.kind
    if kind.isolation == "process":
        inner = LoopContext(attempt, tools, has_steps=attempt.claim.fence > 1)
        target = f"{kind.handler.__module__}:{kind.handler.__qualname__}"
        return await tools.children.run_handler(
            target, _child_payload(attempt), limits=kind.limits, serve=inner.serve
        )
    given: list[Any] = []
    if kind.takes_context:
        inner = LoopContext(attempt, tools, has_steps=attempt.claim.fence > 1)
        given.append(inner if kind.is_async else ThreadContext(inner, asyncio.get_running_loop()))
    value = decode_input(kind, attempt.claim.input)
    call = partial(kind.handler, *given, **value) if kind.spread_input else partial(kind.handler, *given, value)
    if kind.is_async:
        return encode_output(await call())
    return encode_output(await asyncio.get_running_loop().run_in_executor(threads, call))


def _child_payload(attempt: Attempt) -> str:
    claim = attempt.claim
    facts = {"key": claim.key, "number": claim.number, "owner": claim.owner, "attempt": claim.attempt}
    return msgspec.json.encode({**facts, "input": msgspec.Raw(claim.input.encode())}).decode()


def _make_public(error: JobError) -> PublicError:
    details: str | None = None
    if error.details:
        try:
            encoded = msgspec.json.encode(error.details)
            details = encoded.decode() if len(encoded) <= DETAILS_BYTES_MAX else None
        except TypeError:
            logger.warning("details of error %s are not JSON and were left out", error.code)
    return PublicError(error.code, error.message, error.retryable, details)


def _describe(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-INTERNAL_CHARS_MAX:]
