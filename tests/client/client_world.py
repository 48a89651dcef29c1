"""A server with one job, its clock and its troubles, all simulated: carries out a flow's steps, watches the rules."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from jobwire.client.models import Event, Job
from jobwire.client.retrying import Retries, Session
from jobwire.client.steps import Answer, Close, Cut, Ended, Flow, Open, Pause, Read, Request, Send, Show

JOB_ID = "job_0123456789abcdefghijklmnop"
LATENCY_S = 0.01
HEARTBEAT_S = 15.0
NAMES = ("submitted", "claimed", "progressed")
REQUESTS_MAX = 2_000

Trouble = Literal["none", "cut", "silent", "late", "busy", "full", "gateway", "fault", "stale"]
_STATUSES = {"busy": 429, "full": 503, "gateway": 502, "fault": 500}


class Server(NamedTuple):
    """What the server can do. `hold_s` shorter than asked is a server with a cap of its own."""

    holds: Literal["final", "moved", "brief", "ignored", "refused", "limited"] = "final"
    says_held: bool = True
    streams: Literal["yes", "absent", "swallowed", "refused"] = "yes"
    retry_after_s: int | None = 1
    has_etag: bool = True
    tells_job: bool = False


def session_of(world: "World", *, draw: float = 0.5, retries: Retries | None = None) -> Session:
    return Session(lambda: world.now, lambda: draw, retries or Retries())


@dataclass
class World:
    """`moments` are when the versions 1, 2, … come; with the last one the job is `end`."""

    moments: Sequence[float]
    server: Server = field(default_factory=Server)
    troubles: Sequence[Trouble] = ()
    trouble_s: int = 0
    piece_bytes: int = 64
    pieces_max: Sequence[int] = ()
    end: str = "completed"
    now: float = 0.0
    asked: list[tuple[float, Request]] = field(default_factory=list)
    hinted_until: float = 0.0
    refused_until: float = 0.0
    is_over: bool = False
    told_version: int = 0

    def __post_init__(self) -> None:
        self._troubles: Iterator[Trouble] = iter(self.troubles)
        self._pieces_max = iter(self.pieces_max)
        self._pieces: Iterator[bytes | Cut] | None = None

    @property
    def version(self) -> int:
        """The version the job has now: that of the last moment that has come."""
        return max(1, sum(moment <= self.now for moment in self.moments))

    def job_at(self, version: int) -> dict[str, Any]:
        is_final = version >= len(self.moments)
        phase = self.end if is_final else ("waiting", "running")[version > 1]
        result = {"n": version} if is_final and self.end == "completed" else None
        return {"id": JOB_ID, "kind": "k", "phase": phase, "version": version, "result": result}

    def event_of(self, version: int) -> dict[str, Any]:
        job = self.job_at(version)
        is_final = version >= len(self.moments)
        name = self.end if is_final else NAMES[min(version - 1, len(NAMES) - 1)]
        told = {"event": name, "version": version, "phase": job["phase"], "at": "2031-03-04T05:06:07.089Z"}
        return told | ({"job": job} if is_final and self.server.tells_job else {})

    def perform(self, step: Any) -> Any:
        match step:
            case Pause(seconds):
                assert seconds > 0
                self.now += seconds
                return None
            case Send(request, limit_s):
                return self._send(request, limit_s)
            case Open(request):
                return self._open(request)
            case Read():
                assert self._pieces is not None, "reads without a stream"
                piece = next(self._pieces, b"")
                self._pieces = self._pieces if isinstance(piece, bytes) and piece else iter(())
                return piece
            case Close():
                self._pieces = None
                return None
        raise AssertionError(step)

    def _check(self, request: Request, *, is_poll: bool) -> Trouble:
        assert not self.is_over, "asks again although the end was told"
        assert self._pieces is None, "asks while a stream is open"
        assert self.now >= self.refused_until, "asks earlier than a refusal allows"
        if is_poll:
            assert self.now >= self.hinted_until, "polls earlier than Retry-After allows"
        self.asked.append((self.now, request))
        assert len(self.asked) < REQUESTS_MAX, "asks for ever"
        self.now += LATENCY_S
        return next(self._troubles, "none")

    def _fail(self, trouble: Trouble, limit_s: float) -> Answer | Cut | None:
        if trouble == "cut":
            return Cut("refused", may_have_arrived=False)
        if trouble in ("silent", "late"):
            self.now += limit_s
            return Cut("silent")
        if trouble in _STATUSES:
            headers = {"retry-after": str(self.trouble_s)} if self.trouble_s else {}
            self.refused_until = self.now + self.trouble_s
            return Answer(_STATUSES[trouble], headers)
        return None

    def _send(self, request: Request, limit_s: float) -> Answer | Cut:
        trouble = self._check(request, is_poll=True)
        failed = self._fail(trouble, limit_s)
        if failed is not None:
            return failed
        wait_s = int(dict(request.headers).get("prefer", "wait=0").removeprefix("wait="))
        is_held = says_held = False
        if wait_s:
            if self.server.holds == "refused":
                return Answer(400, {"content-type": "application/problem+json"}, b'{"code": "invalid_request"}')
            if self.server.holds == "limited":
                self.refused_until = self.now + 5
                return Answer(429, {"retry-after": "5"})
            is_held = self.server.holds in ("final", "moved") and self._hold(wait_s)
            says_held = self.server.says_held and self.server.holds != "ignored"
            if self.server.holds == "brief":
                # News that had come meanwhile look like news it was held for.
                is_held = says_held and self.version != self.told_version
        version = max(1, self.version - 1) if trouble == "stale" and not wait_s else self.version
        return self._show(request, version, is_held=is_held, says_held=says_held)

    def _hold(self, wait_s: int) -> bool:
        """Let the time pass until there is news; whether the client can know that the request was held."""
        began, known = self.now, self.version
        news = self.moments[known:] if self.server.holds == "moved" else [self.moments[-1]]
        self.now = min(max(self.now, min(news, default=self.now)), began + wait_s)
        asked_at, _ = self.asked[-1]
        return self.server.says_held or self.now - asked_at >= 0.8 * wait_s

    def _show(self, request: Request, version: int, *, is_held: bool, says_held: bool) -> Answer:
        headers: dict[str, str] = {"content-type": "application/json"}
        is_final = version >= len(self.moments)
        if self.server.retry_after_s is not None and not is_final:
            headers["retry-after"] = str(self.server.retry_after_s)
            self.hinted_until = 0.0 if is_held else self.now + self.server.retry_after_s
        if says_held:
            headers["preference-applied"] = "wait"
        etag = f'"{version}"'
        if self.server.has_etag:
            headers["etag"] = etag
            if dict(request.headers).get("if-none-match") == etag:
                return Answer(304, headers)
        self.is_over = is_final
        self.told_version = version
        return Answer(200, headers, json.dumps(self.job_at(version)).encode())

    def _open(self, request: Request) -> Answer | Cut:
        failed = self._fail(self._check(request, is_poll=False), 10.0)
        if failed is not None:
            return failed
        match self.server.streams:
            case "absent":
                return Answer(404, {"content-type": "application/problem+json"}, b'{"code": "no_route"}')
            case "refused":
                self.refused_until = self.now + 3
                return Answer(503, {"retry-after": "3"})
            case "swallowed":
                self._pieces = self._swallow()
            case "yes" if int(dict(request.headers).get("last-event-id", "0")) >= len(self.moments):
                return Answer(204, {})
            case "yes":
                self._pieces = self._tell(int(dict(request.headers).get("last-event-id", "0")))
        return Answer(200, {"content-type": "text/event-stream; charset=utf-8"})

    def _swallow(self) -> Iterator[bytes | Cut]:
        self.now += 30.0
        yield Cut("silent")

    def _tell(self, after: int) -> Iterator[bytes | Cut]:
        """The stream's bytes in pieces; cut off after as many as are allowed."""
        left = next(self._pieces_max, -1)
        for version in range(after + 1, len(self.moments) + 1):
            while self.moments[version - 1] - self.now > HEARTBEAT_S:
                self.now += HEARTBEAT_S
                yield b": beat\n\n"
            self.now = max(self.now, self.moments[version - 1])
            event = self.event_of(version)
            text = f"id: {version}\nevent: {event['event']}\ndata: {json.dumps(event)}\n\n".encode()
            for start in range(0, len(text), self.piece_bytes):
                if left == 0:
                    yield Cut("connection reset")
                    return
                left -= 1
                if start + self.piece_bytes >= len(text) and version == len(self.moments):
                    self.hinted_until = 0.0
                    self.is_over = self.server.tells_job
                yield text[start : start + self.piece_bytes]


def run(flow: Flow[Any], world: World) -> tuple[Any, list[Job | Event]]:
    """The flow's value and what it showed."""
    told: Any = None
    shown: list[Job | Event] = []
    while True:
        try:
            step = flow.send(told)
        except StopIteration as end:
            return Ended(end.value).value, shown
        told = shown.append(step.what) if isinstance(step, Show) else world.perform(step)
