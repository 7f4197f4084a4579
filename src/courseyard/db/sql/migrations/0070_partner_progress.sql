-- trigger_sync_partner_progress: a partner enrolment's progress is the mean of its modules; status and completion
-- follow. One statement of any size costs one pass.

-- The enrolment's status column is the organisation's: text or an enumeration, perhaps limited by a CHECK. Where the
-- server refuses our words, the progress is kept and status and completion stay as they are.
create or replace function courseyard.partner_enrollments_follow_modules(enrollment_ids uuid[]) returns void
language plpgsql security definer set search_path = '' as $$
declare
  status_type text;
  working text;
  statement constant text := $sql$
    with modules as (
      select m.partner_enrollment_id as id, bool_and(m.done) as done, bool_or(m.done or m.started) as started,
          -- A partner that tells only 'completed' means all of the module.
          trim_scale(round(avg(case when m.done and m.percent = 0 then 100 else m.percent end), 2)) as progress,
          max(m.completed_at) as completed_at
        from (
          select p.partner_enrollment_id, p.percent, p.completed_at,
              coalesce(lower(p.status) in ('completed', 'complete', 'passed'), false) or p.percent = 100 as done,
              coalesce(lower(p.status) in ('in_progress', 'incomplete', 'started', 'active', 'failed'), false)
                or p.started_at is not null or p.percent > 0 as started
            from (
              select e.*, least(greatest(coalesce(nullif(e.progress_percentage, 'NaN'), 0), 0), 100) as percent
                from public.external_module_progress as e
                where e.partner_enrollment_id = any ($1)
            ) as p
        ) as m
        group by m.partner_enrollment_id
    ),
    standing as (
      select e.id, m.progress, m.done, m.started, m.completed_at as modules_completed_at, e.completed_at,
          e.status::text as status, lower(coalesce(e.status::text, 'pending')) as was,
          c.partner_enrollment_id is not null as through_modules
        from modules as m
        join public.partner_lms_enrollments as e on e.id = m.id
        left join courseyard.partner_completions as c on c.partner_enrollment_id = e.id
    ),
    target as (
      select s.*,
          case
            -- What the partner or a person ended (withdrawn, expired, …) stays ended.
            when s.was not in ('pending', 'not_started', 'enrolled', 'invited', 'active', 'in_progress', 'completed')
              then s.status
            when s.was = 'completed' and (s.done or not s.through_modules) then s.status
            when s.done then 'completed'
            when s.was in ('active', 'in_progress') then s.status
            when s.started then $2
            when s.was = 'completed' then 'pending'
            else s.status
          end as next
        from standing as s
    ),
    completions as (
      insert into courseyard.partner_completions (partner_enrollment_id)
        select t.id from target as t where $3 and t.was <> 'completed' and t.next = 'completed'
        on conflict (partner_enrollment_id) do nothing
    )
    update public.partner_lms_enrollments as e
      set progress_percentage = t.progress,
        status = case when $3 then t.next::%1$s else e.status end,
        completed_at = case
          when not $3 then e.completed_at
          when lower(t.next) = 'completed' then coalesce(e.completed_at, t.modules_completed_at, now())
          when t.was = 'completed' then null
          else e.completed_at
        end,
        updated_at = now()
      from target as t
      where t.id = e.id and (e.progress_percentage is distinct from t.progress
        or $3 and (t.status is distinct from t.next or lower(t.next) = 'completed' and e.completed_at is null))
  $sql$;
begin
  -- In one order, so that two runs over the same enrolments wait instead of blocking each other.
  perform from public.partner_lms_enrollments as e where e.id = any (enrollment_ids) order by e.id for no key update;

  select pg_catalog.format_type(a.atttypid, a.atttypmod) into status_type
    from pg_catalog.pg_attribute as a
    where a.attrelid = 'public.partner_lms_enrollments'::regclass and a.attname = 'status';

  foreach working in array array['in_progress', 'active', null] loop
    begin
      execute format(statement, status_type) using enrollment_ids, working, working is not null;
      exit;
    exception when check_violation or invalid_text_representation or string_data_right_truncation then
      if working is null then
        raise;
      end if;
    end;
  end loop;

  delete from courseyard.partner_completions as c
    using public.partner_lms_enrollments as e
    where c.partner_enrollment_id = any (enrollment_ids) and e.id = c.partner_enrollment_id
      and lower(coalesce(e.status::text, '')) <> 'completed';
end
$$;

create or replace function courseyard.sync_partner_progress() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  touched uuid[];
begin
  if tg_op = 'INSERT' then
    select array_agg(distinct n.partner_enrollment_id) into touched from new_rows as n
      where n.partner_enrollment_id is not null;
  elsif tg_op = 'UPDATE' then
    select array_agg(distinct b.id) into touched
      from (select n.partner_enrollment_id from new_rows as n union select o.partner_enrollment_id from old_rows as o)
        as b (id)
      where b.id is not null;
  else
    select array_agg(distinct o.partner_enrollment_id) into touched from old_rows as o
      where o.partner_enrollment_id is not null;
  end if;
  if touched is not null then
    perform courseyard.partner_enrollments_follow_modules(touched);
  end if;
  return null;
end
$$;

revoke all on function courseyard.partner_enrollments_follow_modules(uuid[]), courseyard.sync_partner_progress()
  from public, anon, authenticated;
grant execute on function courseyard.partner_enrollments_follow_modules(uuid[]) to service_role;

-- An earlier hand-made version: its trigger goes, and its function with it unless something else uses it.
do $earlier$
declare
  stale regprocedure;
begin
  for stale in
    select t.tgfoid::regprocedure from pg_catalog.pg_trigger as t
      join pg_catalog.pg_proc as p on p.oid = t.tgfoid
      where t.tgrelid = 'public.external_module_progress'::regclass and t.tgname = 'trigger_sync_partner_progress'
        and p.pronamespace <> 'courseyard'::regnamespace
  loop
    drop trigger trigger_sync_partner_progress on public.external_module_progress;
    begin
      execute format('drop function %s', stale);
    exception when dependent_objects_still_exist or insufficient_privilege then
      raise notice 'Function % stays: %', stale, sqlerrm;
    end;
  end loop;
end
$earlier$;

create or replace trigger trigger_sync_partner_progress
  after insert on public.external_module_progress
  referencing new table as new_rows
  for each statement execute function courseyard.sync_partner_progress();

create or replace trigger sync_partner_progress_on_change
  after update on public.external_module_progress
  referencing old table as old_rows new table as new_rows
  for each statement execute function courseyard.sync_partner_progress();

create or replace trigger sync_partner_progress_on_delete
  after delete on public.external_module_progress
  referencing old table as old_rows
  for each statement execute function courseyard.sync_partner_progress();

do $verify$
begin
  if (select count(*) from information_schema.triggers as t
      where t.trigger_schema = 'public' and t.trigger_name = 'trigger_sync_partner_progress') <> 1 then
    raise exception 'trigger_sync_partner_progress is missing, or fires on more than one event.'
      using errcode = 'CY002', hint = 'Run all of Courseyard''s SQL again, from its beginning.';
  end if;
end
$verify$;
