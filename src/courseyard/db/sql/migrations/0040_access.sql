-- Who is asking, for policies and triggers. Definer functions in a schema that no API exposes: a policy calls them
-- whatever the caller may read, and nobody can name them from outside.

-- profiles.role of the caller. Read through jsonb because an organisation's own profiles table may lack the column;
-- then the token's app_metadata counts, which only the service can write (user_metadata is the user's own).
-- Without a row in profiles nobody is staff.
create or replace function courseyard.caller_role() returns text
language sql stable security definer set search_path = '' as $$
  select coalesce(to_jsonb(p) ->> 'role', auth.jwt() -> 'app_metadata' ->> 'role')
    from public.profiles as p where p.id = auth.uid()
$$;

create or replace function courseyard.is_admin() returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce(courseyard.caller_role() = 'admin', false)
$$;

create or replace function courseyard.is_instructor() returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce(courseyard.caller_role() = 'instructor', false)
$$;

create or replace function courseyard.is_staff() returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce(courseyard.caller_role() in ('admin', 'instructor'), false)
$$;

-- The packages that are an instructor's to manage: those that they brought in.
create or replace function courseyard.managed_packages() returns setof uuid
language sql stable security definer set search_path = '' rows 20 as $$
  select p.id from public.scorm_packages as p
    where p.created_by = auth.uid() and courseyard.caller_role() = 'instructor'
$$;

create or replace function courseyard.managed_enrollments() returns setof uuid
language sql stable security definer set search_path = '' rows 200 as $$
  select e.id from public.scorm_enrollments as e
    where e.scorm_package_id in (select courseyard.managed_packages())
$$;

create or replace function courseyard.own_packages() returns setof uuid
language sql stable security definer set search_path = '' rows 20 as $$
  select e.scorm_package_id from public.scorm_enrollments as e where e.user_id = auth.uid()
$$;

create or replace function courseyard.own_enrollments() returns setof uuid
language sql stable security definer set search_path = '' rows 20 as $$
  select e.id from public.scorm_enrollments as e where e.user_id = auth.uid()
$$;

-- Open: the package is active, and the learner is not through with it. A course goes on reporting its last values
-- after the one that completed it, so that for a day an enrolment stays open.
create or replace function courseyard.own_open_enrollments() returns setof uuid
language sql stable security definer set search_path = '' rows 20 as $$
  select e.id from public.scorm_enrollments as e
    join public.scorm_packages as p on p.id = e.scorm_package_id
    where e.user_id = auth.uid() and p.is_active is not false
      and (e.status is null or e.status not in ('completed', 'passed')
        or e.completed_at > now() - interval '1 day')
$$;

create or replace function courseyard.active_packages() returns setof uuid
language sql stable security definer set search_path = '' rows 200 as $$
  select p.id from public.scorm_packages as p where p.is_active is not false
$$;

do $rights$
declare
  helper regprocedure;
begin
  for helper in
    select p.oid::regprocedure from pg_catalog.pg_proc as p
      where p.pronamespace = 'courseyard'::regnamespace and p.proname in ('caller_role', 'is_admin', 'is_instructor',
        'is_staff', 'managed_packages', 'managed_enrollments', 'own_packages', 'own_enrollments',
        'own_open_enrollments', 'active_packages')
  loop
    -- EXECUTE without USAGE on the schema: policies may call them, no query of a person can.
    execute format('revoke all on function %s from public, anon', helper);
    execute format('grant execute on function %s to authenticated, service_role', helper);
  end loop;
end
$rights$;

do $verify$
begin
  if (select count(*) from pg_catalog.pg_proc as p
      where p.pronamespace = 'courseyard'::regnamespace and p.prosecdef
        and has_function_privilege('authenticated', p.oid, 'EXECUTE')
        and not has_function_privilege('anon', p.oid, 'EXECUTE')) < 10 then
    raise exception 'The functions that row level security asks are not complete.'
      using errcode = 'CY002', hint = 'Run all of Courseyard''s SQL again, from its beginning.';
  end if;
end
$verify$;
