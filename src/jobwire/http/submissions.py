"""Makes a checked job of a body in a dialect's words, and finds the key that makes its repetition safe."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from jobwire.dialects.parse import (
    Submission,
    read_idempotency_key,
    read_kind,
    read_submission,
    refuse_faults,
    unix_ms,
)
from jobwire.dialects.spec import Dialect
from jobwire.domain.errors import RequestError
from jobwire.domain.job import NewJob
from jobwire.kinds.faults import Fault
from jobwire.kinds.schema import check_input
from jobwire.service.call import Call
from jobwire.service.services import Services


def read_header_key(dialect: Dialect, call: Call) -> str | None:
    """The key that the dialect's header gives a call; None without one."""
    name = dialect.idempotency_header
    return None if name is None else read_idempotency_key(call.headers.get(name.lower()))


def read_natural_key(dialect: Dialect, body: Any) -> str | None:
    """The key of a submission whose body names it in the vendor's own words; None where it does not."""
    path, value = dialect.natural_key, body
    if path is None:
        return None
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise refuse_faults(
            [Fault("/" + path.replace(".", "/"), "this names the submission: a text or a whole number")]
        )
    # Hashed, as it may be long or of any script; apart from the keys of headers.
    return "natural:" + hashlib.sha256(str(value).encode(errors="surrogatepass")).hexdigest()


def fingerprint_body(body: Any) -> str:
    """What tells a repeated body from another one, whatever the order of its fields."""
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


def build_job(services: Services, dialect: Dialect, body: Any, *, owner: int, key: str | None) -> NewJob:
    """The job a body submits; RequestError, its pointers into the body."""
    submission = read_submission(_without_natural(dialect, body))
    kind = read_kind(dialect, submission.kind)
    known = services.registry.get(kind)
    with pointing("", "/input"):
        check_input(known, submission.input)
    with pointing("/deadline_at", "/deadline"):
        return services.jobs.build(
            owner,
            kind,
            submission.input,
            queue=submission.queue,
            priority=submission.priority,
            run_at=_read_run_at(submission, services.clock()),
            deadline_at=None if submission.deadline is None else unix_ms(submission.deadline),
            tags=submission.tags,
            max_wait=submission.max_wait,
            concurrency_key=submission.concurrency_key,
            webhook=msgspec.to_builtins(submission.webhook),
            idempotency_key=key,
            fingerprint=None if key is None else fingerprint_body(body),
        )


def _without_natural(dialect: Dialect, body: Any) -> Any:
    name = dialect.natural_key
    if name is None or "." in name or name in Submission.__struct_fields__ or not isinstance(body, dict):
        return body
    return {field: value for field, value in body.items() if field != name}


@contextmanager
def pointing(service: str, body: str, *, but: str | None = None) -> Iterator[None]:
    """Make a refusal point into the body that was sent, where it names a value as the service does."""
    try:
        yield
    except RequestError as error:
        for fault in error.details.get("errors", ()):
            if fault["pointer"].startswith(service) and fault["pointer"] != but:
                fault["pointer"] = body + fault["pointer"].removeprefix(service)
        raise


def _read_run_at(submission: Submission, now: int) -> int | None:
    if submission.delay is not None:
        return now + int(submission.delay * 1_000)
    return None if submission.run_at is None else unix_ms(submission.run_at)
