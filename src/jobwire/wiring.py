"""The only place that chooses: opens the ledger, binds the services, loads the systems, makes app and worker.

app.py and cli/ ask for a House; serving.py runs one.
"""

import os
import secrets
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from jobwire.blobs.links import FileLinks
from jobwire.blobs.opening import open_blobs
from jobwire.config import LEDGER_KEY, SettingError, Settings, is_postgres
from jobwire.dialects.azure import AZURE
from jobwire.dialects.google import GOOGLE
from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import Dialect
from jobwire.http.app import build_app
from jobwire.kinds.contract import Kind, Queue
from jobwire.kinds.registry import Registry
from jobwire.net.policy import FetchPolicy
from jobwire.net.webhook_signing import Keyring, make_key
from jobwire.service.admission import Admission
from jobwire.service.call import System
from jobwire.service.estimates import Estimates
from jobwire.service.issuers import Issuers, load_signatures
from jobwire.service.jobs import Jobs
from jobwire.service.limits import Limits
from jobwire.service.owners import Owners
from jobwire.service.plans import Plan, parse_plan
from jobwire.service.services import Services
from jobwire.service.watching import Watching
from jobwire.service.webhooks import Webhooks
from jobwire.store import policies
from jobwire.store.callers import Link
from jobwire.store.contract import Store, Transaction
from jobwire.store.files import find_systems
from jobwire.store.final_hooks import keep_hooked_kinds
from jobwire.store.issuers import list_issuers
from jobwire.store.moving.marks import refuse_moved
from jobwire.store.sqlite import SqliteStore, open_sqlite, read_clock
from jobwire.store.sqlite.own import write_on
from jobwire.upkeep.collecting import Collector
from jobwire.upkeep.deliveries import Deliverer
from jobwire.upkeep.rounds import Upkeep
from jobwire.worker.children import Children
from jobwire.worker.context import Tools
from jobwire.worker.loop import Worker

if TYPE_CHECKING:
    from jobwire.store.postgres import PostgresStore

SYSTEMS = {name: f"jobwire.systems.{name}" for name in ("rentix", "fifthelement", "docswrite", "apidatatools")}
DIALECTS = {dialect.name: dialect for dialect in (AZURE, GOOGLE)}
DAY_MS = 24 * 3_600_000
SENDERS_MAX = 12

Ledger: TypeAlias = "SqliteStore | PostgresStore"


@dataclass(frozen=True, slots=True)
class Door:
    """Where a process submits; `write_on` runs work in the open transaction of a caller's own connection."""

    jobs: Jobs
    clock: Callable[[], int]
    write_on: Callable[[Link, Callable[[Transaction], Any]], Any]


@dataclass(slots=True)
class House:
    """Everything one process needs, opened on one ledger. Close it when done."""

    settings: Settings
    store: Ledger
    services: Services
    registry: Registry
    systems: Sequence[System]
    missing_systems: dict[str, str]
    dialects: Sequence[Dialect] = ()

    @property
    def door(self) -> Door:
        """Where this process submits."""
        return Door(self.services.jobs, self.services.clock, self.store.write_on)

    def build_app(self, *, prefix: str = "") -> Any:
        """The ASGI app of all dialects, for the root or for a mount below `prefix`.

        SettingError where the ledger has issuers of tokens, but what checks them is not installed.
        """
        if self.store.read(list_issuers).result():
            load_signatures()
        systems = (system.find_dialect(self.settings.environment) for system in self.systems)
        return build_app(self.services, [NATIVE, *self.dialects, *systems], prefix=prefix)

    def make_worker(self, children: Children) -> Worker:
        """A worker for every queue of the known kinds."""
        settings = self.settings
        tools = Tools(self.store, self.services.blobs, children, self.services.links)
        slots = settings.workers
        return Worker(tools, self.registry, slots=slots, lease_ms=settings.lease_ms, drain_s=settings.drain_s)

    def make_children(self, *, serves_http: bool = False) -> Children:
        """The child processes of this house's worker, with the modules of isolated work imported once.

        As many at a time as there are cores; one core less beside an HTTP server, whose polls would else wait for
        the kernel to take a core back: p99 3.6 times idle with both of two cores taken, 1.4 times with one.
        """
        modules = {kind.handler.__module__ for kind in self.registry.kinds if kind.isolation == "process"}
        modules.update(name for system in self.systems for name in system.isolated)
        program = getattr(sys.modules["__main__"], "__file__", None)
        # A console script has no suffix and holds no handlers.
        main_path = program if program is not None and program.endswith(".py") else None
        cores = os.cpu_count() or 1
        concurrency = max(1, cores - 1) if serves_http else cores
        return Children(preload=sorted(modules - {"__main__"}), main_path=main_path, concurrency=concurrency)

    def make_upkeep(self) -> Upkeep:
        """The rounds that keep the ledger healthy."""
        retention_ms = self.settings.retention_days * DAY_MS
        round_ms, hooks = min(1_000, self.settings.lease_ms), self.store.final_hooks
        return Upkeep(self.store, round_ms=round_ms, retention_ms=retention_ms, final_hooks=hooks)

    def make_collector(self) -> Collector:
        """What removes the kept files that nobody needs any more."""
        holders = [system.name for system in self.systems if system.holds_files]
        return Collector(self.store, self.services.blobs, holders=holders)

    def make_deliverer(self, children: Children) -> Deliverer:
        """What sends the webhooks: by jobs that a worker of its own runs, whatever the other one's queues are."""
        webhooks, settings = self.services.webhooks, self.settings

        def hire(kind: Kind) -> Worker:
            tools, known = Tools(self.store, None, children), Registry([kind])
            return Worker(tools, known, slots=SENDERS_MAX, lease_ms=settings.lease_ms, drain_s=settings.drain_s)

        return Deliverer(self.store, webhooks.keyring, webhooks.policy, hire=hire)

    def close(self) -> None:
        """Close the ledger, and leave no file of work under way; who still waits for a job waits no more."""
        self.services.watching.tail.end()
        self.services.scratch.close()
        self.store.close()


