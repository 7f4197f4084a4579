-- Row level security: which rows of a granted table a person sees and changes. One policy per table and command;
-- docs/data.md has them as a table.

-- An earlier hand-made version's policies would add to ours (policies are joined by OR), so they go when ours first
-- come. Policies that somebody adds beside ours later are theirs, and stay.
do $earlier$
declare
  stale record;
begin
  for stale in
    select p.tablename, p.policyname from pg_catalog.pg_policies as p
      where p.schemaname = 'public'
        and p.tablename in ('scorm_packages', 'scorm_enrollments', 'scorm_tracking', 'partner_course_mappings',
          'external_module_progress', 'lms_sync_log', 'partner_credentials')
        and not exists (
          select from pg_catalog.pg_policies as o
            where o.schemaname = 'public' and o.tablename = p.tablename and o.policyname = 'courseyard_select'
        )
  loop
    execute format('drop policy %I on public.%I', stale.policyname, stale.tablename);
    raise notice 'public.%: dropped the policy %; Courseyard''s own say who may do what.', stale.tablename,
      stale.policyname;
  end loop;
end
$earlier$;

alter table public.scorm_packages enable row level security;
alter table public.scorm_enrollments enable row level security;
alter table public.scorm_tracking enable row level security;
alter table public.partner_course_mappings enable row level security;
alter table public.external_module_progress enable row level security;
alter table public.lms_sync_log enable row level security;
alter table public.partner_credentials enable row level security;

-- Packages. Staff see all, a learner those that he is enrolled in; an instructor changes what he brought in.
drop policy if exists courseyard_select on public.scorm_packages;
create policy courseyard_select on public.scorm_packages for select to authenticated
  using ((select courseyard.is_staff()) or id in (select courseyard.own_packages()));
drop policy if exists courseyard_insert on public.scorm_packages;
create policy courseyard_insert on public.scorm_packages for insert to authenticated
  with check ((select courseyard.is_admin())
    or (select courseyard.is_instructor()) and created_by = (select auth.uid()));
drop policy if exists courseyard_update on public.scorm_packages;
create policy courseyard_update on public.scorm_packages for update to authenticated
  using ((select courseyard.is_admin())
    or (select courseyard.is_instructor()) and created_by = (select auth.uid()))
  with check ((select courseyard.is_admin())
    or (select courseyard.is_instructor()) and created_by = (select auth.uid()));

-- Enrolments. An instructor enrols learners in any active package, as beginners; results are his to write only in
-- packages that he brought in. A learner changes nothing here: the triggers do.
drop policy if exists courseyard_select on public.scorm_enrollments;
create policy courseyard_select on public.scorm_enrollments for select to authenticated
  using ((select courseyard.is_staff()) or user_id = (select auth.uid()));
drop policy if exists courseyard_insert on public.scorm_enrollments;
create policy courseyard_insert on public.scorm_enrollments for insert to authenticated
  with check ((select courseyard.is_admin())
    or scorm_package_id in (select courseyard.managed_packages())
    or (select courseyard.is_instructor()) and user_id <> (select auth.uid())
      and scorm_package_id in (select courseyard.active_packages())
      and status = 'not_attempted' and score is null and completed_at is null and started_at is null
      and coalesce(progress_percentage, 0) = 0 and coalesce(attempts, 0) = 0
      and coalesce(time_spent_seconds, 0) = 0);
drop policy if exists courseyard_update on public.scorm_enrollments;
create policy courseyard_update on public.scorm_enrollments for update to authenticated
  using ((select courseyard.is_admin()) or scorm_package_id in (select courseyard.managed_packages()))
  with check ((select courseyard.is_admin()) or scorm_package_id in (select courseyard.managed_packages()));

-- Tracking. A learner reports to his own open enrolments.
drop policy if exists courseyard_select on public.scorm_tracking;
create policy courseyard_select on public.scorm_tracking for select to authenticated
  using ((select courseyard.is_staff()) or scorm_enrollment_id in (select courseyard.own_enrollments()));
drop policy if exists courseyard_insert on public.scorm_tracking;
create policy courseyard_insert on public.scorm_tracking for insert to authenticated
  with check ((select courseyard.is_admin())
    or scorm_enrollment_id in (select courseyard.own_open_enrollments())
    or scorm_enrollment_id in (select courseyard.managed_enrollments()));

-- Mappings and the log of synchronisations are the administrator's; instructors read the mappings.
drop policy if exists courseyard_select on public.partner_course_mappings;
create policy courseyard_select on public.partner_course_mappings for select to authenticated
  using ((select courseyard.is_staff()));
drop policy if exists courseyard_insert on public.partner_course_mappings;
create policy courseyard_insert on public.partner_course_mappings for insert to authenticated
  with check ((select courseyard.is_admin()));
drop policy if exists courseyard_update on public.partner_course_mappings;
create policy courseyard_update on public.partner_course_mappings for update to authenticated
  using ((select courseyard.is_admin())) with check ((select courseyard.is_admin()));
drop policy if exists courseyard_select on public.lms_sync_log;
create policy courseyard_select on public.lms_sync_log for select to authenticated
  using ((select courseyard.is_admin()));

-- What partners report about a learner: he and staff read it.
drop policy if exists courseyard_select on public.external_module_progress;
create policy courseyard_select on public.external_module_progress for select to authenticated
  using ((select courseyard.is_staff()) or user_id = (select auth.uid()));
