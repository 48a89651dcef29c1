"""Deliveries: kept in streams, taken into a sender's hands, and what came of them. webhook_hearing.py makes them.

Portable SQL over a Reader or a Transaction, for any engine. A stream is the pending deliveries of one job to one
endpoint, of which only the first is sent: so they keep their order. webhook_senders.py says who may send.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
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
from jobwire.store.webhooks import call_sender, ensure_secret, list_secrets, write_breaker

ROWS_TOGETHER = 32

Stream = tuple[str, int]
"""A stream's name: its endpoint's id and its job's number."""

_ENDPOINT = ", ".join(f"e.{name}" for name in EndpointRow._fields)


class Sending(NamedTuple):
    """A delivery in a sender's hands."""

    delivery: DeliveryRow
    endpoint: EndpointRow
    secrets: tuple[SecretName, ...]

    @property
    def stream(self) -> Stream:
        """The stream whose first it is."""
        return self.delivery.endpoint, self.delivery.number


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


def add_deliveries(tx: Transaction, deliveries: Sequence[DeliveryRow]) -> list[int]:
    """Keep new deliveries; each is sent when those before it in its stream are over. Returns who is to be sent to.

    What is for an endpoint that is gone meanwhile is dropped.
    """
    owners = dict(tx.find("webhook_endpoint", ("id", "owner"), "id", sorted({row.endpoint for row in deliveries})))
    called = sorted(set(owners.values()))
    for owner in called:
        call_sender(tx, owner)
    rows = [row for row in deliveries if row.endpoint in owners]
    _insert(tx, "webhook_delivery", DeliveryRow._fields, rows)
    streams = sorted({(row.endpoint, row.number, owners[row.endpoint], tx.now) for row in rows})
    _insert(tx, "webhook_stream", ("endpoint", "number", "owner", "due_at"), streams)
    return called


