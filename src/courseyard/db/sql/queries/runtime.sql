-- An attempt's life. Where a query locks an attempt, commits of its windows wait for the transaction's end.

-- name: course
select v.id::text as version_id, v.package_id::text as package_id, v.standard, v.edition, v.document, p.title
from courseyard.package_versions v
join public.scorm_packages p on p.id = v.package_id
where v.id = %(version_id)s;

-- name: package_for_enrolment
select p.id::text as id, p.title, p.is_active, s.current_version_id is not null as is_playable
from public.scorm_packages p
left join courseyard.package_settings s on s.package_id = p.id
where p.id = %(package_id)s;

-- name: current_version
select s.current_version_id::text as version_id
from public.scorm_packages p
left join courseyard.package_settings s on s.package_id = p.id
where p.id = %(package_id)s;

-- name: enrol
with fresh as (
  insert into public.scorm_enrollments (scorm_package_id, user_id)
  values (%(package_id)s, %(profile_id)s)
  on conflict (scorm_package_id, user_id) do nothing
  returning id
)
select id::text as id, true as created
from fresh
union all
select e.id::text, false
from public.scorm_enrollments e
where e.scorm_package_id = %(package_id)s and e.user_id = %(profile_id)s and not exists (select from fresh);

-- name: enrollment
select e.id::text as id, e.user_id::text as profile_id, e.scorm_package_id::text as package_id, p.title,
  p.is_active, p.max_attempts, s.current_version_id::text as version_id, coalesce(s.launch_window, 'frame') as window,
  coalesce(s.strict, false) as strict, coalesce(l.external_id, e.user_id::text) as learner_id,
  coalesce(l.display_name, pr.full_name, pr.email, '') as learner_name
from public.scorm_enrollments e
join public.scorm_packages p on p.id = e.scorm_package_id
join public.profiles pr on pr.id = e.user_id
left join courseyard.package_settings s on s.package_id = p.id
left join courseyard.learners l on l.profile_id = e.user_id
where e.id = %(enrollment_id)s;

-- name: comes_first
-- Courses at partners that must be completed before this enrolment may be opened.
select r.partner_course_id::text as partner_course_id, r.title, r.provider, r.own_id::text as partner_enrollment_id
from courseyard.mapping_relations_v1(array[%(enrollment_id)s::uuid]) as r
where r.holds
order by lower(r.title), r.partner_course_id;

-- name: preview
select v.id::text as version_id, v.package_id::text as package_id, p.title,
  coalesce(s.launch_window, 'frame') as window, coalesce(s.strict, false) as strict,
  pr.id::text as profile_id, coalesce(l.external_id, pr.id::text, 'preview') as learner_id,
  coalesce(l.display_name, pr.full_name, pr.email, 'Preview') as learner_name
from courseyard.package_versions v
join public.scorm_packages p on p.id = v.package_id
left join courseyard.package_settings s on s.package_id = p.id
left join public.profiles pr on pr.id = %(profile_id)s::uuid
left join courseyard.learners l on l.profile_id = pr.id
where v.id = %(version_id)s;

-- name: attempt_owner
select coalesce(l.external_id, pr.id::text, 'preview') as learner_id,
  coalesce(l.display_name, pr.full_name, pr.email, 'Preview') as learner_name, pr.id::text as profile_id, p.title,
  coalesce(s.launch_window, 'frame') as window, coalesce(s.strict, false) as strict
from courseyard.attempts a
join courseyard.package_versions v on v.id = a.version_id
join public.scorm_packages p on p.id = v.package_id
left join courseyard.package_settings s on s.package_id = p.id
left join public.scorm_enrollments e on e.id = a.enrollment_id
left join public.profiles pr on pr.id = coalesce(e.user_id, a.preview_profile_id)
left join courseyard.learners l on l.profile_id = pr.id
where a.id = %(attempt_id)s;

-- name: one_at_a_time
-- Two windows that open the same enrolment at once do it one after the other.
select pg_advisory_xact_lock(hashtextextended('courseyard.open ' || %(key)s, 0));

-- name: last_attempt
select a.id::text as id
from courseyard.attempts a
where a.enrollment_id = %(enrollment_id)s and a.kind = 'normal'
order by a.number desc
limit 1;

-- name: new_attempt
insert into courseyard.attempts (kind, enrollment_id, preview_profile_id, version_id, number, sequencing)
values (%(kind)s, %(enrollment_id)s, %(profile_id)s, %(version_id)s, %(number)s, %(sequencing)s)
returning id::text as id;

-- name: drop_throw_aways
delete from courseyard.attempts a
where a.kind <> 'normal' and a.last_activity_at < now() - %(age)s
  and (a.enrollment_id = %(enrollment_id)s::uuid
    or a.kind = 'preview' and a.preview_profile_id is not distinct from %(profile_id)s::uuid);

