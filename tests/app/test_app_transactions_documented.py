"""The blocks of docs/transactions.md that need a PostgreSQL server, run on one."""

import asyncio
import re
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from own_ways import alchemy

from jobwire import Jobwire
from postgres_server import is_left_out, new_ledger

PAGE = Path(__file__).resolve().parents[2] / "docs" / "transactions.md"
NEEDS_A_SERVER = re.compile(r"<!-- not executed: [^\n]+ -->\n```python\n(.+?)```", re.DOTALL)


@pytest.mark.skipif(is_left_out(), reason="PostgreSQL is left out of this run")
def test_the_blocks_on_postgresql_do_what_the_page_says() -> None:
    address = new_ledger()
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE purchase (id int PRIMARY KEY, item text)")
    names = {"Jobwire": Jobwire, "text": sqlalchemy.text}
    blocks = NEEDS_A_SERVER.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 2
    for block in blocks:
        ours = block.replace("postgresql+psycopg://shop@db/shop", alchemy(address))
        exec(ours.replace("postgresql://shop@db/shop", address), names)

    async def buy() -> str:
        submitted = await names["buy_asynchronously"](1, "lamp")
        await names["async_engine"].dispose()
        return submitted

    ids = [asyncio.run(buy()), *names["buy_many"]({2: "chair", 3: "table"})]
    names["orders"].close()
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT id FROM purchase ORDER BY id").fetchall() == [(1,), (2,), (3,)]
        keys = connection.execute("SELECT 'job_' || key FROM job ORDER BY number").fetchall()
    assert [key for (key,) in keys] == ids
