"""Jobwire: the public Python API. Declare kinds, submit jobs, mount or serve the HTTP surface.

    app = Jobwire()

    @app.job("thumbnail", queue="media", attempts=5, timeout="60s")
    def thumbnail(ctx: Context, url: str, width: int = 256) -> dict: ...

`jobwire serve module:app` serves it; docs/quickstart.md goes on from here.
"""

import asyncio
import contextlib
import inspect
import os
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar, Unpack

from jobwire.config import Settings, change_settings, is_postgres, read_settings
from jobwire.dialects.spec import Dialect
from jobwire.domain.errors import RequestError
from jobwire.domain.ids import show_id
from jobwire.domain.job import NewJob, Receipt
from jobwire.kinds.contract import Handler, Kind, Queue
from jobwire.kinds.registry import make_kind
from jobwire.service.jobs import TimelessOptions, accept_receipt
from jobwire.serving import run_house
from jobwire.store import accounts
from jobwire.store.callers import Caller, Link, find_caller
from jobwire.store.contract import Transaction
from jobwire.store.sqlite import connect
from jobwire.wiring import Door, House, open_door, open_house

if TYPE_CHECKING:
    import apsw

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")


class Submitted(NamedTuple):
    """A submission's receipt: the public id, the ledger's number, and whether this call made the job."""

    id: str
    number: int
    is_new: bool


class JobOptions(TimelessOptions, total=False):
    """What a submission may say beside its kind, input and owner; what is left out is the kind's own.

    Times are datetimes or Unix milliseconds, `delay` is seconds or a timedelta and stands in place of `run_at`. The
    others are those of `POST /v1/jobs` (docs/api.md); `Jobs.build` has their bounds.
    """

    run_at: datetime | int | None
    delay: float | timedelta | None
    deadline_at: datetime | int | None


class Declare(Protocol):
    """Makes a function the handler of a kind, and leaves it as it is."""

    def __call__(self, function: F, /) -> F:
        """The function."""


def _with_parameters_of(
    make: Callable[Concatenate[Handler, P], Kind],
) -> Callable[[Callable[..., Declare]], Callable[Concatenate["Jobwire", P], Declare]]:
    """Gives a method the parameters of `make` but its handler: for type checkers, editors and help()."""

    def give(method: Callable[..., Declare]) -> Callable[Concatenate["Jobwire", P], Declare]:
        own = inspect.signature(method)
        given = list(inspect.signature(make).parameters.values())[1:]
        method.__signature__ = own.replace(parameters=[own.parameters["self"], *given])  # type: ignore[attr-defined]
        return method

    return give


