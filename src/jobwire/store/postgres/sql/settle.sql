-- :lock
SELECT count(*) FROM
  (SELECT number FROM state WHERE number = ANY (:numbers::bigint[]) ORDER BY number FOR UPDATE) AS locked;
-- :asked
SELECT number FROM
  (SELECT number, cancel_requested_at FROM state
    WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]) ORDER BY number FOR UPDATE) AS locked
 WHERE cancel_requested_at IS NOT NULL;
-- :complete
WITH begun AS MATERIALIZED (SELECT current_setting('jobwire.now')::bigint AS at),
settled AS (
  UPDATE state AS s
     SET state = 2, reason = 0, version = s.version + 1, losses = 0, finalized_at = (SELECT at FROM begun),
         output = r.output, error = NULL, progress = coalesce(r.progress, s.progress)
    FROM unnest(:numbers::bigint[], :fences::bigint[], :outputs::text[], :progresses::text[])
           AS r (number, fence, output, progress)
   WHERE s.number = r.number AND s.fence = r.fence AND s.state = 1
  RETURNING s.number, s.version),
released AS (
  DELETE FROM lease WHERE number = ANY (ARRAY(SELECT number FROM settled))),
freed AS (
  DELETE FROM live WHERE number = ANY (ARRAY(SELECT number FROM settled))),
logged AS (
  INSERT INTO event_inbox (at, event, lo, hi, jobs)
  SELECT (SELECT at FROM begun), :event, min(number), max(number),
         '[' || string_agg('[' || number || ',' || version || ']', ',') || ']'
    FROM settled HAVING count(*) > 0)
SELECT coalesce(json_agg(number)::text, '[]') FROM settled;
-- :decide
WITH begun AS MATERIALIZED (SELECT current_setting('jobwire.now')::bigint AS at),
settled AS (
  UPDATE state AS s
     SET state = r.state, reason = r.reason, version = s.version + 1, fence = s.fence + r.moves_fence,
         attempt = greatest(0, s.attempt - r.refund), losses = CASE WHEN r.loss > 0 THEN s.losses + 1 ELSE 0 END,
         run_at = r.run_at, finalized_at = r.finalized_at, output = NULL, error = coalesce(r.error, s.error),
         progress = coalesce(r.progress, s.progress)
    FROM unnest(:numbers::bigint[], :fences::bigint[], :states::bigint[], :reasons::bigint[], :moves::bigint[],
                :refunds::bigint[], :losses::bigint[], :run_ats::bigint[], :finals::bigint[], :errors::text[],
                :progresses::text[])
           AS r (number, fence, state, reason, moves_fence, refund, loss, run_at, finalized_at, error, progress)
   WHERE s.number = r.number AND s.fence = r.fence AND s.state = 1
  RETURNING s.number, s.version, s.state),
released AS (
  DELETE FROM lease WHERE number = ANY (ARRAY(SELECT number FROM settled))),
freed AS (
  DELETE FROM live WHERE number = ANY (ARRAY(SELECT number FROM settled WHERE state >= 2))),
logged AS (
  INSERT INTO event_inbox (at, event, lo, hi, jobs)
  SELECT (SELECT at FROM begun), :event, min(number), max(number),
         '[' || string_agg('[' || number || ',' || version || ']', ',') || ']'
    FROM settled HAVING count(*) > 0)
SELECT coalesce(json_agg(number)::text, '[]') FROM settled;
-- :end_live
DELETE FROM live WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]);
-- :back_to_ready
INSERT INTO ready (queue, priority, turn, number)
SELECT queue, priority, turn, number FROM job WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]);
-- :back_to_due
INSERT INTO due (run_at, number)
SELECT run_at, number FROM state WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]);
-- :log_attempts
INSERT INTO attempt_log (number, fence, at, event, attempt, code, internal)
SELECT (r.value ->> 0)::bigint, (r.value ->> 1)::bigint, :now, r.value ->> 2, s.attempt, r.value ->> 3, r.value ->> 4
  FROM json_array_elements(:rows::json) AS r (value) JOIN state AS s ON s.number = (r.value ->> 0)::bigint
ON CONFLICT DO NOTHING;
-- :final_jobs
SELECT j.number, j.owner, j.kind, s.state, j.input, s.output, s.error
  FROM job AS j JOIN state AS s USING (number)
 WHERE j.number = ANY (translate(:numbers, '[]', '{}')::bigint[])
   AND j.kind IN (SELECT json_array_elements_text(:kinds::json))
 ORDER BY j.number;
-- :leave_hooks
INSERT INTO unheard_end (number)
SELECT number FROM job
 WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]) AND kind IN (SELECT kind FROM hooked_kind)
   AND kind NOT IN (SELECT json_array_elements_text(:kinds::json));
