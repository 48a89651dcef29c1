-- The second wall between owners: customers' reads run as a role that sees the rows of the owners it was told, and no
-- others, whatever the statement forgets. A user who may make no role goes without; `jobwire doctor` says so.
ALTER TABLE job ENABLE ROW LEVEL SECURITY;
ALTER TABLE state ENABLE ROW LEVEL SECURITY;

DO $wall$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'jobwire_customer') THEN
    CREATE ROLE jobwire_customer NOLOGIN;
  END IF;
  -- Who is a member already need not be one who may admit members.
  IF NOT pg_has_role('jobwire_customer', 'MEMBER') THEN
    EXECUTE format('GRANT jobwire_customer TO %I', current_user);
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO jobwire_customer', current_schema());
  GRANT SELECT ON job, state TO jobwire_customer;
  CREATE POLICY own_jobs ON job FOR SELECT TO jobwire_customer
    USING (owner = ANY ((SELECT string_to_array(current_setting('jobwire.owners', true), ',')::bigint[])::bigint[]));
  CREATE POLICY own_states ON state FOR SELECT TO jobwire_customer
    USING (EXISTS (SELECT FROM job WHERE job.number = state.number));
EXCEPTION
  WHEN insufficient_privilege THEN
    RAISE WARNING 'jobwire: this user may not make the role jobwire_customer; owners are parted by the statements only';
END
$wall$;
