-- Puts a job into the queue in the transaction of the change that causes it. Jobs of one lock run one after another;
-- of one queueing lock only one waits at a time, and asking again returns null. What waits for partners has queues of its
-- own, so that slow ones do not keep the rest from its turn.
create or replace function courseyard.defer_job_v1(
  p_task text,
  p_args jsonb,
  p_lock text default null,
  p_queueing_lock text default null,
  p_at timestamptz default null
)
returns bigint
language plpgsql
set search_path = ''
as $$
begin
  return (jobs.procrastinate_defer_jobs_v1(array[
    row(case p_task when 'sync_run' then 'syncs' when 'partner_outbox' then 'outboxes' else 'courseyard' end,
      p_task, 0, p_lock, p_queueing_lock, p_args, p_at)::jobs.procrastinate_job_to_defer_v1
  ]))[1];
exception when unique_violation then
  return null;
end
$$;

revoke all on function courseyard.defer_job_v1(text, jsonb, text, text, timestamptz) from public, anon, authenticated;
grant execute on function courseyard.defer_job_v1(text, jsonb, text, text, timestamptz) to service_role;
