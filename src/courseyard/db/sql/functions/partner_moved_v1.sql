-- An account at a partner turned out to be another person than was thought: what the sync wrote for it becomes that
-- person's, as part of p_run, so that it can be undone. p_former: who it was taken for, null if that is not known any
-- more. What was enrolled or credited here for the other person by mappings stays. Returns how many rows became somebody else's.
create or replace function courseyard.partner_moved_v1(
  p_provider uuid,
  p_run uuid,
  p_account text,
  p_former uuid,
  p_person uuid
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  -- With one account, everything of the partner's that this person had came from it.
  only_one constant boolean := p_former is not null and not exists (
    select from courseyard.partner_people as p
      where p.provider_id = p_provider and p.profile_id = p_former and p.external_id <> p_account
  );
  enrolments uuid[];
  moved integer := 0;
begin
  -- The account stands in the row, unless the organisation's own table has no column for it.
  select coalesce(pg_catalog.array_agg(e.id), '{}') into enrolments
    from public.partner_lms_enrollments as e
    join courseyard.partner_keys as k on k.provider_id = p_provider and k.kind = 'enrolment' and k.row_id = e.id
    where e.provider_id = p_provider and e.student_id is distinct from p_person
      and case
        when pg_catalog.to_jsonb(e) ->> 'external_account_id' is not null
          then pg_catalog.to_jsonb(e) ->> 'external_account_id' = p_account
        else only_one and e.student_id = p_former
      end;

  select moved + w.updated into moved from courseyard.partner_write_v1('partner_lms_enrollments', (
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', e.id, 'student_id', p_person))
      from pg_catalog.unnest(enrolments) as e (id)
  ), p_run) as w;
  select moved + w.updated into moved from courseyard.partner_write_v1('external_module_progress', (
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', m.id, 'user_id', p_person))
      from public.external_module_progress as m where m.partner_enrollment_id = any (enrolments)
  ), p_run) as w;
  select moved + w.updated into moved from courseyard.partner_write_v1('partner_credentials', (
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', c.id, 'user_id', p_person))
      from public.partner_credentials as c
      join courseyard.partner_keys as k on k.provider_id = p_provider and k.kind = 'credential' and k.row_id = c.id
      where c.partner_enrollment_id = any (enrolments) or only_one and c.user_id = p_former
  ), p_run) as w;

  -- What the other person completed here does not count for this one; what mappings ask for is made for this one.
  perform courseyard.partner_write_v1('partner_lms_enrollments', (
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', c.partner_enrollment_id, 'status', c.status_before,
        'completed_at', null))
      from courseyard.credits as c where c.partner_enrollment_id = any (enrolments)
  ), p_run);
  delete from courseyard.credits as c where c.partner_enrollment_id = any (enrolments);
  delete from courseyard.partner_mapped as m where m.partner_enrollment_id = any (enrolments);
  return moved;
end
$$;

revoke all on function courseyard.partner_moved_v1(uuid, uuid, text, uuid, uuid) from public, anon, authenticated;
grant execute on function courseyard.partner_moved_v1(uuid, uuid, text, uuid, uuid) to service_role;
