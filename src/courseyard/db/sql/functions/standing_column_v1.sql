-- The column of a public table that goes by one of these names, the first that stands; null where none does.
create or replace function courseyard.standing_column_v1(p_table text, p_names text[], p_type regtype default null)
returns text
language sql
stable
set search_path = ''
as $$
  select a.attname::text
    from pg_catalog.unnest(p_names) with ordinality as n (name, place)
    join pg_catalog.pg_attribute as a
      on a.attrelid = pg_catalog.format('public.%I', p_table)::regclass and a.attname = n.name
    where a.attnum > 0 and not a.attisdropped and (p_type is null or a.atttypid = p_type)
    order by n.place
    limit 1;
$$;

revoke all on function courseyard.standing_column_v1(text, text[], regtype) from public, anon, authenticated;
grant execute on function courseyard.standing_column_v1(text, text[], regtype) to service_role;
