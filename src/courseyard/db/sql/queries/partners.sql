-- Providers and what the sync knows of them. Columns that an organisation's own tables may call otherwise are read
-- through their JSON.

-- name: providers
select l.id::text as id, l.provider_name::text as name, s.kind, to_jsonb(l) ->> 'website_url' as website_url,
  coalesce((to_jsonb(l) ->> 'active')::boolean, (to_jsonb(l) ->> 'is_active')::boolean, true) as active,
  s.paused, s.schedule_minutes, s.next_run_at, s.failures_in_a_row, s.failing_since, s.stale_since,
  r.id::text as run_id, r.status as run_status, r.sync_type as run_type, r.started_at as run_started_at,
  r.completed_at as run_completed_at, f.id::text as failed_run_id, f.error_message as failed_because,
  (select min(c.finished_at) from courseyard.sync_cursors as c where c.provider_id = l.id) as oldest_finish,
  courseyard.partner_data_at_v1(l.id) as data_at,
  (select count(*) from courseyard.partner_people as p where p.provider_id = l.id and p.state = 'waiting') as waiting_people,
  (select count(*) from courseyard.sync_failures as f where f.provider_id = l.id and f.resolved_at is null) as open_failures,
  (select count(*) from courseyard.partner_outbox as o where o.provider_id = l.id and o.state = 'failed') as failed_requests,
  (select count(*) from public.partner_lms_enrollments as e where e.provider_id = l.id) as enrolments,
  (select count(*) from courseyard.partner_keys as k
    where k.provider_id = l.id and k.kind = 'course' and k.gone_at is null) as courses
from public.partner_lms_providers as l
left join courseyard.partner_settings as s on s.provider_id = l.id
left join lateral (
  select g.* from public.lms_sync_log as g where g.provider_id = l.id order by g.started_at desc limit 1
) as r on true
left join lateral (
  select g.id, g.error_message from public.lms_sync_log as g
  where g.provider_id = l.id and g.status = 'failed' and s.failures_in_a_row > 0
  order by g.started_at desc limit 1
) as f on true
order by lower(l.provider_name), l.id;

-- name: provider
select l.id::text as id, l.provider_name::text as name, s.kind, s.options, s.secrets, s.schedule_minutes, s.paused,
  s.requests_per_minute, s.field_mapping, s.identity_rules, s.unknown_people, s.import_rule, s.stale_after_minutes,
  s.keep_changes_days, s.next_run_at, s.next_drift_at, s.failures_in_a_row, s.failing_since, s.stale_since,
  s.checked_at, s.check_result, to_jsonb(l) ->> 'website_url' as website_url,
  to_jsonb(l) ->> 'support_email' as support_email,
  coalesce((to_jsonb(l) ->> 'active')::boolean, (to_jsonb(l) ->> 'is_active')::boolean, true) as active
from public.partner_lms_providers as l
left join courseyard.partner_settings as s on s.provider_id = l.id
where l.id = %(provider_id)s;

-- name: save_provider
-- The public row through the one place that knows what stands there; provider_type may be limited to other words.
select courseyard.partner_provider_v1(%(provider_id)s::uuid, %(kind)s, %(row)s) as id;

-- name: save_settings
insert into courseyard.partner_settings as s (provider_id, kind, options, secrets, schedule_minutes, paused,
  requests_per_minute, field_mapping, identity_rules, unknown_people, import_rule, stale_after_minutes,
  keep_changes_days, next_run_at)
values (%(provider_id)s, %(kind)s, %(options)s, %(secrets)s, %(schedule_minutes)s, %(paused)s,
  %(requests_per_minute)s, %(field_mapping)s, %(identity_rules)s, %(unknown_people)s, %(import_rule)s,
  %(stale_after_minutes)s, %(keep_changes_days)s,
  case when %(schedule_minutes)s::integer is not null then now() + make_interval(mins => %(schedule_minutes)s) end)
