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

do $guard$
begin
  perform courseyard.restore_key('credential_files', 'credential_files_credential_fkey', 'credential_id', 'partner_credentials');
  perform courseyard.restore_key('credential_checks', 'credential_checks_credential_fkey', 'credential_id', 'partner_credentials');
  perform courseyard.restore_key('credential_reminders', 'credential_reminders_credential_fkey', 'credential_id', 'partner_credentials');
  perform courseyard.guard_tables();
end
$guard$;
