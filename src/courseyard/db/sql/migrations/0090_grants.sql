-- Who may reach what. Supabase grants everything in public to anon and authenticated by default; any other server
-- grants nothing: so all is taken first, then given.

revoke all on public.scorm_packages, public.scorm_enrollments, public.scorm_tracking, public.partner_course_mappings,
  public.external_module_progress, public.lms_sync_log, public.partner_credentials,
  public.partner_enrollment_summary, public.scorm_completion_summary
  from public, anon, authenticated;
grant select, insert, update on public.scorm_packages, public.scorm_enrollments, public.partner_course_mappings,
  public.external_module_progress to authenticated;
grant select, insert on public.scorm_tracking to authenticated;
grant select on public.lms_sync_log, public.partner_credentials, public.partner_enrollment_summary,
  public.scorm_completion_summary to authenticated;
grant all on public.scorm_packages, public.scorm_enrollments, public.scorm_tracking, public.partner_course_mappings,
  public.external_module_progress, public.lms_sync_log, public.partner_credentials,
  public.partner_enrollment_summary, public.scorm_completion_summary to service_role;

-- The same for base tables that Courseyard made. A partner's api_config holds keys: an administrator may write it,
-- only the service reads it.
do $base$
declare
  made text;
begin
  for made in
    select c.relname from pg_catalog.pg_class as c
      where c.relnamespace = 'public'::regnamespace
        and c.relname in ('profiles', 'programs', 'courses', 'enrollments', 'partner_lms_providers',
          'partner_courses', 'partner_lms_enrollments')
        and pg_catalog.obj_description(c.oid, 'pg_class') like 'Made by Courseyard%'
  loop
    execute format('revoke all on public.%I from public, anon, authenticated', made);
    execute format('grant insert, update on public.%I to authenticated', made);
    execute format('grant all on public.%I to service_role', made);
    if made = 'partner_lms_providers' then
      grant select (id, provider_name, provider_type, website_url, support_email, active, metadata, created_at,
        updated_at) on public.partner_lms_providers to authenticated;
    else
      execute format('grant select on public.%I to authenticated', made);
    end if;
  end loop;
end
$base$;

-- The engine's own tables: the service and nobody else.
revoke all on all tables in schema courseyard from public, anon, authenticated;
revoke all on all sequences in schema courseyard from public, anon, authenticated;
grant all on all tables in schema courseyard to service_role;
grant all on all sequences in schema courseyard to service_role;

do $verify$
declare
  open_to_anon text;
begin
  select string_agg(c.oid::regclass::text, ', ') into open_to_anon
    from pg_catalog.pg_class as c
    where c.relkind in ('r', 'p', 'v')
      and (c.relnamespace = 'courseyard'::regnamespace or c.relnamespace = 'public'::regnamespace
        and c.relname in ('scorm_packages', 'scorm_enrollments', 'scorm_tracking', 'partner_course_mappings',
          'external_module_progress', 'lms_sync_log', 'partner_credentials', 'partner_enrollment_summary',
          'scorm_completion_summary'))
      and (has_table_privilege('anon', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
        or has_any_column_privilege('anon', c.oid, 'SELECT, INSERT, UPDATE'));
  if open_to_anon is not null then
    raise exception 'Anybody can reach %.', open_to_anon
      using errcode = 'CY002',
        hint = 'Somebody else than this role granted it: let that role or a superuser REVOKE ALL … FROM anon, PUBLIC.';
  end if;
end
$verify$;
