-- The event log in parts, of which old ones are dropped whole: ../ring.py opens and drops them. Part n ends below
-- (n + 1) * 2^32, the next one begins there; what living jobs still have in dropped parts is in event_kept, below all.
DO $ring$
DECLARE
  last bigint := coalesce(pg_sequence_last_value(pg_get_serial_sequence('event', 'no')), 0);
  part bigint := last >> 32;
BEGIN
  ALTER TABLE event ALTER COLUMN no DROP IDENTITY;
  EXECUTE format('ALTER TABLE event RENAME TO %I', 'event_' || part);
  EXECUTE format('ALTER INDEX event_pkey RENAME TO %I', 'event_' || part || '_pkey');
  CREATE SEQUENCE event_no;
  PERFORM setval('event_no', greatest(last, 1), last > 0);
  CREATE TABLE event (
    no bigint PRIMARY KEY DEFAULT nextval('event_no'),
    at bigint NOT NULL,
    event bigint NOT NULL,
    lo bigint NOT NULL,
    hi bigint NOT NULL,
    jobs text NOT NULL
  ) PARTITION BY RANGE (no);
  ALTER SEQUENCE event_no OWNED BY event.no;
  CREATE TABLE event_kept (LIKE event INCLUDING ALL);
  ALTER TABLE event ATTACH PARTITION event_kept FOR VALUES FROM (MINVALUE) TO (0);
  EXECUTE format('ALTER TABLE event ATTACH PARTITION %I FOR VALUES FROM (0) TO (%s)',
                 'event_' || part, (part + 1) << 32);
END
$ring$;
