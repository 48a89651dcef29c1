"""What the webhooks' calls of the native dialect take and answer; http/webhooks.py fills them."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from jobwire.dialects.parse import Time

OVERLAP_S_DEFAULT = 24 * 3_600
OVERLAP_S_MAX = 7 * 24 * 3_600


class EndpointForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A webhook to register: `events` are types such as `job.completed`, or `*`; without it those that end a job."""

    url: str
    events: list[str] | None = None
    kinds: list[str] | None = None
    scheme: Literal["v1", "v1a"] = "v1"


class EndpointChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change of a webhook; what is left out stays."""

    url: str | UnsetType = UNSET
    events: list[str] | UnsetType | None = UNSET
    kinds: list[str] | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class RotationForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many seconds the secrets until now sign beside the new one."""

    overlap_s: Annotated[int, Meta(ge=0, le=OVERLAP_S_MAX)] = OVERLAP_S_DEFAULT


class RedeliveryForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The id of one delivery, or the time since which every event is sent again."""

    delivery: str | None = None
    since: Time | None = None


class SecretState(msgspec.Struct, frozen=True):
    """A secret that signs, until it expires."""

    generation: int
    created_at: str
    expires_at: str | None


class SecretView(msgspec.Struct, frozen=True):
    """A secret, shown this once."""

    secret: str
    generation: int


class EndpointView(msgspec.Struct, frozen=True):
    """A webhook; `secret` only in the answer that made it, `secrets` and `public_keys` not in a list."""

    id: str
    url: str
    source: Literal["registered", "submission"]
    status: Literal["active", "failing", "disabled"]
    events: list[str] | None
    kinds: list[str] | None
    scheme: str
    created_at: str
    disabled_at: str | None
    disabled_reason: str | None
    failures: int
    retry_at: str | None
    secrets: list[SecretState] | UnsetType = UNSET
    public_keys: list[str] | UnsetType = UNSET
    secret: str | UnsetType = UNSET


class EndpointPage(msgspec.Struct, frozen=True):
    """A page of webhooks; `next_cursor` is null on the last one."""

    webhooks: list[EndpointView]
    next_cursor: str | None


class DeliveryView(msgspec.Struct, frozen=True):
    """A message to a webhook and its last attempt; `id` is its webhook-id, `answer` the first characters received."""

    id: str
    type: str
    state: Literal["pending", "delivered", "given_up"]
    event_at: str
    attempts: int
    last_attempt_at: str | None
    status: int | None
    duration_ms: int | None
    answer: str | None
    next_attempt_at: str | None


class DeliveryPage(msgspec.Struct, frozen=True):
    """A page of deliveries; `next_cursor` is null on the last one."""

    deliveries: list[DeliveryView]
    next_cursor: str | None


class Redelivered(msgspec.Struct, frozen=True):
    """How many messages are sent again."""

    redelivered: int


class MessageSent(msgspec.Struct, frozen=True):
    """The webhook-id of the test message."""

    delivery: str