on conflict on constraint partner_settings_pkey do update set
  kind = excluded.kind, options = excluded.options, secrets = excluded.secrets,
  schedule_minutes = excluded.schedule_minutes, paused = excluded.paused,
  requests_per_minute = excluded.requests_per_minute, field_mapping = excluded.field_mapping,
  identity_rules = excluded.identity_rules, unknown_people = excluded.unknown_people,
  import_rule = excluded.import_rule, stale_after_minutes = excluded.stale_after_minutes,
  keep_changes_days = excluded.keep_changes_days, updated_at = now(),
  next_run_at = case
    when excluded.schedule_minutes is not distinct from s.schedule_minutes then s.next_run_at
    else excluded.next_run_at
  end;

-- name: secrets
select s.provider_id::text as provider_id, s.secrets from courseyard.partner_settings as s where s.secrets is not null;

-- name: keep_secrets
update courseyard.partner_settings set secrets = %(secrets)s
where provider_id = %(provider_id)s and secrets = %(was)s;

-- name: begin_consent
update courseyard.partner_settings set consent_state = %(state)s, consent_by = %(by)s, consent_until = now() + %(lifetime)s
where provider_id = %(provider_id)s;

-- name: end_consent
-- Whose consent comes back; it is good once, and only for who went.
update courseyard.partner_settings set consent_state = null, consent_by = null, consent_until = null
where consent_state = %(state)s and consent_by = %(by)s and consent_until > now()
returning provider_id::text as provider_id;

-- name: set_paused
update courseyard.partner_settings set paused = %(paused)s, updated_at = now() where provider_id = %(provider_id)s;

-- name: keep_check
update courseyard.partner_settings set checked_at = now(), check_result = %(result)s
where provider_id = %(provider_id)s;

-- name: belongings
-- What would go with a provider. An organisation's own table of courses may call the provider otherwise.
select
  (select count(*) from public.partner_courses as c
    where coalesce(to_jsonb(c) ->> 'provider_id', to_jsonb(c) ->> 'partner_id') = %(provider_id)s::text) as courses,
  (select count(*) from public.partner_course_mappings as m
    join public.partner_courses as c on c.id = m.partner_course_id
    where coalesce(to_jsonb(c) ->> 'provider_id', to_jsonb(c) ->> 'partner_id') = %(provider_id)s::text) as mappings,
  (select count(*) from public.partner_lms_enrollments as e where e.provider_id = %(provider_id)s::uuid) as enrolments,
  (select count(*) from public.external_module_progress as m
    join public.partner_lms_enrollments as e on e.id = m.partner_enrollment_id
    where e.provider_id = %(provider_id)s::uuid) as modules,
  (select count(*) from public.partner_credentials as k where k.provider_id = %(provider_id)s::uuid) as credentials,
  (select count(*) from courseyard.partner_people as p where p.provider_id = %(provider_id)s::uuid) as accounts,
  (select count(*) from public.lms_sync_log as g where g.provider_id = %(provider_id)s::uuid) as runs;

-- name: delete_provider
delete from public.partner_lms_providers where id = %(provider_id)s;

-- name: cursors
select c.stream, c.watermark, c.data_at, c.finished_at from courseyard.sync_cursors as c
where c.provider_id = %(provider_id)s;

-- name: forget_watermarks
-- After courses were imported that had been left aside: their enrolments must be asked for from the beginning.
update courseyard.sync_cursors set watermark = null
where provider_id = %(provider_id)s and stream = any(%(streams)s);

-- name: known_courses
select k.external_id from courseyard.partner_keys as k
where k.provider_id = %(provider_id)s and k.kind = 'course' and k.gone_at is null
order by k.external_id;

