"""The ledger behind pgbouncer in transaction mode: no transaction may count on the connection of the one before."""

import os
import secrets
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from jobwire.cli.doctor_postgres import examine_postgres
from jobwire.domain.ids import RANDOM_BITS, make_key
from jobwire.domain.job import JobFilter, NewJob
from jobwire.domain.outcome import Completed
from jobwire.domain.phases import Phase
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.settlement import AttemptFacts, Lease, settle_outcome
from jobwire.store.contract import Claim, ClaimRequest, Store
from jobwire.store.postgres import PostgresStore, open_postgres
from postgres_server import SERVER_USER, is_left_out, server_address

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
DEADLINE_S = 20
POOL_SIZE = 3
PORT = 6432
CONFIG = """
[databases]
ledger = {backend}
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 100
"""

pytestmark = [
    pytest.mark.skipif(is_left_out(), reason="this run does without PostgreSQL"),
    pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not here: apt-get install pgbouncer"),
]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The direct address of a database: a pooler passes no search_path on, so a schema is not enough."""
    name = f"pooled_{secrets.token_hex(4)}"
    with closing(psycopg.connect(server_address(), autocommit=True)) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield urlsplit(server_address())._replace(path=f"/{name}").geturl()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def pooled(database: str) -> Iterator[str]:
    """The same database through pgbouncer with fewer connections than one process has."""
    target = conninfo_to_dict(database)
    known = [name for name in ("host", "port", "user", "password", "dbname") if target.get(name)]
    backend = " ".join(f"{name}={target[name]}" for name in known)
    with tempfile.TemporaryDirectory(prefix="jobwire-pgbouncer-") as folder:
        config = Path(folder, "pgbouncer.ini")
        config.write_text(CONFIG.format(backend=backend, folder=folder, port=PORT, pool_size=POOL_SIZE))
        prefix = []
        if os.geteuid() == 0:
            # pgbouncer refuses root.
            shutil.chown(folder, SERVER_USER)
            prefix = ["setpriv", "--reuid", SERVER_USER, "--regid", "nogroup", "--clear-groups"]
        process = subprocess.Popen([*prefix, str(PGBOUNCER), "-q", str(config)], stderr=subprocess.PIPE)
        try:
            wait_for(process, Path(folder, f".s.PGSQL.{PORT}"))
            yield f"postgresql://{target['user']}@/ledger?host={folder}&port={PORT}"
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE_S)


def wait_for(process: subprocess.Popen[bytes], socket: Path) -> None:
    for _ in range(DEADLINE_S * 20):
        if socket.exists():
            return
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"pgbouncer did not start: {process.stderr.read()!r}")  # type: ignore[union-attr]
    raise AssertionError("pgbouncer opened no socket")


@pytest.fixture
def stores(pooled: str) -> Iterator[list[PostgresStore]]:
    """Two processes' stores, which prepare nothing."""
    opened = [open_postgres(pooled, can_prepare=False) for _ in range(2)]
    yield opened
    for store in opened:
        store.close()


def new_jobs(queue: str, count: int) -> list[NewJob]:
    keys = [make_key(1 + number, secrets.randbits(RANDOM_BITS)) for number in range(count)]
    return [NewJob(key=key, owner=7, kind="k", queue=queue, input='{"a":1}') for key in keys]


def complete(store: Store, claims: list[Claim]) -> list[int]:
    settlements = [
        settle_outcome(
            Lease(claim.number, claim.fence),
            Completed('"done"'),
            facts=AttemptFacts(claim.attempt, claim.attempts_max, claim.losses, False),
            policy=RetryPolicy(),
            jitter=0.5,
        )
        for claim in claims
    ]
    return store.settle(settlements).result(DEADLINE_S).accepted


def test_a_job_goes_its_whole_way_through_the_pooler(stores: list[PostgresStore]) -> None:
    here, there = stores
    first, second = here.submit(new_jobs("way", 2)).result(DEADLINE_S)
    row = there.get(7, key=second.key).result(DEADLINE_S)
    assert row is not None and there.position(row).result(DEADLINE_S).position == 1
    [claim] = there.claim(ClaimRequest("w", "way", 1)).result(DEADLINE_S)
    assert claim.number == first.number
    assert [held.number for held in there.heartbeat("w", lease_ms=60_000).result(DEADLINE_S)] == [first.number]
    assert complete(there, [claim]) == [first.number]
    done = here.get(7, number=first.number).result(DEADLINE_S)
    assert done is not None and (done.phase, done.output) == (Phase.COMPLETED, '"done"')
    assert here.get(8, number=first.number).result(DEADLINE_S) is None
    assert here.cancel(7, [second.number]).result(DEADLINE_S)[0].changed  # type: ignore[union-attr]
    assert [row.number for row in here.find(7, JobFilter(limit=2)).result(DEADLINE_S)] == [
        second.number,
        first.number,
    ]
    assert here.read(lambda r: r.query("SELECT :given", given=None)).result(DEADLINE_S) == [(None,)]
    assert len(here.events(0, number=first.number).result(DEADLINE_S)) == 3


def test_a_claim_that_waits_is_served_although_no_doorbell_is_heard(stores: list[PostgresStore]) -> None:
    here, there = stores
    waiting = there.claim(ClaimRequest("w", "waiting", 5))
    [receipt] = here.submit(new_jobs("waiting", 1)).result(DEADLINE_S)
    claims = waiting.result(DEADLINE_S)
    assert [claim.number for claim in claims] == [receipt.number]
    complete(there, claims)


def test_many_at_once_lose_and_double_nothing(stores: list[PostgresStore]) -> None:
    """More askers than the pool has connections; each job is claimed once."""
    accepted: list[int] = []
    lock = threading.Lock()

    def work(store: PostgresStore) -> None:
        while claims := store.settle([], ClaimRequest("w", "many", 10)).result(DEADLINE_S).claims:
            settled = complete(store, claims)
            with lock:
                accepted.extend(settled)

    def submit(store: PostgresStore) -> list[int]:
        receipts = [store.submit(new_jobs("many", 5)).result(DEADLINE_S) for _ in range(5)]
        numbers = [receipt.number for batch in receipts for receipt in batch]
        assert all(store.get(7, number=number).result(DEADLINE_S) for number in numbers)
        return numbers

    with ThreadPoolExecutor(8) as pool:
        submitted = [number for batch in pool.map(submit, stores * 4) for number in batch]
        list(pool.map(work, stores * 2))
    assert len(submitted) == 200
    assert sorted(accepted) == sorted(submitted)


def test_the_doctor_sees_the_pooler(pooled: str) -> None:
    findings = list(examine_postgres(pooled))
    assert [finding.level for finding in findings if finding.what == "a pooler stands before the server"] == ["note"]
    assert [str(finding) for finding in findings if finding.level == "problem"] == []
