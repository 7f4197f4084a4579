-- Enrolments at partners: made, sent, listed, launched. Blocks marked "as a person" run with that person's rights. Columns
-- that an organisation's own tables may call otherwise are read through their JSON.

-- name: course
select c.id::text as id, c.course_name::text as title, l.id::text as provider_id, l.provider_name::text as provider,
  coalesce((to_jsonb(c) ->> 'active')::boolean, (to_jsonb(c) ->> 'is_active')::boolean, true) as active,
  coalesce((select k.external_id from courseyard.partner_keys as k
      where k.row_id = c.id and k.kind = 'course' and k.provider_id = l.id limit 1),
    nullif(to_jsonb(c) ->> 'external_course_id', '')) as external_id
from public.partner_courses as c
join public.partner_lms_providers as l
  on l.id::text = coalesce(to_jsonb(c) ->> 'provider_id', to_jsonb(c) ->> 'partner_id')
where c.id = %(course_id)s;

-- name: targets
-- What an enrolment in a partner's course brings with it here.
select m.mapping_type, m.kind, m.target_id::text as target_id, t.title, t.active
from courseyard.mapping_targets_v1() as m
join courseyard.mapping_choices_v1() as t on t.kind = m.kind and t.id = m.target_id
where m.partner_course_id = %(course_id)s
order by m.kind, lower(t.title);

-- name: people
-- Who would be enrolled, and how each stands in the course already.
select p.id::text as id, p.full_name::text as name, p.email::text as email, e.id::text as enrolment_id,
  e.status::text as status,
  coalesce(lower(e.status::text) in ('withdrawn', 'cancelled', 'canceled', 'dropped', 'failed', 'expired', 'rejected'), false)
    as ended
from public.profiles as p
left join lateral (
  select x.id, x.status from public.partner_lms_enrollments as x
    where x.student_id = p.id and x.course_id = %(course_id)s
    order by lower(coalesce(x.status::text, '')) in ('withdrawn', 'cancelled', 'canceled', 'dropped', 'failed', 'expired',
      'rejected'), x.enrolled_at desc nulls last, x.id
    limit 1
) as e on true
where p.id = any(%(people)s::uuid[])
order by lower(coalesce(p.full_name, p.email)), p.id;

-- name: people_named
-- By our id, the organisation's own identifier, or e-mail.
select n.name, p.id::text as id
from unnest(%(names)s::text[]) as n (name)
join public.profiles as p on p.id::text = lower(n.name) or lower(p.email) = lower(n.name)
union
select n.name, l.profile_id::text from unnest(%(names)s::text[]) as n (name)
join courseyard.learners as l on l.external_id = n.name;

-- name: people_enrolled
select p.id::text as id from courseyard.enrolled_people_v1(%(kind)s, %(target_id)s) as p (id) limit %(limit)s;

-- name: enrol
select r.profile_id::text as profile_id, r.enrolment_id::text as id, r.outcome
from courseyard.partner_enrol_v1(%(course_id)s, %(people)s::uuid[], %(status)s, %(send)s, %(requested_by)s) as r;

-- name: make_mapped
select courseyard.partner_mapped_v1() as made;

-- name: credit
select courseyard.credit_completions_v1() as credited;

-- name: find
-- As a person, or as the service for administrators.
select e.id::text as id, e.provider_id::text as provider_id, e.student_id::text as profile_id,
  e.course_id::text as course_id, e.status::text as status, e.progress_percentage::float as progress_percentage,
  e.enrolled_at, e.completed_at, e.updated_at, count(*) over () as total
from public.partner_lms_enrollments as e
where (%(id)s::uuid is null or e.id = %(id)s)
  and (%(provider_id)s::uuid is null or e.provider_id = %(provider_id)s)
  and (%(course_id)s::uuid is null or e.course_id = %(course_id)s)
  and (%(profile_id)s::uuid is null or e.student_id = %(profile_id)s)
  and (%(statuses)s::text[] is null or lower(e.status::text) = any(%(statuses)s::text[]))
  and (%(search)s::text is null or e.student_id = any(%(people)s::uuid[]) or e.course_id = any(%(courses)s::uuid[]))
order by e.updated_at desc nulls last, e.id
limit %(limit)s offset %(offset)s;

-- name: search
-- Names are found by the engine; what is shown of them are enrolments that the caller may see.
select
  array(select p.id::text from public.profiles as p left join courseyard.learners as l on l.profile_id = p.id
    where p.full_name ilike %(search)s or p.email ilike %(search)s or l.external_id ilike %(search)s limit 2000) as people,
  array(select c.id::text from public.partner_courses as c where c.course_name ilike %(search)s limit 2000) as courses;

