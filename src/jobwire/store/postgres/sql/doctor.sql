-- What `jobwire doctor` asks (cli/doctor_postgres.py): parameters none, one row a statement unless it says otherwise.

-- :identity
SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_user, current_database(),
       current_schema(), pg_is_in_recovery(), pg_backend_pid(),
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE');

-- :settings
-- A row a setting, in the unit of pg_settings.
SELECT name, setting FROM pg_settings;

-- :has_ledger
SELECT to_regclass('ledger_version') IS NOT NULL;

-- :version
SELECT max(version) FROM ledger_version;

-- :moved_to
-- A row if the ledger was moved away: the mark that says where.
SELECT value FROM ledger WHERE name = 'moved_to';

-- :may_create
SELECT has_schema_privilege(current_schema(), 'CREATE');

-- :standbys
-- Standbys that commits wait for, all standbys.
SELECT count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')), count(*) FROM pg_stat_replication;

-- :flush
SELECT pg_logical_emit_message(true, 'jobwire.doctor', '');

-- :holders
-- A row a transaction that keeps vacuum from removing what is newer: oldest first.
SELECT 'pid ' || pid || coalesce(' of ' || usename, '') || ', ' || coalesce(nullif(application_name, ''), 'unnamed')
         || ', ' || coalesce(state, 'unknown'),
       extract(epoch FROM clock_timestamp() - xact_start)::bigint
  FROM pg_stat_activity
 WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'
   AND xact_start IS NOT NULL AND coalesce(backend_xid, backend_xmin) IS NOT NULL
UNION ALL
SELECT 'prepared transaction ' || gid, extract(epoch FROM clock_timestamp() - prepared)::bigint
  FROM pg_prepared_xacts WHERE database = current_database()
 ORDER BY 2 DESC;

-- :slots
-- A row a replication slot: name, active, WAL it keeps, rows it keeps as a number of transactions.
SELECT slot_name, active, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint,
       coalesce(greatest(age(xmin), age(catalog_xmin)), 0)
  FROM pg_replication_slots WHERE wal_status IS DISTINCT FROM 'lost' ORDER BY slot_name;

-- :tables
-- A row a table of the ledger: name, live rows, dead rows, bytes with indexes, whether autovacuum leaves it out.
-- The parts of a table count as one.
SELECT whole.relname, sum(stat.n_live_tup)::bigint, sum(stat.n_dead_tup)::bigint,
       sum(pg_total_relation_size(stat.relid))::bigint,
       bool_or(EXISTS (SELECT FROM pg_options_to_table(class.reloptions)
                        WHERE option_name = 'autovacuum_enabled' AND NOT option_value::boolean))
  FROM pg_stat_user_tables AS stat JOIN pg_class AS class ON class.oid = stat.relid
  JOIN pg_class AS whole ON whole.oid = coalesce(pg_partition_root(stat.relid), stat.relid)
 WHERE stat.schemaname = current_schema()
   AND whole.relname IN ('job', 'state', 'ready', 'blocked', 'due', 'lease', 'worker', 'owner_lane', 'lane_mark',
                        'cell', 'cell_delta', 'event', 'event_inbox', 'permit')
 GROUP BY whole.relname ORDER BY whole.relname;

-- :connections
-- Places, taken ones; the role's own places and taken ones; the database's. -1 places: as many as the server has.
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true), '0')::int,
       (SELECT sum(numbackends) FROM pg_stat_database)::int,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
       (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user)::int,
       datconnlimit,
       (SELECT numbackends FROM pg_stat_database AS stat WHERE stat.datname = current_database())
  FROM pg_database WHERE datname = current_database();

-- :clock
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint;

-- :wraparound
SELECT age(datfrozenxid), mxid_age(datminmxid) FROM pg_database WHERE datname = current_database();

-- :wall
-- Policies of the customers' role, whether both tables ask them, whether this role may become it.
SELECT (SELECT count(*) FROM pg_policies WHERE schemaname = current_schema() AND tablename IN ('job', 'state')
           AND 'jobwire_customer' = ANY (roles)),
       (SELECT bool_and(relrowsecurity) FROM pg_class WHERE oid IN ('job'::regclass, 'state'::regclass)),
       coalesce((SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = 'jobwire_customer'),
                false);

-- :enter_wall
SET LOCAL ROLE jobwire_customer;

-- :behind_wall
SELECT EXISTS (SELECT FROM job);

-- :jobs
-- Running, waiting and scheduled, each counted up to 100,001; and what is kept, as the planner estimates it.
SELECT (SELECT count(*) FROM (SELECT FROM lease LIMIT 100001) AS counted),
       (SELECT count(*) FROM (SELECT FROM ready LIMIT 100001) AS counted),
       (SELECT count(*) FROM (SELECT FROM due LIMIT 100001) AS counted),
       (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'job'::regclass);

-- :upkeep
-- Live workers; jobs whose worker's lease ended over a minute ago; seconds the oldest event and counters to fold.
SELECT (SELECT count(*) FROM worker WHERE expires_at > now_ms),
       (SELECT count(*) FROM lease LEFT JOIN worker ON worker.id = lease.worker
         WHERE worker.expires_at IS NULL OR worker.expires_at < now_ms - 60000),
       (SELECT coalesce(greatest(now_ms - min(at), 0), 0) / 1000 FROM event_inbox),
       (SELECT count(*) FROM (SELECT FROM cell_delta LIMIT 100001) AS counted),
       (SELECT count(*) FROM api_key WHERE revoked_at IS NULL)
  FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms) AS clock;
