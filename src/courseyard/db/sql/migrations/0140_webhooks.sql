-- Webhooks: who is told of what, and what was told. A notice says that something about a subject is news; the body is
-- made when it is first sent, of the state as it is then, and stays the same in every further try.

create table if not exists courseyard.webhook_endpoints (
  id uuid not null default gen_random_uuid(),
  url text not null,
  description text not null default '',
  -- Event types; a part before the dot means all of it (enrollment), * everything.
  events text[] not null,
  -- Encrypted; while a secret is being changed, the old one signs as well.
  secret text not null,
  active boolean not null default true,
  failing_since timestamptz,
  -- A receiver that does not answer is left alone until then.
  rest_until timestamptz,
  disabled_because text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint webhook_endpoints_pkey primary key (id)
);

create table if not exists courseyard.webhook_notices (
  id uuid not null default gen_random_uuid(),
  place bigint generated always as identity,
  endpoint_id uuid not null,
  type text not null,
  -- What it is about: 'enrollment', 'course', 'credential' and its id; '' for what has no state to look up.
  subject text not null default '',
  subject_id text not null default '',
  occurred_at timestamptz not null default now(),
  body text,
  state text not null default 'waiting',
  tries integer not null default 0,
  next_try_at timestamptz not null default now(),
  last_status integer,
  last_error text,
  done_at timestamptz,
  constraint webhook_notices_pkey primary key (id),
  constraint webhook_notices_endpoint_fkey foreign key (endpoint_id)
    references courseyard.webhook_endpoints (id) on delete cascade,
  constraint webhook_notices_state_check check (state in ('waiting', 'sending', 'delivered', 'failed', 'dropped'))
);
-- News about a subject that nobody has been told yet is one notice, however often it changes until then.
create unique index if not exists webhook_notices_untold_key
  on courseyard.webhook_notices (endpoint_id, type, subject, subject_id) where body is null and state = 'waiting' and subject <> '';
create index if not exists webhook_notices_due_idx on courseyard.webhook_notices (endpoint_id, place)
  where state in ('waiting', 'sending');
create index if not exists webhook_notices_endpoint_idx on courseyard.webhook_notices (endpoint_id, place desc);

do $guard$
begin
  perform courseyard.guard_tables();
end
$guard$;

