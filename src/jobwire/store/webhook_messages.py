"""The messages that webhooks carry, as JSON text; the same event gives the same bytes at any time."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from jobwire.domain.ids import show_id
from jobwire.domain.phases import Phase
from jobwire.domain.states import Event
from jobwire.domain.webhooks import EVENT_TYPES, PHASES_AFTER, TEST_EVENT

_encode = msgspec.json.Encoder().encode


class Message(NamedTuple):
    """One event of a job on its way to endpoints: `id` is the webhook-id, `body` the JSON text that is signed."""

    id: str
    type: str
    body: str


def write_message(
    key: str, *, kind: str, event: Event, no: int, at: int, version: int, phase: Phase | None
) -> Message:
    """The message of an event, the same at any time; `phase` is the job's own where it is still the event's."""
    type_ = EVENT_TYPES[event]
    data = {
        "id": show_id(key),
        "kind": kind,
        "phase": str(phase or PHASES_AFTER[event]),
        "version": version,
        "event_no": no,
    }
    return Message(f"msg_{key}_{no}", type_, _write_body(type_, at, data))


def write_test(id_: str, *, at: int) -> Message:
    """The message that an owner asks for to see whether an endpoint works."""
    return Message(id_, TEST_EVENT, _write_body(TEST_EVENT, at, {}))


def _write_body(type_: str, at: int, data: Mapping[str, object]) -> str:
    moment = datetime.fromtimestamp(at / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _encode({"type": type_, "timestamp": moment, "data": data}).decode()
