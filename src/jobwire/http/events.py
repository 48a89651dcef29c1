"""The event stream of a job: server-sent events, one for each entry of the log, with its number as their id.

A stream that ends before the job, for whatever reason, is taken up again with Last-Event-ID and misses nothing.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from starlette.responses import Response

from jobwire.dialects.codecs import iso_ms, quote
from jobwire.dialects.parse import read_name, refuse_faults
from jobwire.domain.job import JobRow
from jobwire.domain.phases import Phase
from jobwire.domain.states import FINAL_STATES, Event
from jobwire.http.answer import Answer, Receive, Scope, Send
from jobwire.http.body import ClientGone
from jobwire.http.present import find_facts
from jobwire.http.routing import Served
from jobwire.kinds.faults import Fault
from jobwire.service.call import Call
from jobwire.service.watching import JobEvent

logger = logging.getLogger(__name__)

BEAT_S = 15.0
# A key may be revoked meanwhile: whoever takes the stream up again shows it anew.
STREAM_S = 300.0
READER_S = 10.0
RETRY_MS = 1_000

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_PHASES = {
    Event.SUBMITTED: Phase.WAITING, Event.PROMOTED: Phase.WAITING, Event.CLAIMED: Phase.RUNNING,
    Event.PROGRESSED: Phase.RUNNING, Event.COMPLETED: Phase.COMPLETED, Event.RETRIED: Phase.RETRYING,
    Event.FAILED: Phase.FAILED, Event.RESCUED: Phase.WAITING, Event.CANCELLED: Phase.CANCELLED,
    Event.CANCEL_REQUESTED: Phase.CANCELLING, Event.INTERRUPTED: Phase.WAITING, Event.SNOOZED: Phase.SCHEDULED,
    Event.EXPIRED: Phase.EXPIRED,
}  # fmt: skip


def read_after(call: Call) -> int:
    """The number of the last event the caller has: its `after`, else its Last-Event-ID, else 0.

    RequestError invalid_request for anything that is no such number.
    """
    sent = call.query.get("after")
    where = "/after"
    if sent is None:
        sent, where = call.headers.get("last-event-id", ""), "/Last-Event-ID"
    if sent.strip() in ("", "0"):
        return 0
    name = read_name("number", sent.strip())
    if name is None or name.number is None:
        raise refuse_faults([Fault(where, "not the id of an event; send one as it was given")])
    return name.number


async def open_stream(served: Served, call: Call, row: JobRow) -> Answer | Response:
    """The stream, or 204 when its end was seen already: that keeps an EventSource from coming again.

    RequestError rate_limited or unavailable when there are too many streams.
    """
    after = read_after(call)
    watching = call.services.watching
    if row.state in FINAL_STATES and after:
        last = [events async for events in watching.read_history(row, after)]
        if not last:
            return Answer(204, [(b"cache-control", b"no-store")], b"")
    watching.streams.take(call.principal.key_id)
    return EventStream(served, call, row, after)


class EventStream(Response):
    """Events from `after` on, as they come; gives its seat back at its end."""

    media_type = "text/event-stream"

    def __init__(self, served: Served, call: Call, row: JobRow, after: int) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._served = served
        self._call = call
        self._row = row
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; ends without a last chunk where the reader does not keep up."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] == "HEAD" or await self._send_events(send):
                await send({"type": "http.response.body", "body": b""})
            else:
                await _cut_off(scope)
        except ClientGone:
            return
        finally:
            self._call.services.watching.streams.leave(self._call.principal.key_id)

    async def _send_events(self, send: Send) -> bool:
        """Whether the reader has kept up."""
        async with aclosing(self._write_frames()) as frames:
            async for frame in frames:
                try:
                    async with asyncio.timeout(READER_S):
                        await send({"type": "http.response.body", "body": frame, "more_body": True})
                except TimeoutError:
                    return False
        return True

    async def _write_frames(self) -> AsyncGenerator[bytes, None]:
        yield b"retry: %d\n\n" % RETRY_MS
        call = self._call
        until = asyncio.get_running_loop().time() + STREAM_S
        follow = call.services.watching.follow(self._row, self._after, until=until, beat_s=BEAT_S, gone=call.gone)
        async with aclosing(follow) as batches:
            async for events in batches:
                yield await self._write_batch(events) if events else b": \n\n"

    async def _write_batch(self, events: Sequence[JobEvent]) -> bytes:
        """The frames of some events; the newest has the job as it is then, if it is still the same."""
        call = self._call
        row = await call.services.jobs.read(call.principal.owner, number=self._row.number)
        following = [*[event.event for event in events[1:]], None]
        frames = []
        for event, after in zip(events, following, strict=True):
            is_newest = event.version == row.version
            phase = row.phase if is_newest else _find_phase(event, after, row)
            fields = [
                f'"event":{quote(name_event(event))}', f'"version":{event.version}', f'"phase":{quote(phase)}',
                f'"at":{iso_ms(event.at)}',
            ]  # fmt: skip
            if is_newest:
                view = self._served.views[row.phase]
                job = view.render(row, await find_facts(call.services, view, row))
                fields.append(f'"job":{job.decode()}')
            frames.append(f"id: {event.no}\nevent: {name_event(event)}\ndata: {{{','.join(fields)}}}\n\n")
        return "".join(frames).encode()


def name_event(event: JobEvent) -> str:
    """The word for what happened."""
    return Event(event.event).name.lower()


def _find_phase(event: JobEvent, following: int | None, row: JobRow) -> Phase:
    """The phase an event led to, where the job has gone on since."""
    if event.event == Event.SUBMITTED and following == Event.PROMOTED:
        return Phase.SCHEDULED
    asked_at = row.cancel_requested_at
    if event.event == Event.PROGRESSED and asked_at is not None and asked_at <= event.at:
        return Phase.CANCELLING
    return _PHASES[Event(event.event)]


async def _cut_off(scope: Scope) -> None:
    """Close the connection with what is still unsent, where the server lets us (protocol.py)."""
    abort = scope.get("extensions", {}).get("jobwire.abort")
    if abort is not None:
        abort["call"]()
        # The server learns of it in the loop's next turn.
        await asyncio.sleep(0)
