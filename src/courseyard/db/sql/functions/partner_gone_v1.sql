-- Things that are no more at the partner, by their keys. Nothing is deleted: a course is marked and not active, an
-- enrolment withdrawn unless it was completed, a module or credential marked.
create or replace function courseyard.partner_gone_v1(p_provider uuid, p_run uuid, p_kind text, p_keys text[])
returns integer
language plpgsql
set search_path = ''
as $$
declare
  gone uuid[];
  mark constant jsonb := pg_catalog.jsonb_build_object('gone_at', pg_catalog.now());
  word text;
begin
  if p_kind = 'course' then
    update courseyard.partner_catalogue as c set gone_at = pg_catalog.now()
      where c.provider_id = p_provider and c.external_id = any (p_keys) and c.gone_at is null;
  end if;

  with ended as (
    update courseyard.partner_keys as k set gone_at = pg_catalog.now(), hash = null, updated_at = pg_catalog.now()
      where k.provider_id = p_provider and k.kind = p_kind and k.external_id = any (p_keys) and k.gone_at is null
      returning k.row_id
  )
  select pg_catalog.array_agg(e.row_id) into gone from ended as e;
  if gone is null then
    return 0;
  end if;

  if p_kind = 'course' then
    perform courseyard.partner_write_v1('partner_courses', (
      select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', c.id, 'active', false,
          'metadata', coalesce(pg_catalog.to_jsonb(c) -> 'metadata', '{}') || mark))
        from public.partner_courses as c where c.id = any (gone)), p_run);
  elsif p_kind = 'enrolment' then
    foreach word in array array['withdrawn', 'cancelled', 'dropped', null] loop
      begin
        perform courseyard.partner_write_v1('partner_lms_enrollments', (
          select pg_catalog.jsonb_agg(
              pg_catalog.jsonb_build_object('id', e.id,
                'metadata', coalesce(pg_catalog.to_jsonb(e) -> 'metadata', '{}') || mark)
              || case
                when word is null or pg_catalog.lower(e.status::text) = 'completed' then '{}'
                else pg_catalog.jsonb_build_object('status', word) end)
            from public.partner_lms_enrollments as e where e.id = any (gone)), p_run);
        exit;
      exception when check_violation or invalid_text_representation or string_data_right_truncation then
        if word is null then
          raise;
        end if;
      end;
    end loop;
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

revoke all on function courseyard.partner_gone_v1(uuid, uuid, text, text[]) from public, anon, authenticated;
grant execute on function courseyard.partner_gone_v1(uuid, uuid, text, text[]) to service_role;
