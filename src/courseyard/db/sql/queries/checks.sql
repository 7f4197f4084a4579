-- What stands in a database, for plan and verify. Everything here reads only.

-- name: relations
select c.relname::text as name, c.relkind::text as kind, c.relrowsecurity as guarded,
  pg_get_userbyid(c.relowner)::text as owner, pg_has_role(c.relowner, 'MEMBER') as ours,
  coalesce(array_to_string(c.reloptions, ',') ~ 'security_invoker=(true|on|yes|1)', false) as invoker,
  greatest(c.reltuples, 0)::bigint as estimate,
  has_table_privilege(c.oid, 'SELECT') as readable,
  coalesce(obj_description(c.oid, 'pg_class'), '') like 'Made by Courseyard%%' as made_by_us
from pg_class as c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relname = any(%(names)s)
order by c.relname;

-- name: columns
select c.relname::text as "table", a.attname::text as "column",
  t.typname || case when a.attnotnull then ' not null' else '' end
    || coalesce(' default ' || split_part(pg_get_expr(d.adbin, d.adrelid), '::', 1), '') as shape
from pg_class as c
join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type as t on t.oid = a.atttypid
left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v') and c.relname = any(%(names)s)
order by c.relname, a.attnum;

-- name: keys
-- Primary and unique keys: the columns of each, in order.
select c.relname::text as "table", i.indisprimary as is_primary, array(
    select a.attname::text from unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
    join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.attnum order by k.place
  ) as columns
from pg_index as i
join pg_class as c on c.oid = i.indrelid
where c.relnamespace = 'public'::regnamespace and c.relname = any(%(names)s) and i.indisunique and i.indisvalid
  and i.indpred is null and i.indexprs is null;

-- name: references
-- Foreign keys of one column, what happens to the row when its parent goes, and whether an index begins with it.
select c.relname::text as "table", n.nspname::text as "schema", a.attname::text as "column",
  p.relname::text as parent,
  case k.confdeltype when 'c' then 'cascade' when 'n' then 'set null' else 'refuse' end as on_delete,
  exists (
    select from pg_index as i
    where i.indrelid = c.oid and i.indisvalid and i.indkey[0] = a.attnum
  ) as indexed
from pg_constraint as k
join pg_class as c on c.oid = k.conrelid
join pg_namespace as n on n.oid = c.relnamespace
join pg_class as p on p.oid = k.confrelid
join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.conkey[1]
where k.contype = 'f' and cardinality(k.conkey) = 1
  and (n.nspname = 'courseyard' or n.nspname = 'public' and c.relname = any(%(names)s));

-- name: triggers
select t.tgname::text as name, c.relname::text as "table", t.tgenabled <> 'D' as enabled,
  f.pronamespace = to_regnamespace('courseyard') as ours,
  (select count(*)::integer from information_schema.triggers as i
    where i.trigger_schema = 'public' and i.trigger_name = t.tgname and i.event_object_table = c.relname) as events
from pg_trigger as t
join pg_class as c on c.oid = t.tgrelid
join pg_proc as f on f.oid = t.tgfoid
where c.relnamespace = 'public'::regnamespace and not t.tgisinternal and c.relname = any(%(names)s);

-- name: grants
-- Privileges as they take effect, those given to everybody included.
select c.relname::text as name, r.rolname::text as role, p.privilege,
  has_table_privilege(r.oid, c.oid, p.privilege) as held,
  p.privilege in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
    and has_any_column_privilege(r.oid, c.oid, p.privilege) as held_on_columns
from pg_class as c
cross join pg_roles as r
cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
  as p (privilege)
where c.relnamespace = 'public'::regnamespace and c.relname = any(%(names)s)
  and r.rolname in ('anon', 'authenticated', 'service_role');

-- name: policies
select tablename::text as "table", policyname::text as name, cmd, roles::text[] as roles
from pg_policies where schemaname = 'public' and policyname like 'courseyard\_%%';

