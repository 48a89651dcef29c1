"""Jobwire: the public Python API. Declare kinds, submit jobs, mount or serve the HTTP surface.

    app = Jobwire()

    @app.job("thumbnail", queue="media", attempts=5, timeout="60s")
    def thumbnail(ctx: Context, url: str, width: int = 256) -> dict: ...

`jobwire serve module:app` serves it; docs/quickstart.md goes on from here.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from jobwire.config import Settings, read_settings
from jobwire.domain.errors import RequestError
from jobwire.domain.ids import show_id
from jobwire.domain.job import NewJob, Receipt
from jobwire.domain.retry import RetryPolicy
from jobwire.kinds.contract import ChildLimits, FinalJob, Isolation, Kind
from jobwire.kinds.registry import make_kind
from jobwire.service.jobs import accept_receipt
from jobwire.serving import run_house
from jobwire.store import accounts
from jobwire.store.sqlite import connect
from jobwire.wiring import House, open_house

if TYPE_CHECKING:
    import apsw

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submission's receipt: the public id, the ledger's number, and whether this call made the job."""

    id: str
    number: int
    is_new: bool


class Jobwire:
    """Your kinds of job on one ledger. Settings come from the environment (docs/settings.md) unless given here.

    `queues` names queues beside the kinds' own, which a submission may choose.
    """

    def __init__(
        self,
        *,
        db: str | None = None,
        queues: Sequence[str] = (),
        systems: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings
        self._db = db
        self._systems = systems
        self._queues = tuple(queues)
        self._kinds: list[Kind] = []
        self._house: House | None = None
        self._owners: dict[str, int] = {}

    # kinds

    def job(
        self,
        name: str | None = None,
        *,
        queue: str = "default",
        attempts: int = 5,
        timeout: str | float = "5m",
        isolation: Isolation = "none",
        stages: Mapping[str, float] | None = None,
        retry: RetryPolicy | None = None,
        limits: ChildLimits | None = None,
        on_final: Callable[[Any, FinalJob], None] | None = None,
    ) -> Callable[[F], F]:
        """Declare the decorated function as the handler of kind `name` (its own name if not given).

        Its signature is the input schema; a first parameter `ctx` receives the Context. `timeout` is one attempt's
        time ("60s", "5m" or seconds), `isolation="process"` runs it in a child process within `limits`, `stages`
        are weighted parts of the progress, `on_final` runs inside the transaction that ends the job.
        """

        def declare(function: F) -> F:
            if self._house is not None:
                raise RuntimeError("declare every job before the first submit: the ledger is already open")
            kind = make_kind(
                function,
                name=name,
                queue=queue,
                attempts=attempts,
                timeout=timeout,
                isolation=isolation,
                stages=stages,
                retry=retry,
                limits=limits,
                on_final=on_final,
            )
            self._kinds.append(kind)
            return function

        return declare

    @property
    def kinds(self) -> Sequence[Kind]:
        """The kinds declared so far."""
        return tuple(self._kinds)

    # life

    def open(self, settings: Settings | None = None) -> House:
        """The house of this app, opened on first use; `settings` only count the first time."""
        if self._house is None:
            self._house = open_house(settings or self.read_settings(), self._kinds, queues=self._queues)
        return self._house

    def read_settings(self, **overrides: object) -> Settings:
        """The settings of this app: `overrides` (a command's flags), then what was given here, then the environment.

        An app of your own serves no vendor system unless one of them says so.
        """
        if self._settings is not None:
            return self._settings
        given = {"db": self._db, "systems": self._systems or os.environ.get("JOBWIRE_SYSTEMS") or "none"}
        return read_settings(
            None, **{**given, **{name: value for name, value in overrides.items() if value is not None}}
        )

    def close(self) -> None:
        """Close the ledger; a later call opens it again."""
        house, self._house = self._house, None
        self._owners.clear()
        if house is not None:
            house.close()

    def connect(self) -> "apsw.Connection":
        """A new connection to the ledger's file, for your own tables there and for `submit_sync`; close it yourself.

        Never open the file with Python's `sqlite3` in this process instead: two copies of SQLite do not see each
        other's locks, and the close of the second deletes the log into which the ledger writes.
        """
        path = self.open().store.path
        if path == ":memory:":
            raise RequestError("invalid_request", "a ledger in memory has one connection only; name a file")
        return connect(path)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the worker and upkeep beside your own app: `async with app.running():` in its lifespan."""
        stop = asyncio.Event()
        task = asyncio.create_task(run_house(self.open(), listener=None, stop=stop))
        try:
            yield
        finally:
            stop.set()
            await task

    def asgi(self, *, prefix: str = "") -> Any:
        """The HTTP surface as an ASGI app, to serve or to mount in FastAPI, Starlette or Django.

        Mounted below a path, say so (`prefix="/work"`): links in answers begin with it.
        """
        return self.open().build_app(prefix=prefix)

    # submission

    async def submit(self, kind: str | Callable[..., Any], /, *, owner: str = "default", **options: Any) -> Submitted:
        """Submit a job; returns after its commit. `input={…}` is the job's input; see `build` for the rest."""
        job = self._build(kind, await self._find_owner(owner), options)
        return _receive((await self.open().store.submit([job]))[0])

    async def submit_many(
        self, kind: str | Callable[..., Any], inputs: Sequence[Any], /, *, owner: str = "default", **options: Any
    ) -> list[Submitted]:
        """Submit a job for each input, all in one commit."""
        owner_id = await self._find_owner(owner)
        jobs = [self._build(kind, owner_id, {**options, "input": value}) for value in inputs]
        return [_receive(receipt) for receipt in await self.open().store.submit(jobs)]

    def submit_sync(
        self,
        kind: str | Callable[..., Any],
        /,
        *,
        owner: str = "default",
        connection: "apsw.Connection | None" = None,
        **options: Any,
    ) -> Submitted:
        """Submit from plain code; returns after the commit.

        With `connection` (of `connect`) the job becomes part of the connection's own open transaction: visible when
        you commit, gone when you roll back.
        """
        store = self.open().store
        if connection is not None:
            transaction = store.transaction_on(connection)
            owner_id = accounts.get_or_create_owner(transaction, owner).id
            return _receive(transaction.submit([self._build(kind, owner_id, options)])[0])
        if owner not in self._owners:
            self._owners[owner] = store.write(lambda tx: accounts.get_or_create_owner(tx, owner)).result().id
        return _receive(store.submit([self._build(kind, self._owners[owner], options)]).result()[0])

    def _build(self, kind: str | Callable[..., Any], owner: int, options: dict[str, Any]) -> NewJob:
        name = kind if isinstance(kind, str) else self._name_of(kind)
        delay = options.pop("delay", None)
        run_at = options.pop("run_at", None)
        house = self.open()
        if delay is not None:
            run_at = house.services.clock() + _milliseconds(delay)
        elif isinstance(run_at, datetime):
            run_at = int(run_at.timestamp() * 1000)
        return house.services.jobs.build(owner, name, options.pop("input", None), run_at=run_at, **options)

    def _name_of(self, function: Callable[..., Any]) -> str:
        for kind in self._kinds:
            if kind.handler is function:
                return kind.name
        raise RequestError("invalid_request", f"{function!r} is not a job of this app; decorate it with @app.job()")

    async def _find_owner(self, name: str) -> int:
        if name not in self._owners:
            self._owners[name] = (await self.open().services.owners.create_owner(name)).id
        return self._owners[name]


def _receive(receipt: Receipt) -> Submitted:
    accept_receipt(receipt)
    return Submitted(show_id(receipt.key), receipt.number, receipt.is_new)


def _milliseconds(delay: float | timedelta) -> int:
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    return int(seconds * 1000)
