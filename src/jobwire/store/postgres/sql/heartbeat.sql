-- :renew
INSERT INTO worker (id, expires_at) VALUES (:worker, :expires_at)
ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at;
-- :progressed
SELECT coalesce(json_agg(number)::text, '[]') FROM
  (SELECT s.number FROM json_array_elements(:rows::json) AS r (value) JOIN state AS s ON s.number = (r.value ->> 0)::bigint
    WHERE s.fence = (r.value ->> 1)::bigint AND s.state = 1
    ORDER BY s.number FOR UPDATE OF s) AS locked;
-- :progress
UPDATE state SET progress = r.progress, version = version + 1
  FROM (SELECT (value ->> 0)::bigint AS number, (value ->> 1)::bigint AS fence, value ->> 2 AS progress
          FROM json_array_elements(:rows::json) AS r (value)) AS r
 WHERE state.number = r.number AND state.fence = r.fence AND state.state = 1;
-- :held
SELECT coalesce(json_agg(json_build_array(l.number, l.fence,
         (SELECT (s.cancel_requested_at IS NOT NULL)::int FROM state AS s WHERE s.number = l.number)))::text, '[]')
  FROM lease AS l
 WHERE l.worker = :worker;
-- :retire
DELETE FROM worker WHERE id = :worker;
-- :forget_workers
DELETE FROM worker
 WHERE expires_at <= :now AND NOT EXISTS (SELECT FROM lease WHERE lease.worker = worker.id);
