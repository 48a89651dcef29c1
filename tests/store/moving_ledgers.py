"""A ledger with something of everything in it, to be moved, and what it must look like wherever it is."""

import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from store_ledger import BROKEN, DONE, FLAKY, LATER, SHUTDOWN, WAIT_S, Ledger, give_weight, lease_of

from jobwire.cli.move import load_scripts, open_side
from jobwire.domain.caps import Cap
from jobwire.domain.webhooks import DeliveryRow, EndpointRow
from jobwire.store import accounts
from jobwire.store.contract import KeyRow, Transaction
from jobwire.store.estimates import RunGroup, Tally, add_runs
from jobwire.store.issuers import IssuerRow, keep_issuer, revoke_token
from jobwire.store.moving.files import Files
from jobwire.store.moving.move import Plan, Report, move
from jobwire.store.moving.side import NOT_COPIED, Side, Table
from jobwire.store.vectors import open_vectors
from jobwire.store.webhook_deliveries import add_deliveries
from jobwire.store.webhooks import ensure_secret, insert_endpoint
from jobwire.systems.apidatatools import quota, records
from jobwire.wiring import keep_secret, load_systems, migrate_system

ODD = "tab\t line\n return\r back\\slash \\t \\N \\\\. \\.\n\\.\n quote \" ' $$ %s %(a)s {1} :name żółć 😀 \x01"
FILE = "ab" * 32

_AGENT = """
INSERT INTO rentix_agent (id, owner, external_id, name, phone, role, created_at, updated_at)
VALUES (:id, 1, :external_id, :name, NULL, '', 1, 2)
"""
_MEDIA = """
INSERT INTO rentix_media (id, owner, external_id, optimization, upload_sha256, created_at, updated_at)
VALUES (1, 1, NULL, 'pending', :sha256, 1, 2)
"""
_VECTOR = """
INSERT INTO fifthelement_vector (owner, repository, document, place, start_offset, end_offset, model, vector)
VALUES (1, 'r', 'd', 0, 0, 5, 'm', :vector)
"""
VECTOR = struct.pack("<4f", 0.1, -1 / 3, 1e-30, 16_777_216)


