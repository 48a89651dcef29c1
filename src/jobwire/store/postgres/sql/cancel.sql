-- :lock_waiting
WITH asked AS MATERIALIZED (
  SELECT queue, priority, turn, number FROM job
   WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]) AND (:owner::bigint IS NULL OR owner = :owner)),
places AS MATERIALIZED (
  SELECT r.number FROM asked JOIN ready AS r USING (queue, priority, turn, number)
   ORDER BY queue, priority, turn, number FOR UPDATE OF r),
held AS MATERIALIZED (
  SELECT b.number FROM asked JOIN blocked AS b USING (queue, priority, turn, number)
   ORDER BY queue, priority, turn, number FOR UPDATE OF b),
times AS MATERIALIZED (
  SELECT d.number FROM asked JOIN due AS d USING (number) ORDER BY d.number FOR UPDATE OF d)
SELECT (SELECT count(*) FROM places) + (SELECT count(*) FROM held) + (SELECT count(*) FROM times);
-- :found
SELECT s.number, s.state, s.cancel_requested_at IS NOT NULL
  FROM job AS j JOIN state AS s USING (number)
 WHERE j.number = ANY (translate(:numbers, '[]', '{}')::bigint[]) AND j.owner = :owner
 ORDER BY s.number FOR UPDATE OF s;
-- :lock_states
SELECT coalesce(json_agg(number)::text, '[]') FROM
  (SELECT number FROM state WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]) AND state = 0
    ORDER BY number FOR UPDATE) AS locked;
-- :leave_ready
DELETE FROM ready USING job
 WHERE job.number = ANY (translate(:numbers, '[]', '{}')::bigint[])
   AND (ready.queue, ready.priority, ready.turn, ready.number) = (job.queue, job.priority, job.turn, job.number);
-- :end_waiting
UPDATE state
   SET state = :state, reason = :reason, version = version + 1, run_at = NULL, finalized_at = :now,
       error = coalesce(:error, error),
       cancel_requested_at = CASE WHEN :state = 4 THEN :now ELSE cancel_requested_at END
 WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]) AND state = 0;
-- :ask_running
UPDATE state SET cancel_requested_at = :now, version = version + 1
 WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]) AND state = 1 AND cancel_requested_at IS NULL;
