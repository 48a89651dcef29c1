"""The SQL of the page about PostgreSQL runs in the order of the page, on a server that knows nothing of it yet."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from doc_pages import DOCS, find_blocks, read_page

from jobwire.cli.doctor_postgres import examine_postgres
from jobwire.store.postgres import open_postgres
from postgres_server import Server, is_left_out, start_server

pytestmark = pytest.mark.skipif(is_left_out(), reason="this run does without PostgreSQL")

BLOCKS = [
    block.text for block in find_blocks(read_page(DOCS / "operating" / "postgresql.md")) if block.language == "sql"
]


@pytest.fixture
def server() -> Iterator[Server]:
    started = start_server()
    yield started
    started.stop()


def run_block(address: str, block: str) -> list[int]:
    """How many columns each statement's rows have; 0 for one that gives none."""
    with closing(psycopg.connect(address, autocommit=True)) as connection:
        statements = [statement for statement in block.split(";\n") if statement.strip()]
        return [len(connection.execute(statement.encode()).description or ()) for statement in statements]


def test_the_sql_of_the_page_runs_and_gives_the_ledger_it_promises(server: Server) -> None:
    making, wall, standby, *watching = BLOCKS
    run_block(server.address(), making)
    address = server.address("jobwire").replace("postgres@", "jobwire@")
    store = open_postgres(address)
    assert store.has_wall
    store.close()
    run_block(address, wall)
    notes = [finding for finding in examine_postgres(address) if finding.level != "ok"]
    assert {finding.what for finding in notes} - {"data_checksums"} == {
        "synchronous standby",
        "live workers",
        "there is no API key yet",
    }
    assert len(watching) == 4
    for block in watching:
        assert min(run_block(address, block)) > 0
    run_block(server.address(), standby)
    (row,) = [finding for finding in examine_postgres(address) if finding.what == "synchronous standby"]
    assert row.level == "problem"
