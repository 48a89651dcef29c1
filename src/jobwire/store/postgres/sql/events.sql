-- :log
INSERT INTO event_inbox (at, event, lo, hi, jobs)
SELECT :now, :event, min(number), max(number), '[' || string_agg('[' || number || ',' || version || ']', ',') || ']'
  FROM state WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]) HAVING count(*) > 0;
-- :sequence
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock('event'::regclass::oid::int, 1)),
moved AS (
  DELETE FROM event_inbox WHERE EXISTS (SELECT FROM turn) RETURNING no, at, event, lo, hi, jobs)
INSERT INTO event (at, event, lo, hi, jobs) SELECT at, event, lo, hi, jobs FROM moved ORDER BY no;
-- :tail
SELECT e.no, e.at, e.event, (j.value ->> 0)::bigint, (j.value ->> 1)::bigint
  FROM (SELECT * FROM event WHERE no > :after ORDER BY no LIMIT :limit) AS e,
       json_array_elements(e.jobs::json) WITH ORDINALITY AS j (value, place)
 ORDER BY e.no, j.place;
-- :of_job
SELECT e.no, e.at, e.event, (j.value ->> 0)::bigint, (j.value ->> 1)::bigint
  FROM event AS e, json_array_elements(e.jobs::json) AS j (value)
 WHERE e.no > :after AND e.no <= :until AND :number BETWEEN e.lo AND e.hi AND (j.value ->> 0)::bigint = :number
 ORDER BY e.no LIMIT :limit;
-- :last_at
SELECT greatest((SELECT at FROM event ORDER BY no DESC LIMIT 1), (SELECT max(at) FROM event_inbox));
-- :wanted
SELECT j.number, j.key, j.owner, j.kind, s.version, s.state, s.reason, s.attempt, s.run_at, s.cancel_requested_at,
       e.id, w.events
  FROM unnest(translate(:numbers, '[]', '{}')::bigint[]) AS n (number)
  JOIN job AS j USING (number) JOIN state AS s USING (number)
  LEFT JOIN job_webhook AS w ON w.number = j.number
  LEFT JOIN webhook_endpoint AS e ON e.id = w.endpoint AND e.disabled_at IS NULL
 WHERE e.id IS NOT NULL
    OR EXISTS (SELECT 1 FROM webhook_endpoint AS o
                WHERE o.owner = j.owner AND o.is_ad_hoc = 0 AND o.disabled_at IS NULL);
-- :take_cursor
SELECT value FROM ledger WHERE name = :name FOR UPDATE SKIP LOCKED;
