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
begin
  select pg_catalog.array_agg(row(i.external_id, i.hash, i.data_at, i.record,
      case
        -- A status of null: the partner only says that the person is in the course, whenever that was.
        when i.record -> 'status' = 'null' and t.id is not null then
          case when g.gone_at is null and not x.over then 'unchanged' else 'write' end
        -- One that is gone already and was never written is written as ended, below.
        when i.verdict = 'older' and (t.id is not null or g.gone_at is null) then i.verdict
        when c.row_id is null and m.external_id is not null and not p_keep then 'skipped'
        when c.row_id is null and m.external_id is not null then 'course-not-imported'
        when c.row_id is null then 'course-unknown'
        when p.state = 'ignored' then 'skipped'
        when p.profile_id is null and pg_catalog.cardinality(p.candidates) > 1 then 'person-ambiguous'
        when p.profile_id is null then 'person-unknown'
        when t.id is null then 'write'
        else i.verdict
      end,
      coalesce(i.row_id, o.id, pg_catalog.gen_random_uuid()), c.row_id, p.profile_id, null)::courseyard.partner_item_v1)
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
      select coalesce(pg_catalog.lower(t.status::text) in ('withdrawn', 'cancelled', 'canceled', 'dropped'), false)
    ) as x (over)
    -- One that was made here, or by hand, for the same person and course is the same enrolment.
    left join lateral (
      select e.id from public.partner_lms_enrollments as e
        where i.row_id is null and e.student_id = p.profile_id and e.course_id = c.row_id
          and e.provider_id = p_provider
          and not exists (select from courseyard.partner_keys as k where k.row_id = e.id and k.kind = 'enrolment')
        order by e.enrolled_at desc nulls last, e.id
        limit 1
    ) as o on true;

  insert into courseyard.partner_aside (provider_id, external_id)
    select p_provider, i.external_id from pg_catalog.unnest(plan) as i where i.verdict = 'skipped'
    on conflict do nothing;

  -- What the partner ended before it told of it is written as ended.
  select * into written from courseyard.partner_write_v1('partner_lms_enrollments', (
    select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'id', i.row_id, 'provider_id', p_provider, 'student_id', i.person_id, 'course_id', i.course_id,
          'external_enrollment_id', i.external_id,
          'external_account_id', i.record #>> '{user,external_id}',
          'enrolled_at', coalesce((i.record ->> 'enrolled_at')::timestamptz, t.enrolled_at, i.data_at, pg_catalog.now()),
          'metadata', coalesce(pg_catalog.to_jsonb(t) -> 'metadata', '{}') - 'gone_at'
            || pg_catalog.jsonb_build_object('partner', coalesce(i.record -> 'extra', '{}'), 'data_at', i.data_at)
            || case when told.ended then pg_catalog.jsonb_build_object('gone_at', g.gone_at) else '{}' end)
        -- A status that the organisation's column has no word for stays as it is.
        || case
          when kept.value or not words ? told.status then '{}'
          else pg_catalog.jsonb_build_object('status', words -> told.status)
        end
        || case
          when kept.value then '{}'
          else pg_catalog.jsonb_build_object('completed_at', case when told.status = 'completed'
            then coalesce((i.record ->> 'completed_at')::timestamptz, t.completed_at, i.data_at, pg_catalog.now()) end)
        end
        -- Where there are modules, the enrolment's progress is theirs.
        || case
          when modules.there then '{}'
          else pg_catalog.jsonb_build_object('progress_percentage', coalesce((i.record ->> 'progress')::numeric,
            case when i.record ->> 'status' = 'completed' then 100 end, t.progress_percentage, 0))
        end)
      from pg_catalog.unnest(plan) as i
      left join public.partner_lms_enrollments as t on t.id = i.row_id
      left join courseyard.partner_keys as g
        on g.provider_id = p_provider and g.kind = 'enrolment' and g.external_id = i.external_id
          and g.gone_at is not null and g.data_at > i.data_at
      cross join lateral (
        select exists (select from public.external_module_progress as x where x.partner_enrollment_id = i.row_id)
      ) as modules (there)
      cross join lateral (
        select e.value, case when e.value then 'withdrawn' else coalesce(i.record ->> 'status', 'active') end
          from (select g.external_id is not null and i.record ->> 'status' is distinct from 'completed') as e (value)
      ) as told (ended, status)
      cross join lateral (
        -- All modules done is completed, though this partner's enrolment may not say so; and so is what was credited
        -- here. A status that is null, not one that is left out: the partner does not say, and what stands stays.
        select told.status = 'active'
          and exists (select from courseyard.partner_completions as d where d.partner_enrollment_id = i.row_id)
          or told.status in ('pending', 'active')
          and exists (select from courseyard.credits as d where d.partner_enrollment_id = i.row_id)
          or i.record -> 'status' = 'null' and t.id is not null
          and pg_catalog.to_jsonb(t) ->> 'status' not in ('withdrawn', 'cancelled', 'canceled', 'dropped')
      ) as kept (value)
      where i.verdict = 'write'
  ), p_run);

  counts := courseyard.partner_settle_v1(p_provider, p_run, 'enrolment', plan, p_listing);
  return counts || pg_catalog.jsonb_build_object('created', written.created, 'updated', written.updated);
end
$$;

revoke all on function courseyard.partner_enrolments_v1(uuid, uuid, jsonb, boolean, boolean, boolean) from public, anon, authenticated;
grant execute on function courseyard.partner_enrolments_v1(uuid, uuid, jsonb, boolean, boolean, boolean) to service_role;
