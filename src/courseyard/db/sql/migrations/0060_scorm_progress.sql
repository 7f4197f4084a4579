-- trigger_update_scorm_progress: what a course reports brings the enrolment up to date. docs/data.md tells the rules.

-- A decimal number as the data models write it; null for anything else, and never an error.
create or replace function courseyard.tracked_number(value text) returns numeric
language sql immutable parallel safe set search_path = '' as $$
  select case
    when trim(value, E' \t\r\n') ~ '^[+-]?([0-9]{1,12}(\.[0-9]{0,40})?|\.[0-9]{1,40})$' then
      trim(value, E' \t\r\n')::numeric
  end
$$;

-- Seconds of a SCORM 1.2 (HHHH:MM:SS.SS) or SCORM 2004 (P1DT2H3M4.5S) time span; null for anything else.
create or replace function courseyard.tracked_seconds(value text) returns numeric
language sql immutable parallel safe set search_path = '' as $$
  select case
    when value ~ '^[0-9]{1,4}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]{1,6})?$' then
      split_part(value, ':', 1)::numeric * 3600 + split_part(value, ':', 2)::numeric * 60
        + split_part(value, ':', 3)::numeric
    when value ~ '^P[0-9YMDTHS.]*[0-9][YMDHS]$' then (
      select coalesce(part[1]::numeric, 0) * 31557600 + coalesce(part[2]::numeric, 0) * 2629800
          + coalesce(part[3]::numeric, 0) * 86400 + coalesce(part[4]::numeric, 0) * 3600
          + coalesce(part[5]::numeric, 0) * 60 + coalesce(part[6]::numeric, 0)
        from regexp_match(value, '^P(?:([0-9]{1,3})Y)?(?:([0-9]{1,4})M)?(?:([0-9]{1,5})D)?'
          || '(?:T(?:([0-9]{1,6})H)?(?:([0-9]{1,8})M)?(?:([0-9]{1,9}(?:\.[0-9]{1,6})?)S)?)?$') as part
        where part is not null
    )
  end
$$;

-- A score on the scale 0..100: the scaled score where there is one (below zero counts as zero), else the raw score
-- between its bounds (0 and 100 where the course tells none). Null where the numbers make no sense.
create or replace function courseyard.score_percent(scaled numeric, raw numeric, low numeric, high numeric)
returns numeric
language sql immutable parallel safe set search_path = '' as $$
  select case
    when scaled between -1 and 1 then trim_scale(round(greatest(scaled, 0) * 100, 2))
    when coalesce(high, 100) > coalesce(low, 0) and raw between coalesce(low, 0) and coalesce(high, 100) then
      trim_scale(round((raw - coalesce(low, 0)) * 100 / (coalesce(high, 100) - coalesce(low, 0)), 2))
  end
$$;