-- name: facts
-- data_at: the newest time of these data at the partner; where it tells none, when the partner was last asked for them.
select e.id::text as id, l.provider_name::text as provider, c.course_name::text as title, s.kind,
  p.full_name::text as learner_name, p.email::text as learner_email, r.external_id as learner_external_id,
  coalesce(
    greatest(k.data_at, (select max(m.data_at) from public.external_module_progress as x
      join courseyard.partner_keys as m on m.row_id = x.id and m.kind = 'module'
      where x.partner_enrollment_id = e.id)),
    case when k.row_id is not null then (select max(coalesce(u.data_at, u.finished_at)) from courseyard.sync_cursors as u
      where u.provider_id = e.provider_id and u.stream in ('enrolments', 'progress')) end,
    k.updated_at) as data_at,
  k.external_id is not null as at_partner, k.gone_at,
  (select count(*) from public.external_module_progress as x where x.partner_enrollment_id = e.id) as modules,
  o.id::text as outbox_id, o.state as outbox_state, o.action as outbox_action, o.error as outbox_error,
  t.source_title as credit_title, t.completed_at as credit_at
from public.partner_lms_enrollments as e
left join public.partner_lms_providers as l on l.id = e.provider_id
left join courseyard.partner_settings as s on s.provider_id = e.provider_id
left join public.partner_courses as c on c.id = e.course_id
left join public.profiles as p on p.id = e.student_id
left join courseyard.learners as r on r.profile_id = e.student_id
left join lateral (
  select y.row_id, y.external_id, y.data_at, y.gone_at, y.updated_at from courseyard.partner_keys as y
    where y.row_id = e.id and y.kind = 'enrolment' order by y.gone_at nulls first, y.updated_at desc limit 1
) as k on true
left join lateral (
  select z.* from courseyard.partner_outbox as z where z.partner_enrollment_id = e.id order by z.created_at desc limit 1
) as o on true
left join courseyard.credits as t on t.partner_enrollment_id = e.id
where e.id = any(%(ids)s::uuid[]);

-- name: modules
select m.module_id, m.module_name, m.status, m.progress_percentage::float as progress_percentage, m.score::float as score,
  m.time_spent_seconds, m.completed_at, m.last_accessed_at, coalesce(k.data_at, k.updated_at) as data_at
from public.external_module_progress as m
left join courseyard.partner_keys as k on k.row_id = m.id and k.kind = 'module'
where m.partner_enrollment_id = %(enrolment_id)s
order by m.created_at, m.module_id;

-- name: credentials
select c.credential_name as name, c.credential_number as number, c.issued_date, c.expiration_date, c.verification_url,
  c.certificate_url, c.metadata ? 'revoked_at' as revoked
from public.partner_credentials as c where c.partner_enrollment_id = %(enrolment_id)s
order by c.issued_date desc nulls last, c.credential_name;

-- name: consequences
-- Enrolments here that follow this one, and why those that should be are not.
select d.kind, m.mapping_type, d.problem, coalesce(d.scorm_enrollment_id, d.enrollment_id)::text as enrolment_id,
  d.scorm_enrollment_id::text as scorm_enrollment_id, t.title,
  c.source_title is not null as credited, c.credited_at
from courseyard.partner_mapped as d
join public.partner_course_mappings as m on m.id = d.mapping_id
left join courseyard.mapping_choices_v1() as t on t.kind = d.kind
  and t.id = case d.kind when 'program' then m.internal_program_id when 'course' then m.internal_course_id
    else m.scorm_package_id end
left join courseyard.credits as c
  on c.scorm_enrollment_id = d.scorm_enrollment_id or c.enrollment_id = d.enrollment_id
where d.partner_enrollment_id = %(enrolment_id)s
order by d.kind, t.title;

-- name: relations
-- What the course of this enrolment comes before, or is offered beside.
select lower(m.mapping_type) as relation, t.kind, t.title
from public.partner_lms_enrollments as e
join public.partner_course_mappings as m on m.partner_course_id = e.course_id
cross join lateral (values
  ('program', m.internal_program_id), ('course', m.internal_course_id), ('package', m.scorm_package_id)
) as n (kind, id)
join courseyard.mapping_choices_v1() as t on t.kind = n.kind and t.id = n.id
where e.id = %(enrolment_id)s and m.is_active is not false and lower(m.mapping_type) in ('prerequisite', 'elective')
order by 1 desc, t.title;

