-- Courses of a partner's catalogue. The mirror takes all of them; public.partner_courses those that were imported
-- before, and with p_import every one of the batch.
create or replace function courseyard.partner_courses_v1(
  p_provider uuid,
  p_run uuid,
  p_items jsonb,
  p_import boolean,
  p_compare boolean,
  p_listing boolean
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  plan courseyard.partner_item_v1[];
  counts jsonb;
  written record;
begin
  insert into courseyard.partner_catalogue as c (provider_id, external_id, record, hash)
    select p_provider, i.external_id, i.record, i.hash
      from pg_catalog.jsonb_to_recordset(p_items) as i (external_id text, hash text, record jsonb)
      order by i.external_id
    on conflict on constraint partner_catalogue_pkey do update set
      (record, hash) = (select n.record, n.hash from (values (excluded.record, excluded.hash, 1), (c.record, c.hash, 2))
        as n (record, hash, place) order by (n.record ->> 'data_at')::timestamptz desc nulls first, n.place limit 1),
      seen_at = pg_catalog.now(), gone_at = null;

  -- A course of this partner that somebody entered by hand, under the partner's own key, is the same course.
  select pg_catalog.array_agg(row(i.external_id, i.hash, i.data_at, i.record,
      case
        when i.verdict = 'older' then i.verdict
        when i.row_id is null and o.id is null and not p_import then 'skipped'
        when i.verdict = 'unchanged' and o.id is null and i.row_id is not null and t.id is null then 'write'
        else i.verdict
      end,
      coalesce(i.row_id, o.id, pg_catalog.gen_random_uuid()), null, null, null, i.told_at)::courseyard.partner_item_v1)
    into plan
    from courseyard.partner_plan_v1(p_provider, 'course', p_items, p_compare) as i
    left join public.partner_courses as t on t.id = i.row_id
    left join lateral (
      select c.id from public.partner_courses as c
        where i.row_id is null
          and coalesce(pg_catalog.to_jsonb(c) ->> 'provider_id', pg_catalog.to_jsonb(c) ->> 'partner_id')
            = p_provider::text
          and pg_catalog.to_jsonb(c) ->> 'external_course_id' = i.external_id
        limit 1
    ) as o on true;

  select * into written from courseyard.partner_write_v1('partner_courses', (
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
        'id', i.row_id, 'provider_id', p_provider, 'external_course_id', i.external_id,
        'course_name', i.record ->> 'title', 'course_code', i.record ->> 'code',
        'description', i.record ->> 'description', 'category', i.record ->> 'category',
        'duration_hours', (i.record ->> 'duration_hours')::numeric, 'enrollment_link', i.record ->> 'url',
        'active', coalesce((i.record ->> 'active')::boolean, true),
        'metadata', coalesce(pg_catalog.to_jsonb(t) -> 'metadata', '{}') - 'gone_at'
          || pg_catalog.jsonb_build_object('partner', coalesce(i.record -> 'extra', '{}')))))
      from pg_catalog.unnest(plan) as i
      left join public.partner_courses as t on t.id = i.row_id
      where i.verdict = 'write'
  ), p_run);

  counts := courseyard.partner_settle_v1(p_provider, p_run, 'course', plan, p_listing);
  return counts || pg_catalog.jsonb_build_object('created', written.created, 'updated', written.updated);
end
$$;

revoke all on function courseyard.partner_courses_v1(uuid, uuid, jsonb, boolean, boolean, boolean) from public, anon, authenticated;
grant execute on function courseyard.partner_courses_v1(uuid, uuid, jsonb, boolean, boolean, boolean) to service_role;