class Jobwire:
    """Your kinds of job on one ledger. Settings come from the environment (docs/settings.md) unless given here: a
    whole set as `settings`, `db` and `systems` alone or over that set.

    `queues` names queues beside the kinds' own, which a submission may choose; `Queue("bulk", fair=False)` gives any
    of them its policy. `dialects` are wire languages of your own, served beside the native one.
    """

    def __init__(
        self,
        *,
        db: str | None = None,
        queues: Sequence[str | Queue] = (),
        systems: str | None = None,
        dialects: Sequence[Dialect] = (),
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings
        self._db = db
        self._systems = systems
        self._queues = tuple(queues)
        self._dialects = tuple(dialects)
        self._kinds: list[Kind] = []
        self._house: House | None = None
        self._door: Door | None = None
        self._owners: dict[str, int] = {}

    # kinds

    @_with_parameters_of(make_kind)
    def job(self, *args: Any, **options: Any) -> Declare:
        """Declare the decorated function as the handler of kind `name` (its own name if not given).

        Its signature is the input schema; a first parameter `ctx` receives the Context. `timeout` is one attempt's
        time ("60s", "5m" or seconds), `isolation="process"` runs it in a child process within `limits`, `stages`
        are weighted parts of the progress, `on_final` runs once, in the transaction that ends the job (or a round of
        upkeep later, if a process without this app ended it). At most `running_max` of its jobs run at once,
        `key_running_max` of those with the same `concurrency_key`, and of those at most `key_rate` start ("10/60s":
        ten within any minute).
        """

        def declare(function: F) -> F:
            if self._house is not None or self._door is not None:
                raise RuntimeError("declare every job before the first submit: the ledger is already open")
            self._kinds.append(make_kind(function, *args, **options))
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
            self._house = open_house(
                settings or self.read_settings(), self._kinds, queues=self._queues, dialects=self._dialects
            )
        return self._house

    def read_settings(self, **overrides: object) -> Settings:
        """The settings of this app: `overrides` (a command's flags), then what was given here, then the environment.

        An app of your own serves no vendor system unless one of them says so.
        """
        flags = {name: value for name, value in overrides.items() if value is not None}
        given = {"db": self._db, "systems": self._systems}
        if self._settings is not None:
            return change_settings(self._settings, **{**given, **flags})
        given["systems"] = self._systems or os.environ.get("JOBWIRE_SYSTEMS") or "none"
        return read_settings(None, **{**given, **flags})

    def close(self) -> None:
        """Close the ledger; a later call opens it again."""
        house, self._house, self._door = self._house, None, None
        self._owners.clear()
        if house is not None:
            house.close()

    def connect(self) -> "apsw.Connection":
        """A new connection to the ledger's file, for your own tables there and for `submit`; close it yourself.

        Never open the file with Python's `sqlite3` in this process instead: two copies of SQLite do not see each
        other's locks, and the close of the second deletes the log into which the ledger writes.
        """
        path = self.open().settings.db
        if is_postgres(path):
            raise RequestError("invalid_request", "the ledger is on PostgreSQL; connect with psycopg or SQLAlchemy")
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

    async def submit(
        self,
        kind: str | Callable[..., Any],
        /,
        *,
        input: Any = None,  # noqa: A002 - the word of the API
        owner: str = "default",
        connection: object = None,
        **options: Unpack[JobOptions],
    ) -> Submitted:
        """Submit a job; returns after its commit. `input={…}` is the job's input; JobOptions has the rest.

        Raises RequestError for what is refused: its `code` is one of docs/errors.md.

        With `connection`, of psycopg, SQLAlchemy, sqlite3 or `connect`, the job becomes part of the connection's own
        open transaction: visible when you commit, gone when you roll back (docs/transactions.md).
        """
        return (await self.submit_many(kind, [input], owner=owner, connection=connection, **options))[0]

    async def submit_many(
        self,
        kind: str | Callable[..., Any],
        inputs: Sequence[Any],
        /,
        *,
        owner: str = "default",
        connection: object = None,
        **options: Unpack[JobOptions],
    ) -> list[Submitted]:
        """Submit a job for each input, all in one commit; `connection` as in `submit`."""
        if connection is None:
            door = self.open().door
            jobs = self._build(door, await self._find_owner(owner), kind, inputs, options)
            return [_receive(receipt) for receipt in await door.jobs.admit(jobs)]
        caller = find_caller(connection)
        door = self._find_door(caller)
        by = owner if caller.database == "sqlite" else await self._find_owner(owner)
        submitted = caller.run(self._submission(door, by, kind, inputs, options))
        return await submitted if caller.is_async else submitted  # type: ignore[no-any-return]

    def submit_sync(
        self,
        kind: str | Callable[..., Any],
        /,
        *,
        input: Any = None,  # noqa: A002 - the word of the API
        owner: str = "default",
        connection: object = None,
        **options: Unpack[JobOptions],
    ) -> Submitted:
        """As `submit`, from plain code."""
        return self.submit_many_sync(kind, [input], owner=owner, connection=connection, **options)[0]

    def submit_many_sync(
        self,
        kind: str | Callable[..., Any],
        inputs: Sequence[Any],
        /,
        *,
        owner: str = "default",
        connection: object = None,
        **options: Unpack[JobOptions],
    ) -> list[Submitted]:
        """As `submit_many`, from plain code."""
        if connection is None:
            door = self.open().door
            jobs = self._build(door, self._find_owner_sync(owner), kind, inputs, options)
            return [_receive(receipt) for receipt in door.jobs.admit(jobs).result()]
        caller = find_caller(connection)
        if caller.is_async:
            raise TypeError("the connection is an asynchronous one; give it to `await app.submit(…)`")
        door = self._find_door(caller)
        by = owner if caller.database == "sqlite" else self._find_owner_sync(owner)
        return caller.run(self._submission(door, by, kind, inputs, options))  # type: ignore[no-any-return]

    def _find_door(self, caller: Caller) -> Door:
        settings = self.read_settings() if self._house is None else self._house.settings
        ledger = "postgresql" if is_postgres(settings.db) else "sqlite"
        if caller.database != ledger:
            raise TypeError(f"the connection is to {caller.database} ({caller.library}), the ledger is on {ledger}")
        if ledger == "postgresql" or self._house is not None:
            return self.open().door
        # To open the file would take its lock, which the caller may have.
        if self._door is None:
            self._door = open_door(settings, self._kinds, queues=self._queues)
        return self._door

    def _submission(
        self,
        door: Door,
        owner: str | int,
        kind: str | Callable[..., Any],
        inputs: Sequence[Any],
        options: JobOptions,
    ) -> Callable[[Link], list[Submitted]]:
        def submit(tx: Transaction) -> list[Submitted]:
            # An SQLite file has one writer at a time, which is the caller now: its account is made there, too.
            by = owner if isinstance(owner, int) else accounts.get_or_create_owner(tx, owner).id
            receipts = door.jobs.admit_in(tx, self._build(door, by, kind, inputs, options))
            return [_receive(receipt) for receipt in receipts]

        return lambda link: door.write_on(link, submit)

    def _build(
        self,
        door: Door,
        owner: int,
        kind: str | Callable[..., Any],
        inputs: Sequence[Any],
        options: JobOptions,
    ) -> list[NewJob]:
        name = kind if isinstance(kind, str) else self._name_of(kind)
        rest: dict[str, Any] = {**options}
        delay = rest.pop("delay", None)
        rest["run_at"] = _moment(rest.get("run_at")) if delay is None else door.clock() + _milliseconds(delay)
        rest["deadline_at"] = _moment(rest.get("deadline_at"))
        return door.jobs.build_many(owner, name, inputs, **rest)

    def _name_of(self, function: Callable[..., Any]) -> str:
        for kind in self._kinds:
            if kind.handler is function:
                return kind.name
        raise RequestError("invalid_request", f"{function!r} is not a job of this app; decorate it with @app.job()")

    async def _find_owner(self, name: str) -> int:
        if name not in self._owners:
            self._owners[name] = (await self.open().services.owners.create_owner(name)).id
        return self._owners[name]

    def _find_owner_sync(self, name: str) -> int:
        if name not in self._owners:
            store = self.open().store
            self._owners[name] = store.write(lambda tx: accounts.get_or_create_owner(tx, name)).result().id
        return self._owners[name]


def _receive(receipt: Receipt) -> Submitted:
    accept_receipt(receipt)
    return Submitted(show_id(receipt.key), receipt.number, receipt.is_new)


def _moment(at: datetime | int | None) -> int | None:
    return int(at.timestamp() * 1000) if isinstance(at, datetime) else at


def _milliseconds(delay: float | timedelta) -> int:
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    return int(seconds * 1000)
