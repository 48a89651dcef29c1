-- :due
SELECT coalesce(json_agg(number)::text, '[]') FROM
  (SELECT number FROM due WHERE run_at <= :now ORDER BY run_at, number LIMIT :limit FOR UPDATE SKIP LOCKED) AS locked;
-- :leave_due
DELETE FROM due WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]);
-- :become_ready
UPDATE state SET run_at = NULL, version = version + 1 WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]);
-- :late
-- Not a join: its plan, made while the tables were small, walked over all jobs, 14 ms at 120,000.
SELECT coalesce(json_agg(number)::text, '[]') FROM
  (SELECT d.number FROM deadline AS d
    WHERE d.at <= :now AND (SELECT s.state FROM state AS s WHERE s.number = d.number) = 0
    ORDER BY d.at, d.number LIMIT :limit FOR UPDATE OF d SKIP LOCKED) AS locked;
-- :pass_deadlines
DELETE FROM deadline WHERE number IN
  (SELECT d.number FROM deadline AS d
    WHERE d.at <= :now AND NOT EXISTS (SELECT FROM state AS s WHERE s.number = d.number AND s.state = 0)
      FOR UPDATE OF d SKIP LOCKED);
-- :next_due
SELECT min(at) FROM
  (SELECT min(run_at) AS at FROM due
   UNION ALL SELECT min(at) FROM deadline
   UNION ALL SELECT min(ends_at) FROM permit
              WHERE ends_at IS NOT NULL AND EXISTS (SELECT FROM blocked WHERE scope = 'rate')) AS waits;
