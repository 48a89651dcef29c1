"""What can go wrong for a caller.

ClientError                      every error this client raises on purpose
├── CallRefused                  the server refused the call; one class a status, the finer code in `code`
├── ConnectionLost               no answer came, after all the repetitions that are safe
├── BadAnswer                    what answered is not Jobwire's native API
├── WaitTimeout                  the time given to wait is over; the job goes on
└── JobEnded                     the job ended without a result: JobFailed, JobCancelled, JobExpired
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobwire.client.models import Job


class ClientError(Exception):
    """An error this client raises on purpose; `code` is stable, `message` made for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class CallRefused(ClientError):
    """The server refused the call and changed nothing, unless it is a ServerFault.

    `status` is HTTP's, `code` one of docs/errors.md, `errors` the places in what was sent ({pointer, detail}),
    `details` facts of the code, `retry_after_s` when to try again, `request_id` what the operator can look for.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int,
        errors: Sequence[Mapping[str, str]] = (),
        details: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(code, message)
        self.status = status
        self.errors = tuple(errors)
        self.details = dict(details or {})
        self.retry_after_s = retry_after_s
        self.request_id = request_id

    def __str__(self) -> str:
        where = "" if self.request_id is None else f", request {self.request_id}"
        return f"{self.message} ({self.status} {self.code}{where})"


class InvalidRequest(CallRefused):
    """A field is wrong, missing or unknown, or the body is too large: `errors` names the places."""


class Unauthorized(CallRefused):
    """The key is absent, unknown, revoked or expired."""


class Forbidden(CallRefused):
    """The key may not do this."""


class NotFound(CallRefused):
    """There is no such thing, or it is somebody else's."""


class Conflict(CallRefused):
    """The job is in a phase that does not allow this; `details["phase"]` says which."""


class Gone(CallRefused):
    """It was there and has expired."""


class Unprocessable(CallRefused):
    """The idempotency key was used for another submission."""


class RateLimited(CallRefused):
    """Too many calls, or too many unfinished jobs (`backlog_full`); `retry_after_s` says when to come back."""


class Unavailable(CallRefused):
    """The server cannot serve this now, or the job would wait longer than its `max_wait` (`overloaded`)."""


class ServerFault(CallRefused):
    """Something failed on the server; it is logged there under `request_id`."""


class ConnectionLost(ClientError):
    """No answer came. `may_have_arrived` tells whether the server may have carried out the call nevertheless."""

    def __init__(self, message: str, *, may_have_arrived: bool) -> None:
        super().__init__("connection_lost", message)
        self.may_have_arrived = may_have_arrived


class BadAnswer(ClientError):
    """What answered is not Jobwire's native API: check the URL and what stands between."""

    def __init__(self, message: str) -> None:
        super().__init__("bad_answer", message)


class WaitTimeout(ClientError, TimeoutError):
    """The time given to wait is over; `job` is what was known last, None if the server was never reached."""

    def __init__(self, message: str, *, job: "Job | None") -> None:
        super().__init__("wait_timeout", message)
        self.job = job


class JobEnded(ClientError):
    """The job ended without a result; `code`, `message`, `retryable` and `details` are its public error's."""

    def __init__(self, job: "Job") -> None:
        failure = job.error
        if failure is None:
            super().__init__(f"job_{job.phase}", f"{job.id} is {job.phase} and has no result")
        else:
            super().__init__(failure.code, f"{job.id} {job.phase}: {failure.message}")
        self.job = job
        self.retryable = failure is not None and failure.retryable
        self.details = {} if failure is None else dict(failure.details or {})


class JobFailed(JobEnded):
    """The job failed for the reason it gives."""


class JobCancelled(JobEnded):
    """The job was cancelled."""


class JobExpired(JobEnded):
    """No worker had started the job by its deadline."""
