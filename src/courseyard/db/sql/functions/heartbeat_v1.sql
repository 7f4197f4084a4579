-- A window says that it is still open. outcome: ok, stale (a newer window has taken over) or ended.
create or replace function courseyard.heartbeat_v1(p_attempt uuid, p_epoch integer, p_max_gap numeric)
returns table (outcome text)
language plpgsql
set search_path = ''
as $$
declare
  owner record;
begin
  select a.kind, a.epoch, a.enrollment_id, a.session_open into owner
    from courseyard.attempts as a where a.id = p_attempt for no key update;
  if not found then
    raise exception 'There is no such attempt.' using errcode = 'CY404';
  end if;
  outcome := case when owner.epoch <> p_epoch then 'stale' when owner.session_open then 'ok' else 'ended' end;
  if outcome = 'ok' and courseyard.measure_v1(p_attempt, p_epoch, p_max_gap) > 0 then
    update courseyard.attempts as a set last_activity_at = pg_catalog.now() where a.id = p_attempt;
    if owner.kind = 'normal' then
      perform courseyard.enrollments_follow_attempts(array[owner.enrollment_id]);
    end if;
  end if;
  return next;
end
$$;

revoke all on function courseyard.heartbeat_v1(uuid, integer, numeric) from public, anon, authenticated;
grant execute on function courseyard.heartbeat_v1(uuid, integer, numeric) to service_role;
