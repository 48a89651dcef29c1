-- :by_key
SELECT j.number, j.key, j.owner, j.kind, j.queue, j.priority, j.turn, j.attempts_max, j.deadline_at, j.tags, j.rerun_of,
       j.root, j.created_at, s.state, s.reason, s.version, s.fence, s.attempt, s.cancel_requested_at, s.run_at,
       s.started_at, s.finalized_at, s.progress, s.output, s.error
  FROM job AS j CROSS JOIN state AS s ON s.number = j.number
 WHERE j.key = :key AND j.owner = :owner;
-- :by_number
SELECT j.number, j.key, j.owner, j.kind, j.queue, j.priority, j.turn, j.attempts_max, j.deadline_at, j.tags, j.rerun_of,
       j.root, j.created_at, s.state, s.reason, s.version, s.fence, s.attempt, s.cancel_requested_at, s.run_at,
       s.started_at, s.finalized_at, s.progress, s.output, s.error
  FROM job AS j CROSS JOIN state AS s ON s.number = j.number
 WHERE j.number = :number AND j.owner = :owner;
-- :find
SELECT j.number, j.key, j.owner, j.kind, j.queue, j.priority, j.turn, j.attempts_max, j.deadline_at, j.tags, j.rerun_of,
       j.root, j.created_at, s.state, s.reason, s.version, s.fence, s.attempt, s.cancel_requested_at, s.run_at,
       s.started_at, s.finalized_at, s.progress, s.output, s.error
  FROM job AS j CROSS JOIN state AS s ON s.number = j.number
 WHERE j.owner = :owner
   AND (:before IS NULL OR j.number < :before)
   AND (:kind IS NULL OR j.kind = :kind)
   AND (:queue IS NULL OR j.queue = :queue)
   AND (:states IS NULL OR s.state IN (SELECT value FROM json_each(:states)))
   AND (:reason IS NULL OR s.reason = :reason)
   AND (:is_due IS NULL OR (s.run_at IS NULL) = :is_due)
   AND (:created_after IS NULL OR j.created_at > :created_after)
   AND (:created_before IS NULL OR j.created_at < :created_before)
   AND (:tag IS NULL OR EXISTS (SELECT 1 FROM json_each(j.tags) WHERE value = :tag))
 ORDER BY j.number DESC LIMIT :limit;
-- :input_of
SELECT input FROM job WHERE number = :number;
-- :steps
SELECT name, output FROM step WHERE number = :number ORDER BY place, at, name;
-- :save_step
INSERT INTO step (number, name, output, at, place)
SELECT :number, :name, :output, :now, (SELECT count(*) FROM step WHERE number = :number)
  FROM state WHERE number = :number AND fence = :fence AND state = 1
ON CONFLICT (number, name) DO UPDATE SET output = excluded.output, at = excluded.at;
-- :holds
SELECT 1 FROM state WHERE number = :number AND fence = :fence AND state = 1;
-- :attempts
SELECT fence, attempt, at, event, code, internal FROM attempt_log WHERE number = :number ORDER BY fence, at;