drop policy if exists courseyard_insert on public.external_module_progress;
create policy courseyard_insert on public.external_module_progress for insert to authenticated
  with check ((select courseyard.is_admin()));
drop policy if exists courseyard_update on public.external_module_progress;
create policy courseyard_update on public.external_module_progress for update to authenticated
  using ((select courseyard.is_admin())) with check ((select courseyard.is_admin()));
drop policy if exists courseyard_select on public.partner_credentials;
create policy courseyard_select on public.partner_credentials for select to authenticated
  using ((select courseyard.is_staff()) or user_id = (select auth.uid()));

-- Base tables that Courseyard made: catalogues are read by everybody signed in, rows about a person by him and staff;
-- the administrator writes. profiles.role above all: it decides all of the above.
do $base$
declare
  made record;
begin
  for made in
    select list.name, list.readable from (values
      ('profiles', '(select courseyard.is_staff()) or id = (select auth.uid())'),
      ('programs', 'true'),
      ('courses', 'true'),
      ('enrollments', '(select courseyard.is_staff()) or user_id = (select auth.uid())'),
      ('partner_lms_providers', 'true'),
      ('partner_courses', 'true'),
      ('partner_lms_enrollments', '(select courseyard.is_staff()) or student_id = (select auth.uid())')
    ) as list (name, readable)
    where pg_catalog.obj_description(to_regclass('public.' || list.name), 'pg_class') like 'Made by Courseyard%'
  loop
    execute format('alter table public.%I enable row level security', made.name);
    execute format('drop policy if exists courseyard_select on public.%I', made.name);
    execute format('create policy courseyard_select on public.%I for select to authenticated using (%s)', made.name,
      made.readable);
    execute format('drop policy if exists courseyard_insert on public.%I', made.name);
    execute format('create policy courseyard_insert on public.%I for insert to authenticated '
      || 'with check ((select courseyard.is_admin()))', made.name);
    execute format('drop policy if exists courseyard_update on public.%I', made.name);
    execute format('create policy courseyard_update on public.%I for update to authenticated '
      || 'using ((select courseyard.is_admin())) with check ((select courseyard.is_admin()))', made.name);
  end loop;
end
$base$;

-- The engine's tables have no policies for persons at all. Where service_role could not be given BYPASSRLS, a policy
-- of its own lets it pass everywhere.
do $engine$
declare
  guarded record;
  needs_policy constant boolean := not (
    select r.rolbypassrls or r.rolsuper from pg_catalog.pg_roles as r where r.rolname = 'service_role'
  );
begin
  for guarded in
    select c.oid::regclass as name, c.relnamespace = 'courseyard'::regnamespace as is_engine,
        exists (
          select from pg_catalog.pg_policy as p where p.polrelid = c.oid and p.polname = 'courseyard_service'
        ) as has_policy
      from pg_catalog.pg_class as c
      where c.relkind in ('r', 'p') and (c.relnamespace = 'courseyard'::regnamespace
        or c.relnamespace = 'public'::regnamespace and exists (
          select from pg_catalog.pg_policy as p where p.polrelid = c.oid and p.polname = 'courseyard_select'
        ))
  loop
    if guarded.is_engine then
      execute format('alter table %s enable row level security', guarded.name);
    end if;
    if guarded.has_policy and not needs_policy then
      execute format('drop policy courseyard_service on %s', guarded.name);
    elsif needs_policy and not guarded.has_policy then
      execute format('create policy courseyard_service on %s to service_role using (true) with check (true)',
        guarded.name);
    end if;
  end loop;
end
$engine$;

-- On a base table that stood before, Courseyard changes nothing, but says what endangers all of the above.
do $warn$
begin
  if exists (
      select from pg_catalog.pg_attribute as a
        where a.attrelid = 'public.profiles'::regclass and a.attname = 'role' and not a.attisdropped
    )
    and has_column_privilege('authenticated', 'public.profiles', 'role', 'UPDATE')
    and (not (select c.relrowsecurity from pg_catalog.pg_class as c where c.oid = 'public.profiles'::regclass)
      or exists (
        select from pg_catalog.pg_policies as p
          where p.schemaname = 'public' and p.tablename = 'profiles' and p.cmd in ('UPDATE', 'ALL')
            and p.policyname <> 'courseyard_update' and p.roles && array['public', 'authenticated']::name[]
      )) then
    raise warning 'Signed-in people may update their own row of public.profiles, the column role with it: anybody could become admin.'
      using hint = 'Allow only the columns that are theirs: REVOKE UPDATE ON public.profiles FROM authenticated; '
        || 'GRANT UPDATE (full_name) ON public.profiles TO authenticated;';
  end if;
end
$warn$;

do $verify$
declare
  bare text;
begin
  select string_agg(c.relname, ', ') into bare
    from pg_catalog.pg_class as c
    where c.relnamespace = 'public'::regnamespace
      and c.relname in ('scorm_packages', 'scorm_enrollments', 'scorm_tracking', 'partner_course_mappings',
        'external_module_progress', 'lms_sync_log', 'partner_credentials')
      and not (c.relrowsecurity and exists (
        select from pg_catalog.pg_policy as p where p.polrelid = c.oid and p.polname = 'courseyard_select'
      ));
  if bare is not null then
    raise exception 'Row level security is not on, or has no policy, for: %.', bare
      using errcode = 'CY002', hint = 'Run all of Courseyard''s SQL again, from its beginning.';
  end if;
end
$verify$;
