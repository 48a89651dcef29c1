-- :ledger
SELECT quote_ident(n.nspname) || ', pg_temp' FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.oid = 'job'::regclass;
-- :identity
SELECT 'job'::regclass::oid::bigint,
       (SELECT encode(sha256(convert_to(value, 'UTF8')), 'hex') FROM ledger WHERE name = 'secret');
-- :enter
SELECT current_setting('search_path'), set_config('search_path', :path, true),
       floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
-- :leave
SELECT set_config('search_path', :path, true);
