-- Two records of one thing that both wait, as the one that is to be written when it can be: the newer one, with what only
-- the older one tells and the times of that.
create or replace function courseyard.partner_merged_v1(p_kind text, p_waiting jsonb, p_told jsonb)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select case
      when pg_catalog.cardinality(courseyard.partner_fields_v1(p_kind)) = 0 then r.newer
      -- Only an earliest start is kept of both.
      else r.newer || pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('started_at',
            least((r.newer ->> 'started_at')::timestamptz, (r.older ->> 'started_at')::timestamptz)))
          || coalesce(f.kept, '{}')
          || case
            when not f.of_status then '{}'
            -- That somebody is there is told later than that they had left.
            when p_kind = 'enrolment' and r.older ->> 'status' = 'withdrawn' then '{"status": "active"}'::jsonb
            else pg_catalog.jsonb_build_object('status', coalesce(r.older -> 'status', r.ordinary),
              'completed_at', r.older -> 'completed_at')
          end
          || case when f.told_at is null then '{}' else pg_catalog.jsonb_build_object('told_at', f.told_at) end
    end
    from (
      select case when o.swapped then p_told else p_waiting end as older,
          case when o.swapped then p_waiting else p_told end as newer,
          case p_kind when 'enrolment' then '"active"'::jsonb else '"not_started"'::jsonb end as ordinary
        from (
          select coalesce((p_told ->> 'data_at')::timestamptz < (p_waiting ->> 'data_at')::timestamptz, false) as swapped
        ) as o
    ) as r
    cross join lateral (
      select coalesce(pg_catalog.bool_or(a.field = 'status' and a.older), false) as of_status,
          pg_catalog.jsonb_object_agg(a.field, r.older -> a.field) filter (where a.older and a.field <> 'status') as kept,
          pg_catalog.jsonb_object_agg(a.field, a.told_at)
            filter (where a.told_at is distinct from (r.newer ->> 'data_at')::timestamptz and a.told_at <> 'infinity') as told_at
        from (
          select n.field, o.told_at > n.told_at or n.told_at is null and o.told_at is not null as older,
              greatest(o.told_at, n.told_at) as told_at
            from courseyard.partner_given_v1(p_kind, r.newer) as n
            join courseyard.partner_given_v1(p_kind, r.older) as o using (field)
        ) as a
    ) as f;
$$;

revoke all on function courseyard.partner_merged_v1(text, jsonb, jsonb) from public, anon, authenticated;
grant execute on function courseyard.partner_merged_v1(text, jsonb, jsonb) to service_role;
