"""Webhook endpoints, their secrets, and what a submission asks for: portable SQL over a Transaction, for any engine.

webhook_deliveries.py has what is sent to them. Times are Unix milliseconds.
"""

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from jobwire.domain.ids import RANDOM_BITS, make_key
from jobwire.domain.job import NewJob
from jobwire.domain.webhooks import CLOSED, Breaker, EndpointRow
from jobwire.store.contract import Reader

CURSOR = "webhook_cursor"
ENDPOINT_PREFIX = "whe_"


class Writing(Reader, Protocol):
    """What the statements here need of an open transaction."""

    now: int

    def execute(self, sql: str, /, **params: Any) -> int:
        """Run a statement; returns the number of rows it changed."""


class SecretRow(NamedTuple):
    """A secret that signs until `expires_at`; what it is, net/webhook_signing.py derives."""

    holder: str
    generation: int
    key_id: str
    created_at: int
    expires_at: int | None


class Wish(NamedTuple):
    """What a submission asks for, as NewJob.webhook keeps it in JSON: where to, and which events."""

    url: str
    events: list[str] | None = None


_ENDPOINT = ", ".join(EndpointRow._fields)
_VALUES = ", ".join(f":{name}" for name in EndpointRow._fields)
_decode_wish = msgspec.json.Decoder(Wish).decode


def make_endpoint_id(now: int) -> str:
    """A new id: ordered by time, not guessable."""
    return ENDPOINT_PREFIX + make_key(now, secrets.randbits(RANDOM_BITS))


def has_endpoints(reader: Reader) -> bool:
    """Whether anything is to be sent anywhere."""
    return bool(reader.query("SELECT 1 FROM webhook_endpoint LIMIT 1"))


def start_hearing(tx: Writing) -> None:
    """The event log is read from here on, if it was not read before: what came earlier is nobody's.

    Called before the first endpoint and the events it is to have are written.
    """
    if has_endpoints(tx):
        return
    tx.execute("INSERT INTO ledger (name, value) VALUES (:name, '0') ON CONFLICT (name) DO NOTHING", name=CURSOR)
    # Locks the row: of two first endpoints, the second finds the first.
    tx.execute("UPDATE ledger SET value = value WHERE name = :name", name=CURSOR)
    if not has_endpoints(tx):
        sql = "UPDATE ledger SET value = CAST((SELECT coalesce(max(no), 0) FROM event) AS TEXT) WHERE name = :name"
        tx.execute(sql, name=CURSOR)


def insert_endpoint(tx: Writing, endpoint: EndpointRow) -> None:
    """Keep a new endpoint; one that a submission named is the owner's only one for its URL."""
    start_hearing(tx)
    sql = (
        f"INSERT INTO webhook_endpoint ({_ENDPOINT}) VALUES ({_VALUES}) "  # noqa: S608 - a tuple's own field names
        "ON CONFLICT (owner, url) WHERE is_ad_hoc = 1 DO NOTHING"
    )
    tx.execute(sql, **endpoint._asdict())


def find_endpoint(reader: Reader, owner: int, id_: str) -> EndpointRow | None:
    """The owner's endpoint of that id."""
    sql = f"SELECT {_ENDPOINT} FROM webhook_endpoint WHERE id = :id AND owner = :owner"  # noqa: S608
    rows = reader.query(sql, id=id_, owner=owner)
    return EndpointRow._make(rows[0]) if rows else None


def list_endpoints(
    reader: Reader, owner: int, *, before: str | None = None, is_ad_hoc: bool | None = None, limit: int
) -> list[EndpointRow]:
    """The owner's endpoints below the id `before`, newest first: registered ones, those of submissions, or both."""
    sql = (
        f"SELECT {_ENDPOINT} FROM webhook_endpoint WHERE owner = :owner "  # noqa: S608
        "AND (:before = '' OR id < :before) AND is_ad_hoc BETWEEN :least AND :most ORDER BY id DESC LIMIT :limit"
    )
    least, most = (0, 1) if is_ad_hoc is None else (int(is_ad_hoc), int(is_ad_hoc))
    rows = reader.query(sql, owner=owner, before=before or "", least=least, most=most, limit=limit)
    return [EndpointRow._make(row) for row in rows]


