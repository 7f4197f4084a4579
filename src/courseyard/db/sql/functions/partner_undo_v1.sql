-- Takes back what a run wrote, last change first. A row that somebody has changed since stays as it is and is counted.
-- The keys forget what was written, so that a later run writes it again.
create or replace function courseyard.partner_undo_v1(p_run uuid)
returns table (restored integer, kept integer)
language plpgsql
set search_path = ''
as $$
declare
  run courseyard.sync_runs;
  of_modules boolean;
  change courseyard.sync_changes;
  followers jsonb;
  standing jsonb;
  changed text[];
  names text;
begin
  select r.* into run from courseyard.sync_runs as r
    join public.lms_sync_log as l on l.id = r.id
    where r.id = p_run and r.undone_at is null and l.status <> 'running'
    for update of r;
  if not found then
    raise exception 'This run is still running, or was undone before.' using errcode = 'CY409';
  end if;
  restored := 0;
  kept := 0;

  -- Enrolments follow their modules by a trigger, step by step; what they are to be is in changes of their own. So they
  -- are remembered, the modules are taken back, and they are put as they were before their own changes have their turn.
  select pg_catalog.jsonb_object_agg(e.id, pg_catalog.to_jsonb(e)) into followers
    from public.partner_lms_enrollments as e
    where e.id in (
      select coalesce(c.after ->> 'partner_enrollment_id', c.before ->> 'partner_enrollment_id')::uuid
        from courseyard.sync_changes as c
        where c.run_id = p_run and c.table_name = 'external_module_progress'
    );

  foreach of_modules in array array[true, false] loop
    for change in
      select c.* from courseyard.sync_changes as c
        where c.run_id = p_run and (c.table_name = 'external_module_progress') = of_modules
        order by c.id desc
    loop
      execute pg_catalog.format(
        'select pg_catalog.to_jsonb(t) from public.%I as t where t.id = $1 for update', change.table_name)
        into standing using change.row_id;
      select pg_catalog.array_agg(a.key) into changed
        from pg_catalog.jsonb_each(change.after) as a
        where a.key not in ('updated_at', 'created_at')
          and a.value is distinct from coalesce(change.before, '{}') -> a.key;
      if standing is null or changed is null or exists (
        select from pg_catalog.unnest(changed) as c (name)
          where standing -> c.name is distinct from change.after -> c.name
      ) then
        kept := kept + 1;
        continue;
      end if;
      if change.before is null then
        execute pg_catalog.format('delete from public.%I as t where t.id = $1', change.table_name) using change.row_id;
        delete from courseyard.partner_keys as k
          where k.provider_id = run.provider_id and k.row_id = change.row_id;
      else
        select pg_catalog.string_agg(pg_catalog.quote_ident(c.name), ', ') into names
          from pg_catalog.unnest(changed) as c (name);
        execute pg_catalog.format('update public.%1$I as t set (%2$s) = '
          || '(select %2$s from pg_catalog.jsonb_populate_record(null::public.%1$I, $2)) where t.id = $1',
          change.table_name, names) using change.row_id, change.before;
        update courseyard.partner_keys as k set hash = null, data_at = null, told_at = null, gone_at = null
          where k.provider_id = run.provider_id and k.row_id = change.row_id;
      end if;
      restored := restored + 1;
    end loop;

    if of_modules and followers is not null then
      update public.partner_lms_enrollments as e set (status, progress_percentage, completed_at) = (
          select r.status, r.progress_percentage, r.completed_at
            from pg_catalog.jsonb_populate_record(null::public.partner_lms_enrollments, followers -> e.id::text) as r
        )
        where followers ? e.id::text;
    end if;
  end loop;

  delete from courseyard.partner_completions as c using public.partner_lms_enrollments as e
    where c.partner_enrollment_id = e.id and followers ? e.id::text
      and pg_catalog.lower(e.status::text) is distinct from 'completed';
  update courseyard.sync_cursors as c set watermark = run.watermarks_before -> c.stream
    where c.provider_id = run.provider_id and c.stream = any (run.streams);
  update courseyard.sync_runs as r set undone_at = pg_catalog.now() where r.id = p_run;
  return next;
end
$$;

revoke all on function courseyard.partner_undo_v1(uuid) from public, anon, authenticated;
grant execute on function courseyard.partner_undo_v1(uuid) to service_role;
