-- A Supabase project as far as a migration can tell: its roles, default privileges, schema auth and extensions, and
-- the organisation's own seven tables full of data, with more columns than Courseyard's, other words in places, and
-- row level security of its own. Run as a superuser, who then stands for supabase_admin.

do $roles$
begin
  if to_regrole('anon') is not null then
    return;
  end if;
  create role anon nologin;
  create role authenticated nologin;
  create role service_role nologin bypassrls;
  create role authenticator login noinherit password 'authenticator';
  create role supabase_auth_admin login noinherit createrole;
  create role postgres login createrole createdb replication bypassrls password 'postgres';
  grant anon, authenticated, service_role to authenticator;
  grant anon, authenticated, service_role, supabase_auth_admin, pg_monitor, pg_read_all_data, pg_signal_backend
    to postgres;
  alter role anon set statement_timeout = '3s';
  alter role authenticated set statement_timeout = '8s';
  alter role authenticator set statement_timeout = '8s';
end
$roles$;
alter role postgres set search_path = "$user", public, extensions;

do $database$
begin
  execute format('grant create on database %I to postgres', current_database());
end
$database$;

grant create, usage on schema public to postgres;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant execute on functions to postgres, anon, authenticated, service_role;

create schema extensions;
grant usage on schema extensions to anon, authenticated, service_role;
grant create, usage on schema extensions to postgres;
do $extensions$
begin
  if exists (select from pg_available_extensions where name = 'pgcrypto') then
    create extension pgcrypto schema extensions;
  end if;
end
$extensions$;

create schema auth authorization supabase_auth_admin;
grant usage on schema auth to anon, authenticated, service_role;
grant create, usage on schema auth to postgres;
create table auth.users (
  id uuid primary key,
  email varchar(255),
  raw_app_meta_data jsonb,
  raw_user_meta_data jsonb,
  created_at timestamptz default now()
);
alter table auth.users owner to supabase_auth_admin;
grant all on auth.users to postgres;
create function auth.uid() returns uuid language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid
$$;
create function auth.role() returns text language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claim.role', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'))::text
$$;
create function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), ''))::jsonb
$$;
alter function auth.uid() owner to supabase_auth_admin;
alter function auth.role() owner to supabase_auth_admin;
alter function auth.jwt() owner to supabase_auth_admin;

-- The organisation's own work, as the role postgres, as in the SQL editor.
set role postgres;

create type public.app_role as enum ('student', 'instructor', 'admin');
create table public.profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  email text unique not null,
  full_name varchar(200),
  role public.app_role not null default 'student',
  phone text,
  avatar_url text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create table public.programs (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  slug text unique,
  tuition numeric(10, 2)
);
create table public.courses (
  id uuid primary key default gen_random_uuid(),
  program_id uuid references public.programs (id),
  name text not null
);
create index on public.courses (program_id);
create table public.enrollments (
  id uuid primary key default gen_random_uuid(),
  student_id uuid references public.profiles (id),
  program_id uuid references public.programs (id),
  state text
);
create index on public.enrollments (student_id);
create index on public.enrollments (program_id);
create table public.partner_lms_providers (
  id uuid primary key default gen_random_uuid(),
  provider_name varchar(120) not null,
  provider_type text unique not null check (provider_type in ('jri', 'certiport', 'hsi')),
  is_active boolean default true,
  api_key text
);
create table public.partner_courses (
  id uuid primary key default gen_random_uuid(),
  partner_id uuid references public.partner_lms_providers (id),
  course_name text not null,
  price numeric
);
create index on public.partner_courses (partner_id);
create table public.partner_lms_enrollments (
  id uuid primary key default gen_random_uuid(),
  provider_id uuid references public.partner_lms_providers (id),
  student_id uuid references public.profiles (id),
  course_id uuid references public.partner_courses (id),
  status text default 'pending' check (status in ('pending', 'active', 'completed', 'withdrawn')),
  progress_percentage integer default 0,
  enrolled_at timestamptz default now(),
  completed_at timestamptz,
  updated_at timestamptz default now(),
  funding_source text
);
create index on public.partner_lms_enrollments (provider_id);
create index on public.partner_lms_enrollments (student_id);
create index on public.partner_lms_enrollments (course_id);

alter table public.profiles enable row level security;
alter table public.programs enable row level security;
alter table public.courses enable row level security;
alter table public.enrollments enable row level security;
alter table public.partner_lms_providers enable row level security;
alter table public.partner_courses enable row level security;
alter table public.partner_lms_enrollments enable row level security;
create policy "Own profile" on public.profiles for select to authenticated using (id = (select auth.uid()));
create policy "Programs are public" on public.programs for select using (true);
create policy "Courses are public" on public.courses for select using (true);
create policy "Own enrollments" on public.enrollments for select to authenticated
  using (student_id = (select auth.uid()));
create policy "Partner courses are public" on public.partner_courses for select to authenticated using (true);
create policy "Own partner enrollments" on public.partner_lms_enrollments for select to authenticated
  using (student_id = (select auth.uid()));
create policy "Staff see providers" on public.partner_lms_providers for select to authenticated
  using (exists (select from public.profiles as p where p.id = (select auth.uid()) and p.role = 'admin'));

insert into auth.users (id, email)
  select ('a0000000-0000-4000-8000-00000000000' || n)::uuid, 'person' || n || '@example.org' from generate_series(1, 5) as n;
insert into public.profiles (id, email, full_name, role)
  select u.id, u.email, 'Person ' || right(u.id::text, 1),
      case right(u.id::text, 1) when '1' then 'admin' when '2' then 'instructor' else 'student' end::public.app_role
    from auth.users as u;
insert into public.programs (id, name) values ('e0000000-0000-4000-8000-000000000003', 'Welding');
insert into public.courses (program_id, name) values ('e0000000-0000-4000-8000-000000000003', 'Arc welding');
insert into public.enrollments (student_id, program_id)
  select p.id, 'e0000000-0000-4000-8000-000000000003' from public.profiles as p where p.role = 'student';
insert into public.partner_lms_providers (id, provider_name, provider_type, api_key)
  values ('e0000000-0000-4000-8000-000000000001', 'JRI', 'jri', 'secret');
insert into public.partner_courses (id, partner_id, course_name)
  values ('e0000000-0000-4000-8000-000000000002', 'e0000000-0000-4000-8000-000000000001', 'Forklifts');
insert into public.partner_lms_enrollments (provider_id, student_id, course_id, funding_source)
  select 'e0000000-0000-4000-8000-000000000001', p.id, 'e0000000-0000-4000-8000-000000000002', 'WIOA'
    from public.profiles as p where p.role = 'student';
reset role;
