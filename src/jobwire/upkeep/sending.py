"""The work of the jobs that send webhooks: take what is due for a customer, post it, write what came of it.

deliveries.py makes what is sent and has these jobs run, store/webhook_senders.py has what they do with the ledger.
"""

import asyncio
import logging
import random
import time
from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial

from jobwire.domain.errors import JobError
from jobwire.domain.webhooks import ANSWER_CHARS_MAX, SENDER_KIND, SENDER_QUEUE, judge_answer
from jobwire.kinds.contract import Context, Kind
from jobwire.net.failures import read_retry_after
from jobwire.net.fetch import Fetcher
from jobwire.net.webhook_signing import Keyring, write_headers
from jobwire.store.contract import Store
from jobwire.store.webhook_deliveries import Sending, Sent, Share, Stream
from jobwire.store.webhook_senders import Customer, Desk, exchange, read_calls

logger = logging.getLogger("jobwire.webhooks")

SENDING_MAX = 96
OWNER_SENDING_MAX = 32
ENDPOINT_SENDING_MAX = 8
SEND_MS_MAX = 15_000
TURN_S = 30.0
ROUND_S = 1.0
LOOK_S = 0.05
SETTLE_S = 0.005
SENDER_MS_MAX = 300_000
GONE = 410

_Tasks = dict[Stream, "asyncio.Task[Sent]"]


class Sender:
    """What sends in one process, at most SENDING_MAX messages at once; after `stop` its jobs end as soon as they can.

    A job has its customer to itself: whoever else runs it has lost its lease, and its word no longer counts.
    """

    def __init__(self, store: Store, keyring: Keyring, fetcher: Fetcher) -> None:
        self._store = store
        self._keyring = keyring
        self._fetcher = fetcher
        self._room = asyncio.Semaphore(SENDING_MAX)
        self._is_stopping = False

    @property
    def kind(self) -> Kind:
        """What these jobs are to a worker."""
        return Kind(
            name=SENDER_KIND,
            handler=self.send,
            input_type=Customer,
            queue=SENDER_QUEUE,
            timeout_ms=SENDER_MS_MAX,
            takes_context=True,
            spread_input=False,
            is_async=True,
        )

    def stop(self) -> None:
        """Take nothing more: each job ends when what it has under way is answered, and leaves the rest to another."""
        self._is_stopping = True

    async def send(self, ctx: Context, customer: Customer) -> None:
        """Send what is due to the customer's endpoints until nothing is, or until the job's turn is over."""
        desk = Desk(customer.owner, ctx.number, self._keyring.newest)
        turn_ends_at = time.monotonic() + TURN_S
        tasks: _Tasks = {}
        after = ""
        try:
            while True:
                ended = [stream for stream, task in tasks.items() if task.done()]
                sent = [tasks[stream].result() for stream in ended]
                held = tasks.keys() - set(ended)
                goes_on = not self._is_stopping and time.monotonic() < turn_ends_at
                share = Share(OWNER_SENDING_MAX - len(held) if goes_on else 0, ENDPOINT_SENDING_MAX)
                # May run again from its start: what it is given stays as it is.
                work = partial(exchange, desk=desk, sent=sent, held=held, share=share, after=after)
                exchanged = await ctx.write(work)
                for stream in ended:
                    del tasks[stream]
                if exchanged.is_over:
                    return
                for sending in exchanged.taken:
                    after = sending.endpoint.id
                    tasks[sending.stream] = asyncio.create_task(self._attempt(sending))
                await self._wait(tasks.values(), desk.owner, exchanged.calls)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _wait(self, tasks: Collection["asyncio.Task[Sent]"], owner: int, calls: int) -> None:
        """Until an attempt has ended or the job is called; in any case for SETTLE_S, so that more come together."""
        ends_at = time.monotonic() + ROUND_S
        await asyncio.sleep(SETTLE_S)
        while time.monotonic() < ends_at:
            done, _ = await asyncio.wait(tasks, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            if done or await self._store.read(partial(read_calls, owner=owner)) != calls:
                return

    async def _attempt(self, sending: Sending) -> Sent:
        async with self._room:
            started = time.monotonic()
            status, retry_after, answer = await self._post(sending)
        retry_after_ms = None
        if status is not None and not 200 <= status < 300:
            retry_after_ms = read_retry_after(retry_after, datetime.now(UTC))
        verdict = judge_answer(
            status,
            attempts=sending.delivery.attempts + 1,
            retry_after_ms=retry_after_ms,
            jitter=random.random(),  # noqa: S311 - spreads retries, hides nothing
        )
        return Sent(
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

    async def _post(self, sending: Sending) -> tuple[int | None, str | None, str]:
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
            response = await self._fetcher.post(
                endpoint.url,
                headers={**headers, "Content-Type": "application/json"},
                body=body,
                answer_bytes_max=ANSWER_CHARS_MAX * 4,
                deadline_ms=SEND_MS_MAX,
            )
        except JobError as error:
            return None, None, f"{error.code}: {error.message}"
        return response.status, response.headers.get("Retry-After"), response.body.decode(errors="replace")
