"""A reader of the log sees what was committed before it asked, also while another process moves events into it."""

import psycopg
from store_ledger import WAIT_S, Ledger

SEQUENCING = "SELECT pg_advisory_xact_lock('event'::regclass::oid::int, 1)"


def test_a_read_of_the_log_waits_for_whoever_moves_events_into_it(ledger: Ledger, address: str) -> None:
    with psycopg.connect(address) as elsewhere:
        elsewhere.execute(SEQUENCING)
        number = ledger.submit()
        asked = ledger.store.events(0)
        # Time enough for an answer that does not wait.
        assert ledger.store.input_of(number).result(WAIT_S)
        elsewhere.rollback()
        assert [row.number for row in asked.result(WAIT_S)] == [number]
