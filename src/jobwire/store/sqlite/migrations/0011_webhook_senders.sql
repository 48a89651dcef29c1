-- The job that sends has the lease and the fence; a stream says only when it is due. The table is made anew: after an
-- ALTER TABLE SQLite reads every statement of the schema again, which was two thirds of the time a new ledger takes.
CREATE TABLE webhook_stream_before AS
SELECT s.endpoint, s.number, s.due_at, e.owner
  FROM webhook_stream AS s JOIN webhook_endpoint AS e ON e.id = s.endpoint;
DROP TABLE webhook_stream;
CREATE TABLE webhook_stream (
  endpoint TEXT NOT NULL,
  number INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  owner INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (endpoint, number)
) WITHOUT ROWID;
INSERT INTO webhook_stream (endpoint, number, due_at, owner)
SELECT endpoint, number, due_at, owner FROM webhook_stream_before;
DROP TABLE webhook_stream_before;
CREATE INDEX webhook_stream_due ON webhook_stream (owner, endpoint, due_at);
CREATE INDEX webhook_stream_next ON webhook_stream (owner, due_at);

-- What waits for an owner's endpoints is sent by one job at a time: which, since or from when it is wanted, and how
-- often it was called. No row: nothing waits that may be sent. Job 0 never was: whoever looks first makes one.
CREATE TABLE webhook_sender (
  owner INTEGER PRIMARY KEY,
  job INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  calls INTEGER NOT NULL DEFAULT 0
);
INSERT INTO webhook_sender (owner, job, due_at) SELECT owner, 0, min(due_at) FROM webhook_stream GROUP BY owner;
