-- Two things that every later file with tables of the engine needs, said once.

-- After the guide's drop block, or that of a base table, the engine's rows hang in the air and their key is gone with the
-- table: rows without their parent go (or lose it, where the key sets null), and the key comes back.
create or replace function courseyard.restore_key(
  p_table text,
  p_name text,
  p_column text,
  p_parent text,
  p_on_delete text default 'cascade'
) returns void
language plpgsql set search_path = '' as $$
declare
  orphans bigint;
begin
  if exists (
    select from pg_catalog.pg_constraint as c
      where c.conrelid = ('courseyard.' || p_table)::regclass and c.conname = p_name
  ) then
    return;
  end if;
  execute pg_catalog.format(
    case p_on_delete when 'cascade' then 'delete from courseyard.%1$I as child'
      else 'update courseyard.%1$I as child set %2$I = null' end
    || ' where child.%2$I is not null and not exists (select from public.%3$I as parent where parent.id = child.%2$I)',
    p_table, p_column, p_parent);
  get diagnostics orphans = row_count;
  if orphans > 0 then
    raise notice 'courseyard.%: % rows had lost their public.%.', p_table, orphans, p_parent;
  end if;
  execute pg_catalog.format('alter table courseyard.%I add constraint %I foreign key (%I) references public.%I (id) '
    || 'on delete %s', p_table, p_name, p_column, p_parent, p_on_delete);
end
$$;

-- The engine's tables are the service's and nobody else's. Where service_role could not be given BYPASSRLS, a policy of
-- its own lets it pass.
create or replace function courseyard.guard_tables() returns void
language plpgsql set search_path = '' as $$
declare
  made regclass;
begin
  revoke all on all tables in schema courseyard from public, anon, authenticated;
  revoke all on all sequences in schema courseyard from public, anon, authenticated;
  grant all on all tables in schema courseyard to service_role;
  grant all on all sequences in schema courseyard to service_role;
  for made in
    select c.oid from pg_catalog.pg_class as c
      where c.relnamespace = 'courseyard'::regnamespace and c.relkind in ('r', 'p')
  loop
    execute pg_catalog.format('alter table %s enable row level security', made);
    if not (select r.rolbypassrls or r.rolsuper from pg_catalog.pg_roles as r where r.rolname = 'service_role')
      and not exists (
        select from pg_catalog.pg_policy as p where p.polrelid = made and p.polname = 'courseyard_service'
      ) then
      execute pg_catalog.format('create policy courseyard_service on %s to service_role using (true) with check (true)',
        made);
    end if;
  end loop;
end
$$;

revoke all on function courseyard.restore_key(text, text, text, text, text), courseyard.guard_tables()
  from public, anon, authenticated;

do $verify$
begin
  perform courseyard.guard_tables();
end
$verify$;
