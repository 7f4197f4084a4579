-- Enrolments at a partner. Courses that are in the partner's catalogue and were not imported are left aside on purpose;
-- a course that nobody has heard of, or a person, makes the record wait. p_keep: what a partner pushes does not come again,
-- so that it waits for its course to be imported as well.
create or replace function courseyard.partner_enrolments_v1(
  p_provider uuid,
  p_run uuid,
  p_items jsonb,
  p_compare boolean,
  p_listing boolean,
  p_keep boolean
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  plan courseyard.partner_item_v1[];
  counts jsonb;
  written record;
  words constant jsonb := courseyard.partner_words_v2();
  written_ids uuid[];
  through_modules uuid[];
begin
  select pg_catalog.array_agg(row(i.external_id, i.hash, case when x.back then g.data_at else i.data_at end, i.record,
      case
        when x.back then 'write'
        -- One that is gone already and was never written is written as ended, below.
        when i.verdict in ('older', 'late') and t.id is null and g.gone_at is null then 'older'
        when i.verdict = 'older' and t.id is not null then 'older'
        -- A status of null: the partner only says that the person is in the course.
        when i.verdict = 'write' and t.id is not null and g.gone_at is null and not x.over
            and i.record -> 'status' = 'null' and i.record ->> 'progress' is null and i.record ->> 'enrolled_at' is null
          then 'unchanged'
        when c.row_id is null and m.external_id is not null and not p_keep then 'skipped'
        when c.row_id is null and m.external_id is not null then 'course-not-imported'
        when c.row_id is null then 'course-unknown'
        when p.state = 'ignored' then 'skipped'
        when p.profile_id is null and pg_catalog.cardinality(p.candidates) > 1 then 'person-ambiguous'
        when p.profile_id is null then 'person-unknown'
        when t.id is null then case when g.gone_at is not null and g.data_at > i.data_at then 'late' else 'write' end
        else i.verdict
      end,
      coalesce(i.row_id, own.id, pg_catalog.gen_random_uuid()), c.row_id, p.profile_id, null, i.told_at)::courseyard.partner_item_v1)
    into plan
    from courseyard.partner_plan_v1(p_provider, 'enrolment', p_items, p_compare) as i
    left join courseyard.partner_keys as c
      on c.provider_id = p_provider and c.kind = 'course' and c.external_id = i.record ->> 'course'
    left join courseyard.partner_catalogue as m
      on m.provider_id = p_provider and m.external_id = i.record ->> 'course'
    left join courseyard.partner_people as p
      on p.provider_id = p_provider and p.external_id = i.record #>> '{user,external_id}'
    left join public.partner_lms_enrollments as t on t.id = i.row_id
    left join courseyard.partner_keys as g
      on g.provider_id = p_provider and g.kind = 'enrolment' and g.external_id = i.external_id
    cross join lateral (
      select coalesce(pg_catalog.lower(t.status::text) in ('withdrawn', 'cancelled', 'canceled', 'dropped'), false) as over
    ) as o
    -- Who stands in the listing of today is there today, however long ago the last news of it was.
    cross join lateral (
      select o.over, p_listing and t.id is not null and i.record -> 'status' = 'null' and i.verdict in ('older', 'late')
        and (o.over or g.gone_at is not null) as back
    ) as x
    -- One that was made here, or by hand, for the same person and course is the same enrolment.
    left join lateral (
      select e.id from public.partner_lms_enrollments as e
        where i.row_id is null and e.student_id = p.profile_id and e.course_id = c.row_id
          and e.provider_id = p_provider
          and not exists (select from courseyard.partner_keys as k where k.row_id = e.id and k.kind = 'enrolment')
        order by e.enrolled_at desc nulls last, e.id
        limit 1
    ) as own on true;

  insert into courseyard.partner_aside (provider_id, external_id)
    select p_provider, i.external_id from pg_catalog.unnest(plan) as i where i.verdict = 'skipped'
    on conflict do nothing;

  written_ids := array(select i.row_id from pg_catalog.unnest(plan) as i where i.verdict in ('write', 'late'));
  -- All modules done is completed, though this partner's enrolment may not say so.
  through_modules := array(
    select i.row_id from pg_catalog.unnest(plan) as i
      join courseyard.partner_module_state_v1(written_ids) as m on m.enrolment_id = i.row_id and m.done
      join public.partner_lms_enrollments as t on t.id = i.row_id
      left join courseyard.partner_keys as g
        on g.provider_id = p_provider and g.kind = 'enrolment' and g.external_id = i.external_id
          and g.gone_at is not null and g.data_at > i.data_at
      where words ? 'completed' and (g.external_id is null or m.data_at <= g.data_at)
        and case
          when i.record -> 'status' = 'null' then i.verdict = 'write'
            and pg_catalog.lower(t.status::text) in ('withdrawn', 'cancelled', 'canceled', 'dropped')
          else coalesce(i.record ->> 'status', 'active') in ('pending', 'active')
        end);

  -- What the partner ended before it told of it is written as ended.
  select * into written from courseyard.partner_write_v1('partner_lms_enrollments', (
    select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'id', i.row_id, 'provider_id', p_provider, 'student_id', i.person_id, 'course_id', i.course_id,
          'external_enrollment_id', i.external_id,
          'external_account_id', i.record #>> '{user,external_id}',
          'enrolled_at', coalesce((i.record ->> 'enrolled_at')::timestamptz, t.enrolled_at, i.data_at, pg_catalog.now()),
          'metadata', case
            when i.verdict = 'late' and t.id is not null then coalesce(pg_catalog.to_jsonb(t) -> 'metadata', '{}')
            else coalesce(pg_catalog.to_jsonb(t) -> 'metadata', '{}') - 'gone_at'
              || pg_catalog.jsonb_build_object('partner', coalesce(i.record -> 'extra', '{}'), 'data_at', i.data_at)
              || case when told.ended then pg_catalog.jsonb_build_object('gone_at', g.gone_at) else '{}' end
          end)
        -- A status that the organisation's column has no word for stays as it is.
        || case
          when kept.value or not words ? told.status then '{}'
          else pg_catalog.jsonb_build_object('status', words -> told.status)
        end
        || case
          when kept.value then '{}'
          else pg_catalog.jsonb_build_object('completed_at', case when told.status = 'completed'
            then coalesce((i.record ->> 'completed_at')::timestamptz, case when b.id is not null then m.completed_at end,
              t.completed_at, i.data_at, pg_catalog.now()) end)
        end
        -- Where there are modules, the enrolment's progress is theirs.
        || case
          when m.enrolment_id is not null then '{}'
          else pg_catalog.jsonb_build_object('progress_percentage', coalesce((i.record ->> 'progress')::numeric,
            t.progress_percentage, 0))
        end)
      from pg_catalog.unnest(plan) as i
      left join public.partner_lms_enrollments as t on t.id = i.row_id
      left join courseyard.partner_keys as g
        on g.provider_id = p_provider and g.kind = 'enrolment' and g.external_id = i.external_id
          and g.gone_at is not null and g.data_at > i.data_at
      left join courseyard.partner_module_state_v1(written_ids) as m on m.enrolment_id = i.row_id
      left join pg_catalog.unnest(through_modules) as b (id) on b.id = i.row_id
      cross join lateral (
        select b.id is null and g.external_id is not null and i.record ->> 'status' is distinct from 'completed'
      ) as e (ended)
      cross join lateral (
        select e.ended,
            case
              when e.ended then 'withdrawn'
              when b.id is not null then 'completed'
              when i.record ->> 'status' = 'pending' and m.started then 'begun'
              -- That somebody is there was told later than that they had left.
              when i.verdict = 'late' and t.id is not null and i.record ->> 'status' = 'withdrawn' then 'active'
              else coalesce(i.record ->> 'status', 'active')
            end as status
      ) as told
      cross join lateral (
        -- What was credited here stays completed. A status that is null, not one that is left out: the partner does not
        -- say, and what stands stays, unless it had ended before.
        select told.status in ('pending', 'begun', 'active')
          and exists (select from courseyard.credits as d where d.partner_enrollment_id = i.row_id)
          or i.record -> 'status' = 'null' and t.id is not null and (i.verdict = 'late'
            or pg_catalog.to_jsonb(t) ->> 'status' not in ('withdrawn', 'cancelled', 'canceled', 'dropped'))
      ) as kept (value)
      where i.verdict in ('write', 'late')
  ), p_run);

  delete from courseyard.partner_completions as d
    where d.partner_enrollment_id in (
      select i.row_id from pg_catalog.unnest(plan) as i
        where i.verdict in ('write', 'late') and i.record -> 'status' is distinct from 'null')
      and d.partner_enrollment_id <> all (through_modules);
  insert into courseyard.partner_completions (partner_enrollment_id)
    select b.id from pg_catalog.unnest(through_modules) as b (id)
    on conflict do nothing;

  counts := courseyard.partner_settle_v1(p_provider, p_run, 'enrolment', plan, p_listing);
  return counts || pg_catalog.jsonb_build_object('created', written.created, 'updated', written.updated);
end
$$;

revoke all on function courseyard.partner_enrolments_v1(uuid, uuid, jsonb, boolean, boolean, boolean) from public, anon, authenticated;
grant execute on function courseyard.partner_enrolments_v1(uuid, uuid, jsonb, boolean, boolean, boolean) to service_role;
