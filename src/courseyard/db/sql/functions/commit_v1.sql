-- One commit of a SCO, whole or not at all: its state, the measured time, the attempt's summary, the tracking rows
-- (whose trigger brings the enrolment up to date) and the findings.
--
-- p_elements: [[element, value], …] that changed, in the order in which the SCO set them.
-- p_oldest: the lowest number that the window still keeps; everything before it was acknowledged or is lost for good.
-- outcome: written; duplicate (this number was written before: acknowledge again); gap (an earlier commit is still
-- under way: ask again); stale (a newer window has taken over: the commit is kept aside and refused);
-- unknown-activity (this activity was never delivered in this attempt).
create or replace function courseyard.commit_v1(
  p_attempt uuid,
  p_epoch integer,
  p_seq integer,
  p_oldest integer,
  p_item text,
  p_activity_attempt integer,
  p_elements jsonb,
  p_session_seconds numeric,
  p_terminated boolean,
  p_summary jsonb,
  p_stores jsonb,
  p_findings jsonb,
  p_max_gap numeric
)
returns table (outcome text, last_seq integer)
language plpgsql
set search_path = ''
as $$
declare
  large constant integer := 2048; -- as in scorm_tracking_large_values_idx
  owner record;
  seen integer;
  before numeric;
begin
  select a.kind, a.epoch, a.enrollment_id, e.user_id into owner
    from courseyard.attempts as a
    left join public.scorm_enrollments as e on e.id = a.enrollment_id
    where a.id = p_attempt
    for no key update of a;
  if not found then
    raise exception 'There is no such attempt.' using errcode = 'CY404';
  end if;
  select l.last_seq into seen
    from courseyard.launches as l where l.attempt_id = p_attempt and l.epoch = p_epoch;
  if seen is null then
    raise exception 'There was no such launch.' using errcode = 'CY404';
  end if;
  last_seq := seen;

  if p_seq <= seen then
    outcome := 'duplicate';
    return next;
    return;
  end if;
  if p_epoch <> owner.epoch then
    insert into courseyard.refused_commits as r (attempt_id, epoch, seq, item, elements)
      values (p_attempt, p_epoch, p_seq, p_item, p_elements)
      on conflict on constraint refused_commits_once_key do nothing;
    outcome := 'stale';
    return next;
    return;
  end if;
  if p_seq > seen + 1 and p_oldest < p_seq then
    outcome := 'gap';
    return next;
    return;
  end if;

  select s.session_seconds into before
    from courseyard.sco_states as s
    where s.attempt_id = p_attempt and s.item = p_item and s.activity_attempt = p_activity_attempt;
  if before is null then
    outcome := 'unknown-activity';
    return next;
    return;
  end if;

  update courseyard.sco_states as s
    set data = s.data || coalesce((
        select pg_catalog.jsonb_object_agg(t.pair ->> 0, t.pair ->> 1 order by t.place)
          from pg_catalog.jsonb_array_elements(p_elements) with ordinality as t (pair, place)
      ), '{}'),
      session_seconds = coalesce(p_session_seconds, s.session_seconds),
      initialized = true,
      terminated = p_terminated,
      updated_at = pg_catalog.now()
    where s.attempt_id = p_attempt and s.item = p_item and s.activity_attempt = p_activity_attempt;
  update courseyard.launches as l set last_seq = p_seq
    where l.attempt_id = p_attempt and l.epoch = p_epoch;
  last_seq := p_seq;
  update courseyard.attempts as a
    set last_activity_at = pg_catalog.now(),
      reported_seconds = a.reported_seconds + coalesce(p_session_seconds, before) - before
    where a.id = p_attempt;
  perform courseyard.measure_v1(p_attempt, p_epoch, p_max_gap);
  if p_summary is not null then
    perform courseyard.summarise_v1(p_attempt, p_summary);
  end if;

  insert into courseyard.runtime_findings as f (attempt_id, item, code, element, detail)
    select p_attempt, p_item, n.code, n.element, n.detail
      from pg_catalog.jsonb_to_recordset(p_findings) as n (code text, element text, detail text)
    on conflict on constraint runtime_findings_pkey do update
      set occurrences = f.occurrences + 1, last_at = pg_catalog.now(), detail = excluded.detail;

  if owner.kind = 'normal' then
    insert into courseyard.shared_data as d (profile_id, scope, store, value)
      select owner.user_id, '', t.key, t.value from pg_catalog.jsonb_each_text(p_stores) as t
      on conflict on constraint shared_data_pkey do update
        set value = excluded.value, updated_at = pg_catalog.now();
    delete from public.scorm_tracking as t
      where t.scorm_enrollment_id = owner.enrollment_id and pg_catalog.octet_length(t.value) > 2048
        and t.element in (
          select n.pair ->> 0 from pg_catalog.jsonb_array_elements(p_elements) as n (pair)
            where pg_catalog.octet_length(n.pair ->> 1) > large
        );
    -- The trigger on scorm_tracking takes the figures from the attempt when the engine itself writes.
    perform pg_catalog.set_config('courseyard.engine', 'on', true);
    insert into public.scorm_tracking (scorm_enrollment_id, element, value, "timestamp")
      select owner.enrollment_id, t.pair ->> 0, t.pair ->> 1,
          pg_catalog.now() + t.place * interval '1 microsecond'
        from pg_catalog.jsonb_array_elements(p_elements) with ordinality as t (pair, place);
    perform pg_catalog.set_config('courseyard.engine', '', true);
    if p_elements = '[]' then
      perform courseyard.enrollments_follow_attempts(array[owner.enrollment_id]);
    end if;
  end if;
  outcome := 'written';
  return next;
end
$$;

revoke all on function courseyard.commit_v1(uuid, integer, integer, integer, text, integer, jsonb, numeric, boolean,
  jsonb, jsonb, jsonb, numeric) from public, anon, authenticated;
grant execute on function courseyard.commit_v1(uuid, integer, integer, integer, text, integer, jsonb, numeric, boolean,
  jsonb, jsonb, jsonb, numeric) to service_role;
