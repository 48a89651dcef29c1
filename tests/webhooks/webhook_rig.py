"""A ledger, its webhooks and a sender that is moved step by step, on a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from jobwire.domain.ids import make_key
from jobwire.domain.job import NewJob, Receipt
from jobwire.domain.outcome import Completed, Failed, Outcome, PublicError
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.settlement import AttemptFacts, Lease, settle_outcome
from jobwire.net.fetch import Fetcher, FetchPolicy
from jobwire.net.webhook_signing import Keyring
from jobwire.net.webhook_signing import make_key as make_webhook_key
from jobwire.service.webhook_fields import read_wish
from jobwire.service.webhooks import Webhooks
from jobwire.store import accounts
from jobwire.store.contract import ClaimRequest, Store
from jobwire.upkeep.deliveries import Deliverer
from manual_clock import ManualClock
from webhook_jobs import hear_all, make_deliverer, send_due

POLICY = FetchPolicy.from_setting("127.0.0.0/8")
KEY = make_webhook_key("k" * 32)
DONE = Completed("{}")
FAILED = Failed(PublicError("wrong", "It went wrong."))


@dataclass
class Rig:
    """Short verbs over one ledger."""

    store: Store
    clock: ManualClock
    fetcher: Fetcher
    webhooks: Webhooks
    deliverer: Deliverer
    _made: list[int] = field(default_factory=lambda: [0])

    async def owner(self, name: str = "ada") -> int:
        return (await self.store.write(lambda tx: accounts.get_or_create_owner(tx, name))).id

    async def submit(self, owner: int, kind: str = "echo", *, webhook: Any = None, **fields: Any) -> Receipt:
        self._made[0] += 1
        job = NewJob(
            key=make_key(self.clock(), self._made[0]),
            owner=owner,
            kind=kind,
            queue="default",
            input="{}",
            webhook=None if webhook is None else read_wish(webhook, POLICY),
            **fields,
        )
        return (await self.store.submit([job]))[0]

    async def finish(self, outcome: Outcome = DONE, limit: int = 100) -> None:
        """Claim what waits and end it."""
        await self.store.heartbeat("w1", lease_ms=10**9)
        claims = (await self.store.settle([], ClaimRequest("w1", "default", limit))).claims
        await self.store.settle(
            [
                settle_outcome(
                    Lease(claim.number, claim.fence),
                    outcome,
                    facts=AttemptFacts(claim.attempt, claim.attempts_max, 0, cancel_requested=False),
                    policy=RetryPolicy(),
                    jitter=0.0,
                )
                for claim in claims
            ]
        )

    async def hear(self, deliverer: Deliverer | None = None) -> None:
        """Make messages of all that happened, and jobs that send them."""
        await hear_all(deliverer or self.deliverer)

    async def send(self, deliverer: Deliverer | None = None) -> None:
        """Send everything that is due now, and what becomes due by it."""
        await self.hear(deliverer)
        await send_due(self.store, deliverer or self.deliverer, self.fetcher)

    def make_sender(self, keyring: Keyring | None = None) -> Deliverer:
        return make_deliverer(self.store, keyring or self.webhooks.keyring, POLICY)


@asynccontextmanager
async def open_rig(store: Store, clock: ManualClock) -> AsyncIterator[Rig]:
    webhooks = Webhooks(store, clock, keyring=Keyring([KEY]), policy=POLICY)
    async with Fetcher(POLICY) as fetcher:
        rig = Rig(store, clock, fetcher, webhooks, make_deliverer(store, webhooks.keyring, POLICY))
        yield rig
        await asyncio.sleep(0)
