"""What webhooks cost those who have none: nothing."""

from pathlib import Path

from jobwire.domain.ids import make_key
from jobwire.domain.job import NewJob
from jobwire.domain.outcome import Completed
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.settlement import AttemptFacts, Lease, settle_outcome
from jobwire.store.contract import ClaimRequest
from jobwire.store.sqlite import open_sqlite
from jobwire.store.webhooks import EndpointRow, insert_endpoint
from manual_clock import ManualClock


def test_jobs_of_owners_without_webhooks_run_no_statement_about_them(sqlite_file: Path, clock: ManualClock) -> None:
    store = open_sqlite(str(sqlite_file), clock=clock)
    store.write(
        lambda tx: insert_endpoint(tx, EndpointRow("whe_1", 2, "http://h/", 0, "v1", None, None, tx.now))
    ).result(10)
    statements: list[str] = []

    def trace(cursor: object, sql: str, bindings: object) -> bool:
        statements.append(sql)
        return True

    assert store._engine is not None
    store._engine.connection.exec_trace = trace
    store.submit([NewJob(make_key(clock(), 1), 1, "echo", "default", "{}")]).result(10)
    store.heartbeat("w1", lease_ms=60_000).result(10)
    [claim] = store.claim(ClaimRequest("w1", "default", 1)).result(10)
    facts = AttemptFacts(1, 5, 0, cancel_requested=False)
    lease = Lease(claim.number, claim.fence)
    settlement = settle_outcome(lease, Completed("{}"), facts=facts, policy=RetryPolicy(), jitter=0.0)
    assert store.settle([settlement]).result(10).accepted == [claim.number]
    store.close()
    assert any("INSERT INTO job" in sql for sql in statements)
    assert [sql for sql in statements if "webhook" in sql] == []
