-- Writes one batch of a run: rows, keys, failures, counts and the place to go on from, all or nothing, in one call.
-- p_batch: {"people": […], "course": […], "enrolment": […], "module": […], "credential": […],
-- "gone": {kind: [{"external_id", "data_at"}, …]}, "listing": whether it is of a listing of everything, after which what was not in it counts as gone}.
-- p_place: {"stream": …, "cursor": …, "data_at": …}, null when nothing of it moves. Returns what became of the records.
-- Refused (CY411) when another worker has taken the run over or it is over.
create or replace function courseyard.partner_apply_v1(
  p_run uuid,
  p_token uuid,
  p_batch jsonb,
  p_place jsonb,
  p_import boolean default false
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  run courseyard.sync_runs;
  told jsonb := '{}';
  outcome jsonb;
  kind text;
  compare boolean;
  listing constant boolean := coalesce((p_batch ->> 'listing')::boolean, false);
begin
  select r.* into run from courseyard.sync_runs as r
    join public.lms_sync_log as l on l.id = r.id
    where r.id = p_run and r.token = p_token and l.status = 'running'
    for update of r;
  if not found then
    raise exception 'Another worker goes on with this run, or it is over.' using errcode = 'CY411';
  end if;
  compare := run.mode = 'drift';

  if p_batch ? 'people' then
    perform courseyard.partner_people_v1(run.provider_id, p_batch -> 'people');
  end if;
  foreach kind in array array['course', 'enrolment', 'module', 'credential'] loop
    continue when not p_batch ? kind;
    outcome := case kind
      when 'course' then courseyard.partner_courses_v1(run.provider_id, p_run, p_batch -> kind, p_import, compare, listing)
      when 'enrolment' then courseyard.partner_enrolments_v1(run.provider_id, p_run, p_batch -> kind, compare, listing,
        run.mode in ('webhook', 'replay'))
      when 'module' then courseyard.partner_modules_v1(run.provider_id, p_run, p_batch -> kind, compare, listing)
      else courseyard.partner_credentials_v1(run.provider_id, p_run, p_batch -> kind, compare, listing)
    end;
    told := told || pg_catalog.jsonb_build_object(kind, outcome);
  end loop;
  for kind in select pg_catalog.jsonb_object_keys(coalesce(p_batch -> 'gone', '{}')) loop
    told := pg_catalog.jsonb_set(told, array[kind], coalesce(told -> kind, '{}')
      || pg_catalog.jsonb_build_object('gone', courseyard.partner_gone_v1(run.provider_id, p_run, kind,
        p_batch -> 'gone' -> kind)));
  end loop;

  update courseyard.sync_runs as r set
      counts = courseyard.add_counts_v1(r.counts, told),
      stream = coalesce(p_place ->> 'stream', r.stream),
      cursor = case when p_place is null then r.cursor else nullif(p_place -> 'cursor', 'null') end,
      total = coalesce((p_place ->> 'total')::integer, r.total),
      heartbeat_at = pg_catalog.now()
    where r.id = p_run;
  update public.lms_sync_log as l set
      records_processed = coalesce(l.records_processed, 0) + t.seen, records_failed = coalesce(l.records_failed, 0) + t.failed
    from (
      select coalesce(pg_catalog.sum(n.value::integer) filter (where n.key not in ('created', 'updated')), 0) as seen,
          coalesce(pg_catalog.sum(n.value::integer) filter (where n.key = 'failed'), 0) as failed
        from pg_catalog.jsonb_each(told) as k, pg_catalog.jsonb_each_text(k.value) as n
    ) as t
    where l.id = p_run;
  return told;
end
$$;

revoke all on function courseyard.partner_apply_v1(uuid, uuid, jsonb, jsonb, boolean) from public, anon, authenticated;
grant execute on function courseyard.partner_apply_v1(uuid, uuid, jsonb, jsonb, boolean) to service_role;
