"""Endpoints, submissions that name a URL, secrets and their rotation, redelivery: what each comes to on the wire."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from webhook_receiver import OK, Answer, Receiver
from webhook_rig import FAILED, POLICY, Rig, open_rig

from jobwire.domain.errors import RequestError
from jobwire.domain.ids import show_id
from jobwire.domain.job import JobFilter
from jobwire.domain.phases import Phase
from jobwire.domain.webhooks import SENDER_KIND, sender_of
from jobwire.net.fetch import Fetcher
from jobwire.net.policy import FetchPolicy
from jobwire.net.webhook_signing import Keyring, make_key
from jobwire.service.webhooks import ENDPOINTS_MAX, SECRETS_LIVE_MAX, Webhooks
from jobwire.store import accounts
from jobwire.store.contract import Store, Transaction
from jobwire.store.pending import Pending
from jobwire.store.webhook_deliveries import prune_deliveries
from jobwire.store.webhooks import prune_endpoints
from manual_clock import ManualClock

DAY_MS = 24 * 3_600_000


def run(store: Store, clock: ManualClock, story: Callable[[Rig], Awaitable[None]]) -> None:
    async def tell() -> None:
        async with open_rig(store, clock) as rig:
            await story(rig)

    asyncio.run(tell())


def holds(secret: str, request: object) -> bool:
    try:
        Webhook(secret).verify(request.body, dict(request.headers))  # type: ignore[attr-defined]
    except WebhookVerificationError:
        return False
    return True


def test_a_submission_may_name_a_url_without_an_endpoint_made_before(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        named = await rig.submit(owner, webhook=receiver.url + "/a")
        await rig.submit(owner)
        all_events = await rig.submit(owner, webhook={"url": receiver.url + "/b", "events": ["*"]})
        await rig.finish()
        await rig.send()
        assert [r.message["data"]["id"] for r in receiver.taken if r.path == "/a"] == [show_id(named.key)]
        sent = [r.message["data"]["event_no"] for r in receiver.taken if r.path == "/b"]
        assert sent == [event.no for event in await rig.store.events(0, number=all_events.number)]
        assert len(receiver.taken) == 1 + len(sent)
        _, secret = await rig.webhooks.rotate(owner)
        await rig.submit(owner, webhook=receiver.url + "/a")
        await rig.finish()
        await rig.send()
        assert holds(secret.text, receiver.taken[-1])
        assert not holds(secret.text, receiver.taken[0])

    run(store, clock, story)


def test_a_rerun_goes_where_its_origin_went(store: Store, clock: ManualClock, receiver: Receiver) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        origin = await rig.submit(owner, webhook=receiver.url)
        await rig.finish(FAILED)
        again = await rig.submit(owner, rerun_of=origin.number, root=origin.number)
        await rig.finish()
        await rig.send()
        assert {(r.message["type"], r.message["data"]["id"]) for r in receiver.taken} == {
            ("job.failed", show_id(origin.key)),
            ("job.completed", show_id(again.key)),
        }

    run(store, clock, story)


def test_filters_choose_events_and_kinds(store: Store, clock: ManualClock, receiver: Receiver) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.webhooks.create(owner, receiver.url + "/failed", events=["job.failed"])
        await rig.webhooks.create(owner, receiver.url + "/echo", kinds=["echo"])
        for kind, outcome in (("echo", FAILED), ("slow", FAILED)):
            await rig.submit(owner, kind)
            await rig.finish(outcome)
        await rig.send()
        sent = sorted((r.path, r.message["data"]["kind"]) for r in receiver.taken)
        assert sent == [("/echo", "echo"), ("/failed", "echo"), ("/failed", "slow")]

    run(store, clock, story)


def test_nobody_hears_of_anybody_elses_jobs(store: Store, clock: ManualClock, receiver: Receiver) -> None:
    async def story(rig: Rig) -> None:
        ada, eve = await rig.owner("ada"), await rig.owner("eve")
        await rig.webhooks.create(eve, receiver.url, events=["*"])
        await rig.submit(ada)
        await rig.finish()
        await rig.send()
        assert receiver.requests == []

    run(store, clock, story)


def test_an_endpoint_hears_nothing_of_what_was_before_it(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.submit(owner)
        await rig.finish()
        await rig.store.events(0)
        await rig.webhooks.create(owner, receiver.url, events=["*"])
        await rig.send()
        assert receiver.requests == []

    run(store, clock, story)


def test_the_jobs_that_send_are_nobodys_and_nobody_is_told_of_them(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.webhooks.create(owner, receiver.url, events=["*"])
        receipt = await rig.submit(owner)
        await rig.finish()
        for _ in range(3):
            await rig.send()
        assert [r.message["data"]["event_no"] for r in receiver.taken] == [
            event.no for event in await rig.store.events(0, number=receipt.number)
        ]
        assert [row.number for row in await rig.store.find(owner, JobFilter())] == [receipt.number]
        [row] = await rig.store.find(sender_of(owner), JobFilter())
        assert (row.kind, row.phase) == (SENDER_KIND, Phase.COMPLETED)
        assert [row.id for row in await rig.store.read(accounts.list_owners)] == [owner]

    run(store, clock, story)


def test_during_a_rotation_both_secrets_hold_and_after_it_the_new_one(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        shown, old = await rig.webhooks.create(owner, receiver.url)
        _, new = await rig.webhooks.rotate(owner, shown.endpoint.id, overlap_s=60)
        assert old.text != new.text
        for wait_ms, wanted in ((0, (True, True)), (59_999, (True, True)), (1, (False, True))):
            clock.advance(wait_ms)
            await rig.submit(owner)
            await rig.finish()
            await rig.send()
            request = receiver.taken[-1]
            assert (holds(old.text, request), holds(new.text, request)) == wanted
            assert request.headers["webhook-signature"].count("v1,") == sum(wanted)
        for _ in range(SECRETS_LIVE_MAX + 1):
            await rig.webhooks.rotate(owner, shown.endpoint.id)
        assert len((await rig.webhooks.read(owner, shown.endpoint.id)).secrets) == SECRETS_LIVE_MAX

    run(store, clock, story)


def test_v1a_is_verified_with_the_public_key_alone(store: Store, clock: ManualClock, receiver: Receiver) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        shown, secret = await rig.webhooks.create(owner, receiver.url, scheme="v1a")
        assert secret.text.startswith("whpk_") and [secret.text] == list(shown.public_keys)
        await rig.submit(owner)
        await rig.finish()
        await rig.send()
        [request] = receiver.taken
        version, _, signature = request.headers["webhook-signature"].partition(",")
        content = f"{request.id}.{request.headers['webhook-timestamp']}.".encode() + request.body
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(secret.text.removeprefix("whpk_")))
        key.verify(base64.b64decode(signature), content)
        assert version == "v1a"
        with pytest.raises(InvalidSignature):
            key.verify(base64.b64decode(signature), content + b" ")

    run(store, clock, story)


def test_a_delivery_is_sent_again_under_its_id_alone_or_with_all_since_a_time(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        shown, _ = await rig.webhooks.create(owner, receiver.url)
        starts = []
        for _ in range(3):
            starts.append(clock.advance(1_000))
            await rig.submit(owner)
            await rig.finish()
        await rig.send()
        first = {r.id: r.body for r in receiver.taken}
        ids = [r.id for r in sorted(receiver.taken, key=lambda r: r.id)]
        assert await rig.webhooks.redeliver(owner, shown.endpoint.id, delivery=ids[0]) == 1
        await rig.send()
        assert [r.id for r in receiver.taken[3:]] == [ids[0]]
        assert await rig.webhooks.redeliver(owner, shown.endpoint.id, since=starts[1]) == 2
        await rig.send()
        assert sorted(r.id for r in receiver.taken[4:]) == ids[1:]
        assert all(first[r.id] == r.body for r in receiver.taken)
        with pytest.raises(RequestError, match="no delivery"):
            await rig.webhooks.redeliver(owner, shown.endpoint.id, delivery="msg_unknown")
        with pytest.raises(RequestError, match="no such webhook"):
            await rig.webhooks.redeliver(await rig.owner("eve"), shown.endpoint.id, delivery=ids[0])

    run(store, clock, story)


def test_a_test_message_is_sent_at_once(store: Store, clock: ManualClock, receiver: Receiver) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        shown, secret = await rig.webhooks.create(owner, receiver.url)
        sent = [await rig.webhooks.send_test(owner, shown.endpoint.id) for _ in range(2)]
        await rig.send()
        assert [r.id for r in receiver.taken] == sent
        assert receiver.taken[0].message["type"] == "webhook.test" and holds(secret.text, receiver.taken[0])

    run(store, clock, story)


def test_a_name_that_leads_to_a_private_address_is_refused_when_it_is_sent_to(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        shown, _ = await rig.webhooks.create(owner, receiver.url.replace("127.0.0.1", "localhost"))
        await rig.submit(owner)
        await rig.finish()
        strict = FetchPolicy(ports=frozenset(range(1, 65_536)))
        async with Fetcher(strict) as fetcher:
            rig.fetcher = fetcher
            await rig.send()
        assert receiver.requests == []
        [(row, _)] = await rig.webhooks.deliveries(owner, shown.endpoint.id, before=None, state=0, limit=9)
        assert row.status is None and row.answer is not None and row.answer.startswith("url_forbidden")

    run(store, clock, story)


def test_a_sender_without_the_key_sends_nothing_unsigned(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.webhooks.create(owner, receiver.url)
        await rig.submit(owner)
        await rig.finish()
        await rig.send(rig.make_sender(Keyring([make_key("another")])))
        assert receiver.requests == []
        clock.advance(10_000)
        await rig.send()
        assert len(receiver.taken) == 1, "one that has the key sends it"

    run(store, clock, story)


def test_an_account_has_a_limited_number_of_endpoints(store: Store, clock: ManualClock, receiver: Receiver) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        made = [await rig.webhooks.create(owner, f"{receiver.url}/{n}") for n in range(ENDPOINTS_MAX)]
        with pytest.raises(RequestError, match="which is the most"):
            await rig.webhooks.create(owner, receiver.url)
        await rig.webhooks.delete(owner, made[0][0].endpoint.id)
        await rig.webhooks.create(owner, receiver.url)
        await rig.webhooks.create(await rig.owner("eve"), receiver.url)

    run(store, clock, story)


def test_a_deleted_endpoint_is_sent_nothing_more_and_leaves_nothing(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        shown, _ = await rig.webhooks.create(owner, receiver.url)
        receiver.answer = lambda _: Answer(500)
        await rig.submit(owner)
        await rig.finish()
        await rig.send()
        await rig.webhooks.delete(owner, shown.endpoint.id)
        receiver.answer = lambda _: OK
        clock.advance(DAY_MS)
        await rig.send()
        assert len(receiver.requests) == 1
        for table in ("endpoint", "delivery", "stream", "sender", "secret"):
            assert await rig.store.read(lambda r, t=table: r.query(f"SELECT * FROM webhook_{t}")) == []  # type: ignore[misc]

    run(store, clock, story)


def test_what_is_old_is_forgotten_and_the_urls_of_jobs_that_are_gone(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.submit(owner, webhook=receiver.url)
        await rig.finish()
        await rig.send()
        clock.advance(DAY_MS)
        await rig.store.write(lambda tx: (prune_deliveries(tx, clock() - DAY_MS), prune_endpoints(tx)))
        count = "SELECT (SELECT count(*) FROM webhook_endpoint), (SELECT count(*) FROM webhook_delivery)"
        assert await rig.store.read(lambda r: r.query(count)) == [(1, 1)]
        await rig.store.prune(clock())
        await rig.store.write(lambda tx: (prune_deliveries(tx, clock()), prune_endpoints(tx)))
        assert await rig.store.read(lambda r: r.query(count)) == [(0, 0)]

    run(store, clock, story)


def test_two_senders_hear_each_event_once(store: Store, clock: ManualClock, receiver: Receiver) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.webhooks.create(owner, receiver.url, events=["*"])
        senders = [rig.make_sender() for _ in range(3)]
        log = []
        for _ in range(10):
            receipt = await rig.submit(owner)
            await rig.finish()
            await asyncio.gather(*(rig.send(sender) for sender in senders))
            log += [event.no for event in await rig.store.events(0, number=receipt.number)]
        await rig.send()
        sent = [r.message["data"]["event_no"] for r in receiver.requests]
        assert sorted(sent) == sorted(log)

    run(store, clock, story)


class Twice:
    """A store whose writes run twice, as after a lost connection or a deadlock; the first time leaves nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def write(self, work: Callable[[Transaction], object]) -> Pending[object]:
        with suppress(UndoneError):
            self._store.write(lambda tx: undo(work(tx))).result(10)
        return self._store.write(work)


class UndoneError(Exception):
    """Takes a transaction back."""


def undo(_: object) -> None:
    raise UndoneError


def test_a_change_whose_transaction_runs_again_comes_to_the_same(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.submit(owner, webhook=receiver.url + "/a")
        twice = Webhooks(Twice(store), clock, keyring=rig.webhooks.keyring, policy=POLICY)  # type: ignore[arg-type]
        [ad_hoc] = await rig.webhooks.find(owner, limit=9)
        for is_enabled in (False, True):
            changed = await twice.change(owner, ad_hoc.endpoint.id, is_enabled=is_enabled)
            assert (changed.endpoint.disabled_at is None) == is_enabled
        with pytest.raises(RequestError, match="only `enabled`"):
            await twice.change(owner, ad_hoc.endpoint.id, events=["*"])
        shown, _ = await twice.create(owner, receiver.url + "/b")
        changed = await twice.change(owner, shown.endpoint.id, is_enabled=False, events=["*"])
        assert changed.endpoint.disabled_reason == "owner" and changed.endpoint.events == '["*"]'

    run(store, clock, story)
