-- :lock
SELECT pg_try_advisory_xact_lock('event'::regclass::oid::int, 2);
-- :parts
SELECT substr(relname, 7)::bigint AS part FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
 WHERE inhparent = 'event'::regclass AND relname ~ '^event_[0-9]+$' ORDER BY part;
-- :last_no
SELECT last_value FROM event_no;
-- :first_at
SELECT at FROM event WHERE no >= :first ORDER BY no LIMIT 1;
-- :last_at
SELECT at FROM event WHERE no >= :first AND no < :bound ORDER BY no DESC LIMIT 1;
-- :stop_moving
-- The lock of events.sequence.
SELECT pg_advisory_xact_lock('event'::regclass::oid::int, 1);
-- :enter
SELECT setval('event_no', :first, false) FROM event_no WHERE last_value < :first;
-- :survive
INSERT INTO event_kept_next SELECT e.* FROM event AS e
 WHERE e.no < :bound AND (e.at >= :before
    OR EXISTS (SELECT FROM json_array_elements(e.jobs::json) AS j (value) JOIN job ON number = (j.value ->> 0)::bigint));
-- :last_loaded
SELECT max(no) FROM event_loaded;