-- name: ways_in
-- What a connector needs to act on enrolments. known: the account that is known to be this person's.
select e.id::text as id, e.provider_id::text as provider_id, e.student_id::text as profile_id, e.status::text as status,
  c.course_name::text as title,
  coalesce((select y.external_id from courseyard.partner_keys as y where y.row_id = e.id and y.kind = 'enrolment'
      order by y.gone_at nulls first, y.updated_at desc limit 1), to_jsonb(e) ->> 'external_enrollment_id') as external_id,
  coalesce((select y.external_id from courseyard.partner_keys as y where y.row_id = c.id and y.kind = 'course' limit 1),
    to_jsonb(c) ->> 'external_course_id') as course,
  to_jsonb(e) ->> 'external_account_id' as account,
  coalesce(to_jsonb(c) ->> 'enrollment_link', to_jsonb(c) ->> 'course_url') as link,
  p.email::text as email, p.full_name::text as name, r.external_id as own_id,
  (select jsonb_build_object('external_id', y.external_id, 'email', y.email, 'name', y.name, 'sis_id', y.sis_id)
    from courseyard.partner_people as y
    where y.provider_id = e.provider_id and y.profile_id = e.student_id and y.state = 'matched'
    order by y.updated_at desc limit 1) as known
from public.partner_lms_enrollments as e
left join public.partner_courses as c on c.id = e.course_id
left join public.profiles as p on p.id = e.student_id
left join courseyard.learners as r on r.profile_id = e.student_id
where e.id = any(%(ids)s::uuid[]);

-- name: enqueue
-- One thing at a time is to be done for an enrolment; what failed before is in the new one's hands now.
with replaced as (
  update courseyard.partner_outbox as o set state = 'cancelled', done_at = now(), updated_at = now()
  where o.partner_enrollment_id = %(enrolment_id)s and o.state = 'failed'
)
insert into courseyard.partner_outbox (provider_id, partner_enrollment_id, action, requested_by)
values (%(provider_id)s, %(enrolment_id)s, %(action)s, %(requested_by)s)
on conflict (partner_enrollment_id) where state in ('waiting', 'working', 'person') do nothing
returning id::text as id;

-- name: end
select courseyard.partner_status_v1(jsonb_build_array(jsonb_build_object('id', %(enrolment_id)s::uuid,
  'status', 'withdrawn')))::text as done;

-- name: claim
-- The next thing to do at this provider: one whose time has come, or whose worker died.
update courseyard.partner_outbox as o set
  state = 'working', token = %(token)s, heartbeat_at = now(), attempts = o.attempts + 1, updated_at = now()
where o.id = (
  select n.id from courseyard.partner_outbox as n
    where n.provider_id = %(provider_id)s and (n.state = 'waiting' and n.next_try_at <= now()
      or n.state = 'working' and n.heartbeat_at < now() - %(dead_after)s::interval)
    order by n.next_try_at, n.created_at, n.id
    limit 1
    for update skip locked
)
returning o.id::text as id, o.partner_enrollment_id::text as enrolment_id, o.action, o.account, o.attempts;

-- name: beat
update courseyard.partner_outbox set heartbeat_at = now() where id = %(id)s and token = %(token)s and state = 'working';

-- name: keep_account
update courseyard.partner_outbox set account = %(account)s, candidates = '[]', updated_at = now()
where id = %(id)s and token = %(token)s and state = 'working';

-- name: ask_person
update courseyard.partner_outbox set
  state = 'person', candidates = %(candidates)s::jsonb, error = %(error)s, advice = null, token = null, updated_at = now()
where id = %(id)s and token = %(token)s and state = 'working';

-- name: put_off
update courseyard.partner_outbox set
  state = 'waiting', next_try_at = now() + %(wait)s::interval, error = %(error)s, advice = %(advice)s, token = null, updated_at = now()
where id = %(id)s and token = %(token)s and state = 'working';

-- name: give_up
update courseyard.partner_outbox set
  state = 'failed', error = %(error)s, advice = %(advice)s, token = null, done_at = now(), updated_at = now()
where id = %(id)s and token = %(token)s and state = 'working';

-- name: enrolled
select courseyard.partner_enrolled_v1(%(id)s, %(token)s, %(answer)s::jsonb)::text as done;

