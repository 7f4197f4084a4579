-- Takes back what a run wrote, as far as that takes nothing from anybody: a row that somebody has changed since stays as it
-- is, and one that the run made stays where anything that others made refers to it (courseyard.partner_undo_plan_v1). The
-- keys forget what was written, and the partner is asked for all of it again, so that a later run writes it anew.
-- p_dry: nothing is done but counted. tables: what becomes of the rows of each; reasons: how many rows are kept because of
-- what, and of how many rows that refer to them.
create or replace function courseyard.partner_undo_v2(p_run uuid, p_dry boolean)
returns table (restored integer, kept integer, tables jsonb, reasons jsonb)
language plpgsql
set search_path = ''
set client_min_messages = 'warning'
as $$
declare
  run courseyard.sync_runs;
  some_table text;
  names text;
begin
  select r.* into run from courseyard.sync_runs as r
    join public.lms_sync_log as l on l.id = r.id
    where r.id = p_run and r.undone_at is null and l.status <> 'running';
  if not p_dry then
    perform from courseyard.sync_runs as r where r.id = run.id and r.undone_at is null for update of r;
  end if;
  if run.id is null or not found then
    raise exception 'This run is still running, or was undone before.' using errcode = 'CY409';
  end if;

  -- Held from here on: nobody changes them, and who wants to refer to one waits and then finds it gone.
  if not p_dry then
    for some_table in select distinct c.table_name from courseyard.sync_changes as c where c.run_id = p_run order by 1 loop
      execute pg_catalog.format('select from public.%I as t where t.id in (select c.row_id from courseyard.sync_changes as c '
        || 'where c.run_id = $1 and c.table_name = $2) order by t.id for update of t', some_table) using p_run, some_table;
    end loop;
  end if;
  perform courseyard.partner_undo_plan_v1(p_run);

  select pg_catalog.count(*) filter (where u.action <> 'keep'), pg_catalog.count(*) filter (where u.action = 'keep')
    into restored, kept
    from pg_temp.undo_rows as u;
  select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(t) order by t."table"), '[]') into tables
    from (
      select u.table_name as "table", pg_catalog.count(*) filter (where u.action = 'delete') as deleted,
          pg_catalog.count(*) filter (where u.action = 'restore') as restored,
          pg_catalog.count(*) filter (where u.action = 'keep') as kept
        from pg_temp.undo_rows as u
        group by u.table_name
    ) as t;
  select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(w) order by w."table", w.rows desc, w.because, w.referrer), '[]') into reasons
    from (
      select u.table_name as "table", u.because, null::text as referrer, pg_catalog.count(*) as rows, 0 as referring
        from pg_temp.undo_rows as u
        where u.because <> 'referred'
        group by u.table_name, u.because
      union all
      select u.table_name, u.because, r.referrer, pg_catalog.count(distinct u.row_id), pg_catalog.sum(r.referring)
        from pg_temp.undo_rows as u
        join pg_temp.undo_references as r on r.table_name = u.table_name and r.row_id = u.row_id
        where u.because = 'referred'
        group by u.table_name, u.because, r.referrer
    ) as w;
  if p_dry then
    return next;
    return;
  end if;

  -- Enrolments follow their modules by a trigger, step by step; what they are to be is in changes of their own. So they
  -- are remembered, the modules are taken back, and they are put as they were before their own changes have their turn.
  drop table if exists pg_temp.undo_followers;
  create temporary table undo_followers on commit drop as
    select e.id, e.status, e.progress_percentage, e.completed_at, exists (
        select from courseyard.partner_completions as c where c.partner_enrollment_id = e.id
      ) as through_modules
      from public.partner_lms_enrollments as e
      where e.id in (
        select m.partner_enrollment_id
          from pg_temp.undo_rows as u join public.external_module_progress as m on m.id = u.row_id
          where u.table_name = 'external_module_progress' and u.action <> 'keep'
        union
        select (u.target ->> 'partner_enrollment_id')::uuid from pg_temp.undo_rows as u
          where u.table_name = 'external_module_progress' and u.action = 'restore'
      );
  analyze pg_temp.undo_followers;

  delete from public.external_module_progress as m using pg_temp.undo_rows as u
    where u.table_name = 'external_module_progress' and u.action = 'delete' and m.id = u.row_id;
  foreach some_table in array array['external_module_progress', 'partner_credentials', 'partner_lms_enrollments',
    'partner_courses']
  loop
    select pg_catalog.string_agg(distinct pg_catalog.quote_ident(k.name), ', ') into names
      from pg_temp.undo_rows as u, pg_catalog.jsonb_object_keys(u.target) as k (name)
      where u.table_name = some_table and u.action = 'restore';
    if names is not null then
      execute pg_catalog.format('update public.%1$I as t set (%2$s) = '
        || '(select %2$s from pg_catalog.jsonb_populate_record(t, u.target)) '
        || 'from pg_temp.undo_rows as u where u.table_name = $1 and u.action = ''restore'' and t.id = u.row_id',
        some_table, names) using some_table;
    end if;
    if some_table = 'external_module_progress' then
      update public.partner_lms_enrollments as e
        set status = f.status, progress_percentage = f.progress_percentage, completed_at = f.completed_at
        from pg_temp.undo_followers as f
        where e.id = f.id and (e.status, e.progress_percentage, e.completed_at)
          is distinct from (f.status, f.progress_percentage, f.completed_at);
    end if;
  end loop;
  foreach some_table in array array['partner_credentials', 'partner_lms_enrollments', 'partner_courses'] loop
    execute pg_catalog.format('delete from public.%I as t using pg_temp.undo_rows as u '
      || 'where u.table_name = $1 and u.action = ''delete'' and t.id = u.row_id', some_table) using some_table;
  end loop;

  delete from courseyard.partner_completions as c using pg_temp.undo_followers as f, public.partner_lms_enrollments as e
    where c.partner_enrollment_id = f.id and e.id = f.id and pg_catalog.lower(e.status::text) is distinct from 'completed';
  insert into courseyard.partner_completions (partner_enrollment_id)
    select e.id from pg_temp.undo_followers as f join public.partner_lms_enrollments as e on e.id = f.id
      where f.through_modules and pg_catalog.lower(e.status::text) = 'completed'
    on conflict do nothing;
  -- One that was put back, with modules that were written since and stay, is again what those make of it.
  perform courseyard.partner_enrollments_follow_modules(array(
    select u.row_id from pg_temp.undo_rows as u
      where u.table_name = 'partner_lms_enrollments' and u.action = 'restore' and exists (
        select from public.external_module_progress as m
          left join pg_temp.undo_rows as w
            on w.table_name = 'external_module_progress' and w.row_id = m.id and w.action = 'restore'
          where m.partner_enrollment_id = u.row_id and m.updated_at >= run.created_at and w.row_id is null)));

  delete from courseyard.partner_keys as k using pg_temp.undo_rows as u
    where u.action = 'delete' and k.provider_id = run.provider_id and k.row_id = u.row_id;
  update courseyard.partner_keys as k set hash = null, data_at = null, told_at = null, gone_at = null
    from pg_temp.undo_rows as u
    where u.action = 'restore' and k.provider_id = run.provider_id and k.row_id = u.row_id;
  -- An enrolment that has lost its course is written again as well.
  update courseyard.partner_keys as k set hash = null
    from public.partner_lms_enrollments as e
    where k.provider_id = run.provider_id and k.kind = 'enrolment' and e.id = k.row_id and e.course_id is null;
  -- The partner is asked for everything: a run may have written what had waited since long before it, and a stream tells
  -- things of several kinds.
  if found or restored > 0 then
    update courseyard.sync_cursors as c set watermark = null where c.provider_id = run.provider_id;
  end if;
  update courseyard.sync_runs as r set undone_at = pg_catalog.now() where r.id = p_run;
  return next;
end
$$;

revoke all on function courseyard.partner_undo_v2(uuid, boolean) from public, anon, authenticated;
grant execute on function courseyard.partner_undo_v2(uuid, boolean) to service_role;
