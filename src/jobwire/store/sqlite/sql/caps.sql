-- :first
SELECT 1 FROM cap LIMIT 1;
-- :needs
WITH candidate AS MATERIALIZED (
  SELECT j.number, j.owner, j.kind, k.key
    FROM json_each(:numbers) AS w CROSS JOIN job AS j ON j.number = w.value
    LEFT JOIN concurrency AS k ON k.number = j.number
)
SELECT json_group_array(json_array(number, json_array(scope, name, count_max, window_ms))) FROM
  (SELECT n.number, c.scope, c.name, c.count_max, c.window_ms
     FROM candidate AS n CROSS JOIN cap AS c ON c.scope = 'owner' AND c.name = CAST(n.owner AS TEXT)
   UNION ALL
   SELECT n.number, c.scope, c.name, c.count_max, c.window_ms
     FROM candidate AS n CROSS JOIN cap AS c ON c.scope = 'kind' AND c.name = n.kind
   UNION ALL
   SELECT n.number, c.scope, n.kind || '/' || n.owner || '/' || n.key, c.count_max, c.window_ms
     FROM candidate AS n CROSS JOIN cap AS c ON c.scope IN ('concurrency_key', 'rate') AND c.name = n.kind
    WHERE n.key IS NOT NULL);
-- :taken
SELECT json_group_array(json_array(w.value ->> 0, w.value ->> 1,
         (SELECT count(*) FROM permit AS p
           WHERE p.scope = w.value ->> 0 AND p.name = w.value ->> 1 AND (p.ends_at IS NULL OR p.ends_at > :now)),
         EXISTS (SELECT 1 FROM blocked AS b WHERE b.scope = w.value ->> 0 AND b.name = w.value ->> 1)))
  FROM jsonb_each(:scopes) AS w;
-- :take
INSERT INTO permit (scope, name, number, fence, ends_at)
SELECT w.value ->> 0, w.value ->> 1, s.number, s.fence, w.value ->> 3
  FROM jsonb_each(:permits) AS w CROSS JOIN state AS s ON s.number = w.value ->> 2;
-- :hold
INSERT INTO blocked (queue, priority, turn, number, scope, name)
SELECT j.queue, j.priority, j.turn, j.number, w.value ->> 1, w.value ->> 2
  FROM jsonb_each(:rows) AS w CROSS JOIN job AS j ON j.number = w.value ->> 0;
-- :end_leased
DELETE FROM permit WHERE ends_at IS NULL AND number IN (SELECT value FROM json_each(:numbers)) RETURNING scope, name;
-- :end_windows
DELETE FROM permit WHERE ends_at IS NOT NULL AND ends_at <= :now RETURNING scope, name;
-- :held_queues
WITH RECURSIVE held AS (
  SELECT w.value ->> 0 AS scope, w.value ->> 1 AS name, w.value ->> 2 AS n,
         (SELECT min(b.queue) FROM blocked AS b WHERE b.scope = w.value ->> 0 AND b.name = w.value ->> 1) AS queue
    FROM jsonb_each(:scopes) AS w
  UNION ALL
  SELECT h.scope, h.name, h.n,
         (SELECT min(b.queue) FROM blocked AS b WHERE b.scope = h.scope AND b.name = h.name AND b.queue > h.queue)
    FROM held AS h WHERE h.queue IS NOT NULL
)
SELECT scope, name, n, queue FROM held WHERE queue IS NOT NULL;
-- :first_held
SELECT json_group_array(number) FROM
  (SELECT number FROM blocked
    WHERE scope = :scope AND name = :name AND queue = :queue ORDER BY priority, turn, number LIMIT :count);
-- :all_held
SELECT json_group_array(number) FROM blocked
 WHERE scope = :scope AND (name = :name OR (name > :name || '/' AND name < :name || '0'));
-- :let_go
DELETE FROM blocked WHERE (queue, priority, turn, number) IN
  (SELECT queue, priority, turn, number FROM job WHERE number IN (SELECT value FROM json_each(:numbers)))
RETURNING number;
-- :set
INSERT INTO cap (scope, name, count_max, window_ms) VALUES (:scope, :name, :count_max, :window_ms)
ON CONFLICT (scope, name) DO UPDATE SET count_max = excluded.count_max, window_ms = excluded.window_ms;
-- :count_running
INSERT INTO permit (scope, name, number, fence, ends_at)
SELECT :scope, CASE :scope WHEN 'concurrency_key' THEN j.kind || '/' || j.owner || '/' || k.key ELSE :name END,
       l.number, l.fence, NULL
  FROM lease AS l JOIN job AS j ON j.number = l.number LEFT JOIN concurrency AS k ON k.number = l.number
 WHERE CASE :scope
         WHEN 'owner' THEN CAST(j.owner AS TEXT) = :name
         WHEN 'kind' THEN j.kind = :name
         ELSE j.kind = :name AND k.key IS NOT NULL
       END
ON CONFLICT (scope, name, number, fence) DO NOTHING;
-- :drop
DELETE FROM cap WHERE scope = :scope AND name = :name;
-- :drop_permits
DELETE FROM permit WHERE scope = :scope AND (name = :name OR (name > :name || '/' AND name < :name || '0'));
