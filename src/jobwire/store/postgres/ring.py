"""The event log's parts: one is open, and those that are old are dropped whole instead of row by row.

Part n has numbers below (n + 1) << SPAN_BITS. The next one is entered by a leap of the numbers, so that the bounds of
each are known when it is made, and no row is looked at for them. Only those who read the log or move events into it
touch its tables: submissions, claims and settlements append to the inbox and never wait for a part.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg import errors

from jobwire.store.postgres.session import Session
from jobwire.store.statements import load_statements

logger = logging.getLogger("jobwire.store")

SQL = load_statements("postgres", "ring")

SPAN_BITS = 32
PARTS = 16
"""In how many parts the events of one retention lie, and the open one."""
PART_ROWS_MAX = 1 << 31
LOCK_WAIT_MS = 50
"""Who reads the log waits no longer behind a part that is to be dropped; then it is dropped another time."""

MAKE_PART = """
CREATE TABLE event_{part} (LIKE event INCLUDING ALL);
ALTER TABLE event ATTACH PARTITION event_{part} FOR VALUES FROM ({first}) TO ({bound})
"""
# The check spares the look at each row while everybody waits; a turn looks at a million events in a second.
MAKE_KEPT = """
SET LOCAL statement_timeout = 0;
CREATE TABLE event_kept_next (LIKE event INCLUDING ALL, CHECK (no < {bound}))
"""
DROP_PARTS = """
SET LOCAL lock_timeout = {wait_ms};
DROP TABLE event_kept, {parts};
ALTER TABLE event_kept_next RENAME TO event_kept;
ALTER TABLE event ATTACH PARTITION event_kept FOR VALUES FROM (MINVALUE) TO ({bound})
"""
MAKE_LOADED = "DROP TABLE event_0; CREATE TABLE event_loaded (LIKE event INCLUDING ALL)"
ATTACH_LOADED = """
ALTER TABLE event_loaded RENAME TO event_{part};
ALTER TABLE event ATTACH PARTITION event_{part} FOR VALUES FROM (0) TO ({bound})
"""


class EventRing:
    """What one process turns: `keep_from` says what has become old, the next `turn` drops it."""

    def __init__(self) -> None:
        self._before: int | None = None

    def keep_from(self, before: int) -> None:
        """Events of before that time are wanted no more, unless their jobs are there."""
        self._before = before

    def turn(self, session: Session) -> None:
        """Open the next part when it is time, drop what is old; without `keep_from` since the last turn nothing."""
        before, self._before = self._before, None
        if before is None:
            return
        with _turning(session) as parts:
            if parts and _is_full(session, parts[-1], before):
                make_part(session, parts[-1] + 1)
        # In a transaction of its own: a number may leap only into a part that is there for everybody.
        with _turning(session) as parts:
            if parts and _last_no(session) < parts[-1] << SPAN_BITS:
                # Whoever was moving events into the old part has committed: it never gets another one.
                session.execute(SQL["stop_moving"])
                session.execute(SQL["enter"], {"first": parts[-1] << SPAN_BITS})
        try:
            with _turning(session) as parts:
                _drop_old(session, parts, before)
        except errors.LockNotAvailable:
            logger.info("old events are dropped another time: somebody reads the log for long")


@contextmanager
def _turning(session: Session) -> Iterator[Sequence[int]]:
    """A transaction with the parts of the ring; with none where another process turns it."""
    with session.connection.transaction():
        yield [row[0] for row in session.execute(SQL["parts"])] if _one(session, "lock") else []


def _one(session: Session, name: str, **params: int) -> int | None:
    row = session.execute(SQL[name], params).fetchone()
    value: int | None = None if row is None else row[0]
    return value


def _last_no(session: Session) -> int:
    return _one(session, "last_no") or 0


def _is_full(session: Session, part: int, before: int) -> bool:
    """Whether the last part has its share of the retention, or nothing but what is old."""
    first, bound = part << SPAN_BITS, (part + 1) << SPAN_BITS
    first_at, last_at = _one(session, "first_at", first=first), _one(session, "last_at", first=first, bound=bound)
    if first_at is None or last_at is None:
        return False
    if _last_no(session) - first >= PART_ROWS_MAX:
        return True
    return last_at < before or (last_at - first_at) * PARTS >= last_at - before


def _drop_old(session: Session, parts: Sequence[int], before: int) -> None:
    old: list[int] = []
    entered = _last_no(session) >> SPAN_BITS
    for part in parts:
        last_at = _one(session, "last_at", first=part << SPAN_BITS, bound=(part + 1) << SPAN_BITS)
        if part >= entered or (last_at is not None and last_at >= before):
            break
        old.append(part)
    if not old:
        return
    bound = (old[-1] + 1) << SPAN_BITS
    session.execute_script(MAKE_KEPT.format(bound=bound))
    session.execute(SQL["survive"], {"bound": bound, "before": before})
    names = ", ".join(f"event_{part}" for part in old)
    session.execute_script(DROP_PARTS.format(parts=names, bound=bound, wait_ms=LOCK_WAIT_MS))


def make_part(session: Session, part: int) -> None:
    """Add an empty part behind the others; keeps nobody waiting."""
    first = part << SPAN_BITS
    session.execute_script(MAKE_PART.format(part=part, first=first, bound=first + (1 << SPAN_BITS)))


def begin_load(session: Session) -> str:
    """The table into which the rows of a whole log are to be copied, in a ledger that nobody has seen yet."""
    session.execute_script(MAKE_LOADED)
    return "event_loaded"


def end_load(session: Session) -> None:
    """Make what was copied the log."""
    part = (_one(session, "last_loaded") or 0) >> SPAN_BITS
    session.execute_script(ATTACH_LOADED.format(part=part, bound=(part + 1) << SPAN_BITS))


def make_room(session: Session, no: int) -> None:
    """There is a part for that number, which is above all others."""
    *_, last = (row[0] for row in session.execute(SQL["parts"]))
    if no >> SPAN_BITS > last:
        make_part(session, no >> SPAN_BITS)
