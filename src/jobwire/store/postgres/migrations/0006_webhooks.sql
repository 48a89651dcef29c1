-- Where events go by themselves. An endpoint is registered by its owner, or made by a submission that names a URL.
CREATE TABLE webhook_endpoint (
  id text COLLATE "C" PRIMARY KEY,
  owner bigint NOT NULL,
  url text COLLATE "C" NOT NULL,
  is_ad_hoc bigint NOT NULL,
  scheme text NOT NULL,
  events text,
  kinds text,
  created_at bigint NOT NULL,
  disabled_at bigint,
  disabled_reason text,
  failures bigint NOT NULL DEFAULT 0,
  openings bigint NOT NULL DEFAULT 0,
  open_until bigint,
  failing_since bigint
);
CREATE INDEX webhook_endpoint_by_owner ON webhook_endpoint (owner, id);
CREATE UNIQUE INDEX webhook_endpoint_by_url ON webhook_endpoint (owner, url) WHERE is_ad_hoc = 1;

-- Which secrets sign; the secrets themselves are derived from a key that is not here.
CREATE TABLE webhook_secret (
  holder text COLLATE "C" NOT NULL,
  generation bigint NOT NULL,
  key_id text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint,
  PRIMARY KEY (holder, generation)
);

-- The endpoint that a job's submission named.
CREATE TABLE job_webhook (
  number bigint PRIMARY KEY,
  endpoint text COLLATE "C" NOT NULL,
  events text
);
CREATE INDEX job_webhook_by_endpoint ON job_webhook (endpoint);

-- Each event on its way to each endpoint, and what came of it; number 0 has the test messages.
CREATE TABLE webhook_delivery (
  endpoint text COLLATE "C" NOT NULL,
  number bigint NOT NULL,
  no bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  type text NOT NULL,
  at bigint NOT NULL,
  body text NOT NULL,
  state bigint NOT NULL DEFAULT 0,
  attempts bigint NOT NULL DEFAULT 0,
  sent_at bigint,
  status bigint,
  duration_ms bigint,
  answer text,
  PRIMARY KEY (endpoint, number, no)
);
CREATE INDEX webhook_delivery_by_time ON webhook_delivery (endpoint, at, no, number);
CREATE INDEX webhook_delivery_by_id ON webhook_delivery (endpoint, id);

-- The pending deliveries of a job to an endpoint, one after the other: who holds the stream sends the first of them.
CREATE TABLE webhook_stream (
  endpoint text COLLATE "C" NOT NULL,
  number bigint NOT NULL,
  due_at bigint NOT NULL,
  fence bigint NOT NULL DEFAULT 0,
  holder text COLLATE "C",
  PRIMARY KEY (endpoint, number)
);
CREATE INDEX webhook_stream_due ON webhook_stream (endpoint, due_at) WHERE holder IS NULL;
CREATE INDEX webhook_stream_next ON webhook_stream (due_at) WHERE holder IS NULL;
CREATE INDEX webhook_stream_held ON webhook_stream (holder) WHERE holder IS NOT NULL;