def open_house(
    settings: Settings,
    kinds: Iterable[Kind] = (),
    *,
    queues: Iterable[str | Queue] = (),
    dialects: Iterable[Dialect] = (),
    adds_systems: bool = True,
    clock: Callable[[], int] = read_clock,
) -> House:
    """Open the ledger of `settings` and bind everything to it; SettingError for a system that cannot be served.

    `dialects` are served beside those that the settings name. Without `adds_systems` there are only those systems
    that have tables in the ledger already.
    """
    systems, missing = load_systems(settings.systems)
    spoken = [*find_dialects(settings.dialects), *dialects]
    store = open_ledger(settings, clock)
    try:
        store.read(lambda reader: refuse_moved(reader, store.path)).result()
        if not adds_systems:
            present = store.read(find_systems).result()
            systems = [system for system in systems if system.name in present]
        secret = store.write(keep_secret).result()
        registry = Registry(kinds, queues=queues)
        policy = read_webhook_policy(settings)
        estimates = Estimates(store, clock)
        admission = Admission(store, estimates, owner_backlog_max=settings.owner_backlog_max)
        jobs = Jobs(store, registry, clock, admission, webhook_policy=policy)
        services = Services(
            jobs=jobs,
            watching=Watching(store, jobs),
            estimates=estimates,
            webhooks=Webhooks(store, clock, keyring=make_keyring(settings, secret), policy=policy),
            owners=Owners(store, clock, issuers=open_issuers(settings, store, clock), plan=read_plan(settings)),
            limits=Limits(clock, store),
            store=store,
            blobs=open_blobs(settings.files, settings.environment),
            links=open_links(settings, bytes.fromhex(secret), clock),
            registry=registry,
            settings=settings.environment,
            clock=clock,
        )
        for system in systems:
            store.write(lambda tx, system=system: migrate_system(tx, system)).result()  # type: ignore[misc]
            for kind in system.kinds(services):
                registry.add(kind)
        for kind in registry.kinds:
            if kind.on_final is not None:
                store.final_hooks[kind.name] = kind.on_final
        store.write(lambda tx: keep_policies(tx, registry)).result()
        for system in systems:
            if system.start is not None:
                system.start(services)
    except BaseException:
        store.close()
        raise
    return House(settings, store, services, registry, systems, missing, spoken)


def open_door(settings: Settings, kinds: Iterable[Kind], *, queues: Iterable[str | Queue] = ()) -> Door:
    """The door of a process that has not opened the ledger, an SQLite file: it writes through its callers only."""
    store = cast(Store, _Unopened())
    admission = Admission(store, Estimates(store, read_clock), owner_backlog_max=settings.owner_backlog_max)
    registry = Registry(kinds, queues=queues)
    jobs = Jobs(store, registry, read_clock, admission, webhook_policy=read_webhook_policy(settings))

    def write(link: Link, work: Callable[[Transaction], Any]) -> Any:
        def check_and_work(tx: Transaction) -> Any:
            refuse_moved(tx, settings.db)
            return work(tx)

        return write_on(link, check_and_work, path=settings.db, clock=read_clock, final_hooks={})

    return Door(jobs, read_clock, write)


class _Unopened:
    """Stands for the store where there is none."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("this process submits through its own connections only and has not opened the ledger")


def open_ledger(settings: Settings, clock: Callable[[], int]) -> Ledger:
    """The ledger at the settings' address; SettingError if it cannot be reached."""
    if not is_postgres(settings.db):
        return open_sqlite(settings.db, clock=clock)
    try:
        postgres = import_module("jobwire.store.postgres")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("psycopg"):
            raise
        raise SettingError("a ledger on PostgreSQL needs psycopg: pip install 'jobwire[postgresql]'") from error
    # Many machines have many clocks: the database's is the one they share.
    shared = None if clock is read_clock else clock
    opened: PostgresStore = postgres.open_postgres(settings.db, clock=shared, can_prepare=settings.pg_prepare)
    return opened


