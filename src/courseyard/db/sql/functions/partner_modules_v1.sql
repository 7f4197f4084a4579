-- Progress in the modules of partner courses. One call writes a batch with one statement for new rows and one for
-- changed ones, so that trigger_sync_partner_progress runs twice and not once a row.
create or replace function courseyard.partner_modules_v1(
  p_provider uuid,
  p_run uuid,
  p_items jsonb,
  p_compare boolean,
  p_listing boolean
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  plan courseyard.partner_item_v1[];
  counts jsonb;
  written record;
  before jsonb;
begin
  select pg_catalog.array_agg(row(i.external_id, i.hash, i.data_at, i.record,
      case
        when i.verdict = 'older' or i.verdict = 'late' and t.id is null and g.gone_at is null then 'older'
        when e.id is null and a.external_id is not null then 'skipped'
        when e.id is null and f.code is not null and f.code in ('person-unknown', 'person-ambiguous', 'course-not-imported')
          then f.code
        when e.id is null then 'enrolment-unknown'
        when i.verdict = 'unchanged' and t.id is null then 'write'
        else i.verdict
      end,
      coalesce(i.row_id, o.id, pg_catalog.gen_random_uuid()), null, e.student_id, e.id, i.told_at)::courseyard.partner_item_v1)
    into plan
    from courseyard.partner_plan_v1(p_provider, 'module', p_items, p_compare) as i
    left join courseyard.partner_keys as k
      on k.provider_id = p_provider and k.kind = 'enrolment' and k.external_id = i.record ->> 'enrolment'
    left join public.partner_lms_enrollments as e on e.id = k.row_id and e.student_id is not null
    left join courseyard.partner_aside as a
      on e.id is null and a.provider_id = p_provider and a.external_id = i.record ->> 'enrolment'
    -- The enrolment itself waits for somebody to say who it is: then this waits for the same.
    left join courseyard.sync_failures as f
      on e.id is null and f.provider_id = p_provider and f.kind = 'enrolment'
        and f.external_id = i.record ->> 'enrolment' and f.resolved_at is null
    left join public.external_module_progress as t on t.id = i.row_id
    left join courseyard.partner_keys as g
      on g.provider_id = p_provider and g.kind = 'module' and g.external_id = i.external_id
    -- A row that was written by hand for the same module.
    left join lateral (
      select x.id from public.external_module_progress as x
        where i.row_id is null and x.partner_enrollment_id = e.id and x.module_id = i.record ->> 'module_id'
        limit 1
    ) as o on true;

  select pg_catalog.jsonb_object_agg(e.id, pg_catalog.to_jsonb(e)) into before
    from public.partner_lms_enrollments as e
    where e.id in (select i.enrolment_id from pg_catalog.unnest(plan) as i where i.verdict in ('write', 'late'));

  select * into written from courseyard.partner_write_v1('external_module_progress', (
    select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'id', i.row_id, 'user_id', i.person_id, 'partner_enrollment_id', i.enrolment_id,
          'module_id', i.record ->> 'module_id',
          -- A status that is null, not one that is left out: the partner does not say, so what stands stays.
          'status', case when i.record -> 'status' = 'null' then coalesce(t.status, 'in_progress')
            else coalesce(i.record ->> 'status', 'not_started') end,
          'completed_at', case when i.record -> 'status' = 'null' then t.completed_at
            else (i.record ->> 'completed_at')::timestamptz end,
          -- What comes late adds to what stands, and what ended before it was known is written as ended.
          'metadata', case
            when i.verdict = 'late' and t.id is not null then coalesce(t.metadata, '{}')
            else coalesce(t.metadata, '{}') - 'gone_at'
              || pg_catalog.jsonb_build_object('partner', coalesce(i.record -> 'extra', '{}'), 'data_at', i.data_at)
              || case when i.verdict = 'late' then pg_catalog.jsonb_build_object('gone_at', pg_catalog.now()) else '{}' end
          end,
          'progress_percentage', coalesce((i.record ->> 'progress')::numeric, t.progress_percentage, 0),
          'module_name', coalesce(i.record ->> 'module_name', t.module_name),
          'score', coalesce((i.record ->> 'score')::numeric, t.score),
          'time_spent_seconds', coalesce((i.record ->> 'time_spent_seconds')::integer, t.time_spent_seconds, 0),
          -- Partners tell when the last session began, too.
          'started_at', least((i.record ->> 'started_at')::timestamptz, t.started_at),
          'last_accessed_at', coalesce((i.record ->> 'last_accessed_at')::timestamptz, t.last_accessed_at)))
      from pg_catalog.unnest(plan) as i
      left join public.external_module_progress as t on t.id = i.row_id
      where i.verdict in ('write', 'late')
  ), p_run);

  counts := courseyard.partner_settle_v1(p_provider, p_run, 'module', plan, p_listing);

  -- All modules were done before the partner ended the enrolment, and that is known only now.
  perform courseyard.partner_status_v1((
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', e.id, 'status', 'completed', 'completed_at',
        coalesce(m.completed_at, m.data_at)))
      from courseyard.partner_module_state_v1(array(
          select i.enrolment_id from pg_catalog.unnest(plan) as i
            join courseyard.partner_keys as k on k.row_id = i.enrolment_id and k.kind = 'enrolment'
            where i.verdict in ('write', 'late') and k.gone_at is not null)) as m
      join courseyard.partner_keys as k on k.row_id = m.enrolment_id and k.kind = 'enrolment'
      join public.partner_lms_enrollments as e on e.id = m.enrolment_id
      where m.done and m.data_at <= k.data_at and pg_catalog.lower(e.status::text) <> 'completed'
  ));

  -- What the trigger made of the enrolments belongs to this run too.
  insert into courseyard.sync_changes (run_id, table_name, row_id, before, after)
    select p_run, 'partner_lms_enrollments', e.id, b.value, pg_catalog.to_jsonb(e)
      from pg_catalog.jsonb_each(before) as b
      join public.partner_lms_enrollments as e on e.id = b.key::uuid
      where pg_catalog.to_jsonb(e) - 'updated_at' is distinct from b.value - 'updated_at';

  return counts || pg_catalog.jsonb_build_object('created', written.created, 'updated', written.updated);
end
$$;

revoke all on function courseyard.partner_modules_v1(uuid, uuid, jsonb, boolean, boolean) from public, anon, authenticated;
grant execute on function courseyard.partner_modules_v1(uuid, uuid, jsonb, boolean, boolean) to service_role;
