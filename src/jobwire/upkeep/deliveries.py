"""Sends the webhooks: hears the event log, holds due streams, posts, writes what came of it. Safe in every process.

domain/webhooks.py has the rules, store/webhook_hearing.py and webhook_deliveries.py the statements. Where no endpoint
is, nothing runs but one read a second.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from secrets import token_hex
from typing import TypeVar

from jobwire.domain.errors import JobError, RequestError
from jobwire.domain.webhooks import ANSWER_CHARS_MAX, judge_answer
from jobwire.net.failures import read_retry_after
from jobwire.net.fetch import Fetcher, FetchPolicy
from jobwire.net.webhook_signing import Keyring, write_headers
from jobwire.store.contract import NO_LAST, Reader, Store, Transaction, Wake
from jobwire.store.webhook_deliveries import (
    Sending,
    Sent,
    Shares,
    free_streams,
    next_due,
    prune_deliveries,
    settle_sent,
    take_due,
)
from jobwire.store.webhook_hearing import hear_events, record_heard
from jobwire.store.webhooks import has_endpoints, prune_endpoints

T = TypeVar("T")

logger = logging.getLogger("jobwire.webhooks")

ROUND_MS = 1_000
SETTLE_MS = 5
HEAR_MS = 20
SENDING_MAX = 96
OWNER_SENDING_MAX = 32
ENDPOINT_SENDING_MAX = 8
TAKEN_MAX = 32
SEND_MS_MAX = 15_000
LAG_EVENTS_MAX = 10_000
PRUNE_INTERVAL_MS = 3_600_000
KEPT_MS = 7 * 24 * 3_600_000
GONE = 410
_SHARES = Shares(ENDPOINT_SENDING_MAX, OWNER_SENDING_MAX)


class Deliverer:
    """Sends until cancelled, at most SENDING_MAX messages at once; those of a dead process are sent by others.

    `lease_ms` is how long what this process holds stays its own without a heartbeat.
    """

    def __init__(self, store: Store, keyring: Keyring, policy: FetchPolicy, *, lease_ms: int) -> None:
        self._store = store
        self._keyring = keyring
        self._policy = policy
        self._lease_ms = lease_ms
        self._round_ms = min(ROUND_MS, lease_ms // 4)
        self._id = _make_id()
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="jobwire-webhooks")
        self._sent: list[Sent] = []
        self._seen = 0
        self._after = ""
        self._heard_at = self._beaten_at = self._pruned_at = -float(PRUNE_INTERVAL_MS)

    async def run(self) -> None:
        """Send until cancelled; a failing round is logged and tried again."""
        loop = asyncio.get_running_loop()

        def hear(wake: Wake) -> None:
            if wake.changed and not self._woken.is_set():
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._woken.set)

        end_listening = self._store.listen(hear)
        try:
            async with Fetcher(self._policy) as fetcher:
                while True:
                    wait_ms = ROUND_MS
                    try:
                        if not await self.has_work():
                            await asyncio.sleep(ROUND_MS / 1_000)
                            continue
                        # What was sent makes room at once; the log is read less often, whoever else is busy.
                        hears_in_ms = self._heard_at + HEAR_MS - time.monotonic() * 1_000
                        wait_ms = await self.run_round(fetcher, hears=hears_in_ms <= 0)
                        if hears_in_ms > 0:
                            wait_ms = min(wait_ms, int(hears_in_ms) + 1)
                    except Exception:
                        logger.exception("a round of webhooks failed; trying again")
                    await asyncio.sleep(SETTLE_MS / 1_000)
                    # Not wait_for: before Python 3.12 it can swallow the cancellation that ends this loop.
                    with suppress(TimeoutError):
                        async with asyncio.timeout(max(0.0, wait_ms - SETTLE_MS) / 1_000):
                            await self._woken.wait()
        finally:
            end_listening()
            await self._give_back()
            self._reader.shutdown()

    async def has_work(self) -> bool:
        """Whether there is any endpoint; where there is none, commits wake nobody."""
        return bool(self._tasks or self._sent) or await self._read(has_endpoints)

    async def run_round(self, fetcher: Fetcher, *, hears: bool = True) -> int:
        """Hear, settle, take and send once; returns the milliseconds until something is due, at most a round."""
        self._woken.clear()
        is_behind = hears and await self._hear_more()
        await self._keep_lease()
        wait_ms = await self._exchange(fetcher)
        now = time.monotonic() * 1_000
        if now - self._pruned_at >= PRUNE_INTERVAL_MS:
            self._pruned_at = now
            await self._store.write(_prune)
        return 0 if is_behind else wait_ms

    async def finish_sending(self) -> bool:
        """Wait for what is under way; False if nothing was and nothing is left to be written."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        return bool(self._sent)

    # from the event log

    async def _hear_more(self) -> bool:
        """Make deliveries of what happened; whether there is more to be heard at once."""
        self._heard_at = time.monotonic() * 1_000
        # An engine may have events that are not yet in the log: to ask for them brings them there.
        await self._store.events(NO_LAST, limit=1)
        heard = await self._read(lambda reader: hear_events(reader, self._seen))
        if heard is None:
            return False
        is_behind = heard.until > max(heard.since, self._seen)
        is_wanted = bool(heard.deliveries) or heard.until - heard.since >= LAG_EVENTS_MAX
        if is_wanted and not await self._store.write(lambda tx: record_heard(tx, heard)):
            # Another process was first, maybe with less: read again from where it came to.
            self._seen = 0
            return True
        self._seen = heard.until
        return is_behind

    async def _read(self, work: Callable[[Reader], T]) -> T:
        """Reads in a thread of its own: the log of a busy ledger takes milliseconds."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, lambda: self._store.read(work).result())

    # to the endpoints

    async def _keep_lease(self) -> None:
        now = time.monotonic() * 1_000
        if now - self._beaten_at >= self._lease_ms / 4:
            await self._store.heartbeat(self._id, lease_ms=self._lease_ms)
            self._beaten_at = now

    async def _exchange(self, fetcher: Fetcher) -> int:
        """Write what came of attempts and take what is due, in one commit; returns when to look again."""
        sent, self._sent = self._sent, []
        free = min(TAKEN_MAX, SENDING_MAX - len(self._tasks))

        def exchange(tx: Transaction) -> tuple[list[Sending], int | None, int]:
            settle_sent(tx, sent)
            free_streams(tx)
            taken = []
            if free > 0:
                taken = take_due(
                    tx,
                    self._id,
                    key_id=self._keyring.newest,
                    limit=free,
                    shares=_SHARES,
                    after=self._after,
                )
            return taken, next_due(tx), tx.now

        try:
            taken, due_at, now = await self._store.write(exchange)
        except BaseException:
            self._sent = sent + self._sent
            # What it took may be ours without our knowing: under another name we let it go with the lease.
            self._id, self._beaten_at = _make_id(), -float(self._lease_ms)
            raise
        for sending in taken:
            self._after = sending.endpoint.id
            task = asyncio.create_task(self._send(fetcher, sending))
            self._tasks.add(task)
            task.add_done_callback(self._end)
        if len(taken) == TAKEN_MAX:
            return 0
        return self._round_ms if due_at is None else max(0, min(self._round_ms, due_at - now))

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._woken.set()

    async def _send(self, fetcher: Fetcher, sending: Sending) -> None:
        """One attempt; what came of it is written with the next exchange."""
        started = time.monotonic()
        status, retry_after, answer = await self._post(fetcher, sending)
        retry_after_ms = None
        if status is not None and not 200 <= status < 300:
            retry_after_ms = read_retry_after(retry_after, datetime.now(UTC))
        verdict = judge_answer(
            status,
            attempts=sending.delivery.attempts + 1,
            retry_after_ms=retry_after_ms,
            jitter=random.random(),  # noqa: S311 - spreads retries, hides nothing
        )
        self._sent.append(
            Sent(
                sending,
                verdict.state,
                verdict.wait_ms,
                status,
                int((time.monotonic() - started) * 1_000),
                # PostgreSQL keeps no NUL.
                answer.replace("\0", " ")[:ANSWER_CHARS_MAX],
                is_gone=status == GONE,
                retry_after_ms=retry_after_ms,
            )
        )

    async def _post(self, fetcher: Fetcher, sending: Sending) -> tuple[int | None, str | None, str]:
        """The answer's status, its Retry-After and its first characters; without an answer, why there is none."""
        endpoint, body = sending.endpoint, sending.delivery.body.encode()
        try:
            headers = write_headers(
                self._keyring,
                sending.secrets,
                scheme=endpoint.scheme,  # type: ignore[arg-type]
                id_=sending.delivery.id,
                at_s=int(time.time()),
                body=body,
            )
        except (KeyError, ModuleNotFoundError) as error:
            logger.error("the webhook %s cannot be signed here: %r; JOBWIRE_WEBHOOK_KEY?", endpoint.id, error)
            return None, None, "signing_failed: this server lacks the key of the webhook's secret"
        try:
            response = await fetcher.post(
                endpoint.url,
                headers={**headers, "Content-Type": "application/json"},
                body=body,
                answer_bytes_max=ANSWER_CHARS_MAX * 4,
                deadline_ms=SEND_MS_MAX,
            )
        except JobError as error:
            return None, None, f"{error.code}: {error.message}"
        return response.status, response.headers.get("Retry-After"), response.body.decode(errors="replace")

    async def _give_back(self) -> None:
        """What is under way is broken off and others may send it; what has come is kept."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        sent, self._sent = self._sent, []

        def leave(tx: Transaction) -> None:
            settle_sent(tx, sent)
            tx.execute("DELETE FROM worker WHERE id = :id", id=self._id)
            free_streams(tx)

        with suppress(RequestError):
            # A ledger that is away or closed: the lease runs out.
            await self._store.write(leave)


def _make_id() -> str:
    return f"webhooks-{token_hex(8)}"


def _prune(tx: Transaction) -> None:
    prune_deliveries(tx, tx.now - KEPT_MS)
    prune_endpoints(tx)
