"""Deliveries: kept in streams, taken into a sender's hands, and what came of them. webhook_hearing.py makes them.

Portable SQL over a Reader or a Transaction, for any engine. A stream is the pending deliveries of one job to one
endpoint, of which only the first is sent: so they keep their order.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jobwire.domain.webhooks import (
    CLOSED,
    Breaker,
    DeliveryRow,
    DeliveryState,
    EndpointRow,
    count_failure,
    is_hopeless,
)
from jobwire.net.webhook_signing import SecretName
from jobwire.store.contract import Reader, Transaction
from jobwire.store.webhook_messages import Message
from jobwire.store.webhooks import ensure_secret, list_secrets, write_breaker

ROWS_TOGETHER = 32

_ENDPOINT = ", ".join(f"e.{name}" for name in EndpointRow._fields)


class Sending(NamedTuple):
    """A delivery in a sender's hands, while its stream has this fence."""

    delivery: DeliveryRow
    endpoint: EndpointRow
    secrets: tuple[SecretName, ...]
    fence: int


class Sent(NamedTuple):
    """What came of an attempt: the delivery waits `wait_ms` if it is still pending.

    `is_gone` when the endpoint wants no more, `retry_after_ms` when it wants nothing for so long.
    """

    sending: Sending
    state: DeliveryState
    wait_ms: int
    status: int | None
    duration_ms: int
    answer: str
    is_gone: bool = False
    retry_after_ms: int | None = None


_DELIVERY = ", ".join(DeliveryRow._fields)


def add_deliveries(tx: Transaction, deliveries: Sequence[DeliveryRow]) -> None:
    """Keep new deliveries; each is sent when those before it in its stream are over."""
    _insert(tx, "webhook_delivery", DeliveryRow._fields, deliveries, on_conflict="DO NOTHING")
    streams = sorted({(row.endpoint, row.number, tx.now) for row in deliveries})
    # Not DO NOTHING: the lock keeps a stream that is just being finished from going without these.
    on_conflict = "(endpoint, number) DO UPDATE SET fence = webhook_stream.fence"
    _insert(tx, "webhook_stream", ("endpoint", "number", "due_at"), streams, on_conflict=on_conflict)


def _insert(
    tx: Transaction, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, on_conflict: str
) -> None:
    for chunk in _chunks(rows, ROWS_TOGETHER):
        places = ", ".join(f"({', '.join(f':{name}{index}' for name in columns)})" for index in range(len(chunk)))
        params = {
            f"{name}{index}": value
            for index, row in enumerate(chunk)
            for name, value in zip(columns, row, strict=True)
        }
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {places} ON CONFLICT {on_conflict}"  # noqa: S608
        tx.execute(sql, **params)