-- Notices for everybody who wants events of this type. Without an endpoint it costs one look at an empty table.
create or replace function courseyard.notify_webhooks(
  p_type text,
  p_subject text,
  p_subject_id text,
  p_body jsonb default null
) returns void
language plpgsql security definer set search_path = '' as $$
begin
  insert into courseyard.webhook_notices (endpoint_id, type, subject, subject_id, body)
    select e.id, p_type, p_subject, p_subject_id,
        case when p_body is not null then pg_catalog.jsonb_build_object('type', p_type,
          'timestamp', pg_catalog.to_char(pg_catalog.clock_timestamp() at time zone 'UTC',
            'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'data', p_body)::text end
      from courseyard.webhook_endpoints as e
      where e.active and (p_type = any (e.events) or pg_catalog.split_part(p_type, '.', 1) = any (e.events)
        or '*' = any (e.events))
    on conflict do nothing;
  if found then
    -- Wakes the worker; one such job waits at a time.
    perform courseyard.defer_job_v1('deliver_webhooks', '{}', null, 'deliver_webhooks', null);
  end if;
end
$$;

create or replace function courseyard.enrollment_news() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if not exists (select from courseyard.webhook_endpoints as e where e.active) then
    return null;
  end if;
  if tg_op = 'DELETE' then
    perform courseyard.notify_webhooks('enrollment.deleted', '', '',
      pg_catalog.jsonb_build_object('enrollment_id', old.id));
  elsif tg_op = 'INSERT' then
    perform courseyard.notify_webhooks('enrollment.created', 'enrollment', new.id::text);
  elsif new.status in ('completed', 'passed') and old.status is distinct from new.status
    and old.status not in ('completed', 'passed') then
    perform courseyard.notify_webhooks('enrollment.completed', 'enrollment', new.id::text);
  elsif (new.status, new.progress_percentage, new.score, new.completed_at)
    is distinct from (old.status, old.progress_percentage, old.score, old.completed_at) then
    perform courseyard.notify_webhooks('enrollment.updated', 'enrollment', new.id::text);
  end if;
  return null;
end
$$;

create or replace function courseyard.package_news() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'DELETE' then
    perform courseyard.notify_webhooks('course.removed', '', '', pg_catalog.jsonb_build_object('course',
      pg_catalog.jsonb_build_object('id', old.id)));
  else
    perform courseyard.notify_webhooks('course.updated', 'course', new.id::text);
  end if;
  return null;
end
$$;

create or replace function courseyard.credential_news() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'DELETE' then
    perform courseyard.notify_webhooks('credential.revoked', '', '',
      pg_catalog.jsonb_build_object('credential_id', old.id));
  else
    perform courseyard.notify_webhooks(
      case when tg_op = 'INSERT' then 'credential.issued' else 'credential.updated' end, 'credential', new.id::text);
  end if;
  return null;
end
$$;

-- What was to be done at a partner and failed for good: told with the row that says so. The person by the identifier alone.
create or replace function courseyard.outbox_news() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if exists (select from courseyard.webhook_endpoints as e where e.active) then
    perform courseyard.notify_webhooks('provider.request_failed', '', '', (
      select pg_catalog.jsonb_build_object(
          'request_id', new.id, 'action', new.action, 'provider_id', new.provider_id, 'provider', l.provider_name,
          'enrollment_id', new.partner_enrollment_id,
          'course', pg_catalog.jsonb_build_object('id', e.course_id, 'title', c.course_name),
          'learner', pg_catalog.jsonb_build_object('id', coalesce(r.external_id, e.student_id::text)),
          'reason', new.error, 'advice', new.advice, 'tries', new.attempts)
        from public.partner_lms_enrollments as e
        left join public.partner_lms_providers as l on l.id = new.provider_id
        left join public.partner_courses as c on c.id = e.course_id
        left join courseyard.learners as r on r.profile_id = e.student_id
        where e.id = new.partner_enrollment_id));
  end if;
  return null;
end
$$;

revoke all on function courseyard.notify_webhooks(text, text, text, jsonb), courseyard.enrollment_news(),
  courseyard.package_news(), courseyard.credential_news(), courseyard.outbox_news() from public, anon, authenticated;
grant execute on function courseyard.notify_webhooks(text, text, text, jsonb) to service_role;

create or replace trigger enrollment_news after insert or delete on public.scorm_enrollments
  for each row execute function courseyard.enrollment_news();
create or replace trigger enrollment_news_on_change
  after update of status, progress_percentage, score, completed_at on public.scorm_enrollments
  for each row execute function courseyard.enrollment_news();
create or replace trigger package_news after insert or delete on public.scorm_packages
  for each row execute function courseyard.package_news();
create or replace trigger package_news_on_change
  after update of title, description, is_active, duration_minutes on public.scorm_packages
  for each row when (old.* is distinct from new.*) execute function courseyard.package_news();
create or replace trigger credential_news after insert or update or delete on public.partner_credentials
  for each row execute function courseyard.credential_news();
create or replace trigger outbox_news after update of state on courseyard.partner_outbox
  for each row when (new.state = 'failed' and old.state <> 'failed') execute function courseyard.outbox_news();

do $verify$
begin
  if (select count(*) from pg_catalog.pg_trigger as t where t.tgname in ('enrollment_news', 'enrollment_news_on_change',
      'package_news', 'package_news_on_change', 'credential_news', 'outbox_news') and t.tgenabled <> 'D') <> 6 then
    raise exception 'The triggers that tell webhooks are missing.'
      using errcode = 'CY002', hint = 'Run all of Courseyard''s SQL again, from its beginning.';
  end if;
end
$verify$;
