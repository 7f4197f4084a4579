-- Enrols people in a partner's course here and, with p_send, puts it into the outbox for the partner; p_status: pending
-- or active. Who stands in the course already stays as he is; whose enrolment ended begins again. A pending one that the
-- partner was never told of, or could not be told, is sent again. Mapped enrolments of ours are made with it.
-- outcome: enrolled | again | sent | stands.
create or replace function courseyard.partner_enrol_v1(
  p_course uuid,
  p_people uuid[],
  p_status text,
  p_send boolean,
  p_requested_by uuid
)
returns table (profile_id uuid, enrolment_id uuid, outcome text)
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
  provider uuid;
  plan jsonb;
begin
  -- Two requests for the same person make one enrolment.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('courseyard.partner_enrol:' || p_course, 0));
  select coalesce(pg_catalog.to_jsonb(c) ->> 'provider_id', pg_catalog.to_jsonb(c) ->> 'partner_id')::uuid into provider
    from public.partner_courses as c where c.id = p_course;
  if provider is null then
    raise exception 'There is no such course of a partner.' using errcode = 'CY404';
  end if;

  select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('person', p.id,
      'enrolment', coalesce(e.id, pg_catalog.gen_random_uuid()),
      'outcome', case
        when e.id is null then 'enrolled'
        when e.ended then 'again'
        when p_send and e.waits and not exists (
            select from courseyard.partner_keys as k where k.row_id = e.id and k.kind = 'enrolment')
          and not exists (select from courseyard.partner_outbox as o where o.partner_enrollment_id = e.id
            and o.state in ('waiting', 'working', 'person', 'done')) then 'sent'
        else 'stands'
      end)) into plan
    from public.profiles as p
    left join lateral (
      select x.id, pg_catalog.lower(coalesce(x.status::text, '')) in ('withdrawn', 'cancelled', 'canceled', 'dropped', 'failed',
          'expired', 'rejected') as ended, pg_catalog.lower(coalesce(x.status::text, '')) in ('pending', 'enrolled', '') as waits
        from public.partner_lms_enrollments as x
        where x.student_id = p.id and x.course_id = p_course
        order by 2, x.enrolled_at desc nulls last, x.id
        limit 1
    ) as e on true
    where p.id = any (p_people);

  perform courseyard.partner_status_v1((
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', t.enrolment, 'provider_id', provider, 'student_id', t.person,
        'course_id', p_course, 'status', p_status, 'enrolled_at', pg_catalog.now(), 'completed_at', null))
      from pg_catalog.jsonb_to_recordset(plan) as t (person uuid, enrolment uuid, outcome text)
      where t.outcome in ('enrolled', 'again')));
  if p_send then
    -- What failed before is in the new one's hands now.
    update courseyard.partner_outbox as o set state = 'cancelled', done_at = pg_catalog.now(), updated_at = pg_catalog.now()
      from pg_catalog.jsonb_to_recordset(plan) as t (enrolment uuid, outcome text)
      where o.partner_enrollment_id = t.enrolment and o.state = 'failed' and t.outcome <> 'stands';
    insert into courseyard.partner_outbox (provider_id, partner_enrollment_id, action, requested_by)
      select provider, t.enrolment, 'enrol', p_requested_by
        from pg_catalog.jsonb_to_recordset(plan) as t (enrolment uuid, outcome text)
        where t.outcome <> 'stands'
        order by t.enrolment
      on conflict (partner_enrollment_id) where state in ('waiting', 'working', 'person') do nothing;
  end if;
  perform courseyard.partner_mapped_v1(array(
    select t.enrolment from pg_catalog.jsonb_to_recordset(plan) as t (enrolment uuid)));
  return query
    select t.person, t.enrolment, t.outcome
      from pg_catalog.jsonb_to_recordset(plan) as t (person uuid, enrolment uuid, outcome text);
end
$$;

revoke all on function courseyard.partner_enrol_v1(uuid, uuid[], text, boolean, uuid) from public, anon, authenticated;
grant execute on function courseyard.partner_enrol_v1(uuid, uuid[], text, boolean, uuid) to service_role;
