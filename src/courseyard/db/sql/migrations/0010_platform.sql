-- What Supabase brings along and any other server gets here: the three roles, auth.uid() and its kin, two
-- extensions where they are offered. What stands is never touched.

do $roles$
declare
  me constant text := current_user;
  superuser constant boolean := (select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user);
  bypasses constant boolean := (select r.rolbypassrls from pg_catalog.pg_roles as r where r.rolname = current_user);
  needed text;
  reach text;
begin
  foreach needed in array array['anon', 'authenticated', 'service_role'] loop
    if not exists (select from pg_catalog.pg_roles as r where r.rolname = needed) then
      execute format('create role %I nologin noinherit', needed);
    end if;
  end loop;

  -- Where nobody here may give BYPASSRLS, policies for service_role do the same (see the policies' file).
  if not (select r.rolbypassrls or r.rolsuper from pg_catalog.pg_roles as r where r.rolname = 'service_role')
    and (superuser or (bypasses and current_setting('server_version_num')::integer >= 160000)) then
    begin
      alter role service_role bypassrls;
    exception when insufficient_privilege then
      raise notice 'service_role stays without BYPASSRLS; policies let it pass instead.';
    end;
  end if;

  -- The program takes on these roles, as PostgREST does.
  reach := case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end;
  foreach needed in array array['authenticated', 'service_role'] loop
    if not pg_catalog.pg_has_role(me, needed, reach) then
      begin
        execute format('grant %I to %I', needed, me);
      exception when insufficient_privilege then
        raise exception 'Role % may not act as %.', me, needed
          using errcode = 'CY001',
            hint = format('Let the owner of role %I or a superuser run: GRANT %I TO %I;', needed, needed, me);
      end;
    end if;
  end loop;
end
$roles$;

do $auth$
begin
  if to_regnamespace('auth') is null then
    create schema auth;
    comment on schema auth is 'Made by Courseyard: who is calling, as Supabase tells it.';
    grant usage on schema auth to anon, authenticated, service_role;
  end if;

  if to_regprocedure('auth.uid()') is null then
    create function auth.uid() returns uuid language sql stable set search_path = '' as $body$
      select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
      )::uuid
    $body$;
  end if;
  if to_regprocedure('auth.role()') is null then
    create function auth.role() returns text language sql stable set search_path = '' as $body$
      select coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
      )
    $body$;
  end if;
  if to_regprocedure('auth.jwt()') is null then
    create function auth.jwt() returns jsonb language sql stable set search_path = '' as $body$
      select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
      )::jsonb
    $body$;
  end if;
end
$auth$;

-- Nothing of Courseyard's needs them; the guide promises them where the server has them.
do $extensions$
declare
  wanted text;
begin
  foreach wanted in array array['uuid-ossp', 'pgcrypto'] loop
    continue when exists (select from pg_catalog.pg_extension as e where e.extname = wanted);
    if not exists (select from pg_catalog.pg_available_extensions as e where e.name = wanted) then
      raise notice 'This server does not offer the extension %; Courseyard does without.', wanted;
      continue;
    end if;
    begin
      if to_regnamespace('extensions') is null then
        execute format('create extension if not exists %I schema public', wanted);
      else
        execute format('create extension if not exists %I schema extensions', wanted);
      end if;
    exception when insufficient_privilege or feature_not_supported or undefined_file then
      raise notice 'The extension % could not be enabled (%); Courseyard does without.', wanted, sqlerrm;
    end;
  end loop;
end
$extensions$;

-- The engine's own schema: PostgREST does not expose it, and nobody but the service may look in.
create schema if not exists courseyard;
revoke all on schema courseyard from public, anon, authenticated;
grant usage on schema courseyard to service_role;

do $usage$
declare
  person text;
begin
  foreach person in array array['authenticated', 'service_role'] loop
    if not has_schema_privilege(person, 'public', 'USAGE') then
      execute format('grant usage on schema public to %I', person);
    end if;
    if not has_schema_privilege(person, 'auth', 'USAGE') then
      execute format('grant usage on schema auth to %I', person);
    end if;
  end loop;
end
$usage$;

do $verify$
begin
  if to_regrole('anon') is null or to_regrole('authenticated') is null or to_regrole('service_role') is null
    or to_regprocedure('auth.uid()') is null or to_regprocedure('auth.jwt()') is null
    or to_regprocedure('auth.role()') is null or to_regnamespace('courseyard') is null then
    raise exception 'The roles, the functions of schema auth or schema courseyard are not complete.'
      using errcode = 'CY002', hint = 'Run all of Courseyard''s SQL again, from its beginning.';
  end if;
  if has_schema_privilege('anon', 'courseyard', 'USAGE')
    or has_schema_privilege('authenticated', 'courseyard', 'USAGE') then
    raise exception 'anon or authenticated can look into schema courseyard.'
      using errcode = 'CY002', hint = 'REVOKE ALL ON SCHEMA courseyard FROM anon, authenticated, PUBLIC;';
  end if;
end
$verify$;