def _insert(tx: Transaction, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    for chunk in _chunks(rows, ROWS_TOGETHER):
        places = ", ".join(f"({', '.join(f':{name}{index}' for name in columns)})" for index in range(len(chunk)))
        params = {
            f"{name}{index}": value
            for index, row in enumerate(chunk)
            for name, value in zip(columns, row, strict=True)
        }
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {places} ON CONFLICT DO NOTHING"  # noqa: S608
        tx.execute(sql, **params)


def _chunks(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


# into a sender's hands


class Share(NamedTuple):
    """How many more of an owner's deliveries may be sent, and how many to one endpoint at a time."""

    limit: int
    endpoint_max: int


def take_due(
    tx: Transaction, owner: int, *, held: Collection[Stream], share: Share, key_id: str, after: str
) -> list[Sending]:
    """Up to `share.limit` due deliveries of the owner, each the first of its stream, beside those of `held`.

    No endpoint has more than its share; one where the breaker lets a probe through has one. Endpoints take turns:
    those behind the id `after` come first. An owner whose submissions name URLs and who has no secret yet gets one
    of the key `key_id`.
    """
    busy = Counter(endpoint for endpoint, _ in held)
    taken: list[Sending] = []
    for first, last in ((after, None), ("", after)):
        # Those that have their share already may all stand in front.
        for endpoint in _find_busy(tx, owner, first, last, limit=share.limit - len(taken) + len(busy)):
            own = (share.endpoint_max if endpoint.open_until is None else 1) - busy[endpoint.id]
            room = min(own, share.limit - len(taken))
            taken += _take_of(tx, endpoint, held=held, limit=room, among=room + busy[endpoint.id], key_id=key_id)
            if len(taken) >= share.limit:
                return taken
    return taken


def _find_busy(tx: Transaction, owner: int, after: str, until: str | None, *, limit: int) -> list[EndpointRow]:
    """The owner's endpoints with a due delivery that may be sent to, by id; an idle endpoint costs nothing."""
    sql = (
        "WITH RECURSIVE busy (endpoint) AS ("  # noqa: S608
        "SELECT min(endpoint) FROM webhook_stream WHERE owner = :owner AND endpoint > :after UNION ALL "
        "SELECT (SELECT min(s.endpoint) FROM webhook_stream AS s "
        "WHERE s.owner = :owner AND s.endpoint > busy.endpoint) FROM busy WHERE busy.endpoint IS NOT NULL) "
        f"SELECT {_ENDPOINT} FROM busy JOIN webhook_endpoint AS e ON e.id = busy.endpoint "
        "WHERE e.disabled_at IS NULL AND (e.open_until IS NULL OR e.open_until <= :now) "
        "AND (:until = '' OR e.id <= :until) AND EXISTS (SELECT 1 FROM webhook_stream AS d "
        "WHERE d.owner = :owner AND d.endpoint = e.id AND d.due_at <= :now) LIMIT :limit"
    )
    if until == "":
        return []
    rows = tx.query(sql, owner=owner, after=after, until=until or "", now=tx.now, limit=limit)
    return [EndpointRow._make(row) for row in rows]


def _take_of(
    tx: Transaction, endpoint: EndpointRow, *, held: Collection[Stream], limit: int, among: int, key_id: str
) -> list[Sending]:
    if limit <= 0:
        return []
    due = tx.query(
        "SELECT number FROM webhook_stream WHERE owner = :owner AND endpoint = :endpoint AND due_at <= :now "
        "ORDER BY due_at, number LIMIT :among",
        owner=endpoint.owner,
        endpoint=endpoint.id,
        now=tx.now,
        among=among,
    )
    ensure_secret(tx, endpoint.secret_holder, key_id)
    live = list_secrets(tx, endpoint.secret_holder, tx.now)
    names = tuple(SecretName(row.holder, row.generation, row.key_id) for row in live)
    taken = []
    for (number,) in [row for row in due if (endpoint.id, row[0]) not in held][:limit]:
        delivery = _find_first(tx, endpoint.id, number)
        if delivery is None:
            # Its deliveries were pruned.
            _end_stream(tx, endpoint.id, number)
        else:
            taken.append(Sending(delivery, endpoint, names))
    return taken


def _find_first(tx: Transaction, endpoint: str, number: int) -> DeliveryRow | None:
    rows = tx.query(
        f"SELECT {_DELIVERY} FROM webhook_delivery "  # noqa: S608
        "WHERE endpoint = :endpoint AND number = :number AND state = 0 ORDER BY no LIMIT 1",
        endpoint=endpoint,
        number=number,
    )
    return DeliveryRow._make(rows[0]) if rows else None


# what came of them


def settle_sent(tx: Transaction, sent: Sequence[Sent]) -> None:
    """Write what came of attempts, and let the next of their streams go; what was deleted meanwhile stays so."""
    for one in sorted(sent, key=lambda one: one.sending.stream):
        if _settle_one(tx, one):
            _count_attempt(tx, one)


def _settle_one(tx: Transaction, sent: Sent) -> bool:
    delivery = sent.sending.delivery
    stream = {"endpoint": delivery.endpoint, "number": delivery.number}
    is_over = sent.state != DeliveryState.PENDING
    found = tx.execute(
        "UPDATE webhook_stream SET due_at = :due_at WHERE endpoint = :endpoint AND number = :number",
        due_at=tx.now + sent.wait_ms,
        **stream,
    )
    if found == 0:
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


def next_due(tx: Transaction, owner: int) -> int | None:
    """When the next delivery of the owner may be sent that may not be sent now."""
    due = tx.query(
        "SELECT s.due_at FROM webhook_stream AS s JOIN webhook_endpoint AS e ON e.id = s.endpoint "
        "WHERE s.owner = :owner AND s.due_at > :now AND e.disabled_at IS NULL "
        "AND (e.open_until IS NULL OR e.open_until <= s.due_at) ORDER BY s.due_at LIMIT 1",
        owner=owner,
        now=tx.now,
    )
    opens = tx.query(
        "SELECT min(e.open_until) FROM webhook_endpoint AS e WHERE e.owner = :owner AND e.disabled_at IS NULL "
        "AND e.open_until > :now "
        "AND EXISTS (SELECT 1 FROM webhook_stream AS s WHERE s.owner = :owner AND s.endpoint = e.id)",
        owner=owner,
        now=tx.now,
    )
    return min((at for (at,) in due + opens if at is not None), default=None)


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


def redeliver(tx: Transaction, endpoint: EndpointRow, *, id_: str | None = None, since: int | None = None) -> int:
    """Send again what is over: the delivery of that id, or all of events since then; returns how many.

    They keep their ids, and go in the order of their events before what is pending.
    """
    call_sender(tx, endpoint.owner)
    where = "endpoint = :endpoint AND " + ("id = :id" if since is None else "at >= :since")
    params: dict[str, Any] = {"endpoint": endpoint.id} | ({"id": id_} if since is None else {"since": since})
    again = tx.execute(
        f"UPDATE webhook_delivery SET state = 0, attempts = 0 WHERE {where} AND state <> 0",  # noqa: S608
        **params,
    )
    if again:
        tx.execute(
            "INSERT INTO webhook_stream (endpoint, number, owner, due_at) "  # noqa: S608
            "SELECT DISTINCT endpoint, number, CAST(:owner AS BIGINT), CAST(:now AS BIGINT) FROM webhook_delivery "
            f"WHERE {where} AND state = 0 "
            "ON CONFLICT (endpoint, number) DO UPDATE SET due_at = excluded.due_at",
            owner=endpoint.owner,
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
        "DELETE FROM webhook_stream WHERE NOT EXISTS (SELECT 1 FROM webhook_delivery AS d "
        "WHERE d.endpoint = webhook_stream.endpoint AND d.number = webhook_stream.number AND d.state = 0)"
    )
