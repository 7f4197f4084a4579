-- The life of a run of the sync. Its row in public.lms_sync_log and its row in courseyard.sync_runs have one id.

-- name: start
with logged as (
  insert into public.lms_sync_log (provider_id, sync_type, status, sync_data)
  values (%(provider_id)s, %(sync_type)s, 'running', %(data)s)
  returning id
)
insert into courseyard.sync_runs (id, provider_id, mode, streams, dry_run, requested_by, watermarks_before)
select l.id, %(provider_id)s, %(mode)s, %(streams)s, %(dry_run)s, %(requested_by)s,
  coalesce((select jsonb_object_agg(c.stream, c.watermark) from courseyard.sync_cursors as c
    where c.provider_id = %(provider_id)s and c.watermark is not null), '{}')
from logged as l
returning id::text as id;

-- name: defer
select courseyard.defer_job_v1(%(task)s, %(args)s::jsonb, %(lock)s, %(queueing_lock)s, %(at)s::timestamptz) as job_id;

-- name: running
select r.id::text as id, r.mode, r.dry_run, r.streams from courseyard.sync_runs as r join public.lms_sync_log as l on l.id = r.id
where r.provider_id = %(provider_id)s and l.status = 'running' and r.mode = any(%(modes)s)
order by r.created_at limit 1;

-- name: claim
-- Whoever claims a run last works on it; who held it before is refused at the next batch.
update courseyard.sync_runs as r set token = %(token)s, heartbeat_at = now()
from public.lms_sync_log as l
where r.id = %(run_id)s and l.id = r.id and l.status = 'running'
returning r.provider_id::text as provider_id, r.mode, r.streams, r.dry_run, r.stream, r.cursor, r.counts, r.problems,
  r.cancel_requested, r.watermarks_before, l.started_at, r.requested_by::text as requested_by;

-- name: beat
update courseyard.sync_runs set heartbeat_at = now() where id = %(run_id)s and token = %(token)s
returning cancel_requested;

-- name: apply
select courseyard.partner_apply_v1(%(run_id)s, %(token)s, %(batch)s::jsonb, %(place)s::jsonb, %(import)s) as counts;

-- name: preview
-- What a dry run would change, before its transaction is rolled back.
select c.table_name, c.row_id::text as row_id, c.before, c.after,
  coalesce(f.full_name, f.email)::text as person, f.email::text as email,
  coalesce(b.full_name, b.email)::text as person_before, b.email::text as email_before,
  k.course_name::text as course
from courseyard.sync_changes as c
left join public.profiles as f on f.id = coalesce(c.after ->> 'student_id', c.after ->> 'user_id')::uuid
left join public.profiles as b on b.id = coalesce(c.before ->> 'student_id', c.before ->> 'user_id')::uuid
left join public.partner_courses as k on k.id = (c.after ->> 'course_id')::uuid
where c.run_id = %(run_id)s order by c.id limit %(limit)s;

-- name: dry_place
update courseyard.sync_runs as r set
  counts = courseyard.add_counts_v1(r.counts, %(counts)s::jsonb),
  stream = coalesce(%(stream)s, r.stream),
  cursor = case when %(stream)s::text is null then r.cursor else %(cursor)s::jsonb end,
  total = coalesce(%(total)s, r.total),
  heartbeat_at = now()
where r.id = %(run_id)s and r.token = %(token)s;

-- name: dry_log
update public.lms_sync_log as l set
  records_processed = coalesce(l.records_processed, 0) + %(seen)s,
  records_failed = coalesce(l.records_failed, 0) + %(failed)s,
  sync_data = jsonb_set(coalesce(l.sync_data, '{}'), '{preview}',
    coalesce(l.sync_data -> 'preview', '[]') || coalesce(%(changes)s::jsonb, '[]'))
where l.id = %(run_id)s;

-- name: stream_done
insert into courseyard.sync_cursors as c (provider_id, stream, watermark, data_at)
values (%(provider_id)s, %(stream)s, %(watermark)s, %(data_at)s)
on conflict on constraint sync_cursors_pkey do update set
  watermark = coalesce(excluded.watermark, c.watermark),
  data_at = coalesce(excluded.data_at, c.data_at), finished_at = now();

