"""What an endpoint gets: signed, in order, again until it takes it, and not for ever."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from webhook_receiver import OK, Answer, Receiver
from webhook_rig import Rig, open_rig

from jobwire.domain.job import JobFilter
from jobwire.domain.outcome import Completed
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.domain.settlement import LOSSES_MAX, Lease
from jobwire.domain.webhooks import (
    BREAKER_FAILURES_MAX,
    BREAKER_FIRST_MS,
    FAILING_MS,
    JITTER_SHARE_MAX,
    RETRY_WAITS_S,
    DeliveryState,
    sender_of,
)
from jobwire.store.contract import LeaseLost, Store
from jobwire.store.pending import Pending
from jobwire.store.webhook_deliveries import Sending, Sent, Share
from jobwire.store.webhook_hearing import EVENT_ROWS_MAX, hear_events, record_heard
from jobwire.store.webhook_senders import Customer, Desk, Exchanged, exchange
from jobwire.upkeep.deliveries import SENDER_KEPT_MS
from jobwire.upkeep.sending import ENDPOINT_SENDING_MAX, OWNER_SENDING_MAX, SENDING_MAX
from manual_clock import ManualClock
from webhook_jobs import LEASE_MS, claim_senders

LATE_MS = 1 + JITTER_SHARE_MAX


def run(store: Store, clock: ManualClock, story: Callable[[Rig], Awaitable[None]]) -> None:
    async def tell() -> None:
        async with open_rig(store, clock) as rig:
            await story(rig)

    asyncio.run(tell())


def types(receiver: Receiver) -> list[str]:
    return [request.message["type"] for request in receiver.taken]


def test_an_endpoint_gets_the_end_of_each_job_signed_with_its_secret(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        _, secret = await rig.webhooks.create(owner, receiver.url)
        receipt = await rig.submit(owner)
        await rig.finish(Completed('{"a":1}'))
        await rig.send()
        [request] = receiver.taken
        payload = request.message
        assert payload["type"] == "job.completed"
        assert payload["data"] == {
            "id": f"job_{receipt.key}",
            "kind": "echo",
            "phase": "completed",
            "version": 3,
            "event_no": payload["data"]["event_no"],
        }
        event = (await rig.store.events(0, number=receipt.number))[-1]
        assert (event.no, event.version) == (payload["data"]["event_no"], 3)
        assert Webhook(secret.text).verify(request.body, dict(request.headers)) == payload
        with pytest.raises(WebhookVerificationError):
            Webhook(secret.text).verify(request.body + b" ", dict(request.headers))

    run(store, clock, story)


def test_the_events_of_a_job_come_in_order_and_the_next_not_before_the_one_before(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.webhooks.create(owner, receiver.url, events=["*"])
        stubborn, other = await rig.submit(owner), await rig.submit(owner)
        receiver.answer = lambda request: Answer(500) if stubborn.key in request.id else OK
        await rig.finish()
        await rig.send()
        assert types(receiver) == ["job.submitted", "job.claimed", "job.completed"]
        assert all(other.key in request.id for request in receiver.taken)
        assert {r.message["type"] for r in receiver.requests if stubborn.key in r.id} == {"job.submitted"}
        receiver.answer = lambda _: OK
        clock.advance(int(RETRY_WAITS_S[0] * 1000 * LATE_MS))
        await rig.send()
        sent = [request.message["data"] for request in receiver.taken if stubborn.key in request.id]
        log = await rig.store.events(0, number=stubborn.number)
        assert [(data["event_no"], data["version"]) for data in sent] == [(row.no, row.version) for row in log]

    run(store, clock, story)


def test_a_failed_attempt_is_made_again_at_the_published_times_and_then_given_up(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        shown, _ = await rig.webhooks.create(owner, receiver.url)
        await rig.submit(owner)
        await rig.finish()
        receiver.answer = lambda _: Answer(503, body=b"down")
        await rig.send()
        for attempts, wait_s in enumerate(RETRY_WAITS_S, 1):
            assert len(receiver.requests) == attempts
            clock.advance(wait_s * 1000 - 1)
            await rig.send()
            assert len(receiver.requests) == attempts, f"{wait_s} s had not passed"
            clock.advance(int(wait_s * 1000 * JITTER_SHARE_MAX) + 1)
            await rig.send()
        [(row, due_at)] = await rig.webhooks.deliveries(owner, shown.endpoint.id, before=None, state=2, limit=9)
        assert (row.attempts, row.status, row.answer, due_at) == (len(RETRY_WAITS_S) + 1, 503, "down", None)
        clock.advance(RETRY_WAITS_S[-1] * 2000)
        await rig.send()
        assert len(receiver.requests) == len(RETRY_WAITS_S) + 1
        assert {request.id for request in receiver.requests} == {row.id}
        assert len({request.body for request in receiver.requests}) == 1

    run(store, clock, story)


def test_an_endpoint_that_says_when_to_come_back_is_left_alone_until_then(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.webhooks.create(owner, receiver.url)
        receiver.answer = lambda _: Answer(429, {"Retry-After": "120"})
        await rig.submit(owner)
        await rig.finish()
        await rig.send()
        receiver.answer = lambda _: OK
        await rig.submit(owner)
        await rig.finish()
        clock.advance(119_999)
        await rig.send()
        assert len(receiver.requests) == 1
        clock.advance(int(120_000 * JITTER_SHARE_MAX) + 1)
        await rig.send()
        assert len(receiver.taken) == 2

    run(store, clock, story)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500])
def test_only_2xx_is_success_and_no_redirect_is_followed(
    store: Store, clock: ManualClock, receiver: Receiver, status: int
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        shown, _ = await rig.webhooks.create(owner, receiver.url + "/here")
        receiver.answer = lambda _: Answer(status, {"Location": receiver.url + "/there"})
        await rig.submit(owner)
        await rig.finish()
        await rig.send()
        assert [request.path for request in receiver.requests] == ["/here"]
        [(row, due_at)] = await rig.webhooks.deliveries(owner, shown.endpoint.id, before=None, state=0, limit=9)
        assert (row.status, row.attempts) == (status, 1)
        assert due_at is not None and due_at >= clock() + RETRY_WAITS_S[0] * 1000

    run(store, clock, story)


def test_410_disables_an_endpoint_and_enabling_it_sends_what_waits(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        shown, _ = await rig.webhooks.create(owner, receiver.url)
        receiver.answer = lambda _: Answer(410)
        await rig.submit(owner)
        await rig.finish()
        await rig.send()
        row = (await rig.webhooks.read(owner, shown.endpoint.id)).endpoint
        assert (row.disabled_at, row.disabled_reason) == (clock(), "gone")
        receiver.answer = lambda _: OK
        await rig.submit(owner)
        await rig.finish()
        clock.advance(3_600_000)
        await rig.send()
        assert len(receiver.requests) == 1
        await rig.webhooks.change(owner, shown.endpoint.id, is_enabled=True)
        await rig.send()
        assert types(receiver) == ["job.completed"], "what happened while it was disabled was not kept"

    run(store, clock, story)


def test_an_open_breaker_lets_one_probe_through_and_loses_nothing(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        shown, _ = await rig.webhooks.create(owner, receiver.url)
        receiver.answer = lambda _: Answer(0, cuts=True)
        receipts = [await rig.submit(owner) for _ in range(30)]
        await rig.finish()
        await rig.send()
        before = len(receiver.requests)
        assert BREAKER_FAILURES_MAX <= before < 30
        clock.advance(BREAKER_FIRST_MS - 1)
        await rig.send()
        assert len(receiver.requests) == before
        clock.advance(1)
        await rig.send()
        assert len(receiver.requests) == before + 1
        assert (
            await rig.webhooks.read(owner, shown.endpoint.id)
        ).endpoint.open_until == clock() + 2 * BREAKER_FIRST_MS
        receiver.answer = lambda _: OK
        clock.advance(2 * BREAKER_FIRST_MS)
        await rig.send()
        clock.advance(int(RETRY_WAITS_S[1] * 1000 * LATE_MS))
        await rig.send()
        assert sorted(r.message["data"]["id"] for r in receiver.taken) == sorted(f"job_{r.key}" for r in receipts)
        row = (await rig.webhooks.read(owner, shown.endpoint.id)).endpoint
        assert (row.failures, row.openings, row.open_until, row.failing_since) == (0, 0, None, None)

    run(store, clock, story)


def test_an_endpoint_that_fails_for_days_is_disabled(store: Store, clock: ManualClock, receiver: Receiver) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        shown, _ = await rig.webhooks.create(owner, receiver.url)
        receiver.answer = lambda _: Answer(500)
        for wait_ms, reason in ((0, None), (FAILING_MS - 1, None), (1, "failing")):
            clock.advance(wait_ms)
            await rig.submit(owner)
            await rig.finish()
            await rig.send()
            assert (await rig.webhooks.read(owner, shown.endpoint.id)).endpoint.disabled_reason == reason

    run(store, clock, story)


async def take(rig: Rig, worker: str, limit: int = 9) -> tuple[Desk, Lease, list[Sending]]:
    """As a job that sends does, whose claim and deliveries only the caller knows of."""
    [claim] = await claim_senders(rig.store, worker)
    owner = msgspec.json.decode(claim.input, type=Customer).owner
    desk, lease = Desk(owner, claim.number, rig.webhooks.keyring.newest), Lease(claim.number, claim.fence)
    work = partial(exchange, desk=desk, sent=[], held=(), share=Share(limit, 9), after="")
    return desk, lease, (await rig.store.write(work, lease=lease)).taken


def end(rig: Rig, desk: Desk, lease: Lease, taken: Sequence[Sending]) -> Pending[Exchanged]:
    sent = [Sent(one, DeliveryState.DELIVERED, 0, 204, 1, "") for one in taken]
    return rig.store.write(partial(exchange, desk=desk, sent=sent, held=(), share=Share(9, 9), after=""), lease=lease)


def test_what_a_dead_sender_held_is_sent_by_another_after_its_lease(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.webhooks.create(owner, receiver.url)
        await rig.submit(owner)
        await rig.finish()
        await rig.hear()
        desk, lease, taken = await take(rig, "dead")
        assert len(taken) == 1
        clock.advance(LEASE_MS - 1)
        await rig.send()
        assert receiver.requests == []
        clock.advance(1)
        receiver.answer = lambda _: Answer(500)
        await rig.send()
        assert [request.id for request in receiver.requests] == [taken[0].delivery.id]
        with pytest.raises(LeaseLost):
            await end(rig, desk, lease, taken)
        [(state, attempts)] = await rig.store.read(lambda r: r.query("SELECT state, attempts FROM webhook_delivery"))
        assert (state, attempts) == (DeliveryState.PENDING, 1), "the late word of the dead sender changes nothing"

    run(store, clock, story)


def test_what_is_heard_while_a_job_that_sends_is_ending_is_sent_by_it_or_by_the_next(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.webhooks.create(owner, receiver.url)
        for heard_before in (True, False):
            await rig.submit(owner)
            await rig.finish()
            await rig.hear()
            desk, lease, taken = await take(rig, "w9")
            await rig.submit(owner)
            await rig.finish()
            if heard_before:
                await rig.hear()
            exchanged = await end(rig, desk, lease, taken)
            assert exchanged.is_over is not heard_before
            if heard_before:
                assert len(exchanged.taken) == 1, "it goes on with what was heard"
                assert (await end(rig, desk, lease, exchanged.taken)).is_over
            else:
                await rig.hear()
                _, after, taken = await take(rig, "w9")
                assert after.number != lease.number and len(taken) == 1, "the next does, although this one still runs"
                assert (await end(rig, Desk(owner, after.number, ""), after, taken)).is_over
                assert (await end(rig, desk, lease, ())).is_over, "who has left writes nothing more"
            assert await rig.store.read(lambda r: r.query("SELECT * FROM webhook_sender")) == []

    run(store, clock, story)


def test_a_job_that_is_scheduled_for_a_retry_comes_at_once_for_something_new(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.webhooks.create(owner, receiver.url)
        receiver.answer = lambda _: Answer(500)
        await rig.submit(owner)
        await rig.finish()
        await rig.send()
        receiver.answer = lambda _: OK
        await rig.submit(owner)
        await rig.finish()
        await rig.send()
        assert len(receiver.taken) == 1
        jobs = await rig.store.find(sender_of(owner), JobFilter())
        assert [job.phase for job in jobs] == [
            Phase.SCHEDULED,
            Phase.COMPLETED,
            Phase.CANCELLED,
            Phase.COMPLETED,
        ], "one job at a time"
        clock.advance(int(RETRY_WAITS_S[0] * 1000 * LATE_MS))
        await rig.send()
        assert len(receiver.ids) == 2

    run(store, clock, story)


def test_a_job_whose_turn_is_over_waits_for_what_it_has_under_way_and_leaves_the_rest_to_another(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.webhooks.create(owner, receiver.url)
        for _ in range(2):
            await rig.submit(owner)
        await rig.finish()
        await rig.hear()
        desk, lease, taken = await take(rig, "w9", limit=1)
        for held, is_over in (({one.stream for one in taken}, False), (set(), True)):
            work = partial(exchange, desk=desk, sent=[], held=held, share=Share(0, 9), after="")
            exchanged = await rig.store.write(work, lease=lease)
            assert (exchanged.taken, exchanged.is_over) == ([], is_over)
        await rig.send()
        assert len(receiver.ids) == 2

    run(store, clock, story)


def test_what_is_heard_while_a_slow_endpoint_is_sent_to_goes_to_others_at_once(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        for kind in ("slow", "echo"):
            await rig.webhooks.create(owner, f"{receiver.url}/{kind}", kinds=[kind])
        gate = threading.Event()
        receiver.answer = lambda request: OK if request.path == "/echo" or gate.wait(60) else Answer(500)
        await rig.submit(owner, "slow")
        await rig.finish()
        sending = asyncio.create_task(rig.send())
        await asyncio.to_thread(receiver.wait_for_requests, 1)
        await rig.submit(owner, "echo")
        await rig.finish()
        await rig.hear()
        await asyncio.to_thread(receiver.wait_until, lambda: [r.path for r in receiver.taken] == ["/echo"])
        gate.set()
        await sending
        assert len(receiver.taken) == 2

    run(store, clock, story)


@pytest.mark.parametrize("deaths", ["lost three times", "cancelled"])
def test_a_job_that_sends_and_dies_for_good_is_replaced(
    store: Store, clock: ManualClock, receiver: Receiver, deaths: str
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.webhooks.create(owner, receiver.url)
        await rig.submit(owner)
        await rig.finish()
        await rig.hear()
        if deaths == "cancelled":
            [row] = await rig.store.find(sender_of(owner), JobFilter())
            await rig.store.cancel(sender_of(owner), [row.number])
        else:
            for n in range(LOSSES_MAX):
                await take(rig, f"dead {n}")
                clock.advance(LEASE_MS)
            await rig.store.rescue()
        [row] = await rig.store.find(sender_of(owner), JobFilter())
        assert row.phase in FINAL_PHASES
        await rig.send()
        assert len(receiver.taken) == 1

    run(store, clock, story)


def test_the_jobs_that_sent_are_forgotten_soon(store: Store, clock: ManualClock, receiver: Receiver) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.webhooks.create(owner, receiver.url)
        receipt = await rig.submit(owner)
        await rig.finish()
        await rig.send()
        clock.advance(SENDER_KEPT_MS)
        await rig.make_sender().run_round()
        assert len(await rig.store.find(sender_of(owner), JobFilter())) == 1
        clock.advance(1)
        await rig.make_sender().run_round()
        assert await rig.store.find(sender_of(owner), JobFilter()) == []
        assert [row.number for row in await rig.store.find(owner, JobFilter())] == [receipt.number]

    run(store, clock, story)


def test_the_answer_is_read_to_its_limit_and_kept_in_part(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        shown, _ = await rig.webhooks.create(owner, receiver.url)
        receiver.answer = lambda _: Answer(200, body=b"a\0b" + b"x" * 10_000_000)
        await rig.submit(owner)
        await rig.finish()
        await rig.send()
        [(row, _)] = await rig.webhooks.deliveries(owner, shown.endpoint.id, before=None, state=1, limit=9)
        assert row.answer == ("a b" + "x" * 500)[:500]

    run(store, clock, story)


@pytest.mark.parametrize(
    ("owners", "endpoints", "share"),
    [
        pytest.param(1, 1, ENDPOINT_SENDING_MAX, id="of an endpoint"),
        pytest.param(1, 9, OWNER_SENDING_MAX, id="of an owner"),
        pytest.param(5, 8, SENDING_MAX, id="of a process"),
    ],
)
@pytest.mark.slow
def test_slow_endpoints_take_their_share_of_the_senders_and_no_more(
    store: Store, clock: ManualClock, receiver: Receiver, owners: int, endpoints: int, share: int
) -> None:
    async def story(rig: Rig) -> None:
        for n in range(owners):
            owner = await rig.owner(f"owner {n}")
            for place in range(endpoints):
                await rig.webhooks.create(owner, f"{receiver.url}/{n}/{place}")
            for _ in range(ENDPOINT_SENDING_MAX + 1):
                await rig.submit(owner)
        await rig.finish()
        gate = threading.Event()
        receiver.answer = lambda _: OK if gate.wait(60) else Answer(500)
        sending = asyncio.create_task(rig.send())
        await asyncio.to_thread(receiver.wait_for_requests, share)
        assert len(receiver.requests) == share
        assert max(Counter(request.path for request in receiver.requests).values()) <= ENDPOINT_SENDING_MAX
        gate.set()
        await sending
        assert len(receiver.taken) == owners * endpoints * (ENDPOINT_SENDING_MAX + 1)

    run(store, clock, story)


def test_a_long_log_is_heard_in_stretches(store: Store, clock: ManualClock, receiver: Receiver) -> None:
    async def story(rig: Rig) -> None:
        owner = await rig.owner()
        await rig.webhooks.create(owner, receiver.url, events=["job.submitted"])
        for _ in range(EVENT_ROWS_MAX + 1):
            await rig.submit(owner)
        await rig.store.events(0)
        first = await rig.store.read(lambda reader: hear_events(reader, 0))
        assert first is not None and len(first.deliveries) == EVENT_ROWS_MAX
        assert await rig.store.write(lambda tx: record_heard(tx, first))
        assert not await rig.store.write(lambda tx: record_heard(tx, first)), "once heard, it is over"
        second = await rig.store.read(lambda reader: hear_events(reader, 0))
        assert second is not None and [row.no for row in second.deliveries] == [first.until + 1]

    run(store, clock, story)
