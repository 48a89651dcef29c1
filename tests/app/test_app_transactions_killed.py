"""Purchase and job of one transaction, in processes that die: both are there or neither, and the job is worked."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from own_shop import buy, make_app
from own_ways import WAYS, Place

HERE = Path(__file__).parent
DEADLINE_S = 60
KILLS = 5
ONE_OF_EACH = ("apsw", "sqlite3", "sqlite3-session", "psycopg", "psycopg-async", "session-async")
POINTS = {"written": (0, 0), "submitted": (0, 0), "committed": (1, 1)}


@pytest.fixture(params=[way for way in WAYS if way.name in ONE_OF_EACH], ids=lambda way: way.name)
def place(request, tmp_path):
    return Place(request.param, tmp_path)


@contextlib.contextmanager
def shop(*words):
    """A process of own_shop.py; it is dead after the block, and after the deadline."""
    path = os.pathsep.join([str(HERE), str(HERE.parent)])
    process = subprocess.Popen(
        [sys.executable, str(HERE / "own_shop.py"), *words],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(DEADLINE_S, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def read_line(process):
    line = process.stdout.readline().strip()
    assert line, "the process ended"
    return line


@pytest.mark.slow
def test_a_server_works_what_another_process_has_committed_and_nothing_else(place):
    with shop("serve", place.ledger) as server:
        assert read_line(server) == "ready"
        app = make_app(place.ledger)
        with contextlib.closing(app), contextlib.closing(place.way.open(place.own)) as own:
            own.begin()
            own.execute("INSERT INTO purchase VALUES (1)")
            own.submit(app, "send", input={"n": 1})
            own.rollback()
            for n in (2, 3):
                buy(app, own, n)
                assert read_line(server) == f"sent {n}"
    assert place.count() == (2, 2)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_who_is_killed_leaves_both_or_neither(place, point):
    with shop("die", place.way.name, place.ledger, place.own, point) as buyer:
        assert buyer.wait(DEADLINE_S) == -signal.SIGKILL
    assert place.count() == POINTS[point]


@pytest.mark.slow
def test_many_kills_while_a_server_works_part_no_purchase_from_its_job(place, rng):
    acknowledged = 0
    with shop("serve", place.ledger) as server:
        assert read_line(server) == "ready"
        for _ in range(KILLS):
            first = place.look_own("SELECT coalesce(max(n), 0) FROM purchase")[0][0] + 1
            assert first > acknowledged
            with shop("buy", place.way.name, place.ledger, place.own, str(first)) as buyer:
                for _ in range(rng.randint(1, 15)):
                    acknowledged = int(read_line(buyer))
        settled = {int(read_line(server).split()[1]) for _ in range(place.count()[1])}
    purchases = [n for (n,) in place.look_own("SELECT n FROM purchase ORDER BY n")]
    assert purchases == list(range(1, len(purchases) + 1)) and len(purchases) >= acknowledged
    assert settled == set(purchases)
    inputs = [f'{{"n":{n}}}' for n in purchases]
    assert [text for (text,) in place.look("SELECT input FROM job ORDER BY number")] == inputs
