-- What the modules of partner enrolments say of them, as trigger_sync_partner_progress counts it: whether any was begun,
-- whether all are done, when the last one was, and the time of the newest fact.
create or replace function courseyard.partner_module_state_v1(p_enrolments uuid[])
returns table (enrolment_id uuid, started boolean, done boolean, completed_at timestamptz, data_at timestamptz)
language sql
stable
set search_path = ''
as $$
  select m.partner_enrollment_id, pg_catalog.bool_or(m.done or m.started), pg_catalog.bool_and(m.done),
      pg_catalog.max(m.completed_at), pg_catalog.max(m.data_at)
    from (
      select p.partner_enrollment_id, p.completed_at, k.data_at,
          coalesce(pg_catalog.lower(p.status) in ('completed', 'complete', 'passed'), false)
            or p.progress_percentage >= 100 and p.progress_percentage <> 'NaN' as done,
          coalesce(pg_catalog.lower(p.status) in ('in_progress', 'incomplete', 'started', 'active', 'failed'), false)
            or p.started_at is not null or p.progress_percentage > 0 and p.progress_percentage <> 'NaN' as started
        from public.external_module_progress as p
        left join courseyard.partner_keys as k on k.row_id = p.id and k.kind = 'module'
        where p.partner_enrollment_id = any (p_enrolments)
    ) as m
    group by m.partner_enrollment_id;
$$;

revoke all on function courseyard.partner_module_state_v1(uuid[]) from public, anon, authenticated;
grant execute on function courseyard.partner_module_state_v1(uuid[]) to service_role;