def fill(ledger: Ledger, *, waiting: int = 0) -> None:
    """Jobs in every state and table, and `waiting` more of several owners and priorities; no worker is left."""
    ledger.store.write(_write_accounts).result(WAIT_S)
    vector = open_vectors(ledger.store).encode(VECTOR)
    ledger.store.write(lambda tx: tx.execute(_VECTOR, vector=vector)).result(WAIT_S)
    give_weight(ledger, 20, 3)
    ledger.submit(queue="done", key="0" * 26, input='{"text":"' + "ż" * 500 + '"}', tags='["a","b"]')
    ledger.run(DONE, queue="done")
    ledger.submit(queue="broken", input=f'"{ODD}"', rerun_of=1, root=1)
    ledger.run(BROKEN, queue="broken")
    ledger.cancel(ledger.submit(queue="cancelled"))
    ledger.submit(queue="retried", unique_key="one", idempotency_key="first", fingerprint="f")
    ledger.run(FLAKY, queue="retried")
    ledger.submit(queue="snoozed")
    ledger.run(LATER, queue="snoozed")
    ledger.submit(queue="later", run_at=ledger.clock() + 3_600_000, deadline_at=ledger.clock() + 7_200_000)
    ledger.submit(queue="late", deadline_at=ledger.clock() + 1)
    ledger.clock.advance(2)
    ledger.store.promote().result(WAIT_S)
    _run_with_steps(ledger)
    _lose_a_worker(ledger)
    ledger.set_cap(Cap("kind", "capped", 1))
    ledger.submit_many(3, kind="capped", queue="capped", concurrency_key="k")
    ledger.claim(3, queue="capped")
    for batch in range(waiting // 1_000):
        fields = [{"owner": 1 + (batch + i) % 7, "priority": i % 3} for i in range(1_000)]
        ledger.receive(*[ledger.new(**each) for each in fields])
    ledger.claim(5)
    ledger.store.retire("w1").result(WAIT_S)
    # On PostgreSQL the log has an event once somebody asked for it.
    ledger.store.events(0, limit=1).result(WAIT_S)


def _run_with_steps(ledger: Ledger) -> None:
    ledger.submit(queue="steps")
    claim = ledger.claim_one(queue="steps")
    ledger.store.save_step(lease_of(claim), name="fetch", output='{"sha256":"' + FILE + '"}').result(WAIT_S)
    ledger.settle(claim, SHUTDOWN)


def _lose_a_worker(ledger: Ledger) -> None:
    ledger.submit(queue="lost")
    ledger.claim_one(queue="lost")
    assert ledger.lose_worker() == 1


def _write_accounts(tx: Transaction) -> None:
    keep_secret(tx)
    for system in load_systems("all")[0]:
        migrate_system(tx, system)
    owner = accounts.get_or_create_owner(tx, "acme")
    accounts.insert_key(tx, KeyRow("k1", owner.id, "ab" * 32, "[]", tx.now, None, None))
    accounts.set_disabled_systems(tx, "acme", '["rentix"]')
    add_runs(tx, {RunGroup("q", "convert", 1, 7): Tally(3, 4_000)})
    tx.execute("INSERT INTO queue_policy (queue, is_fair) VALUES ('plain', 0)")
    for number, text in enumerate((ODD, "", "\\N", "\\", "\t")):
        tx.execute(_AGENT, id=number, external_id=text, name=text or None)
    tx.execute(_MEDIA, sha256=FILE)
    _write_access(tx, owner.id)
    _write_webhooks(tx, owner.id)
    _write_tools(tx, owner.id)


def _write_access(tx: Transaction, owner: int) -> None:
    keep_issuer(
        tx, IssuerRow("https://id", "jobs", "RS256", "https://id/keys", None, "sub", "", 0, None, "[]", 60, 900, 1)
    )
    revoke_token(tx, "https://id", ODD, expires_at=2 * tx.now)
    sql = "INSERT INTO owner_limit (owner, name, count_max, window_s) VALUES (:owner, 'submit', 5, 60)"
    tx.execute(sql, owner=owner)


def _write_tools(tx: Transaction, owner: int) -> None:
    for upload in ("upl_1", "upl_2"):
        records.add_upload(tx, owner, upload=upload, filename="stock.csv", lifetime_ms=60_000)
    records.note_size(tx, "upl_2", size_bytes=5_000_000_000)
    sql = (
        "INSERT INTO apidatatools_download (name, owner, sha256, content_type, expires_at)"
        " VALUES (:name, :owner, :sha256, 'text/csv', :expires)"
    )
    tx.execute(sql, name=ODD, owner=owner, sha256=FILE, expires=2 * tx.now)
    quota.set_units(tx, owner, units=9_000)
    quota.take_unit(tx, owner, units_max=0)


def _write_webhooks(tx: Transaction, owner: int) -> None:
    insert_endpoint(tx, EndpointRow("whe_1", owner, "https://hooks.test/", 0, "v1", None, '["convert"]', 1))
    ensure_secret(tx, "whe_1", "k")
    tx.execute("INSERT INTO job_webhook (number, endpoint, events) VALUES (1, 'whe_1', NULL)")
    add_deliveries(tx, [DeliveryRow("whe_1", 1, 1, "msg_1", "job.completed", 1, ODD)])


@contextmanager
def sides(source: str, target: str) -> Iterator[tuple[Side, Side]]:
    """Both sides of a move."""
    with closing(open_side(source, is_source=True)) as origin, closing(open_side(target, is_source=False)) as place:
        yield origin, place


def move_between(source: str, target: str, plan: Plan | None = None, *, files: Files | None = None) -> Report:
    """Move a ledger as the command does."""
    kept = files or Files(Path("no-such-folder"))
    with sides(source, target) as (origin, place):
        return move(origin, place, plan or Plan(), scripts=load_scripts(), files=kept)


def content_of(address: str) -> dict[str, Any]:
    """Every row that a move must keep, in no order; read without what moves them."""
    with closing(open_side(address, is_source=True)) as side:
        tables = {name: columns for name, columns in side.find_tables().items() if name not in NOT_COPIED}
        rows = {
            name: sorted(map(_show, side.query(f"SELECT {_names(columns)} FROM {Table(name, ()).content}")), key=repr)
            for name, columns in tables.items()
        }
        return {**rows, "registers": side.read_registers()}


def _show(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row with the vectors of PostgreSQL as SQLite keeps them."""
    return tuple(struct.pack(f"<{len(v)}f", *v) if isinstance(v, list) else v for v in row)


def _names(columns: Any) -> str:
    # How far an owner's latest batch went is PostgreSQL's own affair.
    return ", ".join(sorted(f'"{column.name}"' for column in columns if column.name != "advance"))
