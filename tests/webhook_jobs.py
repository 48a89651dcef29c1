"""Runs the jobs that send webhooks, one round after the other, as a worker of theirs does."""

import asyncio
import math
from collections.abc import Sequence
from typing import NoReturn

from jobwire.blobs.scratch import Scratch
from jobwire.domain.outcome import Completed
from jobwire.domain.webhooks import SENDER_QUEUE
from jobwire.kinds.contract import Kind
from jobwire.net.fetch import Fetcher, FetchPolicy
from jobwire.net.webhook_signing import Keyring
from jobwire.store.contract import Claim, ClaimRequest, Store
from jobwire.upkeep.deliveries import Deliverer
from jobwire.worker.attempt import Attempt, start_progress
from jobwire.worker.children import Children
from jobwire.worker.context import Tools
from jobwire.worker.executor import run_attempt
from jobwire.worker.threads import HandlerThreads

LEASE_MS = 5_000


def make_deliverer(store: Store, keyring: Keyring, policy: FetchPolicy) -> Deliverer:
    """One whose jobs the test runs itself."""

    def hire(kind: Kind) -> NoReturn:
        raise AssertionError(f"the test runs the jobs of {kind.name}")

    return Deliverer(store, keyring, policy, hire=hire)


async def hear_all(deliverer: Deliverer) -> None:
    """Make messages of all that happened, and jobs that send them."""
    while await deliverer.run_round():
        continue
    await deliverer.place()


async def send_due(store: Store, deliverer: Deliverer, fetcher: Fetcher) -> None:
    """Send everything that is due now, and what becomes due by it."""
    kind = deliverer.make_sender(fetcher).kind
    while claims := await claim_senders(store, f"sender {id(deliverer)}"):
        await asyncio.gather(*(_work(store, kind, claim) for claim in claims))


async def claim_senders(store: Store, worker: str) -> Sequence[Claim]:
    """The jobs that are to send now, leased for LEASE_MS."""
    await store.heartbeat(worker, lease_ms=LEASE_MS)
    await store.rescue()
    await store.promote()
    return (await store.settle([], ClaimRequest(worker, SENDER_QUEUE, 100))).claims


async def _work(store: Store, kind: Kind, claim: Claim) -> None:
    attempt = Attempt(claim, kind, 0.0, math.inf, lambda *_: None, progress=start_progress(claim))
    tools = Tools(store, None, Children())
    outcome = await run_attempt(attempt, tools, threads=HandlerThreads(), scratch=Scratch())
    assert isinstance(outcome, Completed), outcome
    await store.settle([attempt.decide(outcome, jitter=0.0)])
