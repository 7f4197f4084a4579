-- Partner enrolments that count as completed by something of ours. p_sources: objects with id, was, by_scorm or by_own,
-- mapping, title and at; the earliest completion of each counts. The partner's own progress stays as it was told.
create or replace function courseyard.credit_partner_v1(p_sources jsonb)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  due jsonb;
begin
  select pg_catalog.jsonb_agg(q.source) into due
    from (
      select distinct on (s.value ->> 'id') s.value as source
        from pg_catalog.jsonb_array_elements(p_sources) as s
        order by s.value ->> 'id', (s.value ->> 'at')::timestamptz
    ) as q;
  if due is null then
    return 0;
  end if;
  perform courseyard.partner_status_v1((
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', d.id, 'status', 'completed', 'completed_at', d.at))
      from pg_catalog.jsonb_to_recordset(due) as d (id uuid, at timestamptz)));
  insert into courseyard.credits (partner_enrollment_id, by_scorm_enrollment_id, by_enrollment_id, mapping_id, mapping_type,
      source_title, completed_at, status_before)
    select d.id, d.by_scorm, d.by_own, d.mapping, 'equivalent', d.title, d.at, d.was
      from pg_catalog.jsonb_to_recordset(due) as d (id uuid, was text, by_scorm uuid, by_own uuid, mapping uuid, title text,
        at timestamptz)
    on conflict on constraint credits_partner_key do nothing;
  return pg_catalog.jsonb_array_length(due);
end
$$;

revoke all on function courseyard.credit_partner_v1(jsonb) from public, anon, authenticated;
grant execute on function courseyard.credit_partner_v1(jsonb) to service_role;
