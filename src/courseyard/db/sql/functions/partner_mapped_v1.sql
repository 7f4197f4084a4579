-- Makes what mappings ask for and is missing: for every partner enrolment that has not ended, the enrolment in the mapped
-- package, course or program, once. Where something in the way concerns one of them, the others are made all the same,
-- and it is kept as a sentence and tried again after an hour. p_enrolments: only for these. At most some thousands at once, so
-- that nobody waits long for it: call it again until it returns 0, the number made.
create or replace function courseyard.partner_mapped_v1(p_enrolments uuid[] default null)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  todo jsonb;
  one jsonb;
  some_kind text;
  made integer := 0;
begin
  -- Two at once would both find the same ones missing.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('courseyard.partner_mapped', 0));
  foreach some_kind in array array['program', 'course', 'package'] loop
    select pg_catalog.jsonb_agg(q.one) into todo from (
      select pg_catalog.jsonb_build_object('enrolment', e.id, 'mapping', m.mapping_id, 'target', m.target_id,
          'person', e.student_id) as one
        from courseyard.mapping_targets_v1() as m
        join public.partner_lms_enrollments as e on e.course_id = m.partner_course_id
        join public.profiles as p on p.id = e.student_id
        left join courseyard.partner_mapped as d
          on d.partner_enrollment_id = e.id and d.mapping_id = m.mapping_id and d.kind = m.kind
        where m.kind = some_kind and (p_enrolments is null or e.id = any (p_enrolments))
          and pg_catalog.lower(coalesce(e.status::text, '')) not in ('withdrawn', 'cancelled', 'canceled', 'dropped', 'failed',
            'expired', 'rejected')
          and (d.partner_enrollment_id is null
            or d.problem is not null and (p_enrolments is not null or d.tried_at < pg_catalog.now() - interval '1 hour'))
        limit 5000
    ) as q;
    continue when todo is null;
    begin
      perform courseyard.partner_mapped_some_v1(some_kind, todo);
      made := made + pg_catalog.jsonb_array_length(todo);
    exception when integrity_constraint_violation or data_exception or raise_exception then
      for one in select t.value from pg_catalog.jsonb_array_elements(todo) as t loop
        begin
          perform courseyard.partner_mapped_some_v1(some_kind, pg_catalog.jsonb_build_array(one));
          made := made + 1;
        exception when integrity_constraint_violation or data_exception or raise_exception then
          insert into courseyard.partner_mapped (partner_enrollment_id, mapping_id, kind, problem)
            values ((one ->> 'enrolment')::uuid, (one ->> 'mapping')::uuid, some_kind, sqlerrm)
            on conflict on constraint partner_mapped_pkey do update set
              problem = excluded.problem, tried_at = pg_catalog.now();
        end;
      end loop;
    end;
  end loop;
  return made;
end
$$;

revoke all on function courseyard.partner_mapped_v1(uuid[]) from public, anon, authenticated;
grant execute on function courseyard.partner_mapped_v1(uuid[]) to service_role;
