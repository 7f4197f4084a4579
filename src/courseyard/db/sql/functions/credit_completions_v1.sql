-- Completions count for each other as the mappings say: "equivalent" in both directions, "credit" only here for what was
-- completed at the partner. A status is raised and never lowered, a score never touched, and each enrolment is credited
-- once: what a person sets back afterwards stays. courseyard.credits tells why. Returns how many were credited.
create or replace function courseyard.credit_completions_v1()
returns integer
language plpgsql
set search_path = ''
-- The planner knows nothing of how many rows a mapping brings, and one look at all of them is what is wanted here.
set enable_nestloop = off
as $$
#variable_conflict use_column
declare
  person constant text := courseyard.standing_column_v1('enrollments',
    '{user_id,student_id,profile_id,learner_id}', 'uuid');
  status constant text := courseyard.standing_column_v1('enrollments', '{status,state,enrollment_status}');
  finished constant text := courseyard.standing_column_v1('enrollments', '{completed_at,completion_date}');
  done text;
  target text;
  some_kind text;
  word text;
  due jsonb;
  sources jsonb;
  credited integer := 0;
begin
  -- Two at once would credit the same ones.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('courseyard.credits', 0));

  -- Packages here, by what was completed at the partner. One of a partner that has told of it has a time of completion;
  -- where it has none, "completed" is an organisation's word for something else. What was completed at the partner only
  -- by a credit counts for equivalents, which are the same thing, and for nothing else.
  with due as (
    select distinct on (s.id) s.id, s.status as was, e.id as by_id, m.mapping_id, m.mapping_type, c.course_name::text as title,
        l.provider_name::text as provider, coalesce(e.completed_at, e.updated_at, pg_catalog.now()) as at
      from courseyard.mapping_targets_v1() as m
      join public.partner_lms_enrollments as e
        on e.course_id = m.partner_course_id and pg_catalog.lower(e.status::text) = 'completed'
      join public.scorm_enrollments as s on s.scorm_package_id = m.target_id and s.user_id = e.student_id
      join public.partner_courses as c on c.id = e.course_id
      left join public.partner_lms_providers as l on l.id = e.provider_id
      where m.kind = 'package' and coalesce(s.status, '') not in ('completed', 'passed')
        and not exists (select from courseyard.credits as x where x.scorm_enrollment_id = s.id)
        and (e.completed_at is not null
          or not exists (select from courseyard.partner_keys as k where k.row_id = e.id and k.kind = 'enrolment'))
        and (m.mapping_type = 'equivalent'
          or not exists (select from courseyard.credits as x where x.partner_enrollment_id = e.id))
      order by s.id, e.completed_at, e.id
  ),
  raised as (
    update public.scorm_enrollments as s set
        status = 'completed', progress_percentage = 100, completed_at = coalesce(s.completed_at, d.at)
      from due as d where s.id = d.id
      returning s.id
  ),
  told as (
    insert into courseyard.credits (scorm_enrollment_id, by_partner_enrollment_id, mapping_id, mapping_type, source_title,
        source_provider, completed_at, status_before)
      select d.id, d.by_id, d.mapping_id, d.mapping_type, d.title, d.provider, d.at, d.was
        from due as d join raised as r on r.id = d.id
      returning 1
  )
  select pg_catalog.count(*)::integer into credited from told;

  -- Packages here that were completed, for the partner's course: here only, the partner is not told.
  select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', e.id, 'was', e.status, 'by_scorm', s.id, 'mapping',
      m.mapping_id, 'title', p.title, 'at', coalesce(s.completed_at, pg_catalog.now()))) into sources
    from courseyard.mapping_targets_v1() as m
    join public.partner_lms_enrollments as e on e.course_id = m.partner_course_id
    join public.scorm_enrollments as s on s.scorm_package_id = m.target_id and s.user_id = e.student_id
    join public.scorm_packages as p on p.id = s.scorm_package_id
    where m.kind = 'package' and m.mapping_type = 'equivalent' and s.status in ('completed', 'passed')
      and pg_catalog.lower(coalesce(e.status::text, 'pending'))
        in ('pending', 'not_started', 'enrolled', 'invited', 'active', 'in_progress')
      and not exists (select from courseyard.credits as x where x.partner_enrollment_id = e.id);
  credited := credited + courseyard.credit_partner_v1(sources);

  done := pg_catalog.concat_ws(' or ',
    'lower(n.' || pg_catalog.quote_ident(status) || '::text) in (''completed'', ''complete'', ''finished'', ''passed'')',
    'n.' || pg_catalog.quote_ident(finished) || ' is not null');
  foreach some_kind in array array['course', 'program'] loop
    target := courseyard.standing_column_v1('enrollments', array[some_kind || '_id'], 'uuid');
    continue when person is null or target is null or done = '';

    -- The organisation's own courses and programs, by what was completed at the partner.
    execute pg_catalog.format($sql$
      select pg_catalog.jsonb_agg(q.due) from (
        select distinct on (n.id) pg_catalog.jsonb_build_object('id', n.id, 'was', %3$s, 'by', e.id, 'mapping', m.mapping_id,
            'type', m.mapping_type, 'title', c.course_name, 'provider', l.provider_name,
            'at', coalesce(e.completed_at, e.updated_at, pg_catalog.now())) as due
          from courseyard.mapping_targets_v1() as m
          join public.partner_lms_enrollments as e
            on e.course_id = m.partner_course_id and pg_catalog.lower(e.status::text) = 'completed'
          join public.enrollments as n on n.%1$I = e.student_id and n.%2$I = m.target_id
          join public.partner_courses as c on c.id = e.course_id
          left join public.partner_lms_providers as l on l.id = e.provider_id
          where m.kind = $1 and (%4$s) is not true
            and not exists (select from courseyard.credits as x where x.enrollment_id = n.id)
            and (e.completed_at is not null
              or not exists (select from courseyard.partner_keys as k where k.row_id = e.id and k.kind = 'enrolment'))
            and (m.mapping_type = 'equivalent'
              or not exists (select from courseyard.credits as x where x.partner_enrollment_id = e.id))
          order by n.id, e.completed_at, e.id
      ) as q
    $sql$, person, target, coalesce('n.' || pg_catalog.quote_ident(status) || '::text', 'null::text'), done)
      into due using some_kind;
    foreach word in array array['completed', 'complete', 'finished', null] loop
      exit when due is null or word is null and finished is null;
      begin
        perform courseyard.partner_write_v1('enrollments', (
          select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', d.id)
              || case when word is null or status is null then '{}' else pg_catalog.jsonb_build_object(status, word) end
              || case when finished is null then '{}' else pg_catalog.jsonb_build_object(finished, d.at) end)
            from pg_catalog.jsonb_to_recordset(due) as d (id uuid, at timestamptz)
        ), null);
        insert into courseyard.credits (enrollment_id, by_partner_enrollment_id, mapping_id, mapping_type, source_title,
            source_provider, completed_at, status_before)
          select d.id, d.by, d.mapping, d.type, d.title, d.provider, d.at, d.was
            from pg_catalog.jsonb_to_recordset(due) as d (id uuid, was text, by uuid, mapping uuid, type text, title text,
              provider text, at timestamptz);
        credited := credited + pg_catalog.jsonb_array_length(due);
        exit;
      exception when check_violation or invalid_text_representation or string_data_right_truncation then
        if word is null then
          raise;
        end if;
      end;
    end loop;

    execute pg_catalog.format($sql$
      select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', e.id, 'was', e.status, 'by_own', n.id, 'mapping',
          m.mapping_id, 'title', t.title, 'at', coalesce(%3$s, pg_catalog.now())))
        from courseyard.mapping_targets_v1() as m
        join public.partner_lms_enrollments as e on e.course_id = m.partner_course_id
        join public.enrollments as n on n.%1$I = e.student_id and n.%2$I = m.target_id
        join courseyard.mapping_choices_v1() as t on t.kind = m.kind and t.id = m.target_id
        where m.kind = $1 and m.mapping_type = 'equivalent' and (%4$s)
          and pg_catalog.lower(coalesce(e.status::text, 'pending'))
            in ('pending', 'not_started', 'enrolled', 'invited', 'active', 'in_progress')
          and not exists (select from courseyard.credits as x where x.partner_enrollment_id = e.id)
    $sql$, person, target, coalesce('n.' || pg_catalog.quote_ident(finished) || '::timestamptz', 'null::timestamptz'), done)
      into sources using some_kind;
    credited := credited + courseyard.credit_partner_v1(sources);
  end loop;
  return credited;
end
$$;

revoke all on function courseyard.credit_completions_v1() from public, anon, authenticated;
grant execute on function courseyard.credit_completions_v1() to service_role;