-- name: catalogue
-- What the partner offers, compared with what was imported.
select c.external_id, c.state, c.row_id::text as course_id, c.seen_at, c.gone_at,
  c.record ->> 'title' as title, c.record ->> 'code' as code, c.record ->> 'category' as category,
  c.record ->> 'description' as description, (c.record ->> 'duration_hours')::numeric as duration_hours,
  c.record ->> 'url' as url, coalesce((c.record ->> 'active')::boolean, true) as active,
  k.gone_at is not null as marked, jsonb_build_object('title', p.course_name, 'code', to_jsonb(p) ->> 'course_code', 'category',
    to_jsonb(p) ->> 'category', 'description', to_jsonb(p) ->> 'description', 'duration_hours',
    (to_jsonb(p) ->> 'duration_hours')::numeric, 'url', to_jsonb(p) ->> 'enrollment_link', 'active',
    coalesce((to_jsonb(p) ->> 'active')::boolean, true)) as standing, count(*) over () as total
from courseyard.compared_catalogue as c
left join courseyard.partner_keys as k
  on k.provider_id = c.provider_id and k.kind = 'course' and k.external_id = c.external_id
left join public.partner_courses as p on p.id = c.row_id
where c.provider_id = %(provider_id)s and c.state is not null
  and (%(state)s::text is null or c.state = %(state)s)
  and (%(category)s::text is null or c.record ->> 'category' = %(category)s)
  and (%(search)s::text is null or c.record ->> 'title' ilike %(search)s or c.record ->> 'code' ilike %(search)s
    or c.external_id ilike %(search)s)
order by lower(c.record ->> 'title'), c.external_id
limit %(limit)s offset %(offset)s;

-- name: catalogue_counts
select c.state, count(*) as n from courseyard.compared_catalogue as c
where c.provider_id = %(provider_id)s and c.state is not null group by c.state;

-- name: catalogue_categories
select distinct c.record ->> 'category' as category from courseyard.partner_catalogue as c
where c.provider_id = %(provider_id)s and c.record ->> 'category' is not null order by 1;

-- name: catalogue_records
-- For an import: the chosen ones, or all that match the filter.
select c.external_id, c.record, c.hash from courseyard.compared_catalogue as c
where c.provider_id = %(provider_id)s and c.gone_at is null
  and (%(keys)s::text[] is null or c.external_id = any(%(keys)s))
  and (%(category)s::text is null or c.record ->> 'category' = %(category)s)
  and (%(search)s::text is null or c.record ->> 'title' ilike %(search)s or c.record ->> 'code' ilike %(search)s
    or c.external_id ilike %(search)s)
  and (%(state)s::text is null or c.state = %(state)s)
order by c.external_id;

-- name: gone_courses
-- Gone in the mirror and not yet marked: a preview found it, or the setting lets a person decide.
select k.external_id from courseyard.partner_keys as k
join courseyard.partner_catalogue as c on c.provider_id = k.provider_id and c.external_id = k.external_id
where k.provider_id = %(provider_id)s and k.kind = 'course' and k.gone_at is null and c.gone_at is not null
  and (%(keys)s::text[] is null or k.external_id = any(%(keys)s))
  and (%(category)s::text is null or c.record ->> 'category' = %(category)s)
  and (%(search)s::text is null or c.record ->> 'title' ilike %(search)s or c.record ->> 'code' ilike %(search)s
    or c.external_id ilike %(search)s);

-- name: not_seen
-- What a full listing did not hold any more. What was pushed, or made from here, while it went on may be newer than it.
select k.external_id from courseyard.partner_keys as k
where k.provider_id = %(provider_id)s and k.kind = %(kind)s and k.gone_at is null
  and k.seen_run is distinct from %(run_id)s::uuid
  and k.updated_at < (select l.started_at from public.lms_sync_log as l where l.id = %(run_id)s);

-- name: mark_seen_in_mirror
update courseyard.partner_catalogue set seen_at = now(), gone_at = null
where provider_id = %(provider_id)s and external_id = any(%(keys)s);

-- name: mirror
insert into courseyard.partner_catalogue as c (provider_id, external_id, record, hash)
select distinct on (i.external_id) %(provider_id)s::uuid, i.external_id, i.record, i.hash
from jsonb_to_recordset(%(items)s::jsonb) as i (external_id text, hash text, record jsonb)
order by i.external_id
on conflict on constraint partner_catalogue_pkey do update set
  record = excluded.record, hash = excluded.hash, seen_at = now(), gone_at = null;

