-- :by_keys
SELECT r.place, j.number, j.key, j.owner, j.kind, j.queue, j.priority, j.turn, j.attempts_max, j.deadline_at, j.tags,
       j.rerun_of, j.root, j.created_at, s.state, s.reason, s.version, s.fence, s.attempt, s.cancel_requested_at,
       s.run_at, s.started_at, s.finalized_at, s.progress, s.output, s.error
  FROM unnest(:keys::text[], :owners::bigint[]) WITH ORDINALITY AS r (key, owner, place)
  JOIN job AS j ON j.key = r.key AND j.owner = r.owner
  JOIN state AS s ON s.number = j.number;
-- :by_numbers
SELECT r.place, j.number, j.key, j.owner, j.kind, j.queue, j.priority, j.turn, j.attempts_max, j.deadline_at, j.tags,
       j.rerun_of, j.root, j.created_at, s.state, s.reason, s.version, s.fence, s.attempt, s.cancel_requested_at,
       s.run_at, s.started_at, s.finalized_at, s.progress, s.output, s.error
  FROM unnest(:numbers::bigint[], :owners::bigint[]) WITH ORDINALITY AS r (number, owner, place)
  JOIN job AS j ON j.number = r.number AND j.owner = r.owner
  JOIN state AS s ON s.number = j.number;
-- :enter_wall
SELECT set_config('role', 'jobwire_customer', true), set_config('jobwire.owners', :owners, true);
-- :has_wall
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'jobwire_customer' AND pg_has_role(oid, 'MEMBER')
                  AND has_table_privilege(oid, 'job', 'SELECT') AND has_table_privilege(oid, 'state', 'SELECT'));
-- :find
SELECT j.number, j.key, j.owner, j.kind, j.queue, j.priority, j.turn, j.attempts_max, j.deadline_at, j.tags, j.rerun_of,
       j.root, j.created_at, s.state, s.reason, s.version, s.fence, s.attempt, s.cancel_requested_at, s.run_at,
       s.started_at, s.finalized_at, s.progress, s.output, s.error
  FROM job AS j JOIN state AS s ON s.number = j.number
 WHERE j.owner = :owner
   AND (:before::bigint IS NULL OR j.number < :before)
   AND (:kind::text IS NULL OR j.kind = :kind)
   AND (:queue::text IS NULL OR j.queue = :queue)
   AND (:states::text IS NULL OR s.state IN (SELECT json_array_elements_text(:states::json)::bigint))
   AND (:reason::bigint IS NULL OR s.reason = :reason)
   AND (:is_due::boolean IS NULL OR (s.run_at IS NULL) = :is_due::boolean)
   AND (:created_after::bigint IS NULL OR j.created_at > :created_after)
   AND (:created_before::bigint IS NULL OR j.created_at < :created_before)
   AND (:tag::text IS NULL OR EXISTS (SELECT FROM json_array_elements_text(j.tags::json) AS t WHERE t = :tag))
 ORDER BY j.number DESC LIMIT :limit;
-- :input_of
SELECT input FROM job WHERE number = :number;
-- :steps
SELECT name, output FROM step WHERE number = :number ORDER BY place, at, name;
-- :save_step
INSERT INTO step (number, name, output, at, place)
SELECT :number, :name, :output, :now, (SELECT count(*) FROM step WHERE number = :number)
  FROM state WHERE number = :number AND fence = :fence AND state = 1 FOR UPDATE
ON CONFLICT (number, name) DO UPDATE SET output = excluded.output, at = excluded.at;
-- :holds
SELECT 1 FROM state WHERE number = :number AND fence = :fence AND state = 1 FOR UPDATE;
-- :attempts
SELECT fence, attempt, at, event, code, internal FROM attempt_log WHERE number = :number ORDER BY fence, at;
