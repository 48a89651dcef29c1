"""The events of a job as they come: server-sent events with the log's numbers as their ids, or a list of the next.

A stream that ends before the job, for whatever reason, is taken up again with Last-Event-ID and misses nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress

from starlette.responses import Response

from jobwire.dialects.codecs import iso_ms, plain, quote
from jobwire.dialects.parse import read_name, refuse_faults
from jobwire.domain.errors import RequestError
from jobwire.domain.job import JobRow
from jobwire.domain.phases import Phase
from jobwire.domain.states import FINAL_EVENTS, Event
from jobwire.domain.webhooks import PHASES_AFTER
from jobwire.http.answer import Answer, Receive, Scope, Send, json_answer
from jobwire.http.body import ClientGone
from jobwire.http.present import find_facts
from jobwire.http.routing import Served
from jobwire.http.waiting import is_final, read_asked, tell_applied
from jobwire.kinds.faults import Fault
from jobwire.service.call import Call
from jobwire.service.watching import JobEvent

BEAT_S = 15.0
# Servers and proxies come and go: no stream is so old that nobody knows what is behind it.
STREAM_S = 300.0
READER_S = 10.0
RETRY_MS = 1_000

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def read_after(call: Call) -> int:
    """The number of the last event the caller has: its `after`, else its Last-Event-ID, else 0.

    RequestError invalid_request for anything that is no such number.
    """
    seen = _read_number(call.headers.get("last-event-id", "").strip() or "0", "/Last-Event-ID")
    after = call.query.get("after")
    return seen if after is None else _read_number(after.strip(), "/after")


def _read_number(sent: str, where: str) -> int:
    if sent == "0":
        return 0
    name = read_name("number", sent)
    if name is None or name.number is None:
        raise refuse_faults([Fault(where, "not the id of an event; send one as it was given")])
    return name.number


async def tell_events(served: Served, call: Call, row: JobRow) -> Answer | Response:
    """The events as a stream; as one JSON list for a caller that accepts that and no stream, which may wait for it.

    A stream whose end was seen already is 204, which keeps an EventSource from coming again. RequestError
    rate_limited or unavailable when there are too many.
    """
    after = read_after(call)
    accept = call.headers.get("accept", "")
    if "application/json" in accept and EventStream.media_type not in accept:
        return await _list_events(served, call, row, after)
    if is_final(row) and after and not await _find_events(call, row, after, wait_s=0):
        return Answer(204, [(b"cache-control", b"no-store")], b"")
    call.services.watching.streams.take(call.principal.key_id)
    return EventStream(served, call, row, after)


async def _list_events(served: Served, call: Call, row: JobRow, after: int) -> Answer:
    """The next events; `after` continues, and `is_over` tells that no more will come."""
    asked = read_asked(served, call)
    wait_s = 0 if is_final(row) else asked.seconds
    watching = call.services.watching
    if wait_s:
        watching.waits.take(call.principal.key_id)
    try:
        events = await _find_events(call, row, after, wait_s=wait_s)
    finally:
        if wait_s:
            watching.waits.leave(call.principal.key_id)
    told = [f'{{"id":{event.no},{text[1:]}' for event, text in await _write_events(served, call, row, events)]
    is_over = is_final(row) if not events else events[-1].event in FINAL_EVENTS
    last = events[-1].no if events else after
    body = f'{{"events":[{",".join(told)}],"after":{last},"is_over":{plain(is_over)}}}'
    return json_answer(200, body.encode(), tell_applied(asked))


async def _find_events(call: Call, row: JobRow, after: int, *, wait_s: float) -> Sequence[JobEvent]:
    watching = call.services.watching
    until = asyncio.get_running_loop().time() + wait_s
    found = (
        watching.follow(row, after, until=until, beat_s=wait_s, gone=call.gone)
        if wait_s
        else watching.read_history(row, after)
    )
    async with aclosing(found) as batches:
        async for events in batches:
            return events
    return ()


async def _write_events(
    served: Served, call: Call, row: JobRow, events: Sequence[JobEvent]
) -> list[tuple[JobEvent, str]]:
    """Each event with its JSON; the newest has the job as it is then, if it is still the same."""
    if not events:
        return []
    row = await call.services.jobs.read(call.principal.owner, number=row.number)
    following = [*[event.event for event in events[1:]], None]
    written = []
    for event, next_one in zip(events, following, strict=True):
        is_newest = event.version == row.version
        phase = row.phase if is_newest else _find_phase(event, next_one, row)
        fields = [
            f'"event":{quote(name_event(event))}', f'"version":{event.version}', f'"phase":{quote(phase)}',
            f'"at":{iso_ms(event.at)}',
        ]  # fmt: skip
        if is_newest:
            view = served.views[row.phase]
            job = view.render(row, await find_facts(call.services, view, row, origin=call.base_url))
            fields.append(f'"job":{job.decode()}')
        written.append((event, f"{{{','.join(fields)}}}"))
    return written


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
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
            elif not await self._send_frames(send):
                await _cut_off(scope)
        except ClientGone:
            return
        finally:
            self._call.services.watching.streams.leave(self._call.principal.key_id)

    async def _send_frames(self, send: Send) -> bool:
        """Whether the reader has kept up."""
        async with aclosing(self._write_frames()) as frames:
            async for frame in frames:
                try:
                    async with asyncio.timeout(READER_S):
                        await send({"type": "http.response.body", "body": frame, "more_body": bool(frame)})
                except TimeoutError:
                    return False
        return True

    async def _write_frames(self) -> AsyncGenerator[bytes, None]:
        """What is sent, the empty end included."""
        yield b"retry: %d\n\n" % RETRY_MS
        call = self._call
        until = asyncio.get_running_loop().time() + STREAM_S
        follow = call.services.watching.follow(self._row, self._after, until=until, beat_s=BEAT_S, gone=call.gone)
        # Refused from now on, or the job was removed: whoever takes the stream up again is told so.
        with suppress(RequestError):
            async with aclosing(follow) as batches:
                async for events in batches:
                    written = await _write_events(self._served, call, self._row, events)
                    frames = [
                        f"id: {event.no}\nevent: {name_event(event)}\ndata: {text}\n\n" for event, text in written
                    ]
                    yield "".join(frames).encode() or b":\n\n"
        yield b""


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
    return PHASES_AFTER[Event(event.event)]


async def _cut_off(scope: Scope) -> None:
    """Close the connection with what is still unsent, where the server lets us (protocol.py)."""
    abort = scope.get("extensions", {}).get("jobwire.abort")
    if abort is not None:
        abort["call"]()
        # The server learns of it in the loop's next turn.
        await asyncio.sleep(0)
