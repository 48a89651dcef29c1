"""What runs inside a forked child: read the request, set its limits, run its function, answer. Next: nursery.py."""

import asyncio
import inspect
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import Cancelled, Snooze
from jobwire.kinds.registry import make_kind
from jobwire.kinds.schema import decode_input, encode_output
from jobwire.worker.channel import (
    Channel,
    Confirmed,
    Done,
    HandlerCall,
    Postponed,
    Raised,
    Refused,
    Request,
    Verdict,
    pack,
)
from jobwire.worker.child_context import AsyncChildContext, ChildContext
from jobwire.worker.invocation import decode_argument, resolve_target

FILE_BYTES_MAX = 1024**3
OPEN_FILES_MAX = 256
TRACEBACK_CHARS_MAX = 20_000

CHANNEL_FD = 3

MEMORY_STATUS = 101
STOPPED_STATUS = 102
ORPHANED_STATUS = 103


class Stopped(BaseException):
    """The parent asked the group to end: unwinds the function so that its `finally` blocks run."""


def run_child() -> NoReturn:
    """Serve the one request that waits on CHANNEL_FD and end the process; signals arrive blocked."""
    status = ORPHANED_STATUS
    try:
        signal.signal(signal.SIGTERM, _stop)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _serve_request(Channel(socket.socket(fileno=CHANNEL_FD)))
        status = 0
    except MemoryError:
        status = MEMORY_STATUS
        traceback.print_exc()
    except Stopped:
        status = STOPPED_STATUS
    except (OSError, EOFError):
        # The parent is gone: there is nobody to tell.
        pass
    finally:
        with suppress(Exception):
            sys.stdout.flush()
        os._exit(status)


def _stop(_number: int, _frame: object) -> None:
    # Once only: a second request ends the process even where the first is still unwinding it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise Stopped


def _serve_request(channel: Channel) -> None:
    request = channel.read(Request)
    set_limits(request)
    verdict = _reach_verdict(request, channel)
    try:
        data = pack(verdict)
    except JobError as error:
        data = pack(Refused.of(error))
    except (TypeError, ValueError, RecursionError):
        # The details of a JobError are no JSON: the function's fault, told like any exception of its own.
        data = pack(Raised(_describe_exception()))
    channel.send(data)


def _reach_verdict(request: Request, channel: Channel) -> Verdict:
    try:
        function = resolve_target(request.target)
        if request.is_handler:
            return Done(msgspec.Raw(_run_handler(function, request.argument, channel).encode()))
        result = _call(function, decode_argument(function, request.argument))
        return Done(msgspec.Raw(encode_output(result).encode()))
    except Snooze as snooze:
        return Postponed(snooze.delay_ms)
    except Cancelled:
        return Confirmed()
    except JobError as error:
        return Refused.of(error)
    except (MemoryError, Stopped):
        raise
    except BaseException:
        return Raised(_describe_exception())


def _run_handler(function: Callable[..., Any], payload: str, channel: Channel) -> str:
    call = msgspec.json.decode(payload, type=HandlerCall)
    kind = make_kind(function, name="job")
    value = decode_input(kind, bytes(call.input).decode())
    context = (AsyncChildContext if kind.is_async else ChildContext)(channel, call)
    leading = (context,) if kind.takes_context else ()
    try:
        result = _call(function, *leading, **value) if kind.spread_input else _call(function, *leading, value)
    finally:
        context.send_progress()
    return encode_output(result)


def _call(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    if inspect.iscoroutinefunction(function):
        return asyncio.run(function(*arguments, **named))
    return function(*arguments, **named)


def _describe_exception() -> str:
    return traceback.format_exc()[-TRACEBACK_CHARS_MAX:]


def set_limits(request: Request) -> None:
    """Bind this process and what it starts; memory counts on top of what is mapped now."""
    os.nice(request.nice)
    # When the machine itself runs out of memory the kernel shall take this child, not the worker.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    for name, soft, hard in (
        (resource.RLIMIT_AS, _mapped_bytes() + request.memory_bytes_max, 0),
        (resource.RLIMIT_CPU, request.cpu_s_max, request.cpu_s_max + 1),
        (resource.RLIMIT_FSIZE, FILE_BYTES_MAX, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES_MAX, 0),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        allowed = resource.getrlimit(name)[1]
        most = max(soft, hard) if allowed == resource.RLIM_INFINITY else min(max(soft, hard), allowed)
        resource.setrlimit(name, (min(soft, most), most))


def _mapped_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
