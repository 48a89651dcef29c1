-- :sent
SELECT json_group_array(json_array(j.owner, j.key, j.number))
  FROM json_each(:keys) AS k CROSS JOIN job AS j ON j.key = k.value;
-- :known
SELECT json_group_array(json_array(i.owner, i.key, j.key, j.number, i.fingerprint))
  FROM jsonb_each(:named) AS r CROSS JOIN idempotency AS i ON i.owner = r.value ->> 0 AND i.key = r.value ->> 1
       CROSS JOIN job AS j ON j.number = i.number
 WHERE i.expires_at > :now;
-- :live
SELECT json_group_array(json_array(l.owner, l.kind, l.unique_key, j.key, j.number))
  FROM jsonb_each(:places) AS r
       CROSS JOIN live AS l ON l.owner = r.value ->> 0 AND l.kind = r.value ->> 1 AND l.unique_key = r.value ->> 2
       CROSS JOIN job AS j ON j.number = l.number;
-- :take_numbers
UPDATE counter SET value = value + :count WHERE name = 'job'
RETURNING value, (SELECT json_group_array(queue) FROM queue_policy WHERE is_fair = 0);
-- :lane_of
SELECT (SELECT now_turn FROM lane WHERE queue = :queue AND priority = :priority),
       (SELECT last_turn FROM owner_lane WHERE queue = :queue AND priority = :priority AND owner = :owner),
       (SELECT weight FROM owner WHERE id = :owner);
-- :move_owner
INSERT INTO owner_lane (queue, priority, owner, last_turn) VALUES (:queue, :priority, :owner, :last_turn)
ON CONFLICT (queue, priority, owner) DO UPDATE SET last_turn = excluded.last_turn;
-- :insert_jobs
INSERT INTO job (number, key, owner, kind, queue, priority, turn, attempts_max, deadline_at, tags, rerun_of, root,
                 created_at, input)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
       value ->> 8, value ->> 9, value ->> 10, value ->> 11, :now, value ->> 12
  FROM jsonb_each(:rows);
-- :insert_concurrency
INSERT INTO concurrency (number, key)
SELECT w.value ->> 0, coalesce(w.value ->> 1, k.key)
  FROM jsonb_each(:rows) AS w LEFT JOIN concurrency AS k ON k.number = w.value ->> 2
 WHERE coalesce(w.value ->> 1, k.key) IS NOT NULL;
-- :insert_states
INSERT INTO state (number, state) SELECT number, 0 FROM job WHERE number BETWEEN :first AND :last;
-- :set_due
UPDATE state SET run_at = r.value ->> 13 FROM jsonb_each(:rows) AS r WHERE state.number = r.value ->> 0;
-- :insert_due
INSERT INTO due (run_at, number)
SELECT run_at, number FROM state WHERE number BETWEEN :first AND :last AND run_at IS NOT NULL;
-- :insert_ready
INSERT INTO ready (queue, priority, turn, number)
SELECT j.queue, j.priority, j.turn, j.number FROM job AS j CROSS JOIN state AS s ON s.number = j.number
 WHERE j.number BETWEEN :first AND :last AND s.run_at IS NULL;
-- :insert_deadlines
INSERT INTO deadline (at, number)
SELECT deadline_at, number FROM job WHERE number BETWEEN :first AND :last AND deadline_at IS NOT NULL;
-- :insert_live
INSERT INTO live (owner, kind, unique_key, number) VALUES (:owner, :kind, :unique_key, :number);
-- :insert_idempotency
INSERT INTO idempotency (owner, key, fingerprint, number, expires_at)
VALUES (:owner, :key, :fingerprint, :number, :expires_at)
ON CONFLICT (owner, key) DO UPDATE
   SET fingerprint = excluded.fingerprint, number = excluded.number, expires_at = excluded.expires_at;
-- :keep_steps
INSERT INTO step (number, name, output, at, place)
SELECT :number, name, output, at, place FROM step WHERE number = :origin AND name IN (SELECT value FROM json_each(:names));
-- :begin_with_steps
UPDATE state SET fence = 1 WHERE number = :number;
