"""Through pgbouncer in transaction mode, where two statements may meet two servers and nobody is heard ringing."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import psycopg
import pytest
from store_ledger import DONE, WAIT_S, Ledger

from jobwire.store.postgres import open_postgres
from manual_clock import ManualClock
from postgres_server import server_address

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def pooled(tmp_path: Path) -> Iterator[str]:
    """The address of a database of this test's own behind a pooler that gives two connections to all."""
    name, port = f"jobwire_{token_hex(6)}", free_port()
    server = psycopg.conninfo.conninfo_to_dict(server_address())
    with psycopg.connect(server_address(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    target = " ".join(f"{key}={server[key]}" for key in ("host", "port", "user", "password") if key in server)
    settings = tmp_path / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n{name} = {target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        "unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 6\n"
    )
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    pooler = subprocess.Popen([PROGRAM, "-q", "-u", "nobody", str(settings)], cwd="/", stderr=subprocess.DEVNULL)
    address = f"postgresql://postgres@127.0.0.1:{port}/{name}"
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and pooler.poll() is None:
        try:
            psycopg.connect(address, connect_timeout=2).close()
            break
        except psycopg.OperationalError:
            continue
    yield address
    pooler.terminate()
    pooler.wait()
    with psycopg.connect(server_address(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.slow
def test_everything_works_through_a_pooler(pooled: str, clock: ManualClock) -> None:
    stores = [open_postgres(pooled, clock=clock, can_prepare=False) for _ in range(2)]
    first, second = (Ledger(store, clock) for store in stores)
    assert stores[0].has_wall
    parked = second.park(worker="w2")
    number = first.submit()
    assert [claim.number for claim in parked.result(WAIT_S)] == [number]
    numbers = [(first, second)[n % 2].submit() for n in range(60)]
    positions = [first.store.position(first.row(number)).result(WAIT_S).position for number in numbers]
    assert positions == list(range(60))
    assert first.row(number, owner=1).number == number
    assert first.store.get(2, number=number).result(WAIT_S) is None
    assert [first.run(DONE) for _ in range(30)] == numbers[:30]
    assert len(second.claim(60, worker="w2")) == 30
    clock.advance(10**6)
    assert first.store.rescue().result(WAIT_S) == 31
    first.check()
    for store in stores:
        store.close()
