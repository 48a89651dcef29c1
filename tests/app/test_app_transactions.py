"""A submission inside the caller's own transaction, on every kind of connection: with its commit, or not at all."""

import contextlib

import pytest
from own_ways import WAYS, Place

from jobwire import Jobwire
from jobwire.domain.errors import RequestError


def add(a: int, b: int = 1) -> int:
    """The sum."""
    return a + b


@pytest.fixture(params=WAYS, ids=lambda way: way.name)
def way(request):
    return request.param


@pytest.fixture
def place(way, tmp_path):
    return Place(way, tmp_path)


@pytest.fixture
def app(place, tmp_path):
    made = Jobwire(db=place.ledger, queues=["rare"])
    made.job("add", queue="sums")(add)
    yield made
    made.close()


@pytest.fixture
def own(way, place, app):
    """The caller's connection, at the beginning of a transaction."""
    opened = way.open(place.own)
    opened.begin()
    yield opened
    opened.close()


def test_a_job_comes_with_the_commit_and_not_before(place, app, own):
    own.execute("INSERT INTO purchase VALUES (1)")
    submitted = own.submit(app, add, input={"a": 1}, owner="shop")
    assert place.count() == (0, 0)
    own.commit()
    assert place.count() == (1, 1)
    (row,) = place.look(
        "SELECT key, kind, queue, input, (SELECT name FROM owner WHERE owner.id = job.owner), state.state "
        "FROM job JOIN state ON state.number = job.number"
    )
    assert (f"job_{row[0]}", *row[1:]) == (submitted.id, "add", "sums", '{"a":1}', "shop", 0)
    assert submitted.is_new


def test_a_job_is_gone_with_the_rollback(place, app, own):
    own.execute("INSERT INTO purchase VALUES (1)")
    own.submit(app, "add", input={"a": 1}, owner="shop")
    own.rollback()
    assert place.count() == (0, 0)
    assert place.look("SELECT (SELECT count(*) FROM ready), (SELECT count(*) FROM state)") == [(0, 0)]
    own.begin()
    own.submit(app, "add", input={"a": 2}, owner="shop")
    own.commit()
    assert place.look("SELECT input FROM job") == [('{"a":2}',)]


def test_many_are_submitted_in_their_order_in_one_transaction_that_goes_on(place, app, own):
    first = own.submit_many(app, "add", [{"a": n} for n in range(20)], tags=["é", "100%", "a:b", "it's"])
    own.execute("INSERT INTO purchase VALUES (1)")
    second = own.submit_many(app, "add", [{"a": n} for n in range(20, 25)], queue="rare", priority=2)
    own.commit()
    assert place.count() == (25, 1)
    rows = place.look("SELECT key, input, tags, queue FROM job ORDER BY number")
    assert [f"job_{key}" for key, *_ in rows] == [submitted.id for submitted in (*first, *second)]
    assert [text for _, text, *_ in rows] == [f'{{"a":{n}}}' for n in range(25)]
    assert rows[0][2:] == ('["é","100%","a:b","it\'s"]', "sums")
    order = place.look("SELECT queue, priority, number FROM ready ORDER BY queue, priority, turn, number")
    assert [number for *_, number in order] == [job.number for job in (*second, *first)]
    assert {(queue, priority) for queue, priority, _ in order} == {("sums", 5), ("rare", 2)}


def test_a_refused_submission_takes_back_itself_and_nothing_else_of_the_transaction(place, app, own):
    own.submit(app, "add", input={"a": 1}, idempotency_key="order-1")
    own.execute("INSERT INTO purchase VALUES (1)")
    with pytest.raises(RequestError, match="different submission"):
        own.submit_many(app, "add", [{"a": 8}, {"a": 9}], idempotency_key="order-1")
    with pytest.raises(RequestError, match="/a"):
        own.submit(app, "add", input={"a": "x"}, owner="nobody")
    own.execute("INSERT INTO purchase VALUES (2)")
    own.commit()
    assert place.count() == (1, 2)
    assert place.look("SELECT input FROM job") == [('{"a":1}',)]


def test_keys_hold_within_the_transaction_and_over_it(place, app, own):
    keys = {"idempotency_key": "order-1", "unique_key": "ana"}
    first = own.submit(app, "add", input={"a": 1}, **keys)
    again = own.submit(app, "add", input={"a": 1}, **keys)
    own.commit()
    own.begin()
    after = own.submit(app, "add", input={"a": 1}, idempotency_key="order-1", unique_key="ana")
    other = own.submit(app, "add", input={"a": 2}, unique_key="ana")
    own.commit()
    assert first.is_new
    assert [(job.id, job.number, job.is_new) for job in (again, after, other)] == [
        (first.id, first.number, False)
    ] * 3
    assert place.count() == (1, 0)


def test_a_job_for_later_is_kept_for_later(place, app, own):
    own.submit(app, "add", input={"a": 1}, delay=3600)
    own.commit()
    assert place.look("SELECT count(*), count(run_at) FROM state") == [(1, 1)]
    assert place.look("SELECT (SELECT count(*) FROM ready), (SELECT count(*) FROM due)") == [(0, 1)]


def test_limits_on_waiting_hold_there_too(place, tmp_path, way, monkeypatch):
    monkeypatch.setenv("JOBWIRE_OWNER_BACKLOG_MAX", "3")
    app = Jobwire(db=place.ledger)
    app.job("add")(add)
    with contextlib.closing(app), contextlib.closing(way.open(place.own)) as own:
        own.begin()
        own.submit_many(app, "add", [{"a": 1}] * 3, owner="ana", max_wait=60)
        with pytest.raises(RequestError) as refused:
            own.submit(app, "add", input={"a": 1}, owner="ana")
        own.commit()
    assert refused.value.code == "backlog_full"
    assert place.count() == (3, 0)


def test_jobs_take_their_places_in_the_order_like_any_others(way, place, app):
    with contextlib.closing(way.open(place.own)) as own:
        own.begin()
        own.submit_many(app, "add", [{"a": n} for n in range(5)], owner="ana")
        own.submit(app, "add", input={"a": 5}, owner="ben")
        own.commit()
    app.submit_sync("add", input={"a": 6}, owner="ana")
    store = app.open().store
    numbers = store.read(lambda r: r.query("SELECT number, owner FROM job ORDER BY number")).result()
    rows = [store.get(owner, number=number).result() for number, owner in numbers]
    # Ben's job comes after the first of Ana's, who has six: they take turns.
    assert [store.position(row).result().position for row in rows] == [0, 2, 3, 4, 5, 1, 6]
