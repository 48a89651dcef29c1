"""Servers of a test's own, which it may kill; none is started when the engine is left out."""

from urllib.parse import urlsplit

import psycopg
import pytest
from crash_ledgers import PostgresLedger
from postgres_pair import Pair

from postgres_server import is_left_out, start_server

DATABASE = "jobwire"

collect_ignore_glob = ["test_*.py"] if is_left_out() else []


@pytest.fixture
def server():
    opened = start_server()
    yield opened
    opened.stop()


@pytest.fixture
def pair():
    opened = Pair()
    try:
        opened.synchronise()
        yield opened
    finally:
        opened.stop()


@pytest.fixture
def ledger(request):
    """An empty database on the test's own server, or on its pair of nodes."""
    nodes = request.getfixturevalue("pair" if "pair" in request.fixturenames else "server")
    with psycopg.connect(nodes.address(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    opened = PostgresLedger(urlsplit(nodes.address())._replace(path=f"/{DATABASE}").geturl())
    yield opened
    opened.close()
