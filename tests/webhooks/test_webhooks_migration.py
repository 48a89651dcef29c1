"""A ledger of the version before: what its senders were about to send, the jobs of this one send."""

import asyncio
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from webhook_receiver import Receiver
from webhook_rig import open_rig

from house_engines import address_in, open_store
from jobwire.config import is_postgres
from jobwire.store.postgres import migrate as postgres
from jobwire.store.postgres.session import Session
from jobwire.store.sqlite import engine as sqlite
from jobwire.store.statements import load_migrations
from manual_clock import ManualClock

BEFORE = 10
OLD = """
INSERT INTO owner (id, name, created_at) VALUES (1, 'ada', 1);
INSERT INTO webhook_endpoint (id, owner, url, is_ad_hoc, scheme, created_at)
  VALUES ('whe_1', 1, '{url}', 0, 'v1', 1), ('whe_gone', 1, '{url}', 0, 'v1', 1);
INSERT INTO webhook_delivery (endpoint, number, no, id, type, at, body, state)
  VALUES ('whe_1', 1, 1, 'msg_held', 'job.completed', {now}, '{{}}', 0),
         ('whe_1', 1, 2, 'msg_next', 'job.completed', {now}, '{{}}', 0),
         ('whe_1', 2, 3, 'msg_later', 'job.completed', {now}, '{{}}', 0),
         ('whe_1', 3, 4, 'msg_over', 'job.completed', {now}, '{{}}', 1),
         ('whe_gone', 4, 5, 'msg_gone', 'job.completed', {now}, '{{}}', 0);
INSERT INTO webhook_stream (endpoint, number, due_at, fence, holder)
  VALUES ('whe_1', 1, 1, 7, 'webhooks-dead'), ('whe_1', 2, {later}, 0, NULL), ('whe_gone', 4, 1, 0, NULL);
DELETE FROM webhook_endpoint WHERE id = 'whe_gone'
"""


def make_old(address: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name = (postgres, "postgres") if is_postgres(address) else (sqlite, "sqlite")
    old = tuple(one for one in load_migrations(name) if one[0] <= BEFORE)
    with monkeypatch.context() as patch:
        patch.setattr(module, "load_migrations", lambda engine: old)
        if is_postgres(address):
            with closing(Session(address, can_prepare=False, has_wall=False)) as session:
                postgres.migrate(session)
                session.execute_script(script)
            return
        with closing(apsw.Connection(address)) as connection:
            sqlite.migrate(connection)
            connection.execute(script)


def test_what_waited_in_a_ledger_of_before_is_sent_each_at_its_time(
    tmp_path: Path, clock: ManualClock, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = address_in(tmp_path)
    make_old(address, OLD.format(url=receiver.url, now=clock(), later=clock() + 60_000), monkeypatch)

    async def story() -> None:
        with closing(open_store(address, clock)) as store:
            async with open_rig(store, clock) as rig:
                await rig.send()
                assert [request.id for request in receiver.taken] == ["msg_held", "msg_next"]
                clock.advance(60_000)
                await rig.send()
                assert [request.id for request in receiver.taken][2:] == ["msg_later"]
                for table in ("webhook_stream", "webhook_sender"):
                    assert await store.read(lambda r, t=table: r.query(f"SELECT * FROM {t}")) == []  # type: ignore[misc]

    asyncio.run(story())
