-- What customers read (job, state), what workers race for (ready), what waits for its time (due, deadline),
-- what expires (lease, worker), what happened (event, attempt_log). Times are Unix milliseconds.

CREATE TABLE ledger (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE counter (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counter VALUES ('job', 0), ('owner', 0);

CREATE TABLE owner (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  is_suspended INTEGER NOT NULL DEFAULT 0,
  weight INTEGER NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
  disabled_systems TEXT NOT NULL DEFAULT '[]',
  created_at INTEGER NOT NULL
);

CREATE TABLE api_key (
  id TEXT PRIMARY KEY,
  owner INTEGER NOT NULL,
  secret_hash TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) WITHOUT ROWID;
CREATE INDEX api_key_by_owner ON api_key (owner);

-- Written once at submission, never updated.
CREATE TABLE job (
  number INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  owner INTEGER NOT NULL,
  kind TEXT NOT NULL,
  queue TEXT NOT NULL,
  priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
  turn INTEGER NOT NULL,
  attempts_max INTEGER NOT NULL CHECK (attempts_max >= 1),
  deadline_at INTEGER,
  tags TEXT,
  rerun_of INTEGER,
  root INTEGER,
  created_at INTEGER NOT NULL,
  input TEXT NOT NULL
);
CREATE INDEX job_by_owner ON job (owner, number);

-- One narrow row a job; no secondary index holds a column that changes.
CREATE TABLE state (
  number INTEGER PRIMARY KEY,
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 4),
  reason INTEGER NOT NULL DEFAULT 0,
  version INTEGER NOT NULL DEFAULT 1,
  fence INTEGER NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  losses INTEGER NOT NULL DEFAULT 0,
  cancel_requested_at INTEGER,
  run_at INTEGER,
  started_at INTEGER,
  finalized_at INTEGER,
  progress TEXT,
  output TEXT,
  error TEXT,
  CHECK ((state >= 2) = (finalized_at IS NOT NULL)),
  CHECK (run_at IS NULL OR state = 0)
);

-- The order of waiting jobs: the primary key is the order.
CREATE TABLE ready (
  queue TEXT NOT NULL,
  priority INTEGER NOT NULL,
  turn INTEGER NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (queue, priority, turn, number)
) WITHOUT ROWID;

CREATE TABLE due (
  run_at INTEGER NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (run_at, number)
) WITHOUT ROWID;

CREATE TABLE deadline (
  at INTEGER NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (at, number)
) WITHOUT ROWID;

-- Fair turns: where each queue and priority stands, and each owner's latest turn there.
CREATE TABLE lane (
  queue TEXT NOT NULL,
  priority INTEGER NOT NULL,
  now_turn INTEGER NOT NULL,
  PRIMARY KEY (queue, priority)
) WITHOUT ROWID;
CREATE TABLE owner_lane (
  queue TEXT NOT NULL,
  priority INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  last_turn INTEGER NOT NULL,
  PRIMARY KEY (queue, priority, owner)
) WITHOUT ROWID;

-- A lease is valid while its worker's row is: renewed once a worker, not once a job.
CREATE TABLE worker (
  id TEXT PRIMARY KEY,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE lease (
  number INTEGER PRIMARY KEY,
  fence INTEGER NOT NULL,
  worker TEXT NOT NULL
);

-- One row a batch: jobs is a JSON array of [number, version], lo and hi its least and greatest number.
CREATE TABLE event (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  event INTEGER NOT NULL,
  lo INTEGER NOT NULL,
  hi INTEGER NOT NULL,
  jobs TEXT NOT NULL
);

CREATE TABLE attempt_log (
  number INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  at INTEGER NOT NULL,
  event TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  code TEXT,
  internal TEXT NOT NULL,
  PRIMARY KEY (number, fence, event)
) WITHOUT ROWID;

CREATE TABLE step (
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  output TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (number, name)
) WITHOUT ROWID;

CREATE TABLE idempotency (
  owner INTEGER NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  number INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (owner, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

-- The one live job of an owner, kind and unique key.
CREATE TABLE live (
  owner INTEGER NOT NULL,
  kind TEXT NOT NULL,
  unique_key TEXT NOT NULL,
  number INTEGER NOT NULL UNIQUE,
  PRIMARY KEY (owner, kind, unique_key)
) WITHOUT ROWID;
