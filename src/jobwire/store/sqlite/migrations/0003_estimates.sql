-- How long attempts held a slot, tallied in buckets (domain/run_times.py) by periods of four hours; the completed ones
-- apart, because only they tell when a job ends.
CREATE TABLE run_time (
  period BIGINT NOT NULL,
  queue TEXT NOT NULL,
  kind TEXT NOT NULL,
  is_completed BIGINT NOT NULL,
  bucket BIGINT NOT NULL,
  runs BIGINT NOT NULL,
  total_us BIGINT NOT NULL,
  PRIMARY KEY (period, queue, kind, is_completed, bucket)
) WITHOUT ROWID;

-- How many jobs of a queue a worker runs at once; valid while the worker's own row is.
CREATE TABLE worker_queue (
  worker TEXT NOT NULL,
  queue TEXT NOT NULL,
  slots BIGINT NOT NULL,
  PRIMARY KEY (worker, queue)
) WITHOUT ROWID;

-- Jobs submitted while a limit on their owner's backlog was set, until they are found finished.
CREATE TABLE backlog (
  owner BIGINT NOT NULL,
  number BIGINT NOT NULL,
  PRIMARY KEY (owner, number)
) WITHOUT ROWID;
