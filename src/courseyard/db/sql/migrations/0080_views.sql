-- The two views of the guide. They show a caller no more than the tables below them do. Text and numbers are cast
-- because base tables may hold them in other types.

do $stale$
declare
  stale record;
begin
  -- CREATE OR REPLACE VIEW cannot change columns; an earlier hand-made view of another shape goes first.
  for stale in
    select list.name from (values
      ('partner_enrollment_summary', 'id uuid, student_id uuid, student_name text, student_email text, '
        || 'course_name text, provider_name text, status text, progress_percentage numeric, '
        || 'enrolled_at timestamp with time zone, completed_at timestamp with time zone, module_count bigint, '
        || 'avg_module_progress numeric'),
      ('scorm_completion_summary', 'id uuid, user_id uuid, student_name text, student_email text, '
        || 'scorm_title text, status text, progress_percentage numeric, score numeric, attempts integer, '
        || 'time_spent_minutes numeric, started_at timestamp with time zone, completed_at timestamp with time zone')
    ) as list (name, columns)
    join pg_catalog.pg_class as c on c.oid = to_regclass('public.' || list.name)
    where list.columns <> (
      select string_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum)
        from pg_catalog.pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    )
  loop
    execute format('drop view public.%I', stale.name);
  end loop;
end
$stale$;

create or replace view public.partner_enrollment_summary with (security_invoker = on) as
  select e.id,
      e.student_id,
      p.full_name::text as student_name,
      p.email::text as student_email,
      c.course_name::text as course_name,
      l.provider_name::text as provider_name,
      e.status::text as status,
      e.progress_percentage::numeric as progress_percentage,
      e.enrolled_at::timestamptz as enrolled_at,
      e.completed_at::timestamptz as completed_at,
      m.module_count,
      m.avg_module_progress
    from public.partner_lms_enrollments as e
    left join public.profiles as p on p.id = e.student_id
    left join public.partner_courses as c on c.id = e.course_id
    left join public.partner_lms_providers as l on l.id = e.provider_id
    cross join lateral (
      select count(*) as module_count, trim_scale(round(avg(x.progress_percentage), 2)) as avg_module_progress
        from public.external_module_progress as x
        where x.partner_enrollment_id = e.id
    ) as m;

create or replace view public.scorm_completion_summary with (security_invoker = on) as
  select e.id,
      e.user_id,
      p.full_name::text as student_name,
      p.email::text as student_email,
      k.title as scorm_title,
      e.status,
      e.progress_percentage,
      e.score,
      e.attempts,
      trim_scale(round(coalesce(e.time_spent_seconds, 0) / 60.0, 2)) as time_spent_minutes,
      e.started_at,
      e.completed_at
    from public.scorm_enrollments as e
    left join public.profiles as p on p.id = e.user_id
    left join public.scorm_packages as k on k.id = e.scorm_package_id;

comment on view public.partner_enrollment_summary is 'Partner enrolments with the learner, the course, and its modules.';
comment on view public.scorm_completion_summary is 'SCORM enrolments with the learner, the package and the result.';

do $verify$
begin
  if (select count(*) from pg_catalog.pg_class as c
      where c.oid in (to_regclass('public.partner_enrollment_summary'), to_regclass('public.scorm_completion_summary'))
        and c.relkind = 'v' and 'security_invoker=on' = any (c.reloptions)) <> 2 then
    raise exception 'The two views are missing or do not run as their caller.'
      using errcode = 'CY002', hint = 'Run all of Courseyard''s SQL again, from its beginning.';
  end if;
end
$verify$;