-- name: next_stream
-- The stream is what comes next, so that a run that is broken off between two streams begins neither of them twice.
update courseyard.sync_runs set stream = %(stream)s, cursor = null, total = null, heartbeat_at = now()
where id = %(run_id)s and token = %(token)s;

-- name: add_problem
update courseyard.sync_runs set problems = problems || %(problems)s::jsonb
where id = %(run_id)s and token = %(token)s;

-- name: count_rejected
update public.lms_sync_log set
  records_processed = coalesce(records_processed, 0) + %(n)s, records_failed = coalesce(records_failed, 0) + %(n)s
where id = %(run_id)s;

-- name: finish
update public.lms_sync_log as l set
  status = %(status)s, error_message = %(error)s, completed_at = now(),
  sync_data = coalesce(l.sync_data, '{}') || %(data)s::jsonb
from courseyard.sync_runs as r
where l.id = %(run_id)s and r.id = l.id and r.token = %(token)s and l.status = 'running'
returning l.records_failed;

-- name: note
update public.lms_sync_log as l set sync_data = coalesce(l.sync_data, '{}') || %(data)s::jsonb where l.id = %(run_id)s;

-- name: settle_provider
update courseyard.partner_settings as s set
  failures_in_a_row = case when %(failed)s then s.failures_in_a_row + 1 else 0 end,
  failing_since = case when %(failed)s then coalesce(s.failing_since, now()) end,
  -- A run that brought nothing newer leaves old data old.
  stale_since = case
    when courseyard.partner_data_at_v1(s.provider_id) < now() - make_interval(mins => s.stale_after_minutes)
      then s.stale_since
  end
where s.provider_id = %(provider_id)s
returning s.failures_in_a_row;

-- name: ask_to_cancel
update courseyard.sync_runs as r set cancel_requested = true
from public.lms_sync_log as l
where r.id = %(run_id)s and l.id = r.id and l.status = 'running'
returning r.token is null as not_begun;

-- name: cancel_not_begun
update public.lms_sync_log as l set status = 'cancelled', completed_at = now()
from courseyard.sync_runs as r
where l.id = %(run_id)s and r.id = l.id and r.token is null and l.status = 'running';

-- name: undo
select u.restored, u.kept, u.tables, u.reasons from courseyard.partner_undo_v2(%(run_id)s, %(dry)s) as u;

-- name: run
select l.id::text as id, l.provider_id::text as provider_id, p.provider_name::text as provider_name, l.sync_type, l.status,
  l.records_processed, l.records_failed, l.error_message, l.sync_data, l.started_at, l.completed_at,
  r.mode, r.streams, r.dry_run, r.stream, r.counts, r.problems, r.total, r.heartbeat_at, r.cancel_requested, r.undone_at,
  r.id is null or r.token is not null as begun,
  (select count(*) from courseyard.sync_changes as c where c.run_id = l.id) as changes
from public.lms_sync_log as l
join public.partner_lms_providers as p on p.id = l.provider_id
left join courseyard.sync_runs as r on r.id = l.id
where l.id = %(run_id)s;

-- name: log
select l.id::text as id, l.provider_id::text as provider_id, p.provider_name::text as provider_name, l.sync_type, l.status,
  l.records_processed, l.records_failed, l.error_message, l.started_at, l.completed_at,
  coalesce(r.dry_run, false) as dry_run, r.undone_at, r.id is null or r.token is not null as begun,
  coalesce(r.cancel_requested, false) as cancel_requested, count(*) over () as total
from public.lms_sync_log as l
join public.partner_lms_providers as p on p.id = l.provider_id
left join courseyard.sync_runs as r on r.id = l.id
where (%(provider_id)s::uuid is null or l.provider_id = %(provider_id)s)
  and (%(status)s::text is null or l.status = %(status)s)
  and (%(sync_type)s::text is null or l.sync_type = %(sync_type)s)
