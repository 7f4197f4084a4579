-- What belongs to a credential beside its public row: a file that was uploaded, whether its verification address still
-- answers, and which reminders went out.

create table if not exists courseyard.credential_files (
  credential_id uuid not null,
  file_name text not null,
  size bigint not null,
  sha256 text not null,
  created_at timestamptz not null default now(),
  constraint credential_files_pkey primary key (credential_id),
  constraint credential_files_credential_fkey foreign key (credential_id)
    references public.partner_credentials (id) on delete cascade
);

create table if not exists courseyard.credential_checks (
  credential_id uuid not null,
  address text not null,
  state text not null,
  detail text not null default '',
  checked_at timestamptz not null default now(),
  -- The last time that it did answer.
  answered_at timestamptz,
  constraint credential_checks_pkey primary key (credential_id),
  constraint credential_checks_credential_fkey foreign key (credential_id)
    references public.partner_credentials (id) on delete cascade,
  constraint credential_checks_state_check check (state in ('answers', 'gone', 'trouble', 'refused'))
);

create table if not exists courseyard.credential_reminders (
  credential_id uuid not null,
  expires date not null,
  days integer not null,
  sent_at timestamptz not null default now(),
  constraint credential_reminders_pkey primary key (credential_id, expires, days),
  constraint credential_reminders_credential_fkey foreign key (credential_id)
    references public.partner_credentials (id) on delete cascade
);

do $keys$
declare
  wanted record;
begin
  for wanted in
    select * from (values
      ('credential_files', 'credential_files_credential_fkey'),
      ('credential_checks', 'credential_checks_credential_fkey'),
      ('credential_reminders', 'credential_reminders_credential_fkey')
    ) as list (table_name, name)
    where not exists (
      select from pg_catalog.pg_constraint as c
        where c.conrelid = ('courseyard.' || list.table_name)::regclass and c.conname = list.name
    )
  loop
    execute format('delete from courseyard.%1$I as child where not exists '
      || '(select from public.partner_credentials as parent where parent.id = child.credential_id)', wanted.table_name);
    execute format('alter table courseyard.%I add constraint %I foreign key (credential_id) '
      || 'references public.partner_credentials (id) on delete cascade', wanted.table_name, wanted.name);
  end loop;
end
$keys$;

do $access$
declare
  made regclass;
begin
  foreach made in array array['courseyard.credential_files', 'courseyard.credential_checks',
    'courseyard.credential_reminders']::regclass[] loop
    execute format('revoke all on %s from public, anon, authenticated', made);
    execute format('grant all on %s to service_role', made);
    execute format('alter table %s enable row level security', made);
    if not (select r.rolbypassrls or r.rolsuper from pg_catalog.pg_roles as r where r.rolname = 'service_role')
      and not exists (select from pg_catalog.pg_policy as p where p.polrelid = made and p.polname = 'courseyard_service')
    then
      execute format('create policy courseyard_service on %s to service_role using (true) with check (true)', made);
    end if;
  end loop;
end
$access$;
