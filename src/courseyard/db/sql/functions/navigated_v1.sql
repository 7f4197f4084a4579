-- What one navigation request did to an attempt. The caller read the attempt under its lock in the same transaction.
--
-- p_left: {item, activity_attempt, entry, dropped}: the activity that was left; entry is what its SCO is told if this
--   attempt on the activity goes on later; dropped: what it reported is thrown away (abandon).
-- p_stays: the activity that was open stays open.
-- p_delivery: {item, activity_attempt, entry, data}: the activity that is shown now; data is what its SCO finds.
-- p_objectives, p_stores: the learner's own, across courses; null for copies that are thrown away.
create or replace function courseyard.navigated_v1(
  p_attempt uuid,
  p_epoch integer,
  p_sequencing jsonb,
  p_session_open boolean,
  p_suspended boolean,
  p_left jsonb,
  p_delivery jsonb,
  p_stays boolean,
  p_summary jsonb,
  p_objectives jsonb,
  p_stores jsonb,
  p_trace jsonb,
  p_traces_kept integer,
  p_max_gap numeric
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  owner record;
  latest integer;
begin
  select a.kind, a.enrollment_id, e.user_id into owner
    from courseyard.attempts as a
    left join public.scorm_enrollments as e on e.id = a.enrollment_id
    where a.id = p_attempt;

  update courseyard.attempts as a
    set sequencing = p_sequencing, session_open = p_session_open, suspended = p_suspended,
      delivered_item = case when p_stays then a.delivered_item else p_delivery ->> 'item' end,
      delivered_activity_attempt = case when p_stays then a.delivered_activity_attempt
        else (p_delivery ->> 'activity_attempt')::integer end,
      last_activity_at = pg_catalog.now(),
      ended_at = case when p_session_open then null else pg_catalog.now() end
    where a.id = p_attempt;
  perform courseyard.measure_v1(p_attempt, p_epoch, p_max_gap);
  if not p_session_open then
    update courseyard.launches as l set ended_at = pg_catalog.now()
      where l.attempt_id = p_attempt and l.epoch = p_epoch;
  end if;

  if p_left is not null then
    if (p_left ->> 'dropped')::boolean then
      update courseyard.attempts as a set reported_seconds = a.reported_seconds - s.session_seconds
        from courseyard.sco_states as s
        where a.id = p_attempt and s.attempt_id = p_attempt and s.item = p_left ->> 'item'
          and s.activity_attempt = (p_left ->> 'activity_attempt')::integer;
      delete from courseyard.sco_states as s
        where s.attempt_id = p_attempt and s.item = p_left ->> 'item'
          and s.activity_attempt = (p_left ->> 'activity_attempt')::integer;
    else
      update courseyard.sco_states as s set entry = p_left ->> 'entry', terminated = true
        where s.attempt_id = p_attempt and s.item = p_left ->> 'item'
          and s.activity_attempt = (p_left ->> 'activity_attempt')::integer;
    end if;
  end if;

  if p_delivery is not null then
    -- The time of the session before becomes part of the total now, so that it does not change while a SCO runs.
    insert into courseyard.sco_states as s (attempt_id, item, activity_attempt, data, total_seconds, entry)
      values (p_attempt, p_delivery ->> 'item', (p_delivery ->> 'activity_attempt')::integer,
        p_delivery -> 'data', (p_delivery ->> 'total_seconds')::numeric, p_delivery ->> 'entry')
      on conflict on constraint sco_states_pkey do update
        set data = excluded.data, entry = excluded.entry, total_seconds = excluded.total_seconds,
          session_seconds = 0, initialized = false, terminated = false, updated_at = pg_catalog.now();
  end if;

  if owner.kind = 'normal' then
    insert into courseyard.global_objectives as g (profile_id, scope, objective, data)
      select owner.user_id, '', t.key, t.value from pg_catalog.jsonb_each(p_objectives) as t
      on conflict on constraint global_objectives_pkey do update
        set data = excluded.data, updated_at = pg_catalog.now()
        where g.data is distinct from excluded.data;
    insert into courseyard.shared_data as d (profile_id, scope, store, value)
      select owner.user_id, '', t.key, t.value from pg_catalog.jsonb_each_text(p_stores) as t
      on conflict on constraint shared_data_pkey do update
        set value = excluded.value, updated_at = pg_catalog.now()
        where d.value is distinct from excluded.value;
  end if;

  if p_summary is not null then
    perform courseyard.summarise_v1(p_attempt, p_summary);
  end if;
  if owner.kind = 'normal' then
    perform courseyard.enrollments_follow_attempts(array[owner.enrollment_id]);
  end if;

  if p_trace is not null then
    select coalesce(max(t.number), 0) + 1 into latest
      from courseyard.sequencing_traces as t where t.attempt_id = p_attempt;
    insert into courseyard.sequencing_traces (attempt_id, number, request, target, outcome, trace)
      values (p_attempt, latest, p_trace ->> 'request', p_trace ->> 'target', p_trace -> 'outcome',
        p_trace -> 'steps');
    delete from courseyard.sequencing_traces as t
      where t.attempt_id = p_attempt and t.number <= latest - p_traces_kept;
  end if;
end
$$;

revoke all on function courseyard.navigated_v1(uuid, integer, jsonb, boolean, boolean, jsonb, jsonb, boolean,
  jsonb, jsonb, jsonb, jsonb, integer, numeric) from public, anon, authenticated;
grant execute on function courseyard.navigated_v1(uuid, integer, jsonb, boolean, boolean, jsonb, jsonb, boolean,
  jsonb, jsonb, jsonb, jsonb, integer, numeric) to service_role;
