"""Where one is in the event log: its end, and where a job's events begin. Portable SQL, for any engine."""

from jobwire.store.contract import Reader

# The log has no order by time to look it up in: halving finds in some 20 looks the first entry as young as a job.
FIND_SPAN = """
WITH RECURSIVE half (low, high) AS (
  SELECT coalesce(min(no), 1), coalesce(max(no), 0) FROM event
  UNION ALL
  SELECT CASE WHEN {young} THEN low ELSE (low + high) / 2 + 1 END,
         CASE WHEN {young} THEN (low + high) / 2 - 1 ELSE high END
    FROM half WHERE low <= high)
SELECT coalesce((SELECT min(no) FROM event WHERE no >= (SELECT max(low) FROM half)), (SELECT max(low) FROM half)) - 1,
       (SELECT coalesce(max(no), 0) FROM event)
""".format(young="(SELECT at FROM event WHERE no >= (low + high) / 2 ORDER BY no LIMIT 1) >= :created_at")  # noqa: S608 - one condition, twice


def read_last(reader: Reader) -> int:
    """The number of the last entry, 0 without one."""
    return int(reader.query("SELECT coalesce(max(no), 0) FROM event")[0][0])


def skip_gap(reader: Reader, after: int) -> int:
    """The greatest number up to which there is no entry after that one; numbers leap where a part of a log begins."""
    sql = "SELECT coalesce(min(no) - 1, :after) FROM event WHERE no > :after"
    return int(reader.query(sql, after=after)[0][0])


def find_span(reader: Reader, created_at: int) -> tuple[int, int]:
    """The entries between which a job's events lie: before the first that is as young as the job, and the last."""
    first, last = reader.query(FIND_SPAN, created_at=created_at)[0]
    return int(first), int(last)
