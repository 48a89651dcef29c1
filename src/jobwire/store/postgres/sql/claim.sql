-- :claim
-- Sent with BEGIN, before the time is known here.
WITH begun AS MATERIALIZED (SELECT current_setting('jobwire.now')::bigint AS at),
k AS MATERIALIZED (
  SELECT ctid AS row, queue, priority, turn, number FROM ready
   WHERE queue = :queue AND (priority, turn, number) >= (:floor_priority, :floor_turn, :floor_number)
   ORDER BY priority, turn, number LIMIT :limit FOR UPDATE SKIP LOCKED),
taken AS (
  DELETE FROM ready WHERE ctid = ANY (ARRAY(SELECT row FROM k))),
started AS (
  UPDATE state AS s
     SET state = 1, reason = 0, version = s.version + 1, fence = s.fence + 1, attempt = s.attempt + 1,
         started_at = (SELECT at FROM begun)
    FROM k
   WHERE s.number = k.number AND s.state = 0
  RETURNING s.number, s.fence, s.version, s.attempt, s.losses, s.progress, k.priority, k.turn),
leased AS (
  INSERT INTO lease (number, fence, worker) SELECT number, fence, :worker FROM started),
moved AS (
  INSERT INTO lane_mark (queue, priority, turn) SELECT queue, priority, max(turn) FROM k GROUP BY queue, priority),
counted AS (
  INSERT INTO cell_delta (queue, priority, cell, n)
  SELECT queue, priority, turn >> 23, -count(*) FROM k GROUP BY queue, priority, turn >> 23),
logged AS (
  INSERT INTO event_inbox (at, event, lo, hi, jobs)
  SELECT (SELECT at FROM begun), :event, min(number), max(number),
         '[' || string_agg('[' || number || ',' || version || ']', ',' ORDER BY priority, turn, number) || ']'
    FROM started HAVING count(*) > 0)
SELECT s.number, s.fence, j.key, j.owner, j.kind, s.attempt, j.attempts_max, s.losses, j.created_at, j.input,
       s.progress, s.priority, s.turn
  FROM started AS s JOIN job AS j USING (number)
 ORDER BY s.priority, s.turn, s.number;
-- :pick
SELECT coalesce(json_agg(json_build_array(priority, turn, number))::text, '[]') FROM
  (SELECT priority, turn, number FROM ready
    WHERE queue = :queue ORDER BY priority, turn, number LIMIT :limit FOR UPDATE SKIP LOCKED) AS locked;
-- :take
DELETE FROM ready AS r USING json_array_elements(:spots::json) AS s (value)
 WHERE r.queue = :queue AND r.priority = (s.value ->> 0)::bigint AND r.turn = (s.value ->> 1)::bigint
   AND r.number = (s.value ->> 2)::bigint;
-- :start
UPDATE state
   SET state = 1, reason = 0, version = version + 1, fence = fence + 1, attempt = attempt + 1,
       started_at = :now
 WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]) AND state = 0;
-- :lease
INSERT INTO lease (number, fence, worker)
SELECT number, fence, :worker FROM state WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]);
-- :move_lane
INSERT INTO lane_mark (queue, priority, turn) VALUES (:queue, :priority, :turn);
-- :claimed
SELECT json_agg(json_build_array(s.number, s.fence, j.key, j.owner, j.kind, s.attempt, j.attempts_max, s.losses,
                                 j.created_at, j.input, s.progress) ORDER BY n.place)::text
  FROM unnest(translate(:numbers, '[]', '{}')::bigint[]) WITH ORDINALITY AS n (number, place)
  JOIN state AS s USING (number) JOIN job AS j USING (number);
