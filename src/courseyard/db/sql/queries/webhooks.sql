-- Webhooks: endpoints, and notices on their way.

-- name: endpoints
select e.id::text as id, e.url, e.description, e.events, e.active, e.failing_since, e.disabled_because, e.created_at,
  (select count(*) from courseyard.webhook_notices as n where n.endpoint_id = e.id and n.state in ('waiting', 'sending'))
    as waiting,
  (select max(n.done_at) from courseyard.webhook_notices as n where n.endpoint_id = e.id and n.state = 'delivered')
    as delivered_at
from courseyard.webhook_endpoints as e order by e.created_at, e.id;

-- name: endpoint
select e.id::text as id, e.url, e.description, e.events, e.active, e.failing_since, e.disabled_because, e.secret,
  e.created_at
from courseyard.webhook_endpoints as e where e.id = %(endpoint_id)s;

-- name: add_endpoint
insert into courseyard.webhook_endpoints (url, description, events, secret)
values (%(url)s, %(description)s, %(events)s, %(secret)s) returning id::text as id;

-- name: change_endpoint
update courseyard.webhook_endpoints set url = %(url)s, description = %(description)s, events = %(events)s,
  active = %(active)s, updated_at = now(),
  failing_since = case when %(active)s and not active then null else failing_since end,
  disabled_because = case when %(active)s then null else disabled_because end
where id = %(endpoint_id)s;

-- name: keep_secret
update courseyard.webhook_endpoints set secret = %(secret)s, updated_at = now() where id = %(endpoint_id)s;

-- name: secrets
select e.id::text as id, e.secret from courseyard.webhook_endpoints as e;

-- name: delete_endpoint
delete from courseyard.webhook_endpoints where id = %(endpoint_id)s;

-- name: notices
select n.id::text as id, n.type, n.subject, n.subject_id, n.occurred_at, n.state, n.tries, n.next_try_at, n.last_status,
  n.last_error, n.done_at, n.body, count(*) over () as total
from courseyard.webhook_notices as n
where n.endpoint_id = %(endpoint_id)s and (%(state)s::text is null or n.state = %(state)s)
order by n.place desc limit %(limit)s offset %(offset)s;

-- name: emit
select courseyard.notify_webhooks(%(type)s, '', '', %(data)s::jsonb);

-- name: notify_one
insert into courseyard.webhook_notices (endpoint_id, type, subject, subject_id, body)
values (%(endpoint_id)s, %(type)s, '', '', %(body)s) returning id::text as id;

-- name: tell_everything
-- For an endpoint that is new: every course, enrolment and credential that it wants to know of.
insert into courseyard.webhook_notices (endpoint_id, type, subject, subject_id)
select e.id, s.type, s.subject, s.subject_id
from courseyard.webhook_endpoints as e
cross join lateral (
  select 1 as rank, 'course.updated' as type, 'course' as subject, p.id::text as subject_id, p.created_at
    from public.scorm_packages as p
  union all
  select 2, 'enrollment.updated', 'enrollment', x.id::text, x.created_at from public.scorm_enrollments as x
  union all
  select 3, 'credential.updated', 'credential', c.id::text, c.created_at from public.partner_credentials as c
) as s
where e.id = %(endpoint_id)s
  and (s.type = any (e.events) or split_part(s.type, '.', 1) = any (e.events) or '*' = any (e.events))
order by s.rank, s.created_at
on conflict do nothing;

-- name: take
-- The next notices whose time has come, each for one sender; one that died with them gives them back after a while.
update courseyard.webhook_notices as n set state = 'sending', tries = n.tries + 1,
  next_try_at = now() + %(give_back)s
from (
  select d.id from courseyard.webhook_endpoints as e
  cross join lateral (
    select w.id from courseyard.webhook_notices as w
    where w.endpoint_id = e.id and w.state in ('waiting', 'sending') and w.next_try_at <= now()
    -- A receiver that fails is tried with one.
    order by w.place limit case when e.failing_since is null then %(limit)s else 1 end
    for update skip locked
  ) as d
  where e.active and coalesce(e.rest_until, now()) <= now()
) as due, courseyard.webhook_endpoints as e
where n.id = due.id and e.id = n.endpoint_id
returning n.id::text as id, n.place, n.endpoint_id::text as endpoint_id, n.type, n.subject, n.subject_id, n.body, n.tries,
  e.url, e.secret;

-- name: keep_body
-- The first body wins: what was perhaps received must not differ from what is sent again.
update courseyard.webhook_notices set body = coalesce(body, %(body)s) where id = %(notice_id)s returning body;

