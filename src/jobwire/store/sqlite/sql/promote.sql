-- :due
SELECT json_group_array(number) FROM (SELECT number FROM due WHERE run_at <= :now ORDER BY run_at, number LIMIT :limit);
-- :leave_due
DELETE FROM due WHERE (run_at, number) IN
  (SELECT s.run_at, s.number FROM json_each(:numbers) AS n CROSS JOIN state AS s ON s.number = n.value);
-- :become_ready
UPDATE state SET run_at = NULL, version = version + 1 WHERE number IN (SELECT value FROM json_each(:numbers));
-- :late
SELECT json_group_array(number) FROM
  (SELECT d.number FROM deadline AS d CROSS JOIN state AS s ON s.number = d.number
    WHERE d.at <= :now AND s.state = 0 ORDER BY d.at, d.number LIMIT :limit);
-- :pass_deadlines
DELETE FROM deadline WHERE at <= :now AND number NOT IN (SELECT number FROM state WHERE number = deadline.number AND state = 0);
-- :next_due
SELECT min(at) FROM
  (SELECT min(run_at) AS at FROM due
   UNION ALL SELECT min(at) FROM deadline
   UNION ALL SELECT min(ends_at) FROM permit
              WHERE ends_at IS NOT NULL AND EXISTS (SELECT 1 FROM blocked WHERE scope = 'rate'));
