-- May this role do what follows? Changes nothing; tells everything that is missing at once, and who can give it.
-- SQLSTATE CY001: a right is missing; CY002: what stands here does not fit.

do $check$
declare
  me constant text := current_user;
  database constant text := current_database();
  may_make_roles constant boolean := (
    select r.rolsuper or r.rolcreaterole from pg_catalog.pg_roles as r where r.rolname = current_user
  );
  our_tables constant text[] := array['scorm_packages', 'scorm_enrollments', 'scorm_tracking',
    'partner_course_mappings', 'external_module_progress', 'lms_sync_log', 'partner_credentials',
    'partner_enrollment_summary', 'scorm_completion_summary'];
  base_tables constant text[] := array['profiles', 'programs', 'courses', 'enrollments', 'partner_lms_providers',
    'partner_courses', 'partner_lms_enrollments'];
  problems text[] := '{}';
  remedies text[] := '{}';
  missing text;
  stands record;
begin
  if current_setting('server_version_num')::integer < 150000 then
    raise exception 'Courseyard needs PostgreSQL 15 or later; this server is %.', current_setting('server_version')
      using errcode = 'CY002', hint = 'Upgrade the server, or use another database.';
  end if;

  if (to_regnamespace('courseyard') is null or to_regnamespace('auth') is null)
    and not has_database_privilege(me, database, 'CREATE') then
    problems := problems || format('role %I may not create schemas in database %I', me, database);
    remedies := remedies || format('GRANT CREATE ON DATABASE %I TO %I;', database, me);
  end if;
  if not has_schema_privilege(me, 'public', 'CREATE') then
    problems := problems || format('role %I may not create tables in schema public', me);
    remedies := remedies || format('GRANT CREATE ON SCHEMA public TO %I;', me);
  end if;
  if to_regnamespace('courseyard') is not null and not pg_catalog.pg_has_role(me,
    (select n.nspowner from pg_catalog.pg_namespace as n where n.nspname = 'courseyard'), 'USAGE') then
    problems := problems || format('schema courseyard does not belong to role %I', me);
    remedies := remedies || format('ALTER SCHEMA courseyard OWNER TO %I;', me);
  end if;

  select string_agg(wanted.name, ', ' order by wanted.place) into missing
    from unnest(array['anon', 'authenticated', 'service_role']) with ordinality as wanted (name, place)
    where not exists (select from pg_catalog.pg_roles as r where r.rolname = wanted.name);
  if missing is not null and not may_make_roles then
    problems := problems || format('the roles %s do not exist and role %I may not create roles', missing, me);
    remedies := remedies || format('ALTER ROLE %I CREATEROLE;', me);
  end if;
  if to_regnamespace('auth') is not null then
    if not has_schema_privilege(me, 'auth', 'USAGE') then
      problems := problems || format('role %I may not use schema auth', me);
      remedies := remedies || format('GRANT USAGE ON SCHEMA auth TO %I;', me);
    elsif (to_regprocedure('auth.uid()') is null or to_regprocedure('auth.jwt()') is null
        or to_regprocedure('auth.role()') is null)
      and not has_schema_privilege(me, 'auth', 'CREATE') then
      problems := problems || format('schema auth lacks uid(), jwt() or role(), and role %I may not add them', me);
      remedies := remedies || format('GRANT CREATE ON SCHEMA auth TO %I;', me);
    end if;
  end if;

  for stands in
    select c.relname, c.oid, pg_catalog.pg_get_userbyid(c.relowner) as owner,
        pg_catalog.pg_has_role(me, c.relowner, 'USAGE') as is_mine, c.relname = any (our_tables) as is_ours
      from pg_catalog.pg_class as c
      where c.relnamespace = 'public'::regnamespace and c.relname = any (base_tables || our_tables)
      order by c.relname
  loop
    if stands.is_ours and not stands.is_mine then
      problems := problems || format('public.%I belongs to role %I', stands.relname, stands.owner);
      remedies := remedies || format('GRANT %I TO %I;', stands.owner, me);
    end if;
    if not stands.is_ours and not (has_table_privilege(me, stands.oid, 'SELECT')
      and has_table_privilege(me, stands.oid, 'REFERENCES')) then
      problems := problems || format('role %I may not read or refer to public.%I', me, stands.relname);
      remedies := remedies || format('GRANT SELECT, REFERENCES ON public.%I TO %I;', stands.relname, me);
    end if;
    if stands.relname = 'partner_lms_enrollments' and not has_table_privilege(me, stands.oid, 'UPDATE') then
      problems := problems || format('role %I may not update public.%I', me, stands.relname);
      remedies := remedies || format('GRANT UPDATE ON public.%I TO %I;', stands.relname, me);
    end if;
    -- The triggers and the policies read these two as this role: rows that it cannot see would be passed over.
    if stands.relname in ('profiles', 'partner_lms_enrollments')
      and has_table_privilege(me, stands.oid, 'SELECT') and pg_catalog.row_security_active(stands.oid) then
      problems := problems || format('row level security hides rows of public.%I from role %I', stands.relname, me);
      remedies := remedies || format('GRANT %I TO %I; (or run this as %I)', stands.owner, me, stands.owner);
    end if;
  end loop;

  if problems <> '{}' then
    raise exception 'This role lacks rights that Courseyard''s tables need: %.', array_to_string(problems, '; ')
      using errcode = 'CY001',
        hint = 'Run this as the owner of the database, or let the owner or a superuser run: '
          || array_to_string(remedies, ' ');
  end if;
end
$check$;
