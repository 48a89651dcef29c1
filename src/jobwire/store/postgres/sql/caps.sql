-- :lock_scopes
SELECT pg_advisory_xact_lock('cap'::regclass::oid::int, hashtext(scope || ' ' || name)) FROM
  (SELECT DISTINCT ON (hashtext(s.value ->> 0 || ' ' || (s.value ->> 1))) s.value ->> 0 AS scope, s.value ->> 1 AS name
     FROM json_array_elements(:scopes::json) AS s (value)
    ORDER BY hashtext(s.value ->> 0 || ' ' || (s.value ->> 1))) AS ordered;
-- :lock_caps
SELECT pg_advisory_xact_lock('queue_policy'::regclass::oid::bigint);
-- :first
SELECT 1 FROM cap LIMIT 1;
-- :needs
WITH candidate AS MATERIALIZED (
  SELECT j.number, j.owner, j.kind, k.key
    FROM job AS j LEFT JOIN concurrency AS k USING (number)
   WHERE j.number = ANY (translate(:numbers, '[]', '{}')::bigint[]))
SELECT coalesce(json_agg(json_build_array(number, json_build_array(scope, name, count_max, window_ms)))::text, '[]') FROM
  (SELECT n.number, c.scope, c.name, c.count_max, c.window_ms
     FROM candidate AS n JOIN cap AS c ON c.scope = 'owner' AND c.name = n.owner::text
   UNION ALL
   SELECT n.number, c.scope, c.name, c.count_max, c.window_ms
     FROM candidate AS n JOIN cap AS c ON c.scope = 'kind' AND c.name = n.kind
   UNION ALL
   SELECT n.number, c.scope, n.kind || '/' || n.owner || '/' || n.key, c.count_max, c.window_ms
     FROM candidate AS n JOIN cap AS c ON c.scope IN ('concurrency_key', 'rate') AND c.name = n.kind
    WHERE n.key IS NOT NULL) AS needs;
-- :taken
SELECT json_agg(json_build_array(w.value ->> 0, w.value ->> 1,
         (SELECT count(*) FROM permit AS p
           WHERE p.scope = w.value ->> 0 AND p.name = w.value ->> 1 AND (p.ends_at IS NULL OR p.ends_at > :now)),
         EXISTS (SELECT FROM blocked AS b WHERE b.scope = w.value ->> 0 AND b.name = w.value ->> 1)::int))::text
  FROM json_array_elements(:scopes::json) AS w (value);
-- :take
INSERT INTO permit (scope, name, number, fence, ends_at)
SELECT w.value ->> 0, w.value ->> 1, s.number, s.fence, (w.value ->> 3)::bigint
  FROM json_array_elements(:permits::json) AS w (value) JOIN state AS s ON s.number = (w.value ->> 2)::bigint;
-- :hold
INSERT INTO blocked (queue, priority, turn, number, scope, name)
SELECT j.queue, j.priority, j.turn, j.number, w.value ->> 1, w.value ->> 2
  FROM json_array_elements(:rows::json) AS w (value) JOIN job AS j ON j.number = (w.value ->> 0)::bigint;
-- :end_leased
DELETE FROM permit
 WHERE ends_at IS NULL AND number = ANY (translate(:numbers, '[]', '{}')::bigint[]) RETURNING scope, name;
-- :end_windows
DELETE FROM permit WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM permit WHERE ends_at IS NOT NULL AND ends_at <= :now FOR UPDATE SKIP LOCKED))
RETURNING scope, name;
-- :held_queues
WITH RECURSIVE held AS (
  SELECT w.value ->> 0 AS scope, w.value ->> 1 AS name, (w.value ->> 2)::bigint AS n,
         (SELECT min(b.queue) FROM blocked AS b WHERE b.scope = w.value ->> 0 AND b.name = w.value ->> 1) AS queue
    FROM json_array_elements(:scopes::json) AS w (value)
  UNION ALL
  SELECT h.scope, h.name, h.n,
         (SELECT min(b.queue) FROM blocked AS b WHERE b.scope = h.scope AND b.name = h.name AND b.queue > h.queue)
    FROM held AS h WHERE h.queue IS NOT NULL
)
SELECT scope, name, n, queue FROM held WHERE queue IS NOT NULL;
-- :first_held
SELECT coalesce(json_agg(number)::text, '[]') FROM
  (SELECT number FROM blocked
    WHERE scope = :scope AND name = :name AND queue = :queue ORDER BY priority, turn, number LIMIT :count) AS held;
-- :all_held
SELECT coalesce(json_agg(number)::text, '[]') FROM blocked
 WHERE scope = :scope AND (name = :name OR (name > :name || '/' AND name < :name || '0'));
-- :let_go
DELETE FROM blocked USING job
 WHERE job.number = ANY (translate(:numbers, '[]', '{}')::bigint[])
   AND (blocked.queue, blocked.priority, blocked.turn, blocked.number) = (job.queue, job.priority, job.turn, job.number)
RETURNING blocked.number;
-- :set
INSERT INTO cap (scope, name, count_max, window_ms) VALUES (:scope, :name, :count_max, :window_ms)
ON CONFLICT (scope, name) DO UPDATE SET count_max = excluded.count_max, window_ms = excluded.window_ms;
-- :count_running
INSERT INTO permit (scope, name, number, fence, ends_at)
SELECT :scope, CASE :scope WHEN 'concurrency_key' THEN j.kind || '/' || j.owner || '/' || k.key ELSE :name END,
       l.number, l.fence, NULL
  FROM lease AS l JOIN job AS j USING (number) LEFT JOIN concurrency AS k USING (number)
 WHERE CASE :scope
         WHEN 'owner' THEN j.owner::text = :name
         WHEN 'kind' THEN j.kind = :name
         ELSE j.kind = :name AND k.key IS NOT NULL
       END
ON CONFLICT (scope, name, number, fence) DO NOTHING;
-- :drop
DELETE FROM cap WHERE scope = :scope AND name = :name;
-- :drop_permits
DELETE FROM permit WHERE scope = :scope AND (name = :name OR (name > :name || '/' AND name < :name || '0'));