-- What reported values say: none, one or more facts each, by the place of the report in the two arrays. A value that
-- makes no sense says nothing. A firm fact is one that later values cannot take back. The fact under the element's
-- own name is for cmi_data. (PL/pgSQL keeps the plan; for SQL the planning would cost more than the work.)
create or replace function courseyard.facts_told(elements text[], reports text[])
returns table (place bigint, fact text, word text, number numeric, firm boolean)
language plpgsql immutable parallel safe set search_path = '' rows 10 as $$
#variable_conflict use_column
begin
  return query
  with report as materialized (
    select r.place, trim(r.element, E' \t\r\n') as element, trim(r.value, E' \t\r\n') as value, r.value as verbatim
      from unnest(elements, reports) with ordinality as r (element, value, place)
      where r.element is not null and r.value is not null
  ),
  counted as materialized (
    select r.place, r.element, courseyard.tracked_number(r.value) as number
      from report as r
      where r.element in ('cmi.core.score.raw', 'cmi.core.score.min', 'cmi.core.score.max', 'cmi.score.raw',
        'cmi.score.min', 'cmi.score.max', 'cmi.score.scaled', 'cmi.progress_measure')
    union all
    select r.place, r.element, courseyard.tracked_seconds(r.value)
      from report as r
      where r.element in ('cmi.core.session_time', 'cmi.session_time')
  ),
  meaning as materialized (
    select r.place, list.fact, list.word, null::numeric as number, list.firm
      from report as r
      join (values
        ('cmi.core.lesson_status', 'completed', 'completion', 'completed', true),
        ('cmi.core.lesson_status', 'completed', 'success', 'unknown', false),
        ('cmi.core.lesson_status', 'passed', 'completion', 'completed', true),
        ('cmi.core.lesson_status', 'passed', 'success', 'passed', true),
        ('cmi.core.lesson_status', 'failed', 'completion', 'unknown', false),
        ('cmi.core.lesson_status', 'failed', 'success', 'failed', false),
        ('cmi.core.lesson_status', 'incomplete', 'completion', 'incomplete', false),
        ('cmi.core.lesson_status', 'incomplete', 'success', 'unknown', false),
        ('cmi.core.lesson_status', 'browsed', 'completion', 'incomplete', false),
        ('cmi.completion_status', 'completed', 'completion', 'completed', true),
        ('cmi.completion_status', 'incomplete', 'completion', 'incomplete', false),
        ('cmi.completion_status', 'unknown', 'completion', 'unknown', false),
        ('cmi.success_status', 'passed', 'completion', 'completed', true),
        ('cmi.success_status', 'passed', 'success', 'passed', true),
        ('cmi.success_status', 'failed', 'success', 'failed', false),
        ('cmi.success_status', 'unknown', 'success', 'unknown', false)
      ) as list (element, value, fact, word, firm) on list.element = r.element and list.value = lower(r.value)
    union all
    select c.place, list.fact, null, c.number, false
      from counted as c
      join (values
        ('cmi.core.score.raw', 'raw', null::numeric, null::numeric),
        ('cmi.core.score.min', 'min', null, null),
        ('cmi.core.score.max', 'max', null, null),
        ('cmi.score.raw', 'raw', null, null),
        ('cmi.score.min', 'min', null, null),
        ('cmi.score.max', 'max', null, null),
        ('cmi.score.scaled', 'scaled', -1, 1),
        ('cmi.progress_measure', 'progress', 0, 1),
        ('cmi.core.session_time', 'session', null, null),
        ('cmi.session_time', 'session', null, null)
      ) as list (element, fact, low, high) on list.element = c.element
      where c.number is not null and (list.low is null or c.number between list.low and list.high)
    union all
    select r.place, 'location', null, null, false
      from report as r where r.element in ('cmi.core.lesson_location', 'cmi.location')
  )
  select m.place, m.fact, m.word, m.number, m.firm from meaning as m
  union all
  select r.place, r.element, left(r.verbatim, 4096), null, false
    from report as r where (r.place in (select m.place from meaning as m)) is true
  union all
  select r.place, 'suspend_data', r.verbatim, null, false
    from report as r where r.element = 'cmi.suspend_data'
  union all
  -- Everything else of the data model shows at least that somebody is at work.
  select r.place, 'activity', null, null, false
    from report as r
    where r.element ~ '^(cmi|adl)\.' and r.element !~ ('^cmi\.((core\.)?score\..*|(core\.)?session_time|'
      || 'core\.lesson_status|core\.lesson_location|completion_status|success_status|progress_measure|location|'
      || 'suspend_data)$');
end
$$;

