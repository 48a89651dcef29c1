-- How many jobs wait in each cell of the order (domain/order.py); level before priority, so that all lower priorities
-- are one range of the highest level.
CREATE TABLE cell (
  queue TEXT NOT NULL,
  level INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  cell INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (queue, level, priority, cell)
) WITHOUT ROWID;
CREATE INDEX cell_empty ON cell (n) WHERE n = 0;
INSERT INTO cell
SELECT queue, level.value, priority, turn >> (23 + 6 * level.value) AS cell, count(*)
  FROM ready, json_each('[0, 1, 2, 3]') AS level
 GROUP BY queue, level.value, priority, cell;

-- Queues whose owners do not take turns; a queue without a row is fair.
CREATE TABLE queue_policy (
  queue TEXT PRIMARY KEY,
  is_fair INTEGER NOT NULL
) WITHOUT ROWID;

-- A job's concurrency key; most jobs have none.
CREATE TABLE concurrency (
  number INTEGER PRIMARY KEY,
  key TEXT NOT NULL
);

-- At most count_max jobs run at once, or start within window_ms: of an owner (its id), of a kind, or of each
-- concurrency key of a kind.
CREATE TABLE cap (
  scope TEXT NOT NULL CHECK (scope IN ('owner', 'kind', 'concurrency_key', 'rate')),
  name TEXT NOT NULL,
  count_max INTEGER NOT NULL CHECK (count_max >= 1),
  window_ms INTEGER CHECK (window_ms >= 1),
  PRIMARY KEY (scope, name),
  CHECK ((scope = 'rate') = (window_ms IS NOT NULL))
) WITHOUT ROWID;

-- What a claim took under a cap: given back with its lease, or at ends_at when it counts a start.
CREATE TABLE permit (
  scope TEXT NOT NULL,
  name TEXT NOT NULL,
  number INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  ends_at INTEGER,
  PRIMARY KEY (scope, name, number, fence)
) WITHOUT ROWID;
CREATE INDEX permit_by_number ON permit (number) WHERE ends_at IS NULL;
CREATE INDEX permit_by_end ON permit (ends_at) WHERE ends_at IS NOT NULL;

-- In the order, but held back by a cap: not in ready until a permit of that scope and name is free.
CREATE TABLE blocked (
  queue TEXT NOT NULL,
  priority INTEGER NOT NULL,
  turn INTEGER NOT NULL,
  number INTEGER NOT NULL,
  scope TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (queue, priority, turn, number)
) WITHOUT ROWID;
CREATE INDEX blocked_by_scope ON blocked (scope, name, queue, priority, turn, number);
