-- The first half of every write: which records of a batch are news. p_items: objects with external_id, hash, data_at
-- and record, each key once. p_compare: unchanged ones are looked at again too (drift check).
-- A record that is older than what stands is late: it comes back with what it tells of fields that nothing newer told, or
-- as older where there is none. One that was put together from several comes back without what is older than what stands.
create or replace function courseyard.partner_plan_v1(
  p_provider uuid,
  p_kind text,
  p_items jsonb,
  p_compare boolean
)
returns setof courseyard.partner_item_v1
language sql
set search_path = ''
as $$
  select i.external_id, i.hash, i.data_at,
      case
        when f.stale is null then i.record
        else i.record - f.stale - case when 'status' = any (f.stale) then array['completed_at'] else '{}' end
          || case when 'status' = any (f.stale) then '{"status": null}'::jsonb else '{}' end
      end,
      case
        when k.data_at > i.data_at and (f.news or i.record ? 'started_at') then 'late'
        when k.data_at > i.data_at then 'older'
        when k.hash = i.hash and k.gone_at is null and not p_compare then 'unchanged'
        else 'write'
      end,
      k.row_id, null::uuid, null::uuid, null::uuid,
      case when k.hash = i.hash and k.data_at is not distinct from i.data_at then k.told_at else f.told_at end
    from (
      select t.external_id, t.hash, t.data_at,
          -- Who has completed it has done all of it.
          case
            when t.record ->> 'status' in ('completed', 'passed') and t.record ->> 'progress' is null
              and p_kind in ('enrolment', 'module') then t.record || '{"progress": 100}'
            else t.record
          end as record,
          c.fields
        from (select courseyard.partner_fields_v1(p_kind) as fields offset 0) as c, pg_catalog.jsonb_to_recordset(p_items) as t (external_id text, hash text, data_at timestamptz, record jsonb)
    ) as i
    left join courseyard.partner_keys as k
      on k.provider_id = p_provider and k.kind = p_kind and k.external_id = i.external_id
    -- As courseyard.partner_given_v1 says it, which a call for each record would make slow.
    cross join lateral (
      select pg_catalog.bool_or(a.applies) as news,
          pg_catalog.array_agg(a.field) filter (where not a.applies and a.told_at is not null) as stale,
          pg_catalog.jsonb_object_agg(a.field, case when a.applies then a.told_at else a.stood_at end)
            filter (where case when a.applies then a.told_at else a.stood_at end is distinct from a.newest) as told_at
        from (
          select g.field, g.newest, g.stood_at, case when g.told_at = 'infinity' then g.newest else g.told_at end as told_at,
              g.told_at is not null and (g.stood_at is null or g.told_at >= g.stood_at) as applies
            from (
              select f.name as field, greatest(k.data_at, i.data_at) as newest,
                  case
                    when k.external_id is null then null
                    when k.told_at ? f.name then (k.told_at ->> f.name)::timestamptz
                    else coalesce(k.data_at, '-infinity')
                  end as stood_at,
                  case
                    when f.name = 'status' and i.record -> 'status' is distinct from 'null'
                        or f.name <> 'status' and i.record ->> f.name is not null
                      then coalesce((i.record #>> array['told_at', f.name])::timestamptz, i.data_at, 'infinity')
                  end as told_at
                from pg_catalog.unnest(i.fields) as f (name)
                where k.hash is distinct from i.hash or k.data_at is distinct from i.data_at or p_compare
            ) as g
        ) as a
    ) as f;
$$;

revoke all on function courseyard.partner_plan_v1(uuid, text, jsonb, boolean) from public, anon, authenticated;
grant execute on function courseyard.partner_plan_v1(uuid, text, jsonb, boolean) to service_role;