-- The enrolment shows its best attempt at Courseyard's own player: passed before completed before failed before
-- unfinished, then the higher score, then the later one. What the enrolment has reached never falls back; only an
-- attempt numbered up to the fact 'reset' counts no more. Callers hold the enrolments' locks or take them here.
create or replace function courseyard.enrollments_follow_attempts(enrollment_ids uuid[]) returns void
language sql security definer set search_path = '' as $$
  with counted as (
    select a.*, courseyard.score_percent(a.score_scaled, a.score_raw, a.score_min, a.score_max) as percent,
        a.completion = 'completed' or (a.success = 'passed' and a.completion = 'unknown') as complete
      from courseyard.attempts as a
      where a.enrollment_id = any (enrollment_ids) and a.kind = 'normal'
        and a.number > coalesce((
          select r.number from courseyard.tracking_facts as r
            where r.enrollment_id = a.enrollment_id and r.fact = 'reset'
        ), 0)
  ),
  best as (
    select distinct on (c.enrollment_id) c.*,
        case
          when c.success = 'passed' and c.complete then 'passed'
          when c.success = 'failed' then 'failed'
          when c.complete then 'completed'
          else 'incomplete'
        end as status
      from counted as c
      order by c.enrollment_id, c.complete and c.success = 'passed' desc, c.complete and c.success <> 'failed' desc,
        c.complete desc, c.success = 'failed' desc, c.percent desc nulls last, c.number desc
  ),
  totals as (
    select a.enrollment_id, max(a.number) as latest, min(a.started_at) as started_at,
        max(a.last_activity_at) as last_activity_at,
        sum(case when a.reported_seconds > 0 then a.reported_seconds else a.measured_seconds end) as seconds
      from courseyard.attempts as a
      where a.enrollment_id = any (enrollment_ids) and a.kind = 'normal'
      group by a.enrollment_id
  ),
  shown as (
    select b.*, t.latest, t.started_at as first_started_at, t.last_activity_at as latest_activity_at, t.seconds,
        -- Done before, by this or an earlier attempt or by hand, and the attempts do not show it.
        (e.completed_at is not null or coalesce(e.status, '') in ('completed', 'passed')) and not b.complete
          or coalesce(e.status, '') = 'passed' and b.status <> 'passed' as keeps
      from best as b
      join totals as t on t.enrollment_id = b.enrollment_id
      join public.scorm_enrollments as e on e.id = b.enrollment_id
  )
  update public.scorm_enrollments as e
    set status = case when s.keeps then e.status else s.status end,
      progress_percentage = case
        when s.keeps then e.progress_percentage
        when s.complete then 100
        else trim_scale(round(least(greatest(s.progress, 0), 100), 2))
      end,
      score = case
        when s.keeps then coalesce(e.score, s.percent)
        else coalesce(s.percent, e.score)
      end,
      attempts = s.latest,
      time_spent_seconds = least(s.seconds, 2147483647)::integer,
      started_at = least(e.started_at, s.first_started_at),
      completed_at = case when s.complete then coalesce(e.completed_at, s.completed_at, now()) else e.completed_at end,
      last_accessed_at = greatest(e.last_accessed_at, s.latest_activity_at),
      cmi_data = case when jsonb_typeof(coalesce(e.cmi_data, '{}')) = 'object' then
        coalesce(e.cmi_data, '{}') || jsonb_build_object('completion_status', s.completion, 'success_status',
          s.success, 'attempt', s.number)
        else e.cmi_data end
    from shown as s
    where s.enrollment_id = e.id
$$;

-- The suspend data of the latest attempt as the enrolment shows it: {"value": …}, and by item where there are several.
create or replace function courseyard.suspend_data_follows_attempt(enrollment_ids uuid[]) returns void
language sql security definer set search_path = '' as $$
  with latest as (
    select distinct on (a.enrollment_id) a.enrollment_id, a.id
      from courseyard.attempts as a
      where a.enrollment_id = any (enrollment_ids) and a.kind = 'normal'
      order by a.enrollment_id, a.number desc
  ),
  kept as (
    select l.enrollment_id,
        case when count(distinct s.item) > 1 then
          jsonb_build_object('items', jsonb_object_agg(s.item, s.data ->> 'cmi.suspend_data'
            order by s.activity_attempt))
        else '{}' end
          || jsonb_build_object('value', (array_agg(s.data ->> 'cmi.suspend_data' order by s.updated_at desc))[1])
          as suspend_data
      from latest as l
      join courseyard.sco_states as s on s.attempt_id = l.id
      where s.data ? 'cmi.suspend_data'
      group by l.enrollment_id
  )
  update public.scorm_enrollments as e set suspend_data = k.suspend_data
    from kept as k where k.enrollment_id = e.id and e.suspend_data is distinct from k.suspend_data