order by l.started_at desc, l.id
limit %(limit)s offset %(offset)s;

-- name: changes
select c.id, c.table_name, c.row_id::text as row_id, c.before, c.after, count(*) over () as total,
  coalesce(f.full_name, f.email)::text as person, f.email::text as email,
  coalesce(b.full_name, b.email)::text as person_before, b.email::text as email_before,
  k.course_name::text as course
from courseyard.sync_changes as c
left join public.profiles as f on f.id = coalesce(c.after ->> 'student_id', c.after ->> 'user_id')::uuid
left join public.profiles as b on b.id = coalesce(c.before ->> 'student_id', c.before ->> 'user_id')::uuid
left join public.partner_courses as k on k.id = (c.after ->> 'course_id')::uuid
where c.run_id = %(run_id)s order by c.id limit %(limit)s offset %(offset)s;

-- name: queue
-- What a run waits for: others of the same partner that come first, or the time of its next try.
select
  (select count(*) from courseyard.sync_runs as a join public.lms_sync_log as l on l.id = a.id
    where a.provider_id = r.provider_id and l.status = 'running' and a.mode <> 'webhook' and a.created_at < r.created_at)
    as ahead,
  (select min(j.scheduled_at) from jobs.procrastinate_jobs as j
    where j.status = 'todo' and j.task_name = 'sync_run' and j.args ->> 'run_id' = r.id::text and j.scheduled_at > now())
    as next_try_at
from courseyard.sync_runs as r where r.id = %(run_id)s;

-- name: receive
-- A delivery is acknowledged when this stands; one that came before is not kept twice.
insert into courseyard.partner_inbox (provider_id, delivery_id, records, rejected)
values (%(provider_id)s, %(delivery_id)s, coalesce(%(records)s::jsonb, '[]'), coalesce(%(rejected)s::jsonb, '[]'))
on conflict (provider_id, delivery_id) do nothing
returning id;

-- name: inbox
select i.id, i.records, i.rejected from courseyard.partner_inbox as i
where i.provider_id = %(provider_id)s and i.done_at is null
order by i.id limit %(limit)s;

-- name: inbox_done
update courseyard.partner_inbox set done_at = now(), run_id = %(run_id)s where id = any(%(ids)s);

-- name: due
-- Providers whose time has come; the next time is set at once, so that two workers do not both take it.
update courseyard.partner_settings as s set
  next_run_at = now() + make_interval(mins => s.schedule_minutes)
from public.partner_lms_providers as l
where l.id = s.provider_id and s.schedule_minutes is not null and not s.paused
  and coalesce((to_jsonb(l) ->> 'active')::boolean, (to_jsonb(l) ->> 'is_active')::boolean, true)
  and coalesce(s.next_run_at, now()) <= now()
returning s.provider_id::text as provider_id;

-- name: due_drift
select s.provider_id::text as provider_id from courseyard.partner_settings as s
join public.partner_lms_providers as l on l.id = s.provider_id
where s.schedule_minutes is not null and not s.paused and coalesce(s.next_drift_at, '-infinity') <= now()
  and coalesce((to_jsonb(l) ->> 'active')::boolean, (to_jsonb(l) ->> 'is_active')::boolean, true);

-- name: drift_begun
update courseyard.partner_settings as s set
  next_drift_at = date_trunc('day', now()) + interval '1 day 2 hours'
    + make_interval(mins => (abs(hashtext(s.provider_id::text)) %% 180))
where s.provider_id = %(provider_id)s;

-- name: due_inboxes
select distinct i.provider_id::text as provider_id from courseyard.partner_inbox as i
join courseyard.partner_settings as s on s.provider_id = i.provider_id and not s.paused
where i.done_at is null;

-- name: newly_stale
update courseyard.partner_settings as s set stale_since = now()
from public.partner_lms_providers as l
where l.id = s.provider_id and s.stale_since is null and s.schedule_minutes is not null and not s.paused
  and coalesce((to_jsonb(l) ->> 'active')::boolean, (to_jsonb(l) ->> 'is_active')::boolean, true)
  and coalesce(courseyard.partner_data_at_v1(s.provider_id), s.created_at)
    < now() - make_interval(mins => s.stale_after_minutes)