-- name: mirror_not_seen
select c.external_id from courseyard.partner_catalogue as c
where c.provider_id = %(provider_id)s and c.gone_at is null and c.seen_at < %(since)s;

-- name: mirror_size
select count(*) as n from courseyard.partner_catalogue as c
where c.provider_id = %(provider_id)s and c.gone_at is null;

-- name: mirror_gone
update courseyard.partner_catalogue set gone_at = now()
where provider_id = %(provider_id)s and external_id = any(%(keys)s) and gone_at is null;

-- name: people
select * from courseyard.partner_people_v1(%(provider_id)s, %(users)s::jsonb);

-- name: waiting_people
select p.external_id, p.email, p.name, p.sis_id, p.state, p.rule, p.seen_at,
  coalesce((select jsonb_agg(jsonb_build_object('id', c.id, 'name', c.full_name, 'email', c.email) order by c.full_name)
    from public.profiles as c where c.id = any(p.candidates)), '[]') as candidates,
  count(*) over () as total
from courseyard.partner_people as p
where p.provider_id = %(provider_id)s and p.state = %(state)s
  and (%(search)s::text is null or p.name ilike %(search)s or p.email ilike %(search)s or p.external_id ilike %(search)s)
order by cardinality(p.candidates) desc, lower(coalesce(p.name, p.email, p.external_id)), p.external_id
limit %(limit)s offset %(offset)s;

-- name: matched_people
select p.external_id, p.email, p.name, p.sis_id, p.rule, p.profile_id::text as profile_id,
  f.full_name::text as profile_name, f.email::text as profile_email, count(*) over () as total
from courseyard.partner_people as p
join public.profiles as f on f.id = p.profile_id
where p.provider_id = %(provider_id)s and p.state = 'matched'
  and (%(search)s::text is null or p.name ilike %(search)s or p.email ilike %(search)s or p.external_id ilike %(search)s
    or f.full_name ilike %(search)s or f.email ilike %(search)s)
order by lower(coalesce(p.name, p.email, p.external_id)), p.external_id
limit %(limit)s offset %(offset)s;

-- name: account
-- One account, with who it is or may be.
select p.external_id, p.email, p.name, p.sis_id, p.state, p.profile_id::text as profile_id,
  f.full_name::text as profile_name, f.email::text as profile_email,
  coalesce((select jsonb_agg(jsonb_build_object('id', c.id, 'name', c.full_name, 'email', c.email) order by c.full_name)
    from public.profiles as c where c.id = any(p.candidates)), '[]') as candidates
from courseyard.partner_people as p
left join public.profiles as f on f.id = p.profile_id
where p.provider_id = %(provider_id)s and p.external_id = %(external_id)s;

-- name: decide_person
-- A person's decision who an account is; null: nobody, leave its records aside.
with former as (
  select p.external_id, p.profile_id from courseyard.partner_people as p
  where p.provider_id = %(provider_id)s and p.external_id = %(external_id)s
  for update
)
update courseyard.partner_people as p set
  profile_id = %(profile_id)s::uuid, candidates = '{}', decided_by = %(decided_by)s::uuid, updated_at = now(),
  rule = %(rule)s,
  state = case when %(profile_id)s::uuid is null then 'ignored' else 'matched' end
from former as f
where p.provider_id = %(provider_id)s and p.external_id = f.external_id
returning f.profile_id::text as former;

-- name: move_account
select courseyard.partner_moved_v1(%(provider_id)s, %(run_id)s, %(external_id)s, %(former)s::uuid, %(profile_id)s::uuid)
  as moved;

-- name: link_person
-- What the enrolment flow found out or made at the partner.
insert into courseyard.partner_people as p (provider_id, external_id, profile_id, email, name, state, rule)
values (%(provider_id)s, %(external_id)s, %(profile_id)s, %(email)s, %(full_name)s, 'matched', %(rule)s)
on conflict on constraint partner_people_pkey do update set
  profile_id = excluded.profile_id, state = 'matched', rule = excluded.rule, candidates = '{}', updated_at = now();