def read_webhook_policy(settings: Settings) -> FetchPolicy:
    """Where webhooks may go; SettingError for ranges that cannot be read."""
    try:
        return FetchPolicy.from_setting(settings.webhook_allow)
    except ValueError as error:
        raise SettingError(f"JOBWIRE_WEBHOOK_ALLOW: {error}") from None


def make_keyring(settings: Settings, ledger_secret: str) -> Keyring:
    """The operator's key for webhook secrets before the ledger's own, which older secrets may have been made of."""
    return Keyring([make_key(text) for text in (settings.webhook_key, ledger_secret) if text])


def open_links(settings: Settings, ledger_secret: bytes, clock: Callable[[], int]) -> FileLinks:
    """What signs links, with the operator's keys where there are some."""
    keys = [ledger_secret if key == LEDGER_KEY else key.encode() for key in settings.link_keys]
    return FileLinks(ledger_secret, clock, keys=keys)


def open_issuers(settings: Settings, store: Store, clock: Callable[[], int]) -> Issuers:
    """The issuers of the ledger; what is open to their key sets is not open to customers' URLs."""
    try:
        policy = FetchPolicy.from_setting(settings.environment.get("JOBWIRE_ISSUERS_ALLOW", ""))
    except ValueError as error:
        raise SettingError(f"JOBWIRE_ISSUERS_ALLOW: {error}") from None
    return Issuers(store, clock, policy)


def read_plan(settings: Settings) -> Plan:
    """The limits of every owner that has none of its own."""
    try:
        return parse_plan(settings.limits)
    except ValueError as error:
        raise SettingError(f"JOBWIRE_LIMITS: {error}") from None


def load_systems(wanted: str) -> tuple[list[System], dict[str, str]]:
    """The systems named by `wanted` (`all`, `none` or a list with commas), and why others of `all` are missing."""
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if names == ["none"]:
        return [], {}
    everything = names == ["all"]
    systems: list[System] = []
    missing: dict[str, str] = {}
    for name in SYSTEMS if everything else names:
        if name not in SYSTEMS:
            raise SettingError(f"unknown system {name!r}; there are {', '.join(SYSTEMS)}, or all, or none")
        try:
            systems.append(import_module(SYSTEMS[name]).SYSTEM)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("jobwire"):
                raise
            missing[name] = f"needs the package {error.name}: pip install 'jobwire[{name}]'"
            if not everything:
                raise SettingError(f"the system {name!r} {missing[name]}") from error
    return systems, missing


def find_dialects(wanted: str) -> list[Dialect]:
    """The dialects named by `wanted` (`none` or a list with commas); SettingError for one that there is not."""
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if names == ["none"]:
        return []
    if unknown := [name for name in names if name not in DIALECTS]:
        raise SettingError(
            f"JOBWIRE_DIALECTS: unknown dialect {unknown[0]!r}; there are {', '.join(DIALECTS)}, or none"
        )
    return [DIALECTS[name] for name in dict.fromkeys(names)]


def keep_policies(tx: Transaction, registry: Registry) -> None:
    """What this program declares holds for every process on the ledger."""
    policies.keep_caps(tx, registry.kinds)
    keep_hooked_kinds(tx, registry.kinds)
    policies.keep_fairness(tx, registry.fairness)


def keep_secret(tx: Transaction) -> str:
    """The ledger's own secret (it signs file links), made with the ledger."""
    tx.execute(
        "INSERT INTO ledger (name, value) VALUES ('secret', :secret) ON CONFLICT (name) DO NOTHING",
        secret=secrets.token_hex(32),
    )
    return str(tx.query("SELECT value FROM ledger WHERE name = 'secret'")[0][0])


def migrate_system(tx: Transaction, system: System) -> None:
    """Bring a system's tables to this program's version, each script once, whoever else opens the ledger now."""
    name = f"system:{system.name}"
    tx.execute("INSERT INTO ledger (name, value) VALUES (:name, '0') ON CONFLICT (name) DO NOTHING", name=name)
    # Locks the row, so that another process waits here until these tables are there.
    tx.execute("UPDATE ledger SET value = value WHERE name = :name", name=name)
    done = int(tx.query("SELECT value FROM ledger WHERE name = :name", name=name)[0][0])
    for script in system.migrations[done:]:
        for statement in split_script(script):
            tx.execute(statement)
    tx.execute("UPDATE ledger SET value = :value WHERE name = :name", name=name, value=str(len(system.migrations)))


def split_script(script: str) -> list[str]:
    """The statements of a script: separated by a semicolon at a line's end."""
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";\n") if statement.strip(" ;\n")]
