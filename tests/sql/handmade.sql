-- An earlier version of the seven tables, made by hand from the guide's text: fewer columns, other types, names and
-- rules, open policies, a trigger of its own, and rows. Stands beside the base tables of cast.sql.
create table public.scorm_packages (
  id uuid primary key default gen_random_uuid(),
  title varchar(255) not null,
  description text,
  version varchar(20) default '1.2' check (version in ('1.2', '2004')),
  package_url text,
  launch_url text not null,
  passing_score numeric default 70,
  is_active boolean not null default true,
  metadata json default '{}',
  house_note text,
  created_at timestamp default now()
);
create table public.scorm_enrollments (
  id uuid primary key default gen_random_uuid(),
  scorm_package_id uuid references public.scorm_packages (id),
  user_id uuid not null,
  status text default 'not_started' check (status in ('not_started', 'in_progress', 'completed')),
  progress_percentage integer default 0 check (progress_percentage between 0 and 100),
  score numeric(5, 2),
  cmi_data jsonb,
  constraint one_enrollment_each unique (scorm_package_id, user_id)
);
create index idx_enrollments_user on public.scorm_enrollments (user_id);
create table public.scorm_tracking (
  id uuid primary key default gen_random_uuid(),
  scorm_enrollment_id uuid references public.scorm_enrollments (id) on delete cascade,
  element text not null,
  value text,
  "timestamp" timestamptz default now()
);
create index idx_tracking on public.scorm_tracking (scorm_enrollment_id, "timestamp" desc);
create table public.partner_credentials (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  provider_id uuid not null,
  credential_name text not null,
  issued_date date
);
alter table public.scorm_tracking enable row level security;
create policy "Everybody may do everything" on public.scorm_tracking for all using (true) with check (true);

create view public.scorm_completion_summary as
  select e.id, p.title, e.status, e.score from public.scorm_enrollments e join public.scorm_packages p
    on p.id = e.scorm_package_id;

insert into public.scorm_packages (id, title, launch_url, house_note)
  values ('b0000000-0000-4000-8000-000000000001', 'Safety', 'https://example.org/safety/', 'keep me');
insert into public.scorm_enrollments (id, scorm_package_id, user_id, status, progress_percentage, score)
  select 'c0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001', p.id, 'in_progress', 40, 61.5
    from public.profiles as p where p.email = 'lea@example.org';
insert into public.scorm_tracking (scorm_enrollment_id, element, value)
  values ('c0000000-0000-4000-8000-000000000001', 'cmi.core.lesson_status', 'incomplete');
-- A credential of somebody who is gone.
insert into public.partner_credentials (user_id, provider_id, credential_name)
  select gen_random_uuid(), p.id, 'Forklift licence' from public.partner_lms_providers as p;

create function public.handmade_progress() returns trigger language plpgsql security definer as $$
begin
  update public.scorm_enrollments set progress_percentage = 1 where id = new.scorm_enrollment_id;
  return new;
end
$$;
create trigger trigger_update_scorm_progress after insert or update on public.scorm_tracking
  for each row execute function public.handmade_progress();
