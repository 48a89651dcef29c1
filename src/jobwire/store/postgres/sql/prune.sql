-- :old
SELECT coalesce(json_agg(number)::text, '[]') FROM
  (SELECT number FROM state WHERE state >= 2 AND finalized_at < :before ORDER BY number LIMIT :limit
      FOR UPDATE SKIP LOCKED) AS locked;
-- :job
DELETE FROM job WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]);
-- :state
DELETE FROM state WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]);
-- :concurrency
DELETE FROM concurrency WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]);
-- :step
DELETE FROM step WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]);
-- :attempt_log
DELETE FROM attempt_log WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]);
-- :unheard_end
DELETE FROM unheard_end WHERE number = ANY (translate(:numbers, '[]', '{}')::bigint[]);
-- :release_files
UPDATE file_hold SET expires_at = :at
 WHERE holder IN (SELECT 'job:' || value FROM json_array_elements_text(:numbers::json))
   AND (expires_at IS NULL OR expires_at > :at);
-- :idempotency
DELETE FROM idempotency WHERE expires_at <= :now;
-- :commit_mark
DELETE FROM commit_mark WHERE at < :before;
