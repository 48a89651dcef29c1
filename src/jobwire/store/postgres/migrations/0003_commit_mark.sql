-- Who loses its connection during COMMIT finds here what became of it: each commit leaves its mark, and who asks for one
-- that is not there forbids it. (pg_xact_status cannot tell: a crash or a failover hands the same number out again.)
CREATE TABLE commit_mark (
  process bigint NOT NULL,
  no bigint NOT NULL,
  at bigint NOT NULL,
  is_done boolean NOT NULL,
  PRIMARY KEY (process, no)
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
