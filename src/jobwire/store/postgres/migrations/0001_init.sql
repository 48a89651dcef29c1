-- The tables of the SQLite ledger under the same names, cut for many writers: what changes is narrow and has no index
-- on a changing column, what is raced for is inserted and deleted only, what would be a hot row is appended and folded.
-- Texts that are compared have the C collation, so that the order is the same on every server.

CREATE TABLE ledger (
  name text COLLATE "C" PRIMARY KEY,
  value text NOT NULL
);

CREATE TABLE counter (
  name text COLLATE "C" PRIMARY KEY,
  value bigint NOT NULL
);
INSERT INTO counter (name, value) VALUES ('owner', 0);

CREATE TABLE owner (
  id bigint PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  is_suspended bigint NOT NULL DEFAULT 0,
  weight bigint NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
  disabled_systems text NOT NULL DEFAULT '[]',
  created_at bigint NOT NULL
);

CREATE TABLE api_key (
  id text COLLATE "C" PRIMARY KEY,
  owner bigint NOT NULL,
  secret_hash text NOT NULL,
  scopes text NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint,
  revoked_at bigint
);
CREATE INDEX api_key_by_owner ON api_key (owner);

-- Handed out in the order of a batch; not contiguous when several processes submit.
CREATE SEQUENCE job_number;

-- Written once at submission, never updated.
CREATE TABLE job (
  number bigint PRIMARY KEY,
  key text COLLATE "C" NOT NULL,
  owner bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  priority bigint NOT NULL CHECK (priority BETWEEN 0 AND 9),
  turn bigint NOT NULL,
  attempts_max bigint NOT NULL CHECK (attempts_max >= 1),
  deadline_at bigint,
  tags text,
  rerun_of bigint,
  root bigint,
  created_at bigint NOT NULL,
  input text NOT NULL,
  CONSTRAINT job_by_key UNIQUE (key)
);
CREATE INDEX job_by_owner ON job (owner, number);

