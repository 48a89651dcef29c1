-- :renew
INSERT INTO worker (id, expires_at) VALUES (:worker, :expires_at)
ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at;
-- :progressed
SELECT json_group_array(s.number)
  FROM jsonb_each(:rows) AS r CROSS JOIN state AS s ON s.number = r.value ->> 0
 WHERE s.fence = r.value ->> 1 AND s.state = 1;
-- :progress
UPDATE state SET progress = r.progress, version = version + 1
  FROM (SELECT value ->> 0 AS number, value ->> 1 AS fence, value ->> 2 AS progress FROM jsonb_each(:rows)) AS r
 WHERE state.number = r.number AND state.fence = r.fence AND state.state = 1;
-- :held
SELECT json_group_array(json_array(l.number, l.fence, s.cancel_requested_at IS NOT NULL))
  FROM lease AS l CROSS JOIN state AS s ON s.number = l.number
 WHERE l.worker = :worker;
-- :retire
DELETE FROM worker WHERE id = :worker;
-- :forget_workers
DELETE FROM worker WHERE expires_at <= :now AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.worker = worker.id);
