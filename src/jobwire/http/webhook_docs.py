"""The webhooks of an OpenAPI document: a message for each event, the headers it is signed in, the answers it takes.

store/webhook_messages.py writes the messages, net/webhook_signing.py the headers.
"""

from collections.abc import Mapping
from typing import Any

from jobwire.dialects.spec import Dialect
from jobwire.domain.ids import ID_LENGTH
from jobwire.domain.phases import Phase
from jobwire.domain.states import Event
from jobwire.domain.webhooks import EVENT_TYPES, TEST_EVENT

Described = dict[str, Any]

TEXTS: Mapping[Event, str] = {
    Event.SUBMITTED: "A job was submitted",
    Event.PROMOTED: "The time of a scheduled job has come",
    Event.CLAIMED: "A job has started",
    Event.PROGRESSED: "A job has told its progress",
    Event.COMPLETED: "A job has completed",
    Event.RETRIED: "An attempt has failed, and another one comes",
    Event.FAILED: "A job has failed",
    Event.RESCUED: "A job's worker died; the job waits again",
    Event.CANCELLED: "A job was cancelled",
    Event.CANCEL_REQUESTED: "A running job was asked to stop",
    Event.INTERRUPTED: "A job's worker shut down; the job waits again",
    Event.SNOOZED: "A job goes on later",
    Event.EXPIRED: "A job's deadline has passed before it started",
}
_TEST_TEXT = "You have asked for a test message"
_HEADERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "webhook-id": ("The message's id, the same in every attempt: take a message once.", {"type": "string"}),
    "webhook-timestamp": (
        "When this attempt was sent, in Unix seconds: refuse what is far from now.",
        {"type": "string", "pattern": "^[0-9]+$"},
    ),
    "webhook-signature": (
        "Signatures with a space between them, one for each live secret: `v1,` and the HMAC-SHA256 in Base64, or "
        "`v1a,` and the Ed25519 signature, of webhook-id, webhook-timestamp and the body with dots between them. "
        "Verify one of them, as Standard Webhooks says.",
        {"type": "string"},
    ),
}
_RESPONSES: Mapping[str, Mapping[str, str]] = {
    "2XX": {"description": "Taken. Answer within 15 seconds."},
    "410": {"description": "You want no more: the webhook is switched off."},
    "default": {"description": "Sent again later, up to ten times within three days; Retry-After is honoured."},
}


def has_webhooks(dialect: Dialect) -> bool:
    """Whether the dialect's callers can have messages sent to them."""
    return any(route.action == "create_webhook" for route in dialect.routes)


def describe_webhooks() -> Described:
    """The message of each type, by the type."""
    told = {EVENT_TYPES[event]: text for event, text in TEXTS.items()}
    data = {"$ref": "#/components/schemas/WebhookData"}
    webhooks = {type_: _describe_message(type_, text, data) for type_, text in told.items()}
    return webhooks | {TEST_EVENT: _describe_message(TEST_EVENT, _TEST_TEXT, {"type": "object", "maxProperties": 0})}


def describe_webhook_data() -> Described:
    """What all messages about a job have in common."""
    properties: Described = {
        "id": {"type": "string", "pattern": f"^job_[0-9a-v]{{{ID_LENGTH}}}$"},
        "kind": {"type": "string"},
        "phase": {"type": "string", "enum": [phase.value for phase in Phase]},
        "version": {"type": "integer", "minimum": 1, "description": "The job's version after the event."},
        "event_no": {"type": "integer", "description": "The event's number in the log, as its stream shows it."},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _describe_message(type_: str, text: str, data: Mapping[str, Any]) -> Described:
    properties: Described = {
        "type": {"const": type_},
        "timestamp": {"type": "string", "format": "date-time", "description": "When it happened."},
        "data": data,
    }
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    parameters = [
        {"name": name, "in": "header", "required": True, "description": about, "schema": shape}
        for name, (about, shape) in _HEADERS.items()
    ]
    operation = {
        "summary": text,
        "parameters": parameters,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": _RESPONSES,
        "security": [],
    }
    return {"post": operation}
