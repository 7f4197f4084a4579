-- Writes how an attempt as a whole stands. Null = nothing new. What was completed stays completed, and a result stays
-- until there is another one. The caller holds the attempt's lock.
create or replace function courseyard.summarise_v1(p_attempt uuid, p_summary jsonb)
returns void
language sql
set search_path = ''
as $$
  update courseyard.attempts as a
    set completion = case when a.completion = 'completed' then a.completion
        else coalesce(p_summary ->> 'completion', a.completion) end,
      completed_at = case when p_summary ->> 'completion' = 'completed'
        then coalesce(a.completed_at, pg_catalog.now()) else a.completed_at end,
      success = coalesce(nullif(p_summary ->> 'success', 'unknown'), a.success),
      score_scaled = coalesce((p_summary ->> 'scaled')::numeric, a.score_scaled),
      score_raw = coalesce((p_summary ->> 'raw')::numeric, a.score_raw),
      score_min = coalesce((p_summary ->> 'min')::numeric, a.score_min),
      score_max = coalesce((p_summary ->> 'max')::numeric, a.score_max),
      progress = case when a.completion = 'completed' or p_summary ->> 'completion' = 'completed' then 100
        else greatest(a.progress, (p_summary ->> 'progress')::numeric) end
    where a.id = p_attempt and p_summary is not null
$$;

revoke all on function courseyard.summarise_v1(uuid, jsonb) from public, anon, authenticated;
grant execute on function courseyard.summarise_v1(uuid, jsonb) to service_role;