-- name: locked_attempt
-- With the state of the activity that is open in it.
select a.id::text as id, a.kind, a.enrollment_id::text as enrollment_id, a.version_id::text as version_id, a.number,
  a.epoch, a.sequencing, a.delivered_item, a.delivered_activity_attempt, a.session_open, a.suspended, a.completion,
  a.success, a.score_scaled::float8, a.score_raw::float8, a.score_min::float8, a.score_max::float8,
  a.progress::float8, a.reported_seconds::float8, a.measured_seconds::float8,
  coalesce(e.user_id, a.preview_profile_id)::text as profile_id,
  s.data, s.entry, s.initialized, s.terminated, s.total_seconds::float8, s.session_seconds::float8
from courseyard.attempts a
left join public.scorm_enrollments e on e.id = a.enrollment_id
left join courseyard.sco_states s on s.attempt_id = a.id and s.item = a.delivered_item
  and s.activity_attempt = a.delivered_activity_attempt
where a.id = %(attempt_id)s
for no key update of a;

-- name: open
select courseyard.open_v1(%(attempt_id)s, %(user_agent)s) as epoch;

-- name: activity_state
-- What was kept of an attempt on an activity; an attempt on the course that goes on with an earlier one's tracking
-- finds it there.
select s.data, s.entry, s.total_seconds::float8, s.session_seconds::float8, s.attempt_id = %(attempt_id)s as own
from courseyard.sco_states s
join courseyard.attempts a on a.id = s.attempt_id
where s.item = %(item)s and s.activity_attempt = %(activity_attempt)s
  and (a.id = %(attempt_id)s or a.kind = 'normal' and a.enrollment_id = %(inherit_from)s::uuid)
order by a.id = %(attempt_id)s desc, a.number desc
limit 1;

-- name: latest_activity_state
-- What the learner last left in an activity, for a review.
select s.data, s.entry, s.total_seconds::float8, s.session_seconds::float8, false as own
from courseyard.sco_states s
join courseyard.attempts a on a.id = s.attempt_id
where s.item = %(item)s and a.kind = 'normal' and a.enrollment_id = %(enrollment_id)s
order by a.number desc, s.activity_attempt desc
limit 1;

-- name: learner_objectives
select g.objective, g.data from courseyard.global_objectives g
where g.profile_id = %(profile_id)s and g.scope = '';

-- name: learner_stores
select d.store, d.value from courseyard.shared_data d
where d.profile_id = %(profile_id)s and d.scope = '' and d.store = any(%(stores)s);

-- name: navigated
select courseyard.navigated_v1(
  %(attempt_id)s, %(epoch)s, %(sequencing)s, %(session_open)s, %(suspended)s, %(left)s, %(delivery)s, %(stays)s,
  %(summary)s, %(objectives)s, %(stores)s, %(trace)s, %(traces_kept)s, %(max_gap)s
);

-- name: commit_context
-- What is needed to judge a commit: the SCO's state, and the tracking that a changed status rolls up into.
select a.version_id::text as version_id, a.kind, a.epoch, l.last_seq,
  a.delivered_item = %(item)s and a.delivered_activity_attempt = %(activity_attempt)s and a.session_open as is_current,
  a.sequencing, a.measured_seconds::float8 as measured, s.data, coalesce(ps.strict, false) as strict,
  (select coalesce(jsonb_object_agg(g.objective, g.data), '{}') from public.scorm_enrollments e
    join courseyard.global_objectives g on g.profile_id = e.user_id and g.scope = ''
    where e.id = a.enrollment_id) as objectives
from courseyard.attempts a
join courseyard.package_versions v on v.id = a.version_id
left join courseyard.package_settings ps on ps.package_id = v.package_id
left join courseyard.launches l on l.attempt_id = a.id and l.epoch = %(epoch)s
left join courseyard.sco_states s on s.attempt_id = a.id and s.item = %(item)s
  and s.activity_attempt = %(activity_attempt)s
where a.id = %(attempt_id)s;

-- name: commit
select outcome, last_seq from courseyard.commit_v1(
  %(attempt_id)s, %(epoch)s, %(seq)s, %(oldest)s, %(item)s, %(activity_attempt)s, %(elements)s::jsonb,
  %(session_seconds)s::numeric, %(terminated)s, %(summary)s::jsonb, %(stores)s::jsonb, %(findings)s::jsonb, %(max_gap)s
);

-- name: heartbeat
select outcome from courseyard.heartbeat_v1(%(attempt_id)s, %(epoch)s, %(max_gap)s);

-- name: traces
select t.number, t.request, t.target, t.outcome, t.trace, t.created_at
from courseyard.sequencing_traces t where t.attempt_id = %(attempt_id)s order by t.number desc;

-- name: file_by_other_case
-- Packages made on Windows name their files in whatever case.
select f.path from courseyard.package_files f
where f.version_id = %(version_id)s and lower(f.path) = lower(%(path)s)
order by f.path limit 1;
