-- Where events go by themselves. An endpoint is registered by its owner, or made by a submission that names a URL.
CREATE TABLE webhook_endpoint (
  id TEXT PRIMARY KEY,
  owner INTEGER NOT NULL,
  url TEXT NOT NULL,
  is_ad_hoc INTEGER NOT NULL,
  scheme TEXT NOT NULL,
  events TEXT,
  kinds TEXT,
  created_at INTEGER NOT NULL,
  disabled_at INTEGER,
  disabled_reason TEXT,
  failures INTEGER NOT NULL DEFAULT 0,
  openings INTEGER NOT NULL DEFAULT 0,
  open_until INTEGER,
  failing_since INTEGER
) WITHOUT ROWID;
CREATE INDEX webhook_endpoint_by_owner ON webhook_endpoint (owner, id);
CREATE UNIQUE INDEX webhook_endpoint_by_url ON webhook_endpoint (owner, url) WHERE is_ad_hoc = 1;

-- Which secrets sign; the secrets themselves are derived from a key that is not here.
CREATE TABLE webhook_secret (
  holder TEXT NOT NULL,
  generation INTEGER NOT NULL,
  key_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (holder, generation)
) WITHOUT ROWID;

-- The endpoint that a job's submission named.
CREATE TABLE job_webhook (
  number INTEGER PRIMARY KEY,
  endpoint TEXT NOT NULL,
  events TEXT
);
CREATE INDEX job_webhook_by_endpoint ON job_webhook (endpoint);

-- Each event on its way to each endpoint, and what came of it; number 0 has the test messages.
CREATE TABLE webhook_delivery (
  endpoint TEXT NOT NULL,
  number INTEGER NOT NULL,
  no INTEGER NOT NULL,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  body TEXT NOT NULL,
  state INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  sent_at INTEGER,
  status INTEGER,
  duration_ms INTEGER,
  answer TEXT,
  PRIMARY KEY (endpoint, number, no)
) WITHOUT ROWID;
CREATE INDEX webhook_delivery_by_time ON webhook_delivery (endpoint, at, no, number);
CREATE INDEX webhook_delivery_by_id ON webhook_delivery (endpoint, id);

-- The pending deliveries of a job to an endpoint, one after the other: who holds the stream sends the first of them.
CREATE TABLE webhook_stream (
  endpoint TEXT NOT NULL,
  number INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  fence INTEGER NOT NULL DEFAULT 0,
  holder TEXT,
  PRIMARY KEY (endpoint, number)
) WITHOUT ROWID;
CREATE INDEX webhook_stream_due ON webhook_stream (endpoint, due_at) WHERE holder IS NULL;
CREATE INDEX webhook_stream_next ON webhook_stream (due_at) WHERE holder IS NULL;
CREATE INDEX webhook_stream_held ON webhook_stream (holder) WHERE holder IS NOT NULL;
