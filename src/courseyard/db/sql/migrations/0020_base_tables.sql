-- The seven tables that a Supabase project of this kind has already. Each is made only where it is absent and then
-- marked by its comment; one that stood is never altered, here or later.

do $make$
begin
  if to_regclass('public.profiles') is null then
    create table public.profiles (
      id uuid not null default gen_random_uuid(),
      email text,
      full_name text,
      role text default 'student',
      created_at timestamptz default now(),
      updated_at timestamptz default now(),
      constraint profiles_pkey primary key (id)
    );
    comment on table public.profiles is 'Made by Courseyard: the people; role is student, instructor or admin.';
    create index profiles_email_idx on public.profiles (lower(email));
    if to_regclass('auth.users') is not null and has_table_privilege(current_user, 'auth.users', 'REFERENCES') then
      alter table public.profiles add constraint profiles_id_fkey
        foreign key (id) references auth.users (id) on delete cascade;
    end if;
  end if;

  if to_regclass('public.programs') is null then
    create table public.programs (
      id uuid not null default gen_random_uuid(),
      title text,
      description text,
      is_active boolean default true,
      created_at timestamptz default now(),
      updated_at timestamptz default now(),
      constraint programs_pkey primary key (id)
    );
    comment on table public.programs is 'Made by Courseyard: programs of courses.';
  end if;

  if to_regclass('public.courses') is null then
    create table public.courses (
      id uuid not null default gen_random_uuid(),
      program_id uuid,
      title text,
      description text,
      is_active boolean default true,
      created_at timestamptz default now(),
      updated_at timestamptz default now(),
      constraint courses_pkey primary key (id),
      constraint courses_program_id_fkey foreign key (program_id) references public.programs (id) on delete set null
    );
    comment on table public.courses is 'Made by Courseyard: the organisation''s own courses.';
    create index courses_program_id_idx on public.courses (program_id);
  end if;

  if to_regclass('public.enrollments') is null then
    create table public.enrollments (
      id uuid not null default gen_random_uuid(),
      user_id uuid,
      program_id uuid,
      course_id uuid,
      status text default 'active',
      enrolled_at timestamptz default now(),
      completed_at timestamptz,
      created_at timestamptz default now(),
      updated_at timestamptz default now(),
      constraint enrollments_pkey primary key (id),
      constraint enrollments_user_id_fkey foreign key (user_id) references public.profiles (id) on delete cascade,
      constraint enrollments_program_id_fkey foreign key (program_id)
        references public.programs (id) on delete set null,
      constraint enrollments_course_id_fkey foreign key (course_id) references public.courses (id) on delete set null
    );
    comment on table public.enrollments is 'Made by Courseyard: who takes which of the organisation''s own courses.';
    create index enrollments_user_id_idx on public.enrollments (user_id);
    create index enrollments_program_id_idx on public.enrollments (program_id);
    create index enrollments_course_id_idx on public.enrollments (course_id);
  end if;

  if to_regclass('public.partner_lms_providers') is null then
    create table public.partner_lms_providers (
      id uuid not null default gen_random_uuid(),
      provider_name text not null,
      provider_type text not null,
      website_url text,
      support_email text,
      active boolean default true,
      api_config jsonb default '{}',
      metadata jsonb default '{}',
      created_at timestamptz default now(),
      updated_at timestamptz default now(),
      constraint partner_lms_providers_pkey primary key (id)
    );
    comment on table public.partner_lms_providers is 'Made by Courseyard: partner LMSs; api_config is for the service.';
  end if;

  if to_regclass('public.partner_courses') is null then
    create table public.partner_courses (
      id uuid not null default gen_random_uuid(),
      provider_id uuid,
      external_course_id text,
      course_code text,
      course_name text not null,
      description text,
      category text,
      duration_hours numeric,
      enrollment_link text,
      active boolean default true,
      metadata jsonb default '{}',
      created_at timestamptz default now(),
      updated_at timestamptz default now(),
      constraint partner_courses_pkey primary key (id),
      constraint partner_courses_provider_id_fkey foreign key (provider_id)
        references public.partner_lms_providers (id) on delete cascade
    );
    comment on table public.partner_courses is 'Made by Courseyard: the courses that partners offer.';
    create index partner_courses_provider_id_idx on public.partner_courses (provider_id, external_course_id);
  end if;

  if to_regclass('public.partner_lms_enrollments') is null then
    create table public.partner_lms_enrollments (
      id uuid not null default gen_random_uuid(),
      provider_id uuid,
      student_id uuid,
      course_id uuid,
      program_id uuid,
      status text default 'pending',
      progress_percentage numeric default 0,
      enrolled_at timestamptz default now(),
      completed_at timestamptz,
      external_enrollment_id text,
      external_account_id text,
      external_certificate_id text,
      metadata jsonb default '{}',
      created_at timestamptz default now(),
      updated_at timestamptz default now(),
      constraint partner_lms_enrollments_pkey primary key (id),
      constraint partner_lms_enrollments_provider_id_fkey foreign key (provider_id)
        references public.partner_lms_providers (id) on delete cascade,
      constraint partner_lms_enrollments_student_id_fkey foreign key (student_id)
        references public.profiles (id) on delete cascade,
      constraint partner_lms_enrollments_course_id_fkey foreign key (course_id)
        references public.partner_courses (id) on delete set null,
      constraint partner_lms_enrollments_program_id_fkey foreign key (program_id)
        references public.programs (id) on delete set null
    );
    comment on table public.partner_lms_enrollments is 'Made by Courseyard: who takes which course at which partner.';
    create index partner_lms_enrollments_provider_id_idx
      on public.partner_lms_enrollments (provider_id, external_enrollment_id);
    create index partner_lms_enrollments_student_id_idx on public.partner_lms_enrollments (student_id);
    create index partner_lms_enrollments_course_id_idx on public.partner_lms_enrollments (course_id);
    create index partner_lms_enrollments_program_id_idx on public.partner_lms_enrollments (program_id);
  end if;
end
$make$;

do $verify$
declare
  missing text;
begin
  select string_agg(t.name, ', ') into missing
    from unnest(array['profiles', 'programs', 'courses', 'enrollments', 'partner_lms_providers', 'partner_courses',
      'partner_lms_enrollments']) as t (name)
    where to_regclass('public.' || t.name) is null;
  if missing is not null then
    raise exception 'These tables are missing: %.', missing
      using errcode = 'CY002', hint = 'Run all of Courseyard''s SQL again, from its beginning.';
  end if;
end
$verify$;
