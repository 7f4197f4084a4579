-- Counts the time since a window was last heard of as learning time, if the window was there all the while: a gap
-- longer than p_max_gap seconds is a closed lid. The caller holds the attempt's lock. Returns the seconds counted.
create or replace function courseyard.measure_v1(p_attempt uuid, p_epoch integer, p_max_gap numeric)
returns numeric
language plpgsql
set search_path = ''
as $$
declare
  gap numeric;
begin
  select extract(epoch from pg_catalog.clock_timestamp() - l.last_seen_at) into gap
    from courseyard.launches as l where l.attempt_id = p_attempt and l.epoch = p_epoch and l.ended_at is null;
  update courseyard.launches as l set last_seen_at = pg_catalog.clock_timestamp()
    where l.attempt_id = p_attempt and l.epoch = p_epoch;
  if gap is null or gap <= 0 or gap > p_max_gap then
    return 0;
  end if;
  insert into courseyard.activity_time as t (attempt_id, day, seconds)
    values (p_attempt, (pg_catalog.now() at time zone 'utc')::date, gap)
    on conflict on constraint activity_time_pkey do update set seconds = t.seconds + excluded.seconds;
  update courseyard.attempts as a set measured_seconds = a.measured_seconds + gap where a.id = p_attempt;
  return gap;
end
$$;

revoke all on function courseyard.measure_v1(uuid, integer, numeric) from public, anon, authenticated;
grant execute on function courseyard.measure_v1(uuid, integer, numeric) to service_role;