returning s.provider_id::text as provider_id, l.provider_name::text as name;

-- name: orphaned_runs
-- Runs that nobody has worked on for a while, though their job is gone.
select r.id::text as id, r.provider_id::text as provider_id from courseyard.sync_runs as r
join public.lms_sync_log as l on l.id = r.id
where l.status = 'running' and coalesce(r.heartbeat_at, r.created_at) < now() - interval '10 minutes'
  and not exists (
    select from jobs.procrastinate_jobs as j
    where j.status in ('todo', 'doing') and j.task_name = 'sync_run' and j.args ->> 'run_id' = r.id::text
  );

-- name: prune_changes
delete from courseyard.sync_changes as c using courseyard.sync_runs as r, courseyard.partner_settings as s
where r.id = c.run_id and s.provider_id = r.provider_id
  and r.created_at < now() - make_interval(days => s.keep_changes_days);

-- name: prune_inbox
delete from courseyard.partner_inbox where done_at < now() - %(age)s;

-- name: log_undo
insert into public.lms_sync_log (provider_id, sync_type, status, records_processed, sync_data, completed_at)
values (%(provider_id)s, 'undo', 'succeeded', %(restored)s, %(data)s, now())
returning id::text as id;

-- name: imagined
-- In a dry run: modules that wait only for an enrolment which an earlier page of the same dry run would have made.
select count(*) as n from courseyard.sync_failures as f
where f.run_id = %(run_id)s and f.code = 'enrolment-unknown' and f.record ->> 'enrolment' = any(%(enrolments)s);

-- name: inbox_waits
select i.provider_id from courseyard.partner_inbox as i
join courseyard.partner_settings as s on s.provider_id = i.provider_id and not s.paused
where i.provider_id = %(provider_id)s and i.done_at is null
limit 1;

-- name: unread
-- Records that this run was told and that are not written: the partner has them all the same.
select f.external_id, f.code from courseyard.sync_failures as f
where f.run_id = %(run_id)s and f.kind = %(kind)s and f.resolved_at is null and f.code in ('refused', 'not-understood');

-- name: analyse
analyze courseyard.partner_keys, courseyard.partner_people, courseyard.sync_failures,
  public.external_module_progress, public.partner_lms_enrollments;

-- name: metrics
-- Numbers for whoever watches the server: per provider, and of the queue as a whole (provider null).
select l.provider_name::text as provider, m.name, m.value
from public.partner_lms_providers as l
join courseyard.partner_settings as s on s.provider_id = l.id
cross join lateral (values
  ('provider_failed_runs_in_a_row', s.failures_in_a_row::float8),
  ('provider_paused', s.paused::integer::float8),
  ('provider_stale', (s.stale_since is not null)::integer::float8),
  ('provider_data_age_seconds', extract(epoch from now() - courseyard.partner_data_at_v1(l.id))::float8),
  ('provider_records_waiting', (select count(*)::float8 from courseyard.sync_failures as f
    where f.provider_id = l.id and f.resolved_at is null)),
  ('provider_accounts_waiting', (select count(*)::float8 from courseyard.partner_people as p
    where p.provider_id = l.id and p.state = 'waiting')),
  ('provider_deliveries_waiting', (select count(*)::float8 from courseyard.partner_inbox as i
    where i.provider_id = l.id and i.done_at is null)),
  ('provider_records_processed_total', (select sum(g.records_processed)::float8 from public.lms_sync_log as g
    where g.provider_id = l.id))
) as m (name, value)
where m.value is not null
union all
select null, 'jobs_waiting', count(*)::float8 from jobs.procrastinate_jobs where status = 'todo'
union all
select null, 'jobs_failed', count(*)::float8 from jobs.procrastinate_jobs where status = 'failed'
union all
select null, 'webhook_notices_waiting', count(*)::float8 from courseyard.webhook_notices where state in ('waiting', 'sending')
order by 2, 1;
