-- The first half of every write: which records of a batch are news. p_items: objects with external_id, hash, data_at
-- and record. Of several of one key the newest counts. p_compare: unchanged ones are looked at again too (drift check).
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
  select i.external_id, i.hash, i.data_at, i.record,
      case
        when k.data_at > i.data_at then 'older'
        when k.hash = i.hash and k.gone_at is null and not p_compare then 'unchanged'
        else 'write'
      end,
      k.row_id, null::uuid, null::uuid, null::uuid
    from (
      select distinct on (t.external_id) t.external_id, t.hash, t.data_at, t.record
        from rows from (pg_catalog.jsonb_to_recordset(p_items) as (
            external_id text, hash text, data_at timestamptz, record jsonb
          )) with ordinality as t (external_id, hash, data_at, record, place)
        order by t.external_id, t.data_at desc nulls last, t.place desc
    ) as i
    left join courseyard.partner_keys as k
      on k.provider_id = p_provider and k.kind = p_kind and k.external_id = i.external_id;
$$;

revoke all on function courseyard.partner_plan_v1(uuid, text, jsonb, boolean) from public, anon, authenticated;
grant execute on function courseyard.partner_plan_v1(uuid, text, jsonb, boolean) to service_role;
