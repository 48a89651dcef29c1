"""The doorbell: tells other processes after a commit that there is work, and hears them; polls where it is not heard.

Rung outside the writer's transactions, because a NOTIFY in a commit makes all commits of the server take turns: right
behind a commit if the last ring was long enough ago, else soon. What it says is a hint: a parked claim is served by
the poll at the latest.
"""

import logging
import math
import os
import select
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from secrets import token_hex

import msgspec
import psycopg

from jobwire.store.contract import Wake
from jobwire.store.posted import Foreign
from jobwire.store.postgres.engine import RING
from jobwire.store.postgres.placeholders import text_array
from jobwire.store.postgres.session import Session

logger = logging.getLogger("jobwire.store")

POLL_S = 0.25
# Work that waits is told soon: 50 ms between rings made each second job of a trickle wait 25 ms.
READY_INTERVAL_S = 0.005
CHANGED_INTERVAL_S = 0.05
PAYLOAD_BYTES_MAX = 7_900
RECONNECT_S, RECONNECT_MAX_S = 0.5, 10.0

READY = """
SELECT q FROM unnest(:queues::text[]) AS q
 WHERE EXISTS (SELECT FROM ready AS r WHERE r.queue = q)
"""


class Ring(msgspec.Struct, array_like=True):
    """What is said: by whom, in which queues work became ready (null: in many), whether a job's state moved."""

    sender: str
    queues: list[str] | None
    changed: bool


def _decode_ring(payload: str) -> Ring:
    """What was said; what another program says on the channel may mean anything."""
    try:
        return msgspec.json.decode(payload, type=Ring)
    except msgspec.MsgspecError:
        return Ring("", None, changed=True)


class Doorbell:
    """One thread and one connection: rings 200 times a second at most, hears the others, polls for parked claims."""

    def __init__(
        self, connect: Callable[[], Session], *, hear: Callable[[Foreign], None], waiting: Callable[[], list[str]]
    ) -> None:
        self._connect = connect
        self._hear = hear
        self._waiting = waiting
        self._sender = token_hex(8)
        self._lock = threading.Lock()
        self._queues: set[str] = set()
        self._changed = False
        self._is_closed = False
        self._channel: str | None = None
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._rung_at = -CHANGED_INTERVAL_S
        self._polled_at = 0.0
        self._thread = threading.Thread(target=self._run, name="jobwire-doorbell", daemon=True)
        self._thread.start()

    def ring(self, wake: Wake) -> None:
        """Tell the others soon."""
        with self._lock:
            before = bool(self._queues), self._changed
            self._queues |= wake.queues
            self._changed = self._changed or wake.changed
            is_news = before != (bool(self._queues), self._changed)
        if is_news:
            self._poke()

    def take_turn(self, queues: frozenset[str]) -> Mapping[str, str] | None:
        """What a commit that made these queues ready is to tell by itself; None leaves it to `ring`.

        It saves a thread and a round trip, 0.3 ms of a machine that has just slept.
        """
        now = time.monotonic()
        with self._lock:
            if not queues or self._channel is None or self._queues or now - self._rung_at < READY_INTERVAL_S:
                return None
            self._rung_at = now
        return self._encode_ring(self._channel, sorted(queues), changed=True)

    def close(self) -> None:
        """End the thread and its connection."""
        if not self._is_closed:
            self._is_closed = True
            self._poke()
            self._thread.join()
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _poke(self) -> None:
        try:
            os.write(self._wake_write, b"!")
        except BlockingIOError:
            return

    def _run(self) -> None:
        is_first, failures = True, 0
        while not self._is_closed:
            begun_at = time.monotonic()
            try:
                with closing(self._connect()) as session:
                    self._channel = self._listen(session)
                    if not is_first:
                        # Whatever was rung while nobody listened.
                        self._hear(Foreign(None, changed=True))
                    is_first = False
                    while not self._is_closed:
                        self._serve(session, self._channel)
            except Exception as error:
                # Nobody else serves claims that wait here for other processes: it outlives whatever goes wrong in it.
                failures = 1 if time.monotonic() - begun_at > RECONNECT_MAX_S else failures + 1
                self._recover(error, failures)

    def _recover(self, error: Exception, failures: int) -> None:
        """Tell the first failure in a row, and wait; a database that is away is looked for often."""
        if self._is_closed:
            return
        is_away = isinstance(error, psycopg.Error)
        if failures == 1:
            logger.warning("the doorbell begins again: %s", str(error).strip(), exc_info=None if is_away else error)
        self._wait(None, RECONNECT_S if is_away else min(RECONNECT_MAX_S, RECONNECT_S * 2.0 ** min(failures - 1, 10)))

    def _listen(self, session: Session) -> str:
        row = session.execute("SELECT 'jobwire_' || 'ready'::regclass::oid").fetchone()
        assert row is not None
        session.execute_script(f"LISTEN {row[0]}")
        return str(row[0])

    def _serve(self, session: Session, channel: str) -> None:
        now = time.monotonic()
        if now - self._polled_at >= POLL_S:
            self._polled_at = now
            self._poll(session)
        with self._lock:
            is_due = bool(self._queues or self._changed)
            interval_s = READY_INTERVAL_S if self._queues else CHANGED_INTERVAL_S
        if is_due and now - self._rung_at >= interval_s:
            self._rung_at = now
            self._ring_now(session, channel)
            is_due = False
        until_ring_s = self._rung_at + interval_s - now if is_due else POLL_S
        self._wait(session, max(0.0, min(until_ring_s, self._polled_at + POLL_S - now)))
        self._take_rings(session)

    def _wait(self, session: Session | None, timeout_s: float) -> None:
        # Not select(), which refuses descriptors from 1024 on: a server with many connections has those.
        sources = select.poll()
        sources.register(self._wake_read, select.POLLIN)
        if session is not None:
            sources.register(session.connection.fileno(), select.POLLIN)
        readable = {fd for fd, _ in sources.poll(math.ceil(timeout_s * 1000))}
        if self._wake_read in readable:
            os.read(self._wake_read, 4_096)

    def _take_rings(self, session: Session) -> None:
        connection = session.connection.pgconn
        connection.consume_input()
        while (notify := connection.notifies()) is not None:
            ring = _decode_ring(notify.extra.decode(errors="replace"))
            if ring.sender != self._sender:
                self._hear(Foreign(None if ring.queues is None else frozenset(ring.queues), ring.changed))

    def _ring_now(self, session: Session, channel: str) -> None:
        with self._lock:
            queues, changed = sorted(self._queues), self._changed
            self._queues, self._changed = set(), False
        session.execute(RING, self._encode_ring(channel, queues, changed=changed))

    def _encode_ring(self, channel: str, queues: list[str], *, changed: bool) -> Mapping[str, str]:
        payload = msgspec.json.encode(Ring(self._sender, queues, changed))
        if len(payload) > PAYLOAD_BYTES_MAX:
            payload = msgspec.json.encode(Ring(self._sender, None, changed))
        return {"channel": channel, "payload": payload.decode()}

    def _poll(self, session: Session) -> None:
        queues = self._waiting()
        if queues:
            found = session.execute(READY, {"queues": text_array(queues)}).fetchall()
            if found:
                self._hear(Foreign(frozenset(row[0] for row in found), changed=False))
