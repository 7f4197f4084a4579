-- Things that are no more at the partner, by their keys. Nothing is deleted: a course is marked and not active, an
-- enrolment withdrawn unless it was completed, a module or credential marked. p_items: objects with external_id and, where
-- the partner tells it, data_at: what stands is left alone by an end of an earlier time, and an end that comes before
-- what it ends is remembered.
create or replace function courseyard.partner_gone_v1(p_provider uuid, p_run uuid, p_kind text, p_items jsonb)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  gone uuid[];
  renamed text[] := '{}';
  mark constant jsonb := pg_catalog.jsonb_build_object('gone_at', pg_catalog.now());
  word constant jsonb := courseyard.partner_words_v2() -> 'withdrawn';
begin
  if p_kind = 'course' then
    update courseyard.partner_catalogue as c set gone_at = pg_catalog.now()
      where c.provider_id = p_provider and c.gone_at is null and c.external_id in (
        select i.value ->> 'external_id' from pg_catalog.jsonb_array_elements(p_items) as i)
        and not exists (select from courseyard.partner_keys as k where k.provider_id = p_provider and k.kind = 'course'
          and k.external_id = c.external_id and k.data_at > (
            select pg_catalog.max((i.value ->> 'data_at')::timestamptz) from pg_catalog.jsonb_array_elements(p_items) as i
              where i.value ->> 'external_id' = c.external_id));
  end if;

  if p_kind = 'enrolment' then
    renamed := courseyard.partner_renamed_v1(p_provider, p_run, array(
      select i.value ->> 'external_id' from pg_catalog.jsonb_array_elements(p_items) as i
        where i.value ->> 'data_at' is null));
  end if;

  with told as (
    select i.value ->> 'external_id' as external_id, pg_catalog.max((i.value ->> 'data_at')::timestamptz) as data_at
      from pg_catalog.jsonb_array_elements(p_items) as i
      where i.value ->> 'external_id' <> all (renamed)
      group by 1
  ),
  ended as (
    update courseyard.partner_keys as k set
        gone_at = pg_catalog.now(), hash = null, data_at = greatest(k.data_at, t.data_at), updated_at = pg_catalog.now(),
        -- What was told before stays of its time.
        told_at = courseyard.partner_stood_v1(p_kind, k.told_at, k.data_at)
      from told as t
      where k.provider_id = p_provider and k.kind = p_kind and k.external_id = t.external_id and k.gone_at is null
        and (k.data_at > t.data_at) is not true
      returning k.row_id
  )
  select pg_catalog.array_agg(e.row_id) into gone from ended as e;
  insert into courseyard.partner_keys as k (provider_id, kind, external_id, row_id, data_at, gone_at, told_at)
    select p_provider, p_kind, i.value ->> 'external_id', pg_catalog.gen_random_uuid(),
        pg_catalog.max((i.value ->> 'data_at')::timestamptz), pg_catalog.now(),
        (select pg_catalog.jsonb_object_agg(f.name, null) from pg_catalog.unnest(courseyard.partner_fields_v1(p_kind)) as f (name))
      from pg_catalog.jsonb_array_elements(p_items) as i
      where i.value ->> 'data_at' is not null and p_kind <> 'course'
      group by 3
      order by 3
    on conflict on constraint partner_keys_pkey do update set
      data_at = greatest(k.data_at, excluded.data_at), told_at = courseyard.partner_stood_v1(p_kind, k.told_at, k.data_at)
      where k.gone_at is not null;
  if gone is null then
    return 0;
  end if;

  if p_kind = 'course' then
    perform courseyard.partner_write_v1('partner_courses', (
      select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', c.id, 'active', false,
          'metadata', coalesce(pg_catalog.to_jsonb(c) -> 'metadata', '{}') || mark))
        from public.partner_courses as c where c.id = any (gone)), p_run);
  elsif p_kind = 'enrolment' then
    perform courseyard.partner_write_v1('partner_lms_enrollments', (
      select pg_catalog.jsonb_agg(
          pg_catalog.jsonb_build_object('id', e.id,
            'metadata', coalesce(pg_catalog.to_jsonb(e) -> 'metadata', '{}') || mark)
          || case
            when word is null or pg_catalog.lower(e.status::text) = 'completed' then '{}'
            else pg_catalog.jsonb_build_object('status', word) end)
        from public.partner_lms_enrollments as e where e.id = any (gone)), p_run);
  elsif p_kind = 'module' then
    perform courseyard.partner_write_v1('external_module_progress', (
      select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', m.id, 'metadata', coalesce(m.metadata, '{}') || mark))
        from public.external_module_progress as m where m.id = any (gone)), p_run);
  else
    perform courseyard.partner_write_v1('partner_credentials', (
      select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', c.id,
          'metadata', coalesce(c.metadata, '{}') || pg_catalog.jsonb_build_object('revoked_at', pg_catalog.now())))
        from public.partner_credentials as c where c.id = any (gone)), p_run);
  end if;
  return pg_catalog.cardinality(gone);
end
$$;

revoke all on function courseyard.partner_gone_v1(uuid, uuid, text, jsonb) from public, anon, authenticated;
grant execute on function courseyard.partner_gone_v1(uuid, uuid, text, jsonb) to service_role;