-- name: withdrawn
-- The end of a withdrawal: what was completed stays completed.
with done as (
  update courseyard.partner_outbox set
    state = 'done', done_at = now(), updated_at = now(), error = null, advice = null, token = null
  where id = %(id)s and token = %(token)s and state = 'working'
  returning partner_enrollment_id, provider_id
),
gone as (
  update courseyard.partner_keys as k set gone_at = now(), hash = null, updated_at = now()
  from done as d
  where k.provider_id = d.provider_id and k.kind = 'enrolment' and k.row_id = d.partner_enrollment_id
)
select courseyard.partner_status_v1(jsonb_build_array(jsonb_build_object('id', e.id, 'status', 'withdrawn')))::text as done
from done as d join public.partner_lms_enrollments as e on e.id = d.partner_enrollment_id
where lower(e.status::text) is distinct from 'completed';

-- name: taken_accounts
-- Accounts at the partner that are known to be somebody else's.
select p.external_id from courseyard.partner_people as p
where p.provider_id = %(provider_id)s and p.external_id = any(%(accounts)s)
  and p.state = 'matched' and p.profile_id <> %(profile_id)s;

-- name: choose
update courseyard.partner_outbox set
  state = 'waiting', next_try_at = now(), account = c.value, candidates = '[]', error = null, attempts = 0, updated_at = now()
from jsonb_array_elements((select o.candidates from courseyard.partner_outbox as o where o.id = %(id)s)) as c (value)
where id = %(id)s and state = 'person' and c.value ->> 'external_id' = %(account)s
returning provider_id::text as provider_id;

-- name: retry
update courseyard.partner_outbox as o set
  state = 'waiting', next_try_at = now(), attempts = 0, updated_at = now(), done_at = null,
  account = case when o.state = 'person' then null else o.account end
where o.id = %(id)s and o.state in ('waiting', 'failed', 'person', 'cancelled')
  and not exists (select from courseyard.partner_outbox as n
    where n.partner_enrollment_id = o.partner_enrollment_id and n.id <> o.id and n.created_at > o.created_at)
returning o.provider_id::text as provider_id, o.partner_enrollment_id::text as enrolment_id, o.action;

-- name: cancel
update courseyard.partner_outbox as o set state = 'cancelled', done_at = now(), updated_at = now(), token = null
where o.id = %(id)s and o.state in ('waiting', 'failed', 'person')
returning o.action, o.partner_enrollment_id::text as enrolment_id, o.attempts;

-- name: cancel_open
-- What waits or failed is let go; a row is one that a worker has in its hands.
with cancelled as (
  update courseyard.partner_outbox as o set state = 'cancelled', done_at = now(), updated_at = now(), token = null
  where o.partner_enrollment_id = %(enrolment_id)s and o.state in ('waiting', 'person', 'failed')
)
select o.id::text as id from courseyard.partner_outbox as o
where o.partner_enrollment_id = %(enrolment_id)s and o.state = 'working';

-- name: outbox
select o.id::text as id, o.action, o.state, o.attempts, o.next_try_at, o.candidates, o.error, o.advice, o.created_at,
  o.updated_at, o.done_at, o.partner_enrollment_id::text as enrolment_id, o.provider_id::text as provider_id,
  l.provider_name::text as provider, c.course_name::text as title, p.full_name::text as learner_name,
  p.email::text as learner_email, r.full_name::text as requested_by, count(*) over () as total
from courseyard.partner_outbox as o
join public.partner_lms_providers as l on l.id = o.provider_id
join public.partner_lms_enrollments as e on e.id = o.partner_enrollment_id
left join public.partner_courses as c on c.id = e.course_id
left join public.profiles as p on p.id = e.student_id
left join public.profiles as r on r.id = o.requested_by
where (%(id)s::uuid is null or o.id = %(id)s)
  and (%(provider_id)s::uuid is null or o.provider_id = %(provider_id)s)
  and (%(state)s::text is null or o.state = %(state)s)
  and (%(enrolment_id)s::uuid is null or o.partner_enrollment_id = %(enrolment_id)s)
order by array_position(array['person', 'failed', 'working', 'waiting'], o.state) nulls last, o.updated_at desc, o.id
limit %(limit)s offset %(offset)s;

-- name: outbox_counts
select o.state, count(*) as n from courseyard.partner_outbox as o group by o.state;

-- name: due_outboxes
select distinct o.provider_id::text as provider_id from courseyard.partner_outbox as o
where o.state = 'waiting' and o.next_try_at <= now()
  or o.state = 'working' and o.heartbeat_at < now() - %(dead_after)s::interval;

-- name: restore
-- A cancelled enrolment that is sent after all.
select courseyard.partner_status_v1(jsonb_build_array(jsonb_build_object('id', e.id, 'status', 'pending')))::text as done
from public.partner_lms_enrollments as e
where e.id = %(enrolment_id)s and lower(e.status::text) in ('withdrawn', 'cancelled', 'canceled', 'dropped');