def count_registered(tx: Writing, owner: int) -> int:
    """How many endpoints the owner has registered; others who add one meanwhile wait for this transaction."""
    tx.execute("UPDATE owner SET id = id WHERE id = :owner", owner=owner)
    sql = "SELECT count(*) FROM webhook_endpoint WHERE owner = :owner AND is_ad_hoc = 0"
    return int(tx.query(sql, owner=owner)[0][0])


def write_endpoint(tx: Writing, endpoint: EndpointRow) -> None:
    """What can change of an endpoint is as in the row."""
    tx.execute(
        "UPDATE webhook_endpoint SET url = :url, events = :events, kinds = :kinds, disabled_at = :disabled_at, "
        "disabled_reason = :disabled_reason WHERE id = :id AND owner = :owner",
        **{
            name: getattr(endpoint, name)
            for name in ("url", "events", "kinds", "disabled_at", "disabled_reason", "id", "owner")
        },
    )


def write_breaker(tx: Writing, id_: str, breaker: Breaker) -> None:
    """The endpoint's failures are these."""
    tx.execute(
        "UPDATE webhook_endpoint SET failures = :failures, openings = :openings, open_until = :open_until, "
        "failing_since = :failing_since WHERE id = :id",
        id=id_,
        **breaker._asdict(),
    )


def call_sender(tx: Writing, owner: int) -> None:
    """What waits for the owner's endpoints is to be looked at now; webhook_senders.py sees to it.

    Until this transaction ends nobody else writes streams of the owner, nor finds that none are left: called before
    a stream is written.
    """
    tx.execute(
        "INSERT INTO webhook_sender (owner, job, due_at, calls) VALUES (:owner, 0, :now, 1) "
        "ON CONFLICT (owner) DO UPDATE SET calls = webhook_sender.calls + 1, due_at = "
        "CASE WHEN webhook_sender.due_at < excluded.due_at THEN webhook_sender.due_at ELSE excluded.due_at END",
        owner=owner,
        now=tx.now,
    )


def delete_endpoint(tx: Writing, endpoint: EndpointRow) -> None:
    """Forget an endpoint with everything that belongs to it."""
    tx.execute("DELETE FROM webhook_endpoint WHERE id = :id AND owner = :owner", id=endpoint.id, owner=endpoint.owner)
    tx.execute("DELETE FROM webhook_secret WHERE holder = :id", id=endpoint.id)
    for table in ("webhook_stream", "webhook_delivery", "job_webhook"):
        tx.execute(f"DELETE FROM {table} WHERE endpoint = :id", id=endpoint.id)  # noqa: S608 - our own names


# secrets


def list_secrets(reader: Reader, holder: str, now: int) -> list[SecretRow]:
    """The secrets that sign now, newest first."""
    rows = reader.query(
        "SELECT holder, generation, key_id, created_at, expires_at FROM webhook_secret "
        "WHERE holder = :holder AND (expires_at IS NULL OR expires_at > :now) ORDER BY generation DESC",
        holder=holder,
        now=now,
    )
    return [SecretRow._make(row) for row in rows]


def add_secret(tx: Writing, holder: str, key_id: str, *, live_max: int, overlap_ms: int) -> SecretRow:
    """A new secret; those before it sign `overlap_ms` longer, the newest of them so that at most `live_max` do."""
    latest = tx.query("SELECT coalesce(max(generation), 0) FROM webhook_secret WHERE holder = :holder", holder=holder)
    made = SecretRow(holder, int(latest[0][0]) + 1, key_id, tx.now, None)
    tx.execute(
        "DELETE FROM webhook_secret WHERE holder = :holder AND (generation <= :dropped OR expires_at <= :now)",
        holder=holder,
        dropped=made.generation - live_max,
        now=tx.now,
    )
    tx.execute(
        "UPDATE webhook_secret SET expires_at = :until "
        "WHERE holder = :holder AND (expires_at IS NULL OR expires_at > :until)",
        holder=holder,
        until=tx.now + overlap_ms,
    )
    _insert_secret(tx, made)
    return made