-- name: delivered
with told as (
  update courseyard.webhook_notices as n set state = 'delivered', done_at = now(), last_status = %(status)s, last_error = null
  where n.id = %(notice_id)s returning n.endpoint_id
)
update courseyard.webhook_endpoints as e set failing_since = null, rest_until = null
from told where e.id = told.endpoint_id and e.failing_since is not null;

-- name: not_delivered
with told as (
  update courseyard.webhook_notices as n set
    state = case when %(again_in)s::interval is null then 'failed' else 'waiting' end,
    next_try_at = now() + coalesce(%(again_in)s::interval, interval '0'),
    last_status = %(status)s, last_error = %(error)s,
    done_at = case when %(again_in)s::interval is null then now() end
  where n.id = %(notice_id)s returning n.endpoint_id
)
update courseyard.webhook_endpoints as e set failing_since = coalesce(e.failing_since, now()),
  rest_until = now() + %(rest)s::interval,
  active = e.active and not (%(gone)s or coalesce(e.failing_since, now()) < now() - %(disable_after)s),
  disabled_because = case
    when %(gone)s then 'The receiver answered that it is gone (410).'
    when coalesce(e.failing_since, now()) < now() - %(disable_after)s then 'Nothing could be delivered for days.'
    else e.disabled_because
  end
from told where e.id = told.endpoint_id;

-- name: give_back
-- Taken and not sent, because the receiver did not answer to the one before.
update courseyard.webhook_notices set state = 'waiting', tries = tries - 1, next_try_at = now()
where id = any(%(ids)s::uuid[]) and state = 'sending';

-- name: dropped
update courseyard.webhook_notices set state = 'dropped', done_at = now() where id = %(notice_id)s;

-- name: try_again
with awake as (update courseyard.webhook_endpoints set rest_until = null where id = %(endpoint_id)s)
update courseyard.webhook_notices set state = 'waiting', next_try_at = now(), done_at = null
where endpoint_id = %(endpoint_id)s and state in ('waiting', 'failed')
  and (%(notice_id)s::uuid is null or id = %(notice_id)s);

-- name: any_due
select from courseyard.webhook_notices as n join courseyard.webhook_endpoints as e on e.id = n.endpoint_id and e.active
where n.state in ('waiting', 'sending') and n.next_try_at <= now() and coalesce(e.rest_until, now()) <= now() limit 1;

-- name: prune
delete from courseyard.webhook_notices where done_at < now() - %(age)s;

-- name: enrollment
select x.id::text as enrollment_id, x.status, x.progress_percentage, x.score, x.started_at, x.completed_at,
  x.created_at as enrolled_at, p.id::text as course_id, p.title as course_title,
  coalesce(l.external_id, f.id::text) as learner_id, f.email::text as learner_email,
  coalesce(l.display_name, f.full_name::text) as learner_name,
  a.id::text as attempt_id, a.success, v.standard, v.document
from public.scorm_enrollments as x
join public.scorm_packages as p on p.id = x.scorm_package_id
join public.profiles as f on f.id = x.user_id
left join courseyard.learners as l on l.profile_id = f.id
left join lateral (
  select t.* from courseyard.attempts as t
  where t.enrollment_id = x.id and t.kind = 'normal' order by t.number desc limit 1
) as a on true
left join courseyard.package_versions as v on v.id = a.version_id
where x.id = %(subject_id)s;

-- name: modules
-- The last attempt on each activity of an attempt on the course.
select distinct on (s.item) s.item, s.data, s.total_seconds + s.session_seconds as seconds, s.created_at, s.updated_at
from courseyard.sco_states as s where s.attempt_id = %(attempt_id)s
order by s.item, s.activity_attempt desc;

-- name: course
select p.id::text as id, p.title, p.description, p.duration_minutes, coalesce(p.is_active, true) as active
from public.scorm_packages as p where p.id = %(subject_id)s;

-- name: credential
select c.id::text as credential_id, c.credential_name as name, c.credential_type as type, c.credential_number as number,
  c.issued_date, c.expiration_date, c.verification_url, c.certificate_url, c.metadata ? 'revoked_at' as revoked,
  coalesce(l.external_id, f.id::text) as learner_id, f.email::text as learner_email,
  coalesce(l.display_name, f.full_name::text) as learner_name
from public.partner_credentials as c
join public.profiles as f on f.id = c.user_id
left join courseyard.learners as l on l.profile_id = f.id
where c.id = %(subject_id)s;
