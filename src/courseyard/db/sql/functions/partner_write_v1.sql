-- Writes rows into one of the public tables as it stands in this database: columns that are not there are left out,
-- and those that go by another name are found. p_rows: objects with an id and values by our names; a key that is absent
-- keeps what stands, null empties it. What really changed is kept for undo under p_run.
create or replace function courseyard.partner_write_v1(p_table text, p_rows jsonb, p_run uuid)
returns table (created integer, updated integer)
language plpgsql
set search_path = ''
as $$
declare
  relation constant regclass := pg_catalog.format('public.%I', p_table)::regclass;
  columns text[];
  names text;
  given text;
  found_columns text[];
  target_rows jsonb := p_rows;
  alias record;
begin
  created := 0;
  updated := 0;
  if pg_catalog.jsonb_array_length(coalesce(p_rows, '[]')) = 0 then
    return next;
    return;
  end if;

  select pg_catalog.array_agg(a.attname::text) into found_columns
    from pg_catalog.pg_attribute as a
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';

  -- Other names that these columns have in the wild.
  for alias in
    select * from (values
      ('partner_courses', 'provider_id', 'partner_id'),
      ('partner_courses', 'active', 'is_active'),
      ('partner_courses', 'enrollment_link', 'course_url'),
      ('partner_lms_providers', 'active', 'is_active')
    ) as list (table_name, ours, theirs)
    where list.table_name = p_table and list.ours <> all (found_columns) and list.theirs = any (found_columns)
  loop
    select pg_catalog.jsonb_agg(
        case when r.value ? alias.ours
          then (r.value - alias.ours) || pg_catalog.jsonb_build_object(alias.theirs, r.value -> alias.ours)
          else r.value end
      ) into target_rows
      from pg_catalog.jsonb_array_elements(target_rows) as r;
  end loop;

  select pg_catalog.array_agg(distinct k.key order by k.key) into columns
    from pg_catalog.jsonb_array_elements(target_rows) as r, pg_catalog.jsonb_object_keys(r.value) as k (key)
    where k.key = any (found_columns);
  select pg_catalog.string_agg(pg_catalog.quote_ident(c), ', '),
      pg_catalog.string_agg('r.' || pg_catalog.quote_ident(c), ', ')
    into names, given
    from pg_catalog.unnest(columns) as c;

  -- In one order, so that two writers wait instead of blocking each other.
  execute pg_catalog.format('select from %s as t join pg_catalog.jsonb_array_elements($1) as r on (r.value ->> ''id'')::uuid = t.id '
    || 'order by t.id for no key update of t', relation) using target_rows;

  execute pg_catalog.format($sql$
    with given as materialized (
      select (r.value ->> 'id')::uuid as id, r.value as told from pg_catalog.jsonb_array_elements($1) as r
    ),
    standing as materialized (
      select g.id, g.told, pg_catalog.to_jsonb(t) as before from given as g left join %1$s as t on t.id = g.id
    ),
    made as (
      insert into %1$s as t (%2$s)
        select %3$s from standing as s
          cross join lateral pg_catalog.jsonb_populate_record(null::%1$s, s.told) as r
          where s.before is null
        returning t.id, pg_catalog.to_jsonb(t) as after
    ),
    changed as (
      update %1$s as t set (%2$s) = row(%3$s)
        from standing as s
          cross join lateral pg_catalog.jsonb_populate_record(null::%1$s, s.before || s.told) as r
        where t.id = s.id and s.before is not null
          and row(%4$s) is distinct from row(%3$s)
        returning t.id, s.before, pg_catalog.to_jsonb(t) as after
    ),
    kept as (
      insert into courseyard.sync_changes (run_id, table_name, row_id, before, after)
        select $2, $3, m.id, null::jsonb, m.after from made as m where $2 is not null
        union all
        select $2, $3, c.id, c.before, c.after from changed as c where $2 is not null
    )
    select (select pg_catalog.count(*) from made)::integer, (select pg_catalog.count(*) from changed)::integer
  $sql$, relation, names, given,
    (select pg_catalog.string_agg('t.' || pg_catalog.quote_ident(c), ', ') from pg_catalog.unnest(columns) as c))
    into created, updated
    using target_rows, p_run, p_table;
  return next;
end
$$;

revoke all on function courseyard.partner_write_v1(text, jsonb, uuid) from public, anon, authenticated;
grant execute on function courseyard.partner_write_v1(text, jsonb, uuid) to service_role;