$$;

-- Brings one enrolment up to date with reports that no engine wrote. The caller holds its lock.
create or replace function courseyard.enrollment_hears(enrollment uuid, elements text[], reports text[],
  times timestamptz[])
returns void
language plpgsql security definer set search_path = '' as $$
begin
  with told as materialized (
    select f.place, f.fact, f.word, f.number, f.firm, times[f.place] as told_at
      from courseyard.facts_told(elements, reports) as f
  ),
  seen as (
    select min(t.told_at) as first_at, max(t.told_at) as last_at from told as t having count(*) > 0
  ),
  -- A session's time is reported again and again while it grows; a smaller value starts another session.
  sessions as (
    select coalesce(sum(case when s.number >= s.before then s.number - s.before else s.number end), 0) as seconds
      from (
        select t.number, coalesce(lag(t.number) over (order by t.told_at, t.place), k.number, 0) as before
          from told as t
          left join courseyard.tracking_facts as k on k.enrollment_id = enrollment and k.fact = 'session'
          where t.fact = 'session' and (k.told_at is null or t.told_at >= k.told_at)
      ) as s
  ),
  picked as materialized (
    select distinct on (t.fact) t.fact, t.word, t.number, t.firm, t.told_at
      from told as t
      order by t.fact, t.firm desc, t.told_at desc, t.place desc
  ),
  accepted as (
    insert into courseyard.tracking_facts as k (enrollment_id, fact, word, number, firm, told_at)
      select enrollment, p.fact, case when p.fact <> 'suspend_data' then p.word end, p.number, p.firm, p.told_at
        from picked as p
      on conflict on constraint tracking_facts_pkey do update
        set word = excluded.word, number = excluded.number, firm = excluded.firm, told_at = excluded.told_at
        where excluded.firm and not k.firm or excluded.firm = k.firm and excluded.told_at >= k.told_at
      returning k.fact, k.word, k.number, k.told_at
  ),
  known as (
    select a.fact, a.word, a.number from accepted as a
    union all
    select k.fact, k.word, k.number
      from courseyard.tracking_facts as k
      where k.enrollment_id = enrollment and not exists (select from accepted as a where a.fact = k.fact)
  ),
  state as (
    select max(k.word) filter (where k.fact = 'completion') as completion,
        max(k.word) filter (where k.fact = 'success') as success,
        max(k.number) filter (where k.fact = 'progress') as progress,
        courseyard.score_percent(max(k.number) filter (where k.fact = 'scaled'),
          max(k.number) filter (where k.fact = 'raw'), max(k.number) filter (where k.fact = 'min'),
          max(k.number) filter (where k.fact = 'max')) as percent
      from known as k
  ),
  news as (
    select coalesce(bool_or(a.fact in ('completion', 'success')), false) as status_told,
        coalesce(bool_or(a.fact in ('scaled', 'raw', 'min', 'max')), false) as score_told,
        coalesce(bool_or(a.fact = 'progress'), false) as progress_told,
        max(a.told_at) filter (where a.fact = 'completion') as completion_at,
        coalesce(jsonb_object_agg(a.fact, a.word) filter (where a.fact ~ '^(cmi|adl)\.'), '{}') as elements,
        (select p.word from picked as p where p.fact = 'suspend_data' and bool_or(a.fact = 'suspend_data'))
          as suspend_data
      from accepted as a
  ),
  outcome as (
    select seen.first_at, seen.last_at, sessions.seconds, state.*, news.*,
        e.completed_at is not null or coalesce(e.status, '') in ('completed', 'passed') as was_done
      from seen, sessions, state, news, public.scorm_enrollments as e
      where e.id = enrollment
  )
  update public.scorm_enrollments as e
    set status = case
        when not o.status_told then
          case when coalesce(e.status, 'not_attempted') in ('not_attempted', 'not_started', 'not attempted')
            then 'incomplete' else e.status end
        when o.success = 'passed' or e.status = 'passed' then 'passed'
        when o.success = 'failed' then 'failed'
        when o.was_done or o.completion = 'completed' then 'completed'
        else 'incomplete'
      end,
      progress_percentage = case
        when o.status_told and o.completion = 'completed' then 100
        when o.progress_told and not o.was_done then trim_scale(round(o.progress * 100, 2))
        else e.progress_percentage
      end,
      score = case
        when not o.score_told or o.percent is null then e.score
        -- Done in an earlier attempt: a new one that is not done can only better the score.
        when o.was_done and o.completion is distinct from 'completed' then greatest(e.score, o.percent)
        else o.percent
      end,
      attempts = greatest(coalesce(e.attempts, 0), 1),
      time_spent_seconds = least(coalesce(e.time_spent_seconds, 0) + o.seconds, 2147483647)::integer,
      started_at = least(e.started_at, o.first_at),
      completed_at = case
        when o.status_told and o.completion = 'completed' then coalesce(e.completed_at, o.completion_at, o.last_at)
        else e.completed_at
      end,
      last_accessed_at = greatest(e.last_accessed_at, o.last_at),
      suspend_data = case when o.suspend_data is null then e.suspend_data
        else jsonb_build_object('value', o.suspend_data) end,
      cmi_data = case when jsonb_typeof(coalesce(e.cmi_data, '{}')) <> 'object' then e.cmi_data
        else coalesce(e.cmi_data, '{}') || o.elements || case when o.status_told then
          jsonb_build_object('completion_status', coalesce(o.completion, 'unknown'), 'success_status',
            coalesce(o.success, 'unknown')) else '{}' end
        end
    from outcome as o
    where e.id = enrollment;
