-- What partners' courses have to do with enrolments in packages here, as active mappings of the types prerequisite and
-- elective say: a row per enrolment and partner's course, which comes first where it is both. A course or a program of the
-- organisation's means the packages that are taken as part of it (scorm_enrollments.enrollment_id). own_id: the learner's
-- enrolment there that has not been ended; done: completed there, by the rule of credit_completions_v1; holds: the package
-- may not be opened yet. Who has begun goes on: nobody is kept from work that is half done, by a mapping that was made or a
-- completion that was taken back meanwhile.
create or replace function courseyard.mapping_relations_v1(p_enrollments uuid[])
returns table (enrollment_id uuid, relation text, partner_course_id uuid, title text, provider text, link text, own_id uuid,
  own_progress numeric, done boolean, holds boolean)
language sql
stable
set search_path = ''
as $$
  with taken as (
    select e.id, e.user_id, t.kind, t.target,
        coalesce(e.attempts, 0) > 0 or coalesce(pg_catalog.lower(e.status), 'not_attempted') <> 'not_attempted' as begun
      from public.scorm_enrollments as e
      left join public.enrollments as n on n.id = e.enrollment_id
      cross join lateral (values
        ('package', e.scorm_package_id::text), ('course', pg_catalog.to_jsonb(n) ->> 'course_id'),
        ('program', pg_catalog.to_jsonb(n) ->> 'program_id')
      ) as t (kind, target)
      where e.id = any (p_enrollments) and t.target is not null
  ),
  related as (
    select distinct on (x.id, m.partner_course_id) x.id, x.user_id, x.begun, m.partner_course_id,
        pg_catalog.lower(m.mapping_type) as relation
      from public.partner_course_mappings as m
      cross join lateral (values
        ('program', m.internal_program_id::text), ('course', m.internal_course_id::text), ('package', m.scorm_package_id::text)
      ) as t (kind, target)
      join taken as x on x.kind = t.kind and x.target = t.target
      where m.is_active is not false and pg_catalog.lower(m.mapping_type) in ('prerequisite', 'elective')
      order by x.id, m.partner_course_id, pg_catalog.lower(m.mapping_type) desc
  )
  select r.id, r.relation, r.partner_course_id, c.course_name::text, l.provider_name::text,
      coalesce(pg_catalog.to_jsonb(c) ->> 'enrollment_link', pg_catalog.to_jsonb(c) ->> 'course_url'),
      own.id, own.progress, coalesce(own.done, false),
      r.relation = 'prerequisite' and not coalesce(own.done, false) and not r.begun
    from related as r
    join public.partner_courses as c on c.id = r.partner_course_id
    left join public.partner_lms_providers as l
      on l.id::text = coalesce(pg_catalog.to_jsonb(c) ->> 'provider_id', pg_catalog.to_jsonb(c) ->> 'partner_id')
    left join lateral (
      select p.id, p.progress_percentage::numeric as progress,
          pg_catalog.lower(p.status::text) = 'completed' and (p.completed_at is not null
            or not exists (select from courseyard.partner_keys as k where k.row_id = p.id and k.kind = 'enrolment')) as done
        from public.partner_lms_enrollments as p
        where p.student_id = r.user_id and p.course_id = r.partner_course_id
          and pg_catalog.lower(coalesce(p.status::text, '')) not in ('withdrawn', 'cancelled', 'canceled', 'dropped')
        order by 3 desc nulls last, p.enrolled_at desc nulls last, p.id
        limit 1
    ) as own on true;
$$;

revoke all on function courseyard.mapping_relations_v1(uuid[]) from public, anon, authenticated;
grant execute on function courseyard.mapping_relations_v1(uuid[]) to service_role;
