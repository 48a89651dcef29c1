"""The use cases of webhooks: endpoints, secrets, the log of deliveries. upkeep/sending.py sends.

An endpoint of another owner answers exactly like one that does not exist.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from jobwire.dialects.webhook_forms import OVERLAP_S_DEFAULT, OVERLAP_S_MAX
from jobwire.domain.errors import RequestError
from jobwire.domain.webhooks import CLOSED, DeliveryRow, EndpointRow, name_owner_secrets
from jobwire.net.fetch import FetchPolicy
from jobwire.net.webhook_signing import Keyring, Scheme, SecretName, can_sign
from jobwire.service.submission import refuse
from jobwire.service.webhook_fields import check_events, check_kinds, check_url
from jobwire.store import webhook_deliveries, webhooks
from jobwire.store.contract import Store, Transaction
from jobwire.store.webhook_messages import write_test
from jobwire.store.webhook_senders import place_senders
from jobwire.store.webhooks import SecretRow

ENDPOINTS_MAX = 20
SECRETS_LIVE_MAX = 3
TEST_ID_BYTES = 12

_ENDPOINT_ID = re.compile(r"whe_[0-9a-v]{26}")
_MESSAGE_ID = re.compile(r"msg_[0-9a-z_]{1,60}")


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret that was just made: the only moment at which it is shown."""

    row: SecretRow
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """An endpoint with its live secrets, newest first, and what may be shown of them."""

    endpoint: EndpointRow
    secrets: Sequence[SecretRow] = ()
    public_keys: Sequence[str] = ()


