"""From the event log to deliveries: over a Reader or a Transaction of any engine.

The log is read behind a cursor that moves in the transaction that writes the deliveries: each event comes to each
endpoint once, whoever dies meanwhile, and a submission or settlement costs nothing more than without webhooks.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from jobwire.domain.phases import phase_of
from jobwire.domain.states import Event, Reason, State
from jobwire.domain.webhooks import DeliveryRow, matches
from jobwire.store.contract import Reader, Transaction
from jobwire.store.transaction import encode_json
from jobwire.store.webhook_deliveries import add_deliveries
from jobwire.store.webhook_messages import Message, write_message
from jobwire.store.webhook_senders import place_senders
from jobwire.store.webhooks import CURSOR

EVENT_ROWS_MAX = 256
EVENTS_MAX = 2_000

_decode_pairs = msgspec.json.Decoder(list[tuple[int, int]]).decode
_decode_words = msgspec.json.Decoder(list[str]).decode


class Heard(NamedTuple):
    """What was read of the event log: from the cursor's value `since` to event `until`, and what it becomes."""

    since: int
    until: int
    deliveries: list[DeliveryRow]


def hear_events(reader: Reader, seen: int) -> Heard | None:
    """What has happened since the cursor, or since event `seen` if it is known that nothing until there is wanted."""
    cursor = reader.query("SELECT value FROM ledger WHERE name = :name", name=CURSOR)
    if not cursor:
        return None
    since = int(cursor[0][0])
    happened, until = _read_events(reader, max(since, seen))
    if not happened:
        return Heard(since, until, [])
    jobs = {row[0]: row for row in _read_wanted(reader, {number for *_, number, _ in happened})}
    filters = _Filters(reader)
    deliveries = [
        DeliveryRow(endpoint, number, no, *message[:2], at, message.body)
        for no, at, event, number, version in happened
        if (job := jobs.get(number)) is not None
        for endpoint, message in _write_messages(filters, job, no=no, at=at, event=event, version=version)
    ]
    return Heard(since, until, deliveries)


def _read_events(reader: Reader, after: int) -> tuple[list[tuple[int, int, Event, int, int]], int]:
    rows = reader.query(
        "SELECT no, at, event, jobs FROM event WHERE no > :after ORDER BY no LIMIT :limit",
        after=after,
        limit=EVENT_ROWS_MAX,
    )
    happened: list[tuple[int, int, Event, int, int]] = []
    for no, at, event, jobs in rows:
        if len(happened) >= EVENTS_MAX:
            break
        happened += [(no, at, Event(event), number, version) for number, version in _decode_pairs(jobs)]
        after = no
    return happened, after


def _read_wanted(reader: Reader, numbers: set[int]) -> list[tuple[Any, ...]]:
    """Of these jobs those that any endpoint may want, with what their messages tell."""
    return reader.query(reader.sql.events["wanted"], numbers=encode_json(sorted(numbers)))


class _Filters:
    """The registered endpoints of owners, read once each."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[int, list[tuple[str, list[str] | None, list[str] | None]]] = {}

    def of(self, owner: int) -> list[tuple[str, list[str] | None, list[str] | None]]:
        """Each endpoint's id, events and kinds."""
        if owner not in self._known:
            rows = self._reader.query(
                "SELECT id, events, kinds FROM webhook_endpoint "
                "WHERE owner = :owner AND is_ad_hoc = 0 AND disabled_at IS NULL ORDER BY id",
                owner=owner,
            )
            self._known[owner] = [(id_, _read_words(events), _read_words(kinds)) for id_, events, kinds in rows]
        return self._known[owner]


def _write_messages(
    filters: _Filters, job: tuple[Any, ...], *, no: int, at: int, event: Event, version: int
) -> Iterator[tuple[str, Message]]:
    _, key, owner, kind, last_version, state, reason, attempt, run_at, asked_at, ad_hoc, ad_hoc_events = job
    phase = None
    if version == last_version:
        phase = phase_of(
            State(state),
            reason=Reason(reason),
            attempt=attempt,
            is_due=run_at is None,
            cancel_requested=asked_at is not None,
        )
    message = write_message(key, kind=kind, event=event, no=no, at=at, version=version, phase=phase)
    for endpoint, events, kinds in filters.of(owner):
        if matches(events, message.type) and (kinds is None or kind in kinds):
            yield endpoint, message
    if ad_hoc is not None and matches(_read_words(ad_hoc_events), message.type):
        yield ad_hoc, message


def _read_words(text: str | None) -> list[str] | None:
    return None if text is None else _decode_words(text)


def record_heard(tx: Transaction, heard: Heard) -> bool:
    """Write the deliveries, with jobs that send them, and move the cursor over their events.

    False, and nothing, if another process has done so or is about to.
    """
    # Not waited for: whoever has it may be waiting for a sender's row that this transaction holds.
    if tx.query(tx.sql.events["take_cursor"], name=CURSOR) != [(str(heard.since),)]:
        return False
    tx.execute("UPDATE ledger SET value = :until WHERE name = :name", name=CURSOR, until=str(heard.until))
    if heard.deliveries:
        place_senders(tx, add_deliveries(tx, heard.deliveries))
    return True
