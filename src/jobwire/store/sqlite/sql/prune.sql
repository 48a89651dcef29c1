-- :old
SELECT json_group_array(number) FROM
  (SELECT number FROM state WHERE state >= 2 AND finalized_at < :before ORDER BY number LIMIT :limit);
-- :job
DELETE FROM job WHERE number IN (SELECT value FROM json_each(:numbers));
-- :state
DELETE FROM state WHERE number IN (SELECT value FROM json_each(:numbers));
-- :concurrency
DELETE FROM concurrency WHERE number IN (SELECT value FROM json_each(:numbers));
-- :step
DELETE FROM step WHERE number IN (SELECT value FROM json_each(:numbers));
-- :attempt_log
DELETE FROM attempt_log WHERE number IN (SELECT value FROM json_each(:numbers));
-- :unheard_end
DELETE FROM unheard_end WHERE number IN (SELECT value FROM json_each(:numbers));
-- :release_files
UPDATE file_hold SET expires_at = :at
 WHERE holder IN (SELECT 'job:' || value FROM json_each(:numbers)) AND (expires_at IS NULL OR expires_at > :at);
-- :idempotency
DELETE FROM idempotency WHERE expires_at <= :now;
-- :event
DELETE FROM event WHERE no IN
  (SELECT no FROM event AS e
    WHERE e.at < :before AND NOT EXISTS (SELECT 1 FROM job WHERE number BETWEEN e.lo AND e.hi)
    ORDER BY no LIMIT :limit);
