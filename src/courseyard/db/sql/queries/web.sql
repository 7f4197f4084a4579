-- What the pages and the REST interface show. Blocks marked "as a person" run with that person's rights: row level
-- security decides what they return. The others add facts of the engine to rows that such a query returned before.

-- name: list_packages
-- As a person.
select p.id::text as id, p.title, p.description, p.version, p.is_active, p.passing_score, p.max_attempts,
  p.created_at, p.updated_at, count(*) over () as total
from public.scorm_packages p
where (%(search)s::text is null or p.title ilike %(search)s or p.description ilike %(search)s)
order by p.created_at desc, p.id
limit %(limit)s offset %(offset)s;

-- name: package
-- As a person.
select p.id::text as id, p.title, p.description, p.version, p.is_active, p.passing_score, p.max_attempts,
  p.duration_minutes, p.created_at, p.updated_at
from public.scorm_packages p
where p.id = %(package_id)s;

-- name: packages_facts
select p.id::text as id, v.standard, coalesce(v.edition, '') as edition, coalesce(v.activity_count, 0) as activities,
  coalesce(v.number, 0) as version_number,
  (select count(*) from public.scorm_enrollments e where e.scorm_package_id = p.id) as enrollments,
  (select count(*) from public.scorm_enrollments e
    where e.scorm_package_id = p.id and e.completed_at is not null) as completed
from public.scorm_packages p
left join courseyard.package_settings s on s.package_id = p.id
left join courseyard.package_versions v on v.id = s.current_version_id
where p.id = any(%(ids)s::uuid[]);

-- name: package_detail
select s.launch_window, s.strict, v.id::text as version_id, v.number, v.standard, v.edition, v.document, v.findings,
  v.file_name, v.sha256, v.file_count, v.total_bytes, v.activity_count, v.created_at
from courseyard.package_settings s
join courseyard.package_versions v on v.id = s.current_version_id
where s.package_id = %(package_id)s;

-- name: package_versions
select v.id::text as id, v.number, v.standard, v.edition, v.file_name, v.sha256, v.file_count, v.total_bytes,
  v.activity_count, v.created_at, v.id = s.current_version_id as is_current,
  jsonb_array_length(v.findings) as findings,
  (select count(*) from courseyard.attempts a where a.version_id = v.id and a.kind = 'normal') as attempts
from courseyard.package_versions v
left join courseyard.package_settings s on s.package_id = v.package_id
where v.package_id = %(package_id)s
order by v.number desc;

-- name: change_package
-- As a person. A field that is not named in "fields" stays.
update public.scorm_packages p set
  title = case when 'title' = any(%(fields)s) then %(title)s else p.title end,
  description = case when 'description' = any(%(fields)s) then %(description)s else p.description end,
  passing_score = case when 'passing_score' = any(%(fields)s) then %(passing_score)s::int else p.passing_score end,
  max_attempts = case when 'max_attempts' = any(%(fields)s) then %(max_attempts)s::int else p.max_attempts end,
  duration_minutes = case when 'duration_minutes' = any(%(fields)s)
    then %(duration_minutes)s::int else p.duration_minutes end,
  is_active = case when 'is_active' = any(%(fields)s) then %(is_active)s else p.is_active end
where p.id = %(package_id)s
returning p.id::text as id;

-- name: changeable_package
-- As a person: a row is locked for a change only where the policies allow the change.
select p.id::text as id from public.scorm_packages p where p.id = %(package_id)s for no key update;

-- name: change_package_settings
update courseyard.package_settings s set
  launch_window = coalesce(%(launch_window)s, s.launch_window),
  strict = coalesce(%(strict)s, s.strict),
  updated_at = now()
where s.package_id = %(package_id)s;

-- name: list_enrollments
-- As a person.
select e.id::text as id, e.scorm_package_id::text as package_id, p.title, p.is_active,
  e.user_id::text as profile_id,
  e.status, e.progress_percentage, e.score, e.attempts, e.time_spent_seconds,
  e.started_at, e.completed_at, e.last_accessed_at, e.created_at, count(*) over () as total
from public.scorm_enrollments e
join public.scorm_packages p on p.id = e.scorm_package_id
where (%(package_id)s::uuid is null or e.scorm_package_id = %(package_id)s)
  and (%(profile_id)s::uuid is null or e.user_id = %(profile_id)s)
  and (%(status)s::text is null or e.status = %(status)s)
  and (%(search)s::text is null or p.title ilike %(search)s or e.user_id = any(%(learners)s::uuid[]))
order by coalesce(e.last_accessed_at, e.created_at) desc, e.id
limit %(limit)s offset %(offset)s;

-- name: find_learners
-- The organisation's own policies decide who may read profiles, so names are found by the engine; what is shown of
-- them are enrolments that the caller may see.
select coalesce(array_agg(found.id), '{}')::text[] as ids
from (
  select p.id
  from public.profiles p
  left join courseyard.learners l on l.profile_id = p.id
  where p.full_name ilike %(search)s or p.email ilike %(search)s or l.external_id ilike %(search)s
  limit 2000
) found;

