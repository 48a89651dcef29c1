"""Follows a job's events: resumes after a cut where it was, and looks at the job where a server has no stream."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from jobwire.client.answers import find_fault
from jobwire.client.messages import Message, MessageReader
from jobwire.client.models import Event, Job, Progress
from jobwire.client.polling import look
from jobwire.client.steps import Answer, Close, Cut, Flow, Open, Read, Request, Show
from jobwire.client.watching import Watch

# Twice the usual heartbeat of 15 s.
STREAM_SILENCE_S = 30.0
# So many streams in a row without anything: a proxy holds them back, or there is nothing after that number.
EMPTY_MAX = 3

_NO_STREAM = frozenset({400, 404, 405, 406, 501})
_SEEN_TO_THE_END = 204
_NUMBER_DIGITS = 18


def stream_job(watch: Watch, *, after: int | None) -> Flow[None]:
    """Shows every event after that number, each once and in order, until the final one."""
    is_final = yield from follow(watch, after=after, is_shown=True)
    if not is_final:
        yield from _observe(watch)


def follow(watch: Watch, *, after: int | None = None, is_shown: bool = False) -> Flow[bool]:
    """Follows the server's stream; True when the final event came, False when there is no stream to rely on.

    Not shown means that only the end matters: then one stream that is refused is enough, and none is read on when
    less is left to wait than a stream may be silent.
    """
    reader = MessageReader("" if after is None else str(after))
    seen, empty = after, 0
    while empty < EMPTY_MAX:
        yield from watch.rest(is_poll=False)
        told = yield Open(_ask_events(watch.job_id, reader.last_id), STREAM_SILENCE_S)
        watch.has_asked = True
        if not _is_stream(told):
            if isinstance(told, Answer) and told.status == _SEEN_TO_THE_END:
                return True
            fault = find_fault(told)
            if fault is None or (isinstance(told, Answer) and told.status in _NO_STREAM):
                return False
            watch.fail(told, fault)
            if not is_shown:
                return False
            continue
        watch.succeed()
        began = watch.session.clock()
        reader = MessageReader(reader.last_id)
        has_bytes = has_events = False
        while isinstance(chunk := (yield Read()), bytes) and chunk:
            has_bytes = True
            for event in _read_events(reader.feed(chunk)):
                if event.number is not None and seen is not None and event.number <= seen:
                    continue
                has_events = True
                seen = event.number or seen
                if is_shown:
                    yield Show(event)
                watch.learn(event.job)
                if event.is_final:
                    yield Close()
                    return True
            if watch.left_s < STREAM_SILENCE_S and not is_shown:
                break
        yield Close()
        if watch.left_s < STREAM_SILENCE_S and not is_shown:
            return False
        # Heartbeats are signs of life; a stream that is ended in order at once has nothing to give.
        is_alive = has_bytes and (isinstance(chunk, Cut) or watch.session.clock() - began >= STREAM_SILENCE_S)
        empty = 0 if has_events or is_alive else empty + 1
        watch.pause(reader.retry_s or 0.0, failures=max(1, empty))
    return False


def _ask_events(job_id: str, last_id: str) -> Request:
    headers = [("accept", "text/event-stream"), ("cache-control", "no-store")]
    if last_id:
        headers.append(("last-event-id", last_id))
    return Request("GET", f"/jobs/{job_id}/events", headers=tuple(headers))


def _is_stream(told: Answer | Cut) -> bool:
    if isinstance(told, Cut) or told.status != 200:
        return False
    return told.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/event-stream"


def _read_events(messages: list[Message]) -> Iterator[Event]:
    for message in messages:
        event = read_event(message)
        if event is not None:
            yield event


def read_event(message: Message) -> Event | None:
    """The event of a message; None for one that tells nothing of a job, such as a later version may send."""
    try:
        data = msgspec.json.decode(message.data)
        if not isinstance(data, dict) or not isinstance(data.get("phase"), str):
            return None
        job = None if data.get("job") is None else msgspec.convert(data["job"], Job)
        progress = None if data.get("progress") is None else msgspec.convert(data["progress"], Progress)
        return Event(
            name=str(data.get("event") or message.name),
            number=_read_number(message.id),
            version=msgspec.convert(data.get("version") or 0, int),
            phase=data["phase"],
            at=_read_moment(data.get("at")),
            progress=progress if progress is not None or job is None else job.progress,
            job=job,
            data=data,
        )
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return None


def _read_number(text: str) -> int | None:
    is_number = text.isascii() and text.isdecimal() and len(text) <= _NUMBER_DIGITS
    return int(text) if is_number else None


def _read_moment(at: Any) -> datetime | None:
    """A moment as ISO-8601 text or in Unix milliseconds."""
    if isinstance(at, int):
        return datetime.fromtimestamp(at / 1_000, UTC)
    return None if at is None else msgspec.convert(at, datetime)


def _observe(watch: Watch) -> Flow[None]:
    told: Job | None = None
    while told is None or not told.is_final:
        job = yield from look(watch)
        if job is not None and (told is None or job.version > told.version):
            told = job
            at = job.finalized_at or job.started_at or job.created_at
            yield Show(
                Event(
                    name="observed", version=job.version, phase=job.phase, at=at, progress=job.progress, job=job,
                )
            )  # fmt: skip
