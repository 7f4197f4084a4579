-- Two objects of kind -> outcome -> number, added up.
create or replace function courseyard.add_counts_v1(p_one jsonb, p_other jsonb)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select coalesce(pg_catalog.jsonb_object_agg(k.kind, k.outcomes), '{}')
    from (
      select n.kind, pg_catalog.jsonb_object_agg(n.outcome, n.number) as outcomes
        from (
          select e.key as kind, v.key as outcome, pg_catalog.sum(v.value::integer) as number
            from (select p_one union all select p_other) as given (document),
              pg_catalog.jsonb_each(given.document) as e, pg_catalog.jsonb_each_text(e.value) as v
            group by e.key, v.key
        ) as n
        group by n.kind
    ) as k;
$$;

revoke all on function courseyard.add_counts_v1(jsonb, jsonb) from public, anon, authenticated;
grant execute on function courseyard.add_counts_v1(jsonb, jsonb) to service_role;
