-- The enrolments of one kind that partner_mapped_v1 found missing: made, or found, and remembered.
-- p_todo: objects with enrolment, mapping, target and person.
create or replace function courseyard.partner_mapped_some_v1(p_kind text, p_todo jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  person constant text := courseyard.standing_column_v1('enrollments',
    '{user_id,student_id,profile_id,learner_id}', 'uuid');
  target constant text := courseyard.standing_column_v1('enrollments', array[p_kind || '_id'], 'uuid');
  status constant text := courseyard.standing_column_v1('enrollments', '{status,state,enrollment_status}');
  missing jsonb;
  word text;
begin
  if p_kind = 'package' then
    insert into public.scorm_enrollments (scorm_package_id, user_id)
      select distinct t.target, t.person
        from pg_catalog.jsonb_to_recordset(p_todo) as t (target uuid, person uuid)
        join public.scorm_packages as p on p.id = t.target and p.is_active is not false
        order by 1, 2
      on conflict (scorm_package_id, user_id) do nothing;
    insert into courseyard.partner_mapped (partner_enrollment_id, mapping_id, kind, scorm_enrollment_id, problem)
      select t.enrolment, t.mapping, p_kind, s.id,
          case when s.id is null then 'The package is not active, so nobody is enrolled in it.' end
        from pg_catalog.jsonb_to_recordset(p_todo) as t (enrolment uuid, mapping uuid, target uuid, person uuid)
        left join public.scorm_enrollments as s on s.scorm_package_id = t.target and s.user_id = t.person
      on conflict on constraint partner_mapped_pkey do update set
        scorm_enrollment_id = excluded.scorm_enrollment_id, problem = excluded.problem, tried_at = pg_catalog.now();
    -- A mapping that names a course and a package means the package of that course.
    update public.scorm_enrollments as s set enrollment_id = i.enrollment_id
      from pg_catalog.jsonb_to_recordset(p_todo) as t (enrolment uuid, mapping uuid)
      join courseyard.partner_mapped as d
        on d.partner_enrollment_id = t.enrolment and d.mapping_id = t.mapping and d.kind = 'package'
      join courseyard.partner_mapped as i
        on i.partner_enrollment_id = t.enrolment and i.mapping_id = t.mapping and i.kind <> 'package'
          and i.enrollment_id is not null
      where s.id = d.scorm_enrollment_id and s.enrollment_id is null;
    return;
  end if;

  if person is null or target is null then
    insert into courseyard.partner_mapped (partner_enrollment_id, mapping_id, kind, problem)
      select t.enrolment, t.mapping, p_kind,
          'The table enrollments has no column for ' || case when person is null then 'the person' else 'the ' || p_kind end || '.'
        from pg_catalog.jsonb_to_recordset(p_todo) as t (enrolment uuid, mapping uuid)
      on conflict on constraint partner_mapped_pkey do update set
        problem = excluded.problem, tried_at = pg_catalog.now();
    return;
  end if;

  execute pg_catalog.format($sql$
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', pg_catalog.gen_random_uuid(), %3$L, t.person, %4$L, t.target,
        'enrolled_at', pg_catalog.now()))
      from (select distinct r.person, r.target from pg_catalog.jsonb_to_recordset($1) as r (person uuid, target uuid)) as t
      where not exists (select from public.enrollments as n where n.%1$I = t.person and n.%2$I = t.target)
  $sql$, person, target, person, target) into missing using p_todo;
  -- The first word that the organisation's column takes; its own default where it takes none.
  foreach word in array array['active', 'enrolled', 'in_progress', 'pending', null] loop
    exit when missing is null;
    begin
      perform courseyard.partner_write_v1('enrollments', (
        select pg_catalog.jsonb_agg(case when word is null or status is null then r.value
            else r.value || pg_catalog.jsonb_build_object(status, word) end)
          from pg_catalog.jsonb_array_elements(missing) as r
      ), null);
      exit;
    exception when check_violation or invalid_text_representation or string_data_right_truncation then
      if word is null then
        raise;
      end if;
    end;
  end loop;

  execute pg_catalog.format($sql$
    insert into courseyard.partner_mapped (partner_enrollment_id, mapping_id, kind, enrollment_id)
      select distinct on (t.enrolment, t.mapping) t.enrolment, t.mapping, $2, n.id
        from pg_catalog.jsonb_to_recordset($1) as t (enrolment uuid, mapping uuid, target uuid, person uuid)
        join public.enrollments as n on n.%1$I = t.person and n.%2$I = t.target
        order by t.enrolment, t.mapping, n.id
      on conflict on constraint partner_mapped_pkey do update set
        enrollment_id = excluded.enrollment_id, problem = null, tried_at = pg_catalog.now()
  $sql$, person, target) using p_todo, p_kind;
end
$$;

revoke all on function courseyard.partner_mapped_some_v1(text, jsonb) from public, anon, authenticated;
grant execute on function courseyard.partner_mapped_some_v1(text, jsonb) to service_role;