class Webhooks:
    """The endpoints of one store; thread-safe. `policy` judges their URLs, `keyring` derives their secrets."""

    def __init__(self, store: Store, clock: Callable[[], int], *, keyring: Keyring, policy: FetchPolicy) -> None:
        self._store = store
        self._clock = clock
        self.keyring = keyring
        self.policy = policy

    async def create(
        self,
        owner: int,
        url: str,
        *,
        events: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        scheme: Scheme = "v1",
    ) -> tuple[Shown, NewSecret]:
        """A new endpoint and its first secret. RequestError invalid_request, conflict when there are too many."""
        if not can_sign(scheme):
            raise refuse(
                "/scheme", "this server cannot sign v1a; its operator installs 'jobwire[webhooks]', or use v1"
            )
        endpoint = EndpointRow(
            id=webhooks.make_endpoint_id(self._clock()),
            owner=owner,
            url=check_url(url, self.policy),
            is_ad_hoc=0,
            scheme=scheme,
            events=_write_words(check_events(events)),
            kinds=_write_words(check_kinds(kinds)),
            created_at=self._clock(),
        )

        def insert(tx: Transaction) -> SecretRow:
            if webhooks.count_registered(tx, owner) >= ENDPOINTS_MAX:
                raise RequestError(
                    "conflict", f"this account has {ENDPOINTS_MAX} webhooks, which is the most; delete one first"
                )
            webhooks.insert_endpoint(tx, endpoint)
            return self._add_secret(tx, endpoint.id, 0)

        made = await self._store.write(insert)
        return self._show(endpoint, [made]), self._reveal(made, scheme)

    async def find(
        self, owner: int, *, before: str | None = None, is_ad_hoc: bool | None = None, limit: int
    ) -> list[Shown]:
        """The owner's endpoints below the id `before`, newest first, without their secrets."""
        if before is not None and not is_endpoint_id(before):
            raise refuse("/cursor", "not a cursor of this list; send next_cursor as it was given")
        rows = await self._store.read(
            lambda reader: webhooks.list_endpoints(reader, owner, before=before, is_ad_hoc=is_ad_hoc, limit=limit)
        )
        return [Shown(row) for row in rows]

    async def read(self, owner: int, id_: str) -> Shown:
        """The owner's endpoint. RequestError not_found."""
        if not is_endpoint_id(id_):
            raise _not_found()
        now = self._clock()
        endpoint = await self._store.read(lambda reader: webhooks.find_endpoint(reader, owner, id_))
        if endpoint is None:
            raise _not_found()
        live = await self._store.read(lambda reader: webhooks.list_secrets(reader, endpoint.secret_holder, now))
        return self._show(endpoint, live)

    async def change(self, owner: int, id_: str, **changes: Any) -> Shown:
        """The endpoint with another `url`, `events` or `kinds`, or `is_enabled`: events go nowhere while it is not.

        What waits is kept; enabled again, an endpoint starts with a closed breaker.
        """
        checked: dict[str, Any] = {}
        if "url" in changes:
            checked["url"] = check_url(changes["url"], self.policy)
        if "events" in changes:
            checked["events"] = _write_words(check_events(changes["events"]))
        if "kinds" in changes:
            checked["kinds"] = _write_words(check_kinds(changes["kinds"]))

        def write(tx: Transaction) -> None:
            # May run again from its start: what it decides stays its own.
            endpoint = _require(tx, owner, id_)
            if endpoint.is_ad_hoc and checked:
                raise RequestError("conflict", "a submission made this webhook; only `enabled` of it can be changed")
            after = endpoint._replace(**checked)
            if changes.get("is_enabled") is True and endpoint.disabled_at is not None:
                webhooks.write_breaker(tx, id_, CLOSED)
                after = after._replace(disabled_at=None, disabled_reason=None)
                webhooks.call_sender(tx, owner)
            if changes.get("is_enabled") is False and endpoint.disabled_at is None:
                after = after._replace(disabled_at=tx.now, disabled_reason="owner")
            webhooks.write_endpoint(tx, after)
            place_senders(tx, [owner])

        await self._store.write(write)
        return await self.read(owner, id_)

    async def delete(self, owner: int, id_: str) -> None:
        """Forget an endpoint, what waits for it and its log. RequestError not_found."""
        await self._store.write(lambda tx: webhooks.delete_endpoint(tx, _require(tx, owner, id_)))

    async def rotate(
        self, owner: int, id_: str | None = None, *, overlap_s: int = OVERLAP_S_DEFAULT
    ) -> tuple[Shown | None, NewSecret]:
        """A new secret of an endpoint, or without one of the owner, which signs for all URLs its submissions name.

        Those before it sign beside it for `overlap_s` more seconds; at most three sign at once.
        """
        if not 0 <= overlap_s <= OVERLAP_S_MAX:
            raise refuse("/overlap_s", f"overlap_s is {overlap_s}; it lies between 0 and {OVERLAP_S_MAX} seconds")

        def add(tx: Transaction) -> tuple[EndpointRow | None, SecretRow]:
            endpoint = None if id_ is None else _require(tx, owner, id_)
            if endpoint is not None and endpoint.is_ad_hoc:
                raise RequestError("conflict", "a submission made this webhook; rotate the account's own secret")
            holder = name_owner_secrets(owner) if endpoint is None else endpoint.id
            return endpoint, self._add_secret(tx, holder, overlap_s * 1_000)

        endpoint, made = await self._store.write(add)
        scheme: Scheme = "v1" if endpoint is None else endpoint.scheme  # type: ignore[assignment]
        shown = None if endpoint is None else await self.read(owner, endpoint.id)
        return shown, self._reveal(made, scheme)

    async def send_test(self, owner: int, id_: str) -> str:
        """The webhook-id of a test message that is now on its way. RequestError not_found, conflict if disabled."""
        message_id = f"msg_test_{secrets.token_hex(TEST_ID_BYTES)}"

        def add(tx: Transaction) -> None:
            if _require(tx, owner, id_).disabled_at is not None:
                raise RequestError("conflict", "the webhook is disabled; enable it first")
            webhook_deliveries.add_test(tx, id_, write_test(message_id, at=tx.now))
            place_senders(tx, [owner])

        await self._store.write(add)
        return message_id

    async def deliveries(
        self, owner: int, id_: str, *, before: tuple[int, int, int] | None, state: int | None, limit: int
    ) -> list[tuple[DeliveryRow, int | None]]:
        """The log of an endpoint, newest first, each with its next attempt's time. RequestError not_found."""
        await self.read(owner, id_)
        return await self._store.read(
            lambda reader: webhook_deliveries.list_deliveries(reader, id_, before=before, state=state, limit=limit)
        )

    async def redeliver(self, owner: int, id_: str, *, delivery: str | None = None, since: int | None = None) -> int:
        """How many are sent again, under their old ids: one delivery that is over, or those of all events since then.

        RequestError not_found when there is no such delivery, conflict when it is still on its way.
        """

        if delivery is not None and _MESSAGE_ID.fullmatch(delivery) is None:
            raise _no_delivery()

        def send(tx: Transaction) -> int:
            again = webhook_deliveries.redeliver(tx, _require(tx, owner, id_), id_=delivery, since=since)
            if not again and delivery is not None:
                raise _no_delivery()
            place_senders(tx, [owner])
            return again

        return await self._store.write(send)

    def _add_secret(self, tx: Transaction, holder: str, overlap_ms: int) -> SecretRow:
        return webhooks.add_secret(tx, holder, self.keyring.newest, live_max=SECRETS_LIVE_MAX, overlap_ms=overlap_ms)

    def _reveal(self, row: SecretRow, scheme: Scheme) -> NewSecret:
        return NewSecret(row, self.keyring.show_secret(SecretName(*row[:3]), scheme))

    def _show(self, endpoint: EndpointRow, live: Sequence[SecretRow]) -> Shown:
        public = []
        if endpoint.scheme == "v1a" and can_sign("v1a"):
            names = [SecretName(*row[:3]) for row in live if self.keyring.has(row.key_id)]
            public = [self.keyring.show_secret(name, "v1a") for name in names]
        return Shown(endpoint, live, public)


def is_endpoint_id(text: str) -> bool:
    """Whether the text may be an endpoint's id: nothing else is looked for."""
    return _ENDPOINT_ID.fullmatch(text) is not None


def _require(tx: Transaction, owner: int, id_: str) -> EndpointRow:
    endpoint = webhooks.find_endpoint(tx, owner, id_) if is_endpoint_id(id_) else None
    if endpoint is None:
        raise _not_found()
    return endpoint


def _write_words(words: Sequence[str] | None) -> str | None:
    return None if words is None else msgspec.json.encode(words).decode()


def _not_found() -> RequestError:
    return RequestError("not_found", "there is no such webhook; check the id and that it is your account's")


def _no_delivery() -> RequestError:
    return RequestError("not_found", "there is no delivery of that id that is over; read the deliveries")