-- name: engine_objects
select case c.relkind when 'v' then 'view' else 'table' end as kind, c.relname::text as name
from pg_class as c where c.relnamespace = to_regnamespace('courseyard') and c.relkind in ('r', 'p', 'v')
union all
select 'function', p.proname::text from pg_proc as p where p.pronamespace = to_regnamespace('courseyard')
union all
select 'trigger', t.tgname::text
from pg_trigger as t join pg_class as c on c.oid = t.tgrelid
where c.relnamespace in ('public'::regnamespace, to_regnamespace('courseyard')) and not t.tgisinternal;

-- name: loose_functions
-- Functions of ours that look names up wherever the caller's search_path says.
select p.oid::regprocedure::text as name
from pg_proc as p
where p.pronamespace = to_regnamespace('courseyard') and not exists (
  select from unnest(p.proconfig) as setting where setting like 'search_path=%%'
);

-- name: open_definers
-- Functions that lend their owner's rights to people: in an exposed schema, or with a way into ours.
select p.oid::regprocedure::text as name
from pg_proc as p
where p.prosecdef and p.pronamespace in ('public'::regnamespace, to_regnamespace('courseyard'))
  and not exists (
    select from pg_depend as d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
  )
  and exists (
    select from pg_roles as r
    where r.rolname in ('anon', 'authenticated') and has_function_privilege(r.oid, p.oid, 'EXECUTE')
      and has_schema_privilege(r.oid, p.pronamespace, 'USAGE')
  );

-- name: open_engine
-- What of the engine anon or authenticated may reach.
select 'schema courseyard' as name
from pg_roles as r
where r.rolname in ('anon', 'authenticated') and to_regnamespace('courseyard') is not null
  and has_schema_privilege(r.oid, to_regnamespace('courseyard'), 'USAGE')
union
select 'table courseyard.' || c.relname
from pg_class as c, pg_roles as r
where r.rolname in ('anon', 'authenticated') and c.relnamespace = to_regnamespace('courseyard')
  and c.relkind in ('r', 'p', 'v')
  and (has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
    or has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE'));

-- name: server
select current_user::text as role, current_database()::text as database,
  pg_is_in_recovery() as replica, current_setting('default_transaction_read_only') = 'on' as read_only,
  has_database_privilege(current_database(), 'CREATE') as may_make_schemas,
  has_schema_privilege('public', 'CREATE') as may_make_tables,
  (select rolsuper or rolcreaterole from pg_roles where rolname = current_user) as may_make_roles,
  array(select rolname::text from pg_roles where rolname = any(%(roles)s)) as roles,
  to_regnamespace('auth') is not null as has_auth,
  array(select name::text from pg_available_extensions where name = any(%(extensions)s)) as offered,
  array(select extname::text from pg_extension where extname = any(%(extensions)s)) as enabled;

-- name: has_ledger
-- Where this role may not look there is none for it; the first SQL file says which right is missing.
select exists (
  select from pg_class as c
  where c.relnamespace = to_regnamespace('courseyard') and c.relname = 'schema_migrations'
    and has_schema_privilege(c.relnamespace, 'USAGE') and has_table_privilege(c.oid, 'SELECT')
) as there;

-- name: ledger
select name, checksum from courseyard.schema_migrations;

-- name: record
insert into courseyard.schema_migrations (name, checksum) values (%(name)s, %(checksum)s)
on conflict (name) do update set checksum = excluded.checksum, applied_at = now();

-- name: queue
-- Whether the queue of background jobs stands, to be put into by anybody's transaction.
-- By name: PostgreSQL 15 refuses to look for a function whose argument's schema is missing.
select exists (
    select from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where n.nspname = 'jobs' and p.proname = 'procrastinate_defer_jobs_v1'
  )
  and to_regclass('jobs.procrastinate_jobs') is not null as there;