end
$$;

create or replace function courseyard.update_scorm_progress() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  -- The GUC keeps the role that a person's request took on, whoever owns this function.
  by_person constant boolean := coalesce(current_setting('role', true), 'none') in ('anon', 'authenticated')
    or session_user in ('anon', 'authenticated');
  by_engine constant boolean := not by_person and coalesce(current_setting('courseyard.engine', true), '') = 'on';
  touched uuid[];
  said record;
begin
  select array_agg(distinct n.scorm_enrollment_id) into touched from new_rows as n;
  if touched is null then
    return null;
  end if;
  -- In one order, so that two statements over the same enrolments wait instead of blocking each other. The weaker
  -- lock lets the foreign key of other inserts pass.
  perform from public.scorm_enrollments as e where e.id = any (touched) order by e.id for no key update;

  if by_engine then
    perform courseyard.enrollments_follow_attempts(touched);
    if exists (select from new_rows as n where n.element = 'cmi.suspend_data') then
      perform courseyard.suspend_data_follows_attempt(touched);
    end if;
    return null;
  end if;

  -- In a package that Courseyard's own player plays, the player tells the status: what a person writes beside it
  -- is recorded and no more, unless the package is theirs to manage.
  if by_person and not courseyard.is_admin() then
    select coalesce(array_agg(e.id), '{}') into touched
      from public.scorm_enrollments as e
      where e.id = any (touched) and (
        not exists (select from courseyard.package_versions as v where v.package_id = e.scorm_package_id)
        or e.scorm_package_id in (select courseyard.managed_packages()));
  end if;

  -- One enrolment after the other: every statement is small, so that its plan is kept and fits any number of rows.
  for said in
    select n.scorm_enrollment_id as enrollment, array_agg(n.element order by n.place) as elements,
        array_agg(n.value order by n.place) as reports,
        -- A time that is missing or yet to come counts as now: it must not outrank every later row.
        array_agg(least(n."timestamp", clock_timestamp()) order by n.place) as times
      from (select x.*, row_number() over () as place from new_rows as x) as n
      group by n.scorm_enrollment_id
  loop
    continue when by_person and said.enrollment <> all (touched);
    perform courseyard.enrollment_hears(said.enrollment, said.elements, said.reports, said.times);
  end loop;
  return null;