-- name: enrollment
-- As a person.
select e.id::text as id, e.scorm_package_id::text as package_id, p.title, p.is_active,
  e.user_id::text as profile_id,
  e.status, e.progress_percentage, e.score, e.attempts, e.time_spent_seconds,
  e.started_at, e.completed_at, e.last_accessed_at, e.created_at
from public.scorm_enrollments e
join public.scorm_packages p on p.id = e.scorm_package_id
where e.id = %(enrollment_id)s;

-- name: enrollments_facts
-- Who the learner is, and how the newest attempt stands.
select e.id::text as id, pr.full_name as learner_name, pr.email as learner_email, l.external_id, l.display_name, a.success, a.completion, a.suspended, a.session_open,
  coalesce((select sum(x.measured_seconds) from courseyard.attempts x
    where x.enrollment_id = e.id and x.kind = 'normal'), 0) as measured_seconds,
  c.source_title as credit_title, c.source_provider as credit_provider, c.completed_at as credit_at
from public.scorm_enrollments e
left join public.profiles pr on pr.id = e.user_id
left join courseyard.learners l on l.profile_id = e.user_id
left join courseyard.credits c on c.scorm_enrollment_id = e.id
left join lateral (
  select x.success, x.completion, x.suspended, x.session_open
  from courseyard.attempts x
  where x.enrollment_id = e.id and x.kind = 'normal'
  order by x.number desc
  limit 1
) a on true
where e.id = any(%(ids)s::uuid[]);

-- name: enrollments_relations
-- Courses at partners that come before the package or are offered beside it.
select r.enrollment_id::text as enrollment_id, r.relation, r.partner_course_id::text as partner_course_id, r.title, r.provider,
  r.link, r.own_id::text as partner_enrollment_id, r.own_progress::float as progress_percentage, r.done as completed, r.holds
from courseyard.mapping_relations_v1(%(ids)s::uuid[]) as r
order by lower(r.title), r.partner_course_id;

-- name: tracking
-- As a person.
select t.id::text as id, t.element, t.value, t."timestamp", count(*) over () as total
from public.scorm_tracking t
where t.scorm_enrollment_id = %(enrollment_id)s
  and (%(element)s::text is null or t.element = %(element)s)
order by t."timestamp" desc, t.id
limit %(limit)s offset %(offset)s;

-- name: attempts
select a.id::text as id, a.number, a.completion, a.success, a.score_scaled, a.score_raw, a.score_min, a.score_max,
  a.progress, a.reported_seconds, a.measured_seconds, a.suspended, a.session_open,
  a.started_at, a.last_activity_at, a.completed_at, a.ended_at, v.number as version_number
from courseyard.attempts a
join courseyard.package_versions v on v.id = a.version_id
where a.enrollment_id = %(enrollment_id)s and a.kind = 'normal'
order by a.number desc;

-- name: attempt
select a.id::text as id, a.number, a.completion, a.success, a.score_scaled, a.score_raw, a.score_min, a.score_max,
  a.progress, a.reported_seconds, a.measured_seconds, a.suspended, a.session_open,
  a.started_at, a.last_activity_at, a.completed_at, a.ended_at, v.number as version_number,
  v.standard, v.document
from courseyard.attempts a
join courseyard.package_versions v on v.id = a.version_id
where a.enrollment_id = %(enrollment_id)s and a.kind = 'normal' and a.number = %(number)s;

-- name: sco_states
select s.item, s.activity_attempt, s.data, s.total_seconds, s.session_seconds, s.entry, s.initialized, s.terminated,
  s.created_at, s.updated_at
from courseyard.sco_states s
where s.attempt_id = %(attempt_id)s
order by s.created_at, s.item, s.activity_attempt;

-- name: activity_days
select d.day, d.seconds from courseyard.activity_time d where d.attempt_id = %(attempt_id)s order by d.day;

-- name: runtime_findings
select f.item, f.code, f.element, f.detail, f.occurrences, f.first_at, f.last_at
from courseyard.runtime_findings f
where f.attempt_id = %(attempt_id)s
order by f.last_at desc, f.code, f.element;

-- name: refused_commits
select r.epoch, r.seq, r.item, r.elements, r.refused_at
from courseyard.refused_commits r
where r.attempt_id = %(attempt_id)s
order by r.id desc
limit 50;

-- name: ready
-- Answers only where the tables stand.
select exists (select from public.scorm_enrollments) as any_enrollment,
  exists (select from courseyard.attempts) as any_attempt;

-- name: version_by_digest
select v.id::text as id, v.package_id::text as package_id
from courseyard.package_versions v
where v.sha256 = %(sha256)s
limit 1;
