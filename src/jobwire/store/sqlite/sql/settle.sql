-- :accepted
SELECT json_group_array(s.number)
  FROM jsonb_each(:rows) AS r CROSS JOIN state AS s ON s.number = r.value ->> 0
 WHERE s.fence = r.value ->> 1 AND s.state = 1;
-- :asked
SELECT number FROM state
 WHERE number IN (SELECT value FROM json_each(:numbers)) AND cancel_requested_at IS NOT NULL;
-- :complete
UPDATE state
   SET state = 2, reason = 0, version = version + 1, losses = 0, finalized_at = :now, output = r.output, error = NULL,
       progress = coalesce(r.progress, state.progress)
  FROM (SELECT value ->> 0 AS number, value ->> 1 AS fence, value ->> 2 AS output, value ->> 3 AS progress
          FROM jsonb_each(:rows)) AS r
 WHERE state.number = r.number AND state.fence = r.fence AND state.state = 1;
-- :decide
UPDATE state
   SET state = r.state, reason = r.reason, version = version + 1, fence = state.fence + r.moves_fence,
       attempt = max(0, state.attempt - r.refund), losses = CASE WHEN r.loss THEN state.losses + 1 ELSE 0 END,
       run_at = r.run_at, finalized_at = r.finalized_at, output = NULL, error = coalesce(r.error, state.error),
       progress = coalesce(r.progress, state.progress)
  FROM (SELECT value ->> 0 AS number, value ->> 1 AS fence, value ->> 2 AS state, value ->> 3 AS reason,
               value ->> 4 AS moves_fence, value ->> 5 AS refund, value ->> 6 AS loss, value ->> 7 AS run_at,
               value ->> 8 AS finalized_at, value ->> 9 AS error, value ->> 10 AS progress
          FROM jsonb_each(:rows)) AS r
 WHERE state.number = r.number AND state.fence = r.fence AND state.state = 1;
-- :end_leases
DELETE FROM lease WHERE number IN (SELECT value FROM json_each(:numbers));
-- :end_live
DELETE FROM live WHERE number IN (SELECT value FROM json_each(:numbers));
-- :back_to_ready
INSERT INTO ready (queue, priority, turn, number)
SELECT queue, priority, turn, number FROM job WHERE number IN (SELECT value FROM json_each(:numbers));
-- :back_to_due
INSERT INTO due (run_at, number)
SELECT run_at, number FROM state WHERE number IN (SELECT value FROM json_each(:numbers));
-- :log_attempts
INSERT INTO attempt_log (number, fence, at, event, attempt, code, internal)
SELECT r.value ->> 0, r.value ->> 1, :now, r.value ->> 2, s.attempt, r.value ->> 3, r.value ->> 4
  FROM jsonb_each(:rows) AS r CROSS JOIN state AS s ON s.number = r.value ->> 0
 WHERE true
ON CONFLICT DO NOTHING;
-- :final_jobs
SELECT j.number, j.owner, j.kind, s.state, j.input, s.output, s.error
  FROM json_each(:numbers) AS n CROSS JOIN job AS j ON j.number = n.value JOIN state AS s ON s.number = j.number
 WHERE j.kind IN (SELECT value FROM json_each(:kinds));
-- :leave_hooks
INSERT INTO unheard_end (number)
SELECT number FROM job
 WHERE number IN (SELECT value FROM json_each(:numbers)) AND kind IN (SELECT kind FROM hooked_kind)
   AND kind NOT IN (SELECT value FROM json_each(:kinds));
