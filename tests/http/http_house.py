"""A real house for a test: uvicorn on loopback, a ledger on disk, and what a worker does to its jobs."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from house_engines import address_in, open_store
from house_serving import TLS
from jobwire.blobs.links import FileLinks
from jobwire.blobs.local import LocalBlobs
from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import Dialect
from jobwire.domain.outcome import CancelConfirmed, Completed, Failed, Outcome, PublicError
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.settlement import AttemptFacts, Lease, settle_outcome
from jobwire.http.answer import Answer
from jobwire.http.app import Application, build_app
from jobwire.http.protocol import make_protocol
from jobwire.http.status import Asked
from jobwire.kinds.registry import Registry, make_kind
from jobwire.net.policy import FetchPolicy
from jobwire.net.webhook_signing import Keyring, make_key
from jobwire.service.admission import Admission
from jobwire.service.estimates import Estimates
from jobwire.service.jobs import Jobs
from jobwire.service.limits import Limits
from jobwire.service.owners import Owners
from jobwire.service.services import Services
from jobwire.service.watching import Watching
from jobwire.service.webhooks import Webhooks
from jobwire.store.contract import Claim, ClaimRequest, ProgressReport

WORKER = "w1"
LEASE_MS = 60_000
WEBHOOK_POLICY = FetchPolicy.from_setting("127.0.0.0/8")


class Clock:
    """A clock that stands still until it is moved: Unix milliseconds."""

    def __init__(self) -> None:
        self.now = 1_900_000_000_123

    def __call__(self) -> int:
        return self.now


def echo(text: str = "", times: int = 1) -> dict[str, Any]:
    """Say it again."""
    return {"text": text * times}


def slow(text: str = "") -> None:
    """A second kind, in a queue of its own."""


@dataclass
class House:
    """One ledger with everything over it, and what a worker does to its jobs."""

    services: Services
    app: Application
    clock: Clock
    url: str = ""

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers | options.pop("headers", {}), verify=TLS, **options)

    def make_key(self, owner: str, **options: Any) -> str:
        async def make() -> str:
            await self.services.owners.create_owner(owner)
            return (await self.services.owners.create_key(owner, **options)).key

        return asyncio.run(make())

    def change(self, coroutine: Any) -> Any:
        async def run() -> Any:
            return await coroutine

        return asyncio.run(run())

    def claim(self, queue: str = "default", limit: int = 1) -> list[Claim]:
        claims = self.services.store.claim(ClaimRequest(WORKER, queue, limit)).result(10)
        self.services.store.heartbeat(WORKER, lease_ms=LEASE_MS).result(10)
        return claims

    def report(self, claim: Claim, progress: str) -> None:
        report = ProgressReport(claim.number, claim.fence, progress)
        self.services.store.heartbeat(WORKER, lease_ms=LEASE_MS, progress=[report]).result(10)

    def settle(self, claim: Claim, outcome: Outcome) -> None:
        facts = AttemptFacts(claim.attempt, claim.attempts_max, claim.losses, isinstance(outcome, CancelConfirmed))
        lease = Lease(claim.number, claim.fence)
        settlement = settle_outcome(lease, outcome, facts=facts, policy=RetryPolicy(), jitter=0.5)
        assert self.services.store.settle([settlement]).result(10).accepted == [claim.number]

    def complete(self, output: str = '{"text":"hi"}', queue: str = "default") -> Claim:
        [claim] = self.claim(queue)
        self.complete_claim(claim, output)
        return claim

    def complete_claim(self, claim: Claim, output: str = '{"text":"hi"}') -> None:
        self.settle(claim, Completed(output))

    def fail(self, error: PublicError, queue: str = "default") -> Claim:
        [claim] = self.claim(queue)
        self.settle(claim, Failed(error, internal="Traceback: /secret/path"))
        return claim


def make_services(directory: Path, clock: Callable[[], int], *, owner_backlog_max: int = 0) -> Services:
    store = open_store(address_in(directory), clock)
    registry = Registry([make_kind(echo, name="echo"), make_kind(slow, name="slow", queue="slow")])
    estimates = Estimates(store, clock)
    admission = Admission(store, estimates, owner_backlog_max=owner_backlog_max)
    jobs = Jobs(store, registry, clock, admission, webhook_policy=WEBHOOK_POLICY)
    return Services(
        jobs=jobs,
        watching=Watching(store, jobs),
        estimates=estimates,
        owners=Owners(store, clock),
        limits=Limits(clock),
        webhooks=Webhooks(store, clock, keyring=Keyring([make_key("s" * 32)]), policy=WEBHOOK_POLICY),
        store=store,
        blobs=LocalBlobs(directory / "blobs"),
        links=FileLinks(b"s" * 32, clock),
        registry=registry,
        settings={},
        clock=clock,
    )


class Host:
    """A running uvicorn on an ephemeral port of loopback; it serves whatever app it is given."""

    def __init__(self) -> None:
        self.app: Any = None
        config = uvicorn.Config(
            self,
            http=make_protocol(self),  # type: ignore[arg-type] - asks the app of the moment
            host="127.0.0.1",
            port=0,
            log_level="error",
            lifespan="off",
            loop="asyncio",
        )
        self._server = uvicorn.Server(config)
        self._started = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),), daemon=True)
        self._thread.start()
        assert self._started.wait(20)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)

    def answer_now(self, scope: Any) -> Answer | None:
        """What the app's StatusReader says, as `jobwire serve` asks it."""
        reader = getattr(self.app, "status_reader", None)
        return None if reader is None else reader.answer_now(scope)

    def read_caller(self, scope: Any) -> Any:
        """The same, of what later polls of a connection have in common."""
        return self.app.status_reader.read_caller(scope)

    def answer_again(self, caller: Any, url: bytes) -> Any:
        """The same, for a poll with the headers of the one before."""
        reader = getattr(self.app, "status_reader", None)
        return None if reader is None else reader.answer_again(caller, url)

    def answer_asked(self, asked: Asked) -> Any:
        """The same, when its row has come."""
        return self.app.status_reader.answer_asked(asked)

    async def _run(self) -> None:
        self._server.config.load()
        self._server.lifespan = self._server.config.lifespan_class(self._server.config)
        await self._server.startup()
        self._started.set()
        await self._server.main_loop()
        await self._server.shutdown()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)


# Starting and stopping a server takes 0.2 s, so those of earlier tests are used again.
_idle: list[Host] = []


@contextmanager
def serve(app: Any) -> Iterator[str]:
    """The URL of an app, until the end of the block."""
    host = _idle.pop() if _idle else Host()
    host.app = app
    try:
        yield host.url
    finally:
        _idle.append(host)


def stop_hosts() -> None:
    """Stop every server that waits for a test."""
    while _idle:
        _idle.pop().stop()


@contextmanager
def open_house(directory: Path, *dialects: Dialect, owner_backlog_max: int = 0) -> Iterator[House]:
    clock = Clock()
    services = make_services(directory, clock, owner_backlog_max=owner_backlog_max)
    house = House(services, build_app(services, dialects or (NATIVE,)), clock)
    with serve(house.app) as url:
        house.url = url
        yield house
    services.watching.tail.end()
    services.store.close()