-- name: account_of
select p.external_id, p.email, p.name, p.sis_id from courseyard.partner_people as p
where p.provider_id = %(provider_id)s and p.profile_id = %(profile_id)s and p.state = 'matched'
order by p.updated_at desc limit 1;

-- name: failures
select f.id, f.kind, f.external_id, f.person, f.code, f.reason, f.tries, f.first_at, f.last_at, f.record,
  f.resolved_at, f.resolution, count(*) over () as total
from courseyard.sync_failures as f
where f.provider_id = %(provider_id)s and (f.resolved_at is null) = %(open)s
  and (%(code)s::text is null or f.code = %(code)s)
  and (%(run_id)s::uuid is null or f.run_id = %(run_id)s)
order by f.last_at desc, f.id desc
limit %(limit)s offset %(offset)s;

-- name: failure_counts
select f.code, count(*) as n from courseyard.sync_failures as f
where f.provider_id = %(provider_id)s and f.resolved_at is null group by f.code order by f.code;

-- name: droppable
-- What drop_failures would let go.
select f.kind, count(*) as n from courseyard.sync_failures as f
where f.provider_id = %(provider_id)s and f.resolved_at is null
  and (%(ids)s::bigint[] is null or f.id = any(%(ids)s)) and (%(code)s::text is null or f.code = %(code)s)
group by f.kind order by f.kind;

-- name: drop_failures
update courseyard.sync_failures set resolved_at = now(), resolution = 'dropped'
where provider_id = %(provider_id)s and resolved_at is null
  and (%(ids)s::bigint[] is null or id = any(%(ids)s)) and (%(code)s::text is null or code = %(code)s);

-- name: replayable
-- Open failures whose reason may be gone, a page of them by id.
select f.id, f.record from courseyard.sync_failures as f
left join courseyard.partner_people as p on p.provider_id = f.provider_id and p.external_id = f.person
where f.provider_id = %(provider_id)s and f.resolved_at is null and f.id > %(after)s and f.kind = any(%(kinds)s)
  and f.code <> 'not-understood'
  and (%(all)s or case
    when f.code in ('person-unknown', 'person-ambiguous') and f.person is not null then p.state <> 'waiting'
    when f.code = 'course-unknown' then exists (
      select from courseyard.partner_catalogue as c
        where c.provider_id = f.provider_id and c.external_id = f.record ->> 'course')
    when f.code = 'course-not-imported' and f.kind = 'enrolment' then exists (
      select from courseyard.partner_keys as k
        where k.provider_id = f.provider_id and k.kind = 'course' and k.external_id = f.record ->> 'course')
    when f.kind = 'module' and f.code <> 'refused' then exists (
        select from courseyard.partner_keys as k
          where k.provider_id = f.provider_id and k.kind = 'enrolment' and k.external_id = f.record ->> 'enrolment')
      or exists (
        select from courseyard.partner_aside as a
          where a.provider_id = f.provider_id and a.external_id = f.record ->> 'enrolment')
    else false
  end)
order by f.id
limit %(limit)s;

-- name: fail
insert into courseyard.sync_failures as f (provider_id, run_id, kind, external_id, person, record, code, reason)
values (%(provider_id)s, %(run_id)s, %(kind)s, %(external_id)s, %(person)s, %(record)s, %(code)s, %(reason)s)
on conflict (provider_id, kind, external_id) where resolved_at is null do update set
  run_id = excluded.run_id,
  record = case
    when 'not-understood' in (f.code, excluded.code) then excluded.record
    else courseyard.partner_merged_v1(f.kind, f.record, excluded.record)
  end,
  person = excluded.person, code = excluded.code,
  reason = excluded.reason, tries = f.tries + 1, last_at = now();

-- name: known_size
select count(*) as n from courseyard.partner_keys as k
where k.provider_id = %(provider_id)s and k.kind = %(kind)s and k.gone_at is null;

-- name: no_longer_aside
delete from courseyard.partner_aside where provider_id = %(provider_id)s;