-- One narrow row a job with room beside it, so that its updates stay on the page and touch no index.
CREATE TABLE state (
  number bigint PRIMARY KEY,
  state bigint NOT NULL CHECK (state BETWEEN 0 AND 4),
  reason bigint NOT NULL DEFAULT 0,
  version bigint NOT NULL DEFAULT 1,
  fence bigint NOT NULL DEFAULT 0,
  attempt bigint NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  losses bigint NOT NULL DEFAULT 0,
  cancel_requested_at bigint,
  run_at bigint,
  started_at bigint,
  finalized_at bigint,
  progress text,
  output text,
  error text,
  CHECK ((state >= 2) = (finalized_at IS NOT NULL)),
  CHECK (run_at IS NULL OR state = 0)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- The order of waiting jobs: the primary key is the order. Inserted and deleted, never updated.
CREATE TABLE ready (
  queue text COLLATE "C" NOT NULL,
  priority bigint NOT NULL,
  turn bigint NOT NULL,
  number bigint NOT NULL,
  PRIMARY KEY (queue, priority, turn, number)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
        vacuum_truncate = off);

CREATE TABLE due (
  number bigint PRIMARY KEY,
  run_at bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, vacuum_truncate = off);
CREATE INDEX due_by_time ON due (run_at, number);

CREATE TABLE deadline (
  number bigint PRIMARY KEY,
  at bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, vacuum_truncate = off);
CREATE INDEX deadline_by_time ON deadline (at, number);

-- Fair turns: every claim appends where its queue stands now, the greatest counts; upkeep deletes the others.
CREATE TABLE lane_mark (
  queue text COLLATE "C" NOT NULL,
  priority bigint NOT NULL,
  turn bigint NOT NULL
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
CREATE INDEX lane_mark_by_turn ON lane_mark (queue, priority, turn);

-- Each owner's latest turn; `advance` is how far its last batch went.
CREATE TABLE owner_lane (
  queue text COLLATE "C" NOT NULL,
  priority bigint NOT NULL,
  owner bigint NOT NULL,
  last_turn bigint NOT NULL,
  advance bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (queue, priority, owner)
) WITH (fillfactor = 50);

-- How many wait, counted in cells of 64 of the next lower level; a transaction appends what it changed, upkeep folds.
CREATE TABLE cell (
  queue text COLLATE "C" NOT NULL,
  level bigint NOT NULL,
  priority bigint NOT NULL,
  cell bigint NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (queue, level, priority, cell)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
CREATE TABLE cell_delta (
  queue text COLLATE "C" NOT NULL,
  priority bigint NOT NULL,
  cell bigint NOT NULL,
  n bigint NOT NULL
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);

-- A lease is valid while its worker's row is: renewed once a worker, not once a job.
CREATE TABLE worker (
  id text COLLATE "C" PRIMARY KEY,
  expires_at bigint NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE lease (
  number bigint PRIMARY KEY,
  fence bigint NOT NULL,
  worker text COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
        vacuum_truncate = off);

-- What happened: a transaction appends to the inbox, whose numbers are taken under the jobs' locks; a sequencer moves
-- what has committed to the log in that order, so that a reader of the log misses no one who commits late.
-- One row a batch: jobs is a JSON array of [number, version], lo and hi its least and greatest number.
CREATE TABLE event_inbox (
  no bigint GENERATED ALWAYS AS IDENTITY,
  at bigint NOT NULL,
  event bigint NOT NULL,
  lo bigint NOT NULL,
  hi bigint NOT NULL,
  jobs text NOT NULL
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
CREATE TABLE event (
  no bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  at bigint NOT NULL,
  event bigint NOT NULL,
  lo bigint NOT NULL,
  hi bigint NOT NULL,
  jobs text NOT NULL
);

CREATE TABLE attempt_log (
  number bigint NOT NULL,
  fence bigint NOT NULL,
  at bigint NOT NULL,
  event text COLLATE "C" NOT NULL,
  attempt bigint NOT NULL,
  code text,
  internal text NOT NULL,
  PRIMARY KEY (number, fence, event)
);

CREATE TABLE step (
  number bigint NOT NULL,
  name text COLLATE "C" NOT NULL,
  output text NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (number, name)
);

CREATE TABLE idempotency (
  owner bigint NOT NULL,
  key text COLLATE "C" NOT NULL,
  fingerprint text NOT NULL,
  number bigint NOT NULL,
  expires_at bigint NOT NULL,
  CONSTRAINT idempotency_by_key PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

-- The one live job of an owner, kind and unique key.
CREATE TABLE live (
  owner bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  unique_key text COLLATE "C" NOT NULL,
  number bigint NOT NULL UNIQUE,
  CONSTRAINT live_by_key PRIMARY KEY (owner, kind, unique_key)
);

-- Queues whose owners do not take turns; a queue without a row is fair.
CREATE TABLE queue_policy (
  queue text COLLATE "C" PRIMARY KEY,
  is_fair bigint NOT NULL
);

-- A job's concurrency key; most jobs have none.
CREATE TABLE concurrency (
  number bigint PRIMARY KEY,
  key text COLLATE "C" NOT NULL
);

-- At most count_max jobs run at once, or start within window_ms: of an owner (its id), of a kind, or of each
-- concurrency key of a kind.
CREATE TABLE cap (
  scope text COLLATE "C" NOT NULL CHECK (scope IN ('owner', 'kind', 'concurrency_key', 'rate')),
  name text COLLATE "C" NOT NULL,
  count_max bigint NOT NULL CHECK (count_max >= 1),
  window_ms bigint CHECK (window_ms >= 1),
  PRIMARY KEY (scope, name),
  CHECK ((scope = 'rate') = (window_ms IS NOT NULL))
);

-- What a claim took under a cap: given back with its lease, or at ends_at when it counts a start.
CREATE TABLE permit (
  scope text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  number bigint NOT NULL,
  fence bigint NOT NULL,
  ends_at bigint,
  PRIMARY KEY (scope, name, number, fence)
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
CREATE INDEX permit_by_number ON permit (number) WHERE ends_at IS NULL;
CREATE INDEX permit_by_end ON permit (ends_at) WHERE ends_at IS NOT NULL;

-- In the order, but held back by a cap: not in ready until a permit of that scope and name is free.
CREATE TABLE blocked (
  queue text COLLATE "C" NOT NULL,
  priority bigint NOT NULL,
  turn bigint NOT NULL,
  number bigint NOT NULL,
  scope text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  PRIMARY KEY (queue, priority, turn, number)
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
CREATE INDEX blocked_by_scope ON blocked (scope, name, queue, priority, turn, number);

-- How long attempts held a slot, in buckets by periods; the completed ones apart.
CREATE TABLE run_time (
  period bigint NOT NULL,
  queue text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  is_completed bigint NOT NULL,
  bucket bigint NOT NULL,
  runs bigint NOT NULL,
  total_us bigint NOT NULL,
  PRIMARY KEY (period, queue, kind, is_completed, bucket)
) WITH (fillfactor = 50);

-- How many jobs of a queue a worker runs at once; valid while the worker's own row is.
CREATE TABLE worker_queue (
  worker text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  slots bigint NOT NULL,
  PRIMARY KEY (worker, queue)
);

-- The unfinished jobs of each owner, for the limit on them.
CREATE TABLE backlog (
  owner bigint NOT NULL,
  number bigint NOT NULL,
  PRIMARY KEY (owner, number)
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
