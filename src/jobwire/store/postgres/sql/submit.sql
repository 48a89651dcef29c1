-- :sent
SELECT coalesce(json_agg(json_build_array(j.owner, j.key, j.number))::text, '[]')
  FROM json_array_elements_text(:keys::json) AS k (key) JOIN job AS j USING (key);
-- :known
SELECT coalesce(json_agg(json_build_array(i.owner, i.key, j.key, j.number, i.fingerprint))::text, '[]')
  FROM json_array_elements(:named::json) AS r (value)
       JOIN idempotency AS i ON i.owner = (r.value ->> 0)::bigint AND i.key = r.value ->> 1
       JOIN job AS j ON j.number = i.number
 WHERE i.expires_at > :now;
-- :live
SELECT coalesce(json_agg(json_build_array(l.owner, l.kind, l.unique_key, j.key, j.number))::text, '[]')
  FROM json_array_elements(:places::json) AS r (value)
       JOIN live AS l ON l.owner = (r.value ->> 0)::bigint AND l.kind = r.value ->> 1 AND l.unique_key = r.value ->> 2
       JOIN job AS j ON j.number = l.number;
-- :take_places
WITH lanes AS MATERIALIZED (
  SELECT l.*, 1048576 / coalesce((SELECT weight FROM owner WHERE id = l.lane), 1) AS step,
         coalesce((SELECT turn FROM lane_mark AS m WHERE m.queue = l.queue AND m.priority = l.priority
                    ORDER BY turn DESC LIMIT 1), 0) AS now_turn
    FROM unnest(:queues::text[], :priorities::bigint[], :lanes::bigint[], :jobs::bigint[])
           AS l (queue, priority, lane, jobs)),
moved AS (
  INSERT INTO owner_lane AS o (queue, priority, owner, last_turn, advance)
  SELECT queue, priority, lane, now_turn + step * (jobs - 1), step * jobs FROM lanes
  ON CONFLICT (queue, priority, owner) DO UPDATE
     SET last_turn = greatest(excluded.last_turn, o.last_turn + excluded.advance), advance = excluded.advance
  RETURNING queue, priority, owner, last_turn, advance)
SELECT (SELECT json_agg(nextval('job_number')) FROM generate_series(1, :count))::text,
       (SELECT json_agg(json_build_array(queue, priority, owner, last_turn, advance)) FROM moved)::text;
-- :insert
WITH r AS MATERIALIZED (
  SELECT * FROM unnest(:numbers::bigint[], :keys::text[], :owners::bigint[], :kinds::text[], :queues::text[],
                       :priorities::bigint[], :turns::bigint[], :attempts_maxes::bigint[], :deadlines::bigint[],
                       :tags::text[], :reruns::bigint[], :roots::bigint[], :inputs::text[], :run_ats::bigint[])
             AS r (number, key, owner, kind, queue, priority, turn, attempts_max, deadline_at, tags, rerun_of, root,
                   input, run_at)),
jobs AS (
  INSERT INTO job (number, key, owner, kind, queue, priority, turn, attempts_max, deadline_at, tags, rerun_of, root,
                   created_at, input)
  SELECT number, key, owner, kind, queue, priority, turn, attempts_max, deadline_at, tags, rerun_of, root, :now, input
    FROM r),
states AS (
  INSERT INTO state (number, state, run_at) SELECT number, 0, run_at FROM r),
ordered AS (
  INSERT INTO ready (queue, priority, turn, number) SELECT queue, priority, turn, number FROM r WHERE run_at IS NULL),
later AS (
  INSERT INTO due (run_at, number) SELECT run_at, number FROM r WHERE run_at IS NOT NULL),
limited AS (
  INSERT INTO deadline (at, number) SELECT deadline_at, number FROM r WHERE deadline_at IS NOT NULL),
counted AS (
  INSERT INTO cell_delta (queue, priority, cell, n)
  SELECT * FROM unnest(:cell_queues::text[], :cell_priorities::bigint[], :cells::bigint[], :counts::bigint[]))
INSERT INTO event_inbox (at, event, lo, hi, jobs) VALUES (:now, :event, :lo, :hi, :jobs);
-- :insert_concurrency
INSERT INTO concurrency (number, key)
SELECT (w.value ->> 0)::bigint, coalesce(w.value ->> 1, k.key)
  FROM json_array_elements(:rows::json) AS w (value) LEFT JOIN concurrency AS k ON k.number = (w.value ->> 2)::bigint
 WHERE coalesce(w.value ->> 1, k.key) IS NOT NULL;
-- :keep_keys
WITH r AS MATERIALIZED (
  SELECT * FROM unnest(:numbers::bigint[], :owners::bigint[], :kinds::text[], :unique_keys::text[],
                       :idempotency_keys::text[], :fingerprints::text[])
             AS r (number, owner, kind, unique_key, idempotency_key, fingerprint)),
-- Of jobs that were pruned. Looked up before: a key whose submitter this one waits for is newer than this snapshot.
left_over AS MATERIALIZED (
  SELECT i.number FROM r JOIN idempotency AS i ON i.owner = r.owner AND i.key = r.idempotency_key
   WHERE NOT EXISTS (SELECT FROM job WHERE job.number = i.number)),
unique_ones AS (
  INSERT INTO live (owner, kind, unique_key, number)
  SELECT owner, kind, unique_key, number FROM r WHERE unique_key IS NOT NULL
   ORDER BY owner, kind, unique_key),
kept AS (
  INSERT INTO idempotency AS i (owner, key, fingerprint, number, expires_at)
  SELECT owner, idempotency_key, fingerprint, number, :expires_at FROM r WHERE idempotency_key IS NOT NULL
   ORDER BY owner, idempotency_key
  ON CONFLICT (owner, key) DO UPDATE
     SET fingerprint = excluded.fingerprint, number = excluded.number, expires_at = excluded.expires_at
   WHERE i.expires_at <= :now OR i.number IN (SELECT number FROM left_over)
  RETURNING number)
SELECT count(*) FROM kept;
-- :insert_idempotency
INSERT INTO idempotency (owner, key, fingerprint, number, expires_at)
VALUES (:owner, :key, :fingerprint, :number, :expires_at)
ON CONFLICT (owner, key) DO UPDATE
   SET fingerprint = excluded.fingerprint, number = excluded.number, expires_at = excluded.expires_at;
-- :keep_steps
INSERT INTO step (number, name, output, at, place)
SELECT :number, name, output, at, place FROM step WHERE number = :origin AND name IN (SELECT json_array_elements_text(:names::json));
-- :begin_with_steps
UPDATE state SET fence = 1 WHERE number = :number;
