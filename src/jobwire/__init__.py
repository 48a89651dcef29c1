"""Jobwire: the job API that customers poll, ready-made. Start at app.py; docs/architecture.md is the map.

What users import stands here and is loaded when it is first asked for, so that a child process which needs one
photo function does not pay for a web server.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobwire.app import Jobwire, Submitted
    from jobwire.domain.errors import JobError, RequestError
    from jobwire.domain.retry import RetryPolicy
    from jobwire.kinds.contract import Cancelled, ChildLimits, Context, Queue, SavedFile
    from jobwire.store.files import hold_files, release_files

__version__ = "0.1.0"

__all__ = [
    "Cancelled",
    "ChildLimits",
    "Context",
    "JobError",
    "Jobwire",
    "Queue",
    "RequestError",
    "RetryPolicy",
    "SavedFile",
    "Submitted",
    "hold_files",
    "release_files",
]

_HOMES = {
    "Cancelled": "kinds.contract",
    "ChildLimits": "kinds.contract",
    "Context": "kinds.contract",
    "JobError": "domain.errors",
    "Jobwire": "app",
    "Queue": "kinds.contract",
    "RequestError": "domain.errors",
    "RetryPolicy": "domain.retry",
    "SavedFile": "kinds.contract",
    "Submitted": "app",
    "hold_files": "store.files",
    "release_files": "store.files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'jobwire' has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"jobwire.{_HOMES[name]}"), name)
