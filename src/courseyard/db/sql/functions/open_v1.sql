-- A new window on an attempt: from now on only its epoch may write. Returns that epoch.
create or replace function courseyard.open_v1(p_attempt uuid, p_user_agent text)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  mine integer;
begin
  update courseyard.attempts as a
    set epoch = a.epoch + 1, last_activity_at = pg_catalog.now()
    where a.id = p_attempt
    returning a.epoch into mine;
  update courseyard.launches as l set ended_at = pg_catalog.now()
    where l.attempt_id = p_attempt and l.ended_at is null;
  insert into courseyard.launches (attempt_id, epoch, user_agent) values (p_attempt, mine, p_user_agent);
  return mine;
end
$$;

revoke all on function courseyard.open_v1(uuid, text) from public, anon, authenticated;
grant execute on function courseyard.open_v1(uuid, text) to service_role;
