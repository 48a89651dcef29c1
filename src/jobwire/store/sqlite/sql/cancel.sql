-- :found
SELECT s.number, s.state, s.cancel_requested_at IS NOT NULL
  FROM json_each(:numbers) AS n CROSS JOIN job AS j ON j.number = n.value CROSS JOIN state AS s ON s.number = j.number
 WHERE j.owner = :owner;
-- :leave_ready
DELETE FROM ready WHERE (queue, priority, turn, number) IN
  (SELECT queue, priority, turn, number FROM job WHERE number IN (SELECT value FROM json_each(:numbers)));
-- :end_waiting
UPDATE state
   SET state = :state, reason = :reason, version = version + 1, run_at = NULL, finalized_at = :now,
       error = coalesce(:error, error),
       cancel_requested_at = CASE WHEN :state = 4 THEN :now ELSE cancel_requested_at END
 WHERE number IN (SELECT value FROM json_each(:numbers)) AND state = 0;
-- :ask_running
UPDATE state SET cancel_requested_at = :now, version = version + 1
 WHERE number IN (SELECT value FROM json_each(:numbers)) AND state = 1 AND cancel_requested_at IS NULL;