end
$$;

-- A program that opens another attempt (attempts goes up) or sets an enrolment back to not_attempted starts afresh:
-- what was understood of earlier rows counts no more.
create or replace function courseyard.forget_tracked_facts() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.status is distinct from 'not_attempted'
    and exists (select from courseyard.package_versions as v where v.package_id = new.scorm_package_id) then
    return null; -- Courseyard's own player counts its attempts itself.
  end if;
  delete from courseyard.tracking_facts as k where k.enrollment_id = new.id and k.fact <> 'reset';
  if new.status = 'not_attempted' then
    insert into courseyard.tracking_facts as k (enrollment_id, fact, number, told_at)
      select new.id, 'reset', coalesce(max(a.number), 0), now()
        from courseyard.attempts as a where a.enrollment_id = new.id and a.kind = 'normal'
      on conflict (enrollment_id, fact) do update set number = excluded.number, told_at = excluded.told_at;
  end if;
  return null;
end
$$;

revoke all on function courseyard.tracked_number(text), courseyard.tracked_seconds(text),
  courseyard.score_percent(numeric, numeric, numeric, numeric), courseyard.facts_told(text[], text[]),
  courseyard.enrollments_follow_attempts(uuid[]), courseyard.suspend_data_follows_attempt(uuid[]),
  courseyard.enrollment_hears(uuid, text[], text[], timestamptz[]), courseyard.update_scorm_progress(), courseyard.forget_tracked_facts()
  from public, anon, authenticated;
grant execute on function courseyard.score_percent(numeric, numeric, numeric, numeric),
  courseyard.enrollments_follow_attempts(uuid[]), courseyard.suspend_data_follows_attempt(uuid[])
  to service_role;

-- An earlier hand-made version: its trigger goes, and its function with it unless something else uses it.
do $earlier$
declare
  stale regprocedure;
begin
  for stale in
    select t.tgfoid::regprocedure from pg_catalog.pg_trigger as t
      join pg_catalog.pg_proc as p on p.oid = t.tgfoid
      where t.tgrelid = 'public.scorm_tracking'::regclass and t.tgname = 'trigger_update_scorm_progress'
        and p.pronamespace <> 'courseyard'::regnamespace
  loop
    drop trigger trigger_update_scorm_progress on public.scorm_tracking;
    begin
      execute format('drop function %s', stale);
    exception when dependent_objects_still_exist or insufficient_privilege then
      raise notice 'Function % stays: %', stale, sqlerrm;
    end;
  end loop;
end
$earlier$;

create or replace trigger trigger_update_scorm_progress
  after insert on public.scorm_tracking
  referencing new table as new_rows
  for each statement execute function courseyard.update_scorm_progress();

create or replace trigger update_scorm_progress_on_change
  after update on public.scorm_tracking
  referencing new table as new_rows
  for each statement execute function courseyard.update_scorm_progress();

create or replace trigger forget_tracked_facts
  after update of status, attempts on public.scorm_enrollments
  for each row
  when (new.status = 'not_attempted' and old.status is distinct from new.status
    or new.attempts > old.attempts and old.attempts > 0)
  execute function courseyard.forget_tracked_facts();

do $verify$
begin
  if (select count(*) from information_schema.triggers as t
      where t.trigger_schema = 'public' and t.trigger_name = 'trigger_update_scorm_progress') <> 1 then
    raise exception 'trigger_update_scorm_progress is missing, or fires on more than one event.'
      using errcode = 'CY002', hint = 'Run all of Courseyard''s SQL again, from its beginning.';
  end if;
end
$verify$;
