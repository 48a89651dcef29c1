"""What each field of a submission may hold: one limit, one check, one message a field. jobs.py applies them."""

import hashlib
from collections.abc import Sequence

import msgspec

from jobwire.domain.errors import RequestError
from jobwire.domain.job import JobFilter, NewJob
from jobwire.domain.order import PRIORITY_DEFAULT, PRIORITY_MAX, PRIORITY_MIN
from jobwire.kinds.durations import read_duration_ms
from jobwire.kinds.registry import NAME_RULE, NAME_SHAPE
from jobwire.kinds.spelling import quote

TAGS_MAX = 20
TAG_CHARS_MAX = 64
KEY_CHARS_MAX = 255
HORIZON_DAYS_MAX = 366
FIND_LIMIT_MAX = 100
NUMBER_MAX = 2**63 - 1

_DAY_MS = 24 * 3_600_000


def refuse(pointer: str, detail: str) -> RequestError:
    """The refusal of one field, with the place it has in the submission."""
    return RequestError("invalid_request", detail, details={"errors": [{"pointer": pointer, "detail": detail}]})


def check_queue(queue: str, known: Sequence[str]) -> str:
    """The queue's name, if a worker serves it: a job in any other would wait for ever."""
    if queue not in known:
        names = ", ".join(known)
        raise refuse("/queue", f"queue is {quote(queue)}, which no worker serves; the queues here are {names}")
    return queue


def check_priority(priority: int | None) -> int:
    """The priority, 0 (first) to 9 (last); None is 5."""
    if priority is None:
        return PRIORITY_DEFAULT
    if not _is_whole(priority) or not PRIORITY_MIN <= priority <= PRIORITY_MAX:
        bounds = f"{PRIORITY_MIN} (first) to {PRIORITY_MAX} (last)"
        raise refuse("/priority", f"priority is {quote(priority)}; it is a whole number from {bounds}")
    return priority


def check_moments(now: int, *, run_at: int | None, deadline_at: int | None) -> None:
    """Both times lie within 366 days; the deadline comes after now and after `run_at`."""
    for name, moment in (("run_at", run_at), ("deadline_at", deadline_at)):
        if moment is not None and (not _is_whole(moment) or not 0 <= moment <= now + HORIZON_DAYS_MAX * _DAY_MS):
            detail = (
                f"{name} is {quote(moment)}; it is a time in Unix milliseconds at most {HORIZON_DAYS_MAX} days ahead"
            )
            raise refuse(f"/{name}", detail)
    if deadline_at is not None and deadline_at <= max(now, run_at or 0):
        raise refuse("/deadline_at", "the deadline must come after now and after run_at; give a later one")


def check_tags(tags: Sequence[str] | None) -> str | None:
    """The tags as JSON text, each once; None without any."""
    if not tags:
        return None
    if isinstance(tags, str) or len(tags) > TAGS_MAX:
        raise refuse("/tags", f"tags must be a list of at most {TAGS_MAX} texts; send fewer")
    for index, tag in enumerate(tags):
        _check_text(tag, pointer=f"/tags/{index}", name="tag", chars_max=TAG_CHARS_MAX)
    return msgspec.json.encode(list(dict.fromkeys(tags))).decode()


def check_key_text(text: str | None, *, pointer: str) -> str | None:
    """An idempotency, unique or concurrency key; None without one."""
    if text is not None:
        _check_text(text, pointer=pointer, name=pointer[1:], chars_max=KEY_CHARS_MAX)
    return text


def check_max_wait(max_wait: str | float) -> int:
    """The milliseconds of a longest wait: "30s" or seconds, from 1 ms to 7 days."""
    try:
        return read_duration_ms(max_wait, name="max_wait")
    except ValueError as error:
        raise refuse("/max_wait", str(error)) from None


def check_filter(jobs: JobFilter) -> None:
    """A listing asks for 1 to 100 jobs, by texts and numbers that a job can have."""
    if not _is_whole(jobs.limit) or not 1 <= jobs.limit <= FIND_LIMIT_MAX:
        raise refuse("/limit", f"limit is {quote(jobs.limit)}; it is a whole number from 1 to {FIND_LIMIT_MAX}")
    if jobs.tag is not None:
        _check_text(jobs.tag, pointer="/tag", name="tag", chars_max=TAG_CHARS_MAX)
    if jobs.kind is not None and NAME_SHAPE.fullmatch(jobs.kind) is None:
        raise refuse("/kind", f"kind is {quote(jobs.kind)}; a kind's name has {NAME_RULE}")
    if jobs.queue is not None and NAME_SHAPE.fullmatch(jobs.queue) is None:
        raise refuse("/queue", f"queue is {quote(jobs.queue)}; a queue's name has {NAME_RULE}")
    for name in ("before", "created_after", "created_before"):
        bound = getattr(jobs, name)
        if bound is not None and not 0 <= bound <= NUMBER_MAX:
            raise refuse(f"/{name}", f"{name} is {quote(bound)}; it is a whole number from 0 to {NUMBER_MAX}")


def fingerprint_of(job: NewJob) -> str:
    """SHA-256 of everything the submitter chose, the same for the same submission at any time."""
    times = (job.run_at, job.deadline_at)
    chosen = [job.kind, job.queue, job.input, job.priority, *times, job.tags, job.unique_key]
    # Not told when there is none, so that a repetition of what an earlier release was sent is known for one.
    if job.concurrency_key is not None:
        chosen.append(job.concurrency_key)
    if job.webhook is not None:
        chosen.append(job.webhook)
    return hashlib.sha256(msgspec.json.encode(chosen)).hexdigest()


def _check_text(text: object, *, pointer: str, name: str, chars_max: int) -> None:
    # Not printable are control characters and lone surrogates, which no log or database takes well.
    if not isinstance(text, str) or not 1 <= len(text) <= chars_max or not text.isprintable():
        detail = f"{name} {quote(text)} must be 1 to {chars_max} printable characters"
        raise refuse(pointer, detail)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
