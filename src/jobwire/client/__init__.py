"""The Python client: `JobwireClient` and `AsyncJobwireClient`. Rules without I/O start at flows.py.

What users import is loaded when it is first asked for; the HTTP library comes with the extra `client`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobwire.client.asynchronous import AsyncJobwireClient
    from jobwire.client.errors import (
        BadAnswer,
        CallRefused,
        ClientError,
        Conflict,
        ConnectionLost,
        Forbidden,
        Gone,
        InvalidRequest,
        JobCancelled,
        JobEnded,
        JobExpired,
        JobFailed,
        NotFound,
        RateLimited,
        ServerFault,
        Unauthorized,
        Unavailable,
        Unprocessable,
        WaitTimeout,
    )
    from jobwire.client.models import Estimate, Event, Failure, Job, Me, Progress
    from jobwire.client.retrying import Retries
    from jobwire.client.submitting import JobDraft, SubmitOptions
    from jobwire.client.synchronous import JobwireClient

__all__ = [
    "AsyncJobwireClient",
    "BadAnswer",
    "CallRefused",
    "ClientError",
    "Conflict",
    "ConnectionLost",
    "Estimate",
    "Event",
    "Failure",
    "Forbidden",
    "Gone",
    "InvalidRequest",
    "Job",
    "JobCancelled",
    "JobDraft",
    "JobEnded",
    "JobExpired",
    "JobFailed",
    "JobwireClient",
    "Me",
    "NotFound",
    "Progress",
    "RateLimited",
    "Retries",
    "ServerFault",
    "SubmitOptions",
    "Unauthorized",
    "Unavailable",
    "Unprocessable",
    "WaitTimeout",
]

_HOMES = {
    "AsyncJobwireClient": "asynchronous",
    "JobwireClient": "synchronous",
    "Retries": "retrying",
    **dict.fromkeys(("JobDraft", "SubmitOptions"), "submitting"),
    **dict.fromkeys(("Estimate", "Event", "Failure", "Job", "Me", "Progress"), "models"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'jobwire.client' has no {name!r}; it has {', '.join(__all__)}")
    try:
        return getattr(import_module(f"jobwire.client.{_HOMES.get(name, 'errors')}"), name)
    except ModuleNotFoundError as error:
        if error.name != "httpx":
            raise
        message = "jobwire.client needs httpx, which comes with an extra: pip install 'jobwire[client]'"
        raise ModuleNotFoundError(message, name=error.name) from error
