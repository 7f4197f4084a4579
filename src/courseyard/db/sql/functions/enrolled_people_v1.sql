-- Everybody who stands in one of the organisation's own programs or courses, whatever its table calls the columns; in a
-- program also who stands in one of its courses.
create or replace function courseyard.enrolled_people_v1(p_kind text, p_target uuid)
returns setof uuid
language plpgsql
stable
set search_path = ''
as $$
declare
  person constant text := courseyard.standing_column_v1('enrollments',
    '{user_id,student_id,profile_id,learner_id}', 'uuid');
  by_program constant text := courseyard.standing_column_v1('enrollments', '{program_id}', 'uuid');
  by_course constant text := courseyard.standing_column_v1('enrollments', '{course_id}', 'uuid');
  status constant text := courseyard.standing_column_v1('enrollments', '{status,state,enrollment_status}');
  conditions text[] := '{}';
begin
  if p_kind = 'program' and by_program is not null then
    conditions := conditions || pg_catalog.format('n.%I = $1', by_program);
  end if;
  if p_kind = 'program' and by_course is not null and courseyard.standing_column_v1('courses', '{program_id}', 'uuid') is not null then
    conditions := conditions
      || pg_catalog.format('n.%I in (select c.id from public.courses as c where c.program_id = $1)', by_course);
  end if;
  if p_kind = 'course' and by_course is not null then
    conditions := conditions || pg_catalog.format('n.%I = $1', by_course);
  end if;
  if person is null or conditions = '{}' then
    return;
  end if;
  return query execute pg_catalog.format('select distinct n.%I from public.enrollments as n '
    || 'join public.profiles as p on p.id = n.%1$I where (%s) and %s', person, pg_catalog.array_to_string(conditions, ' or '),
    case when status is null then 'true' else pg_catalog.format(
      'lower(coalesce(n.%I::text, '''')) not in (''withdrawn'', ''cancelled'', ''canceled'', ''dropped'', ''expired'', ''rejected'')',
      status) end) using p_target;
end
$$;

revoke all on function courseyard.enrolled_people_v1(text, uuid) from public, anon, authenticated;
grant execute on function courseyard.enrolled_people_v1(text, uuid) to service_role;
