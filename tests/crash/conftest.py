"""A ledger of each engine and a house of processes on it for each test; none of them outlives it."""

import itertools
import os
from urllib.parse import urlsplit

import psycopg
import pytest
from crash_house import House, Zygote
from crash_ledgers import PostgresLedger, SqliteLedger
from served import Served

from postgres_server import is_left_out, server_address

ENGINES = ("sqlite",) if is_left_out() else ("sqlite", "postgresql")
_serials = itertools.count(1)


@pytest.fixture(scope="module")
def zygote():
    opened = Zygote()
    yield opened
    opened.close()


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture
def ledger(engine, tmp_path):
    """A new ledger."""
    if engine == "sqlite":
        yield SqliteLedger(tmp_path)
        return
    name = f"crash_{os.getpid()}_{next(_serials)}"
    with psycopg.connect(server_address(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        opened = PostgresLedger(urlsplit(server_address())._replace(path=f"/{name}").geturl())
        yield opened
        opened.close()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def house(tmp_path, zygote, ledger):
    opened = House(tmp_path, zygote, ledger)
    yield opened
    opened.close()


@pytest.fixture
def serve(tmp_path, ledger):
    """Start servers on one ledger; they end with the test."""
    started = []

    def start(**settings):
        settings = {"JOBWIRE_LEASE_MS": "400", "JOBWIRE_DRAIN_S": "1", "JOBWIRE_WORKERS": "2", **settings}
        started.append(Served(tmp_path, ledger, **settings))
        return started[-1].wait_ready()

    yield start
    for served in started:
        served.close()