def ensure_secret(tx: Writing, holder: str, key_id: str) -> None:
    """The holder has a first secret."""
    _insert_secret(tx, SecretRow(holder, 1, key_id, tx.now, None), if_none=True)


def _insert_secret(tx: Writing, secret: SecretRow, *, if_none: bool = False) -> None:
    if if_none and tx.query("SELECT 1 FROM webhook_secret WHERE holder = :holder LIMIT 1", holder=secret.holder):
        return
    tx.execute(
        "INSERT INTO webhook_secret (holder, generation, key_id, created_at, expires_at) "
        "VALUES (:holder, :generation, :key_id, :created_at, :expires_at) "
        "ON CONFLICT (holder, generation) DO NOTHING",
        **secret._asdict(),
    )


# submissions


def keep_wishes(tx: Writing, jobs: Sequence[NewJob], numbers: Sequence[int]) -> None:
    """New jobs go where their submissions say; one that is run again goes where its origin went.

    Called before their events are written, so that start_hearing does not pass over them.
    """
    for job, number in zip(jobs, numbers, strict=True):
        if job.webhook is not None:
            _keep_wish(tx, job.owner, number, _decode_wish(job.webhook))
        elif job.rerun_of is not None:
            tx.execute(
                "INSERT INTO job_webhook (number, endpoint, events) "
                "SELECT :number, endpoint, events FROM job_webhook WHERE number = :origin",
                number=number,
                origin=job.rerun_of,
            )


def _keep_wish(tx: Writing, owner: int, number: int, wish: Wish) -> None:
    endpoint = _find_ad_hoc(tx, owner, wish.url)
    if endpoint is None:
        insert_endpoint(tx, EndpointRow(make_endpoint_id(tx.now), owner, wish.url, 1, "v1", None, None, tx.now))
        endpoint = _find_ad_hoc(tx, owner, wish.url)
    assert endpoint is not None
    if endpoint.disabled_at is not None:
        # Its owner names it again, so it is wanted again, whatever it answered then.
        write_endpoint(tx, endpoint._replace(disabled_at=None, disabled_reason=None))
        write_breaker(tx, endpoint.id, CLOSED)
        call_sender(tx, owner)
    events = None if wish.events is None else msgspec.json.encode(wish.events).decode()
    tx.execute(
        "INSERT INTO job_webhook (number, endpoint, events) VALUES (:number, :endpoint, :events)",
        number=number,
        endpoint=endpoint.id,
        events=events,
    )


def _find_ad_hoc(tx: Writing, owner: int, url: str) -> EndpointRow | None:
    sql = f"SELECT {_ENDPOINT} FROM webhook_endpoint WHERE owner = :owner AND url = :url AND is_ad_hoc = 1"  # noqa: S608
    rows = tx.query(sql, owner=owner, url=url)
    return EndpointRow._make(rows[0]) if rows else None


def prune_endpoints(tx: Writing) -> None:
    """Forget the URLs of jobs that are gone, and what belonged to endpoints that are."""
    tx.execute("DELETE FROM job_webhook WHERE number NOT IN (SELECT number FROM job)")
    tx.execute(
        "DELETE FROM webhook_endpoint WHERE is_ad_hoc = 1 "
        "AND NOT EXISTS (SELECT 1 FROM job_webhook AS j WHERE j.endpoint = webhook_endpoint.id) "
        "AND NOT EXISTS (SELECT 1 FROM webhook_delivery AS d WHERE d.endpoint = webhook_endpoint.id)"
    )
    for table in ("webhook_stream", "webhook_delivery"):
        # What another process wrote while the endpoint was deleted.
        tx.execute(f"DELETE FROM {table} WHERE endpoint NOT IN (SELECT id FROM webhook_endpoint)")  # noqa: S608
