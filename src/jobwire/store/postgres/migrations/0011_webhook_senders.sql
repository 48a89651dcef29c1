-- What waits for an owner's endpoints is sent by one job at a time: which, since or from when it is wanted, and how
-- often it was called. No row: nothing waits that may be sent.
CREATE TABLE webhook_sender (
  owner bigint PRIMARY KEY,
  job bigint NOT NULL,
  due_at bigint NOT NULL,
  calls bigint NOT NULL DEFAULT 0
);

-- The job that sends has the lease and the fence; a stream says only when it is due.
DROP INDEX webhook_stream_due;
DROP INDEX webhook_stream_next;
DROP INDEX webhook_stream_held;
ALTER TABLE webhook_stream DROP COLUMN holder;
ALTER TABLE webhook_stream DROP COLUMN fence;
ALTER TABLE webhook_stream ADD COLUMN owner bigint NOT NULL DEFAULT 0;
DELETE FROM webhook_stream WHERE endpoint NOT IN (SELECT id FROM webhook_endpoint);
UPDATE webhook_stream SET owner = (SELECT e.owner FROM webhook_endpoint AS e WHERE e.id = webhook_stream.endpoint);
CREATE INDEX webhook_stream_due ON webhook_stream (owner, endpoint, due_at);
CREATE INDEX webhook_stream_next ON webhook_stream (owner, due_at);

-- Job 0 never was: whoever looks first makes one.
INSERT INTO webhook_sender (owner, job, due_at) SELECT owner, 0, min(due_at) FROM webhook_stream GROUP BY owner;