def _chunks(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


# into a sender's hands


class Shares(NamedTuple):
    """How many deliveries may be held at once: of an endpoint, and of all endpoints of an owner."""

    endpoint_max: int
    owner_max: int


def take_due(tx: Transaction, sender: str, *, key_id: str, limit: int, shares: Shares, after: str) -> list[Sending]:
    """Up to `limit` due deliveries, each the first of its stream, whose stream `sender` then holds.

    No endpoint and no owner has more than its share; one where the breaker lets a probe through has one. Endpoints
    take turns: those behind the id `after` come first. `sender` must have a live worker's row (Store.heartbeat). An
    owner whose submissions name URLs and who has no secret yet gets one of the key `key_id`.
    """
    held, held_by = _count_held(tx)
    taken: list[Sending] = []
    for first, last in ((after, None), ("", after)):
        # Those that have their share already may all stand in front.
        for endpoint in _find_busy(tx, first, last, limit=limit - len(taken) + len(held)):
            own = (shares.endpoint_max if endpoint.open_until is None else 1) - held[endpoint.id]
            room = min(own, shares.owner_max - held_by[endpoint.owner], limit - len(taken))
            found = _take_of(tx, sender, endpoint, key_id=key_id, limit=room)
            held[endpoint.id] += len(found)
            held_by[endpoint.owner] += len(found)
            taken += found
            if len(taken) >= limit:
                return taken
    return taken


def _count_held(tx: Transaction) -> tuple[Counter[str], Counter[int]]:
    """How many are held by endpoint and by owner."""
    rows = tx.query(
        "SELECT s.endpoint, e.owner, count(*) FROM webhook_stream AS s JOIN webhook_endpoint AS e "
        "ON e.id = s.endpoint WHERE s.holder IS NOT NULL GROUP BY s.endpoint, e.owner"
    )
    held, held_by = Counter[str](), Counter[int]()
    for endpoint, owner, count in rows:
        held[endpoint] += count
        held_by[owner] += count
    return held, held_by


def _find_busy(tx: Transaction, after: str, until: str | None, *, limit: int) -> list[EndpointRow]:
    """The endpoints with a due delivery that may be sent to, by id; an idle endpoint costs nothing."""
    sql = (
        "WITH RECURSIVE busy (endpoint) AS ("  # noqa: S608
        "SELECT min(endpoint) FROM webhook_stream WHERE holder IS NULL AND endpoint > :after UNION ALL "
        "SELECT (SELECT min(s.endpoint) FROM webhook_stream AS s "
        "WHERE s.holder IS NULL AND s.endpoint > busy.endpoint) FROM busy WHERE busy.endpoint IS NOT NULL) "
        f"SELECT {_ENDPOINT} FROM busy JOIN webhook_endpoint AS e ON e.id = busy.endpoint "
        "WHERE e.disabled_at IS NULL AND (e.open_until IS NULL OR e.open_until <= :now) "
        "AND (:until = '' OR e.id <= :until) AND EXISTS (SELECT 1 FROM webhook_stream AS d "
        "WHERE d.holder IS NULL AND d.endpoint = e.id AND d.due_at <= :now) LIMIT :limit"
    )
    if until == "":
        return []
    rows = tx.query(sql, after=after, until=until or "", now=tx.now, limit=limit)
    return [EndpointRow._make(row) for row in rows]


def _take_of(tx: Transaction, sender: str, endpoint: EndpointRow, *, key_id: str, limit: int) -> list[Sending]:
    if limit <= 0:
        return []
    due = tx.query(
        "SELECT number, fence FROM webhook_stream WHERE endpoint = :endpoint AND holder IS NULL AND due_at <= :now "
        "ORDER BY due_at, number LIMIT :limit",
        endpoint=endpoint.id,
        now=tx.now,
        limit=limit,
    )
    ensure_secret(tx, endpoint.secret_holder, key_id)
    live = list_secrets(tx, endpoint.secret_holder, tx.now)
    names = tuple(SecretName(row.holder, row.generation, row.key_id) for row in live)
    taken = []
    for number, fence in due:
        stream = {"endpoint": endpoint.id, "number": number, "fence": fence}
        held = tx.execute(
            "UPDATE webhook_stream SET holder = :sender, fence = fence + 1 "
            "WHERE endpoint = :endpoint AND number = :number AND fence = :fence AND holder IS NULL",
            sender=sender,
            **stream,
        )
        if held == 0:
            continue
        delivery = _find_first(tx, endpoint.id, number)
        if delivery is None:
            # Its deliveries were pruned.
            _end_stream(tx, endpoint.id, number)
        else:
            taken.append(Sending(delivery, endpoint, names, fence + 1))
    return taken


def _find_first(tx: Transaction, endpoint: str, number: int) -> DeliveryRow | None:
    rows = tx.query(
        f"SELECT {_DELIVERY} FROM webhook_delivery "  # noqa: S608
        "WHERE endpoint = :endpoint AND number = :number AND state = 0 ORDER BY no LIMIT 1",
        endpoint=endpoint,
        number=number,
    )
    return DeliveryRow._make(rows[0]) if rows else None


def free_streams(tx: Transaction) -> int:
    """Streams whose sender's lease has expired may be sent by others; returns how many."""
    return tx.execute(
        "UPDATE webhook_stream SET holder = NULL, fence = fence + 1 WHERE holder IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM worker AS w WHERE w.id = webhook_stream.holder AND w.expires_at > :now)",
        now=tx.now,
    )


# what came of them


def settle_sent(tx: Transaction, sent: Sequence[Sent]) -> None:
    """Write what came of attempts whose fence is current, and let the next of their streams go."""
    # In one order everywhere, so that two processes cannot wait for each other's rows.
    for one in sorted(sent, key=lambda one: one.sending.delivery[:3]):
        if _settle_one(tx, one):
            _count_attempt(tx, one)


def _settle_one(tx: Transaction, sent: Sent) -> bool:
    delivery = sent.sending.delivery
    stream = {"endpoint": delivery.endpoint, "number": delivery.number}
    is_over = sent.state != DeliveryState.PENDING
    held = tx.execute(
        "UPDATE webhook_stream SET holder = NULL, due_at = :due_at "
        "WHERE endpoint = :endpoint AND number = :number AND fence = :fence AND holder IS NOT NULL",
        due_at=tx.now + sent.wait_ms,
        fence=sent.sending.fence,
        **stream,
    )
    if held == 0:
        return False
    tx.execute(
        "UPDATE webhook_delivery SET state = :state, attempts = :attempts, sent_at = :sent_at, status = :status, "
        "duration_ms = :duration_ms, answer = :answer WHERE endpoint = :endpoint AND number = :number AND no = :no",
        state=int(sent.state),
        attempts=delivery.attempts + 1,
        sent_at=tx.now,
        status=sent.status,
        duration_ms=sent.duration_ms,
        answer=sent.answer,
        no=delivery.no,
        **stream,
    )
    if is_over and _find_first(tx, delivery.endpoint, delivery.number) is None:
        _end_stream(tx, delivery.endpoint, delivery.number)
    return True


def _end_stream(tx: Transaction, endpoint: str, number: int) -> None:
    sql = "DELETE FROM webhook_stream WHERE endpoint = :endpoint AND number = :number"
    tx.execute(sql, endpoint=endpoint, number=number)


def _count_attempt(tx: Transaction, sent: Sent) -> None:
    id_ = sent.sending.endpoint.id
    rows = tx.query(
        "SELECT failures, openings, open_until, failing_since FROM webhook_endpoint WHERE id = :id", id=id_
    )
    if not rows:
        return
    before = Breaker._make(rows[0])
    if sent.state == DeliveryState.DELIVERED and before == CLOSED:
        return
    after = CLOSED
    if sent.state != DeliveryState.DELIVERED:
        after = count_failure(before, now=tx.now, retry_after_ms=sent.retry_after_ms)
    write_breaker(tx, id_, after)
    if sent.is_gone or is_hopeless(after, tx.now):
        tx.execute(
            "UPDATE webhook_endpoint SET disabled_at = :now, disabled_reason = :reason "
            "WHERE id = :id AND disabled_at IS NULL",
            now=tx.now,
            reason="gone" if sent.is_gone else "failing",
            id=id_,
        )


def next_due(tx: Transaction) -> int | None:
    """When the next stream that nobody holds is due, whether or not its endpoint may be sent to."""
    sql = "SELECT min(due_at) FROM webhook_stream WHERE holder IS NULL AND due_at > :now"
    due: int | None = tx.query(sql, now=tx.now)[0][0]
    return due


# the log of them


def list_deliveries(
    reader: Reader, endpoint: str, *, before: tuple[int, int, int] | None, state: int | None, limit: int
) -> list[tuple[DeliveryRow, int | None]]:
    """An endpoint's deliveries below `before` (at, no, number), newest first, with when its stream is due."""
    at, no, number = before or (2**62, 0, 0)
    rows = reader.query(
        f"SELECT {', '.join(f'd.{name}' for name in DeliveryRow._fields)}, s.due_at FROM webhook_delivery AS d "  # noqa: S608
        "LEFT JOIN webhook_stream AS s ON s.endpoint = d.endpoint AND s.number = d.number AND d.state = 0 "
        "WHERE d.endpoint = :endpoint AND (d.at, d.no, d.number) < (:at, :no, :number) "
        "AND d.state BETWEEN :least AND :most ORDER BY d.at DESC, d.no DESC, d.number DESC LIMIT :limit",
        endpoint=endpoint,
        at=at,
        no=no,
        number=number,
        least=0 if state is None else state,
        most=9 if state is None else state,
        limit=limit,
    )
    return [(DeliveryRow._make(row[:-1]), row[-1]) for row in rows]


def redeliver(tx: Transaction, endpoint: str, *, id_: str | None = None, since: int | None = None) -> int:
    """Send again what is over: the delivery of that id, or all of events since then; returns how many.

    They keep their ids, and go in the order of their events before what is pending.
    """
    where = "endpoint = :endpoint AND " + ("id = :id" if since is None else "at >= :since")
    params: dict[str, Any] = {"id": id_} if since is None else {"since": since}
    again = tx.execute(
        f"UPDATE webhook_delivery SET state = 0, attempts = 0 WHERE {where} AND state <> 0",  # noqa: S608
        endpoint=endpoint,
        **params,
    )
    if again:
        tx.execute(
            "INSERT INTO webhook_stream (endpoint, number, due_at) "  # noqa: S608
            f"SELECT DISTINCT endpoint, number, CAST(:now AS BIGINT) FROM webhook_delivery "
            f"WHERE {where} AND state = 0 "
            "ON CONFLICT (endpoint, number) DO UPDATE SET due_at = excluded.due_at",
            endpoint=endpoint,
            now=tx.now,
            **params,
        )
    return again


def add_test(tx: Transaction, endpoint: str, message: Message) -> None:
    """A test message, in a stream of its own."""
    last = tx.query(
        "SELECT coalesce(max(no), 0) FROM webhook_delivery WHERE endpoint = :endpoint AND number = 0",
        endpoint=endpoint,
    )[0][0]
    add_deliveries(tx, [DeliveryRow(endpoint, 0, int(last) + 1, message.id, message.type, tx.now, message.body)])


def prune_deliveries(tx: Transaction, before: int) -> None:
    """Forget deliveries of events before that time: what is over, and what no endpoint took until now."""
    tx.execute("DELETE FROM webhook_delivery WHERE at < :before", before=before)
    tx.execute(
        "DELETE FROM webhook_stream WHERE holder IS NULL AND NOT EXISTS (SELECT 1 FROM webhook_delivery AS d "
        "WHERE d.endpoint = webhook_stream.endpoint AND d.number = webhook_stream.number AND d.state = 0)"
    )
