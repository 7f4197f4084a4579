-- The engine's own tables. Not exposed by PostgREST: nothing here is granted to anon or authenticated.
-- Every row hangs on a row of public and dies with it.

create schema if not exists courseyard;

-- One immutable version of a package: what the manifest says, what was found wrong, where the files are.
create table if not exists courseyard.package_versions (
  id uuid not null default gen_random_uuid(),
  package_id uuid not null,
  number integer not null,
  standard text not null,
  edition text not null,
  document jsonb not null,
  findings jsonb not null default '[]',
  file_name text not null,
  sha256 text not null,
  file_count integer not null,
  total_bytes bigint not null,
  activity_count integer not null,
  created_at timestamptz not null default now(),
  constraint package_versions_pkey primary key (id),
  constraint package_versions_package_fkey foreign key (package_id)
    references public.scorm_packages (id) on delete cascade,
  constraint package_versions_number_key unique (package_id, number),
  constraint package_versions_standard_check check (standard in ('1.2', '2004')),
  constraint package_versions_edition_check check (edition in ('1.2', '2nd', '3rd', '4th'))
);

create table if not exists courseyard.package_files (
  version_id uuid not null,
  path text not null,
  size bigint not null,
  media_type text not null,
  constraint package_files_pkey primary key (version_id, path),
  constraint package_files_version_fkey foreign key (version_id)
    references courseyard.package_versions (id) on delete cascade
);

-- How a package is played; the version that new attempts start on.
create table if not exists courseyard.package_settings (
  package_id uuid not null,
  current_version_id uuid,
  launch_window text not null default 'frame',
  strict boolean not null default false,
  updated_at timestamptz not null default now(),
  constraint package_settings_pkey primary key (package_id),
  constraint package_settings_package_fkey foreign key (package_id)
    references public.scorm_packages (id) on delete cascade,
  constraint package_settings_version_fkey foreign key (current_version_id)
    references courseyard.package_versions (id) on delete set null,
  constraint package_settings_window_check check (launch_window in ('frame', 'new'))
);
create index if not exists package_settings_version_idx
  on courseyard.package_settings (current_version_id);

-- What the caller of the API knows of a learner: becomes cmi.learner_id and cmi.learner_name.
create table if not exists courseyard.learners (
  profile_id uuid not null,
  external_id text,
  display_name text,
  created_at timestamptz not null default now(),
  constraint learners_pkey primary key (profile_id),
  constraint learners_profile_fkey foreign key (profile_id) references public.profiles (id) on delete cascade,
  constraint learners_external_id_key unique (external_id)
);

-- Local sign-in, for installations without Supabase Auth.
create table if not exists courseyard.accounts (
  profile_id uuid not null,
  email text not null,
  password_hash text,
  disabled_at timestamptz,
  created_at timestamptz not null default now(),
  constraint accounts_pkey primary key (profile_id),
  constraint accounts_profile_fkey foreign key (profile_id) references public.profiles (id) on delete cascade
);
create unique index if not exists accounts_email_key on courseyard.accounts (lower(email));

-- Tokens are kept as SHA-256 only: a copy of the database signs nobody in.
create table if not exists courseyard.sign_in_links (
  token_hash text not null,
  profile_id uuid not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  created_at timestamptz not null default now(),
  constraint sign_in_links_pkey primary key (token_hash),
  constraint sign_in_links_profile_fkey foreign key (profile_id)
    references public.profiles (id) on delete cascade
);
create index if not exists sign_in_links_profile_idx on courseyard.sign_in_links (profile_id);

create table if not exists courseyard.sessions (
  token_hash text not null,
  profile_id uuid not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  constraint sessions_pkey primary key (token_hash),
  constraint sessions_profile_fkey foreign key (profile_id)
    references public.profiles (id) on delete cascade
);
create index if not exists sessions_profile_idx on courseyard.sessions (profile_id);

-- Tries to sign in, counted per account and address, and per address alone. bucket is a hash of those.
create table if not exists courseyard.sign_in_tries (
  bucket text not null,
  tries integer not null default 0,
  first_at timestamptz not null default now(),
  constraint sign_in_tries_pkey primary key (bucket)
);

-- One run through a package version. kind: 'normal' counts; the others are throw-away copies for
-- browse, review and an author's preview, and never reach public tables.
create table if not exists courseyard.attempts (
  id uuid not null default gen_random_uuid(),
  kind text not null default 'normal',
  enrollment_id uuid,
  preview_profile_id uuid,
  version_id uuid not null,
  number integer not null default 1,
  epoch integer not null default 0,
  sequencing jsonb,
  delivered_item text,
  delivered_activity_attempt integer,
  session_open boolean not null default false,
  suspended boolean not null default false,
  completion text not null default 'unknown',
  success text not null default 'unknown',
  score_scaled numeric,
  score_raw numeric,
  score_min numeric,
  score_max numeric,
  progress numeric not null default 0,
  reported_seconds numeric not null default 0,
  measured_seconds numeric not null default 0,
  started_at timestamptz not null default now(),
  last_activity_at timestamptz not null default now(),
  completed_at timestamptz,
  ended_at timestamptz,
  constraint attempts_pkey primary key (id),
  constraint attempts_enrollment_fkey foreign key (enrollment_id)
    references public.scorm_enrollments (id) on delete cascade,
  constraint attempts_preview_profile_fkey foreign key (preview_profile_id)
    references public.profiles (id) on delete cascade,
  constraint attempts_version_fkey foreign key (version_id)
    references courseyard.package_versions (id) on delete cascade,
  constraint attempts_kind_check check (kind in ('normal', 'browse', 'review', 'preview')),
  constraint attempts_owner_check check (kind = 'preview' or enrollment_id is not null)
);
create unique index if not exists attempts_enrollment_number_key
  on courseyard.attempts (enrollment_id, number) where kind = 'normal';
create index if not exists attempts_enrollment_idx on courseyard.attempts (enrollment_id);
create index if not exists attempts_version_idx on courseyard.attempts (version_id);
create index if not exists attempts_preview_profile_idx on courseyard.attempts (preview_profile_id);

-- One opening of the player. The highest epoch of an attempt may write; older ones are refused.
create table if not exists courseyard.launches (
  attempt_id uuid not null,
  epoch integer not null,
  last_seq integer not null default 0,
  user_agent text,
  opened_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  ended_at timestamptz,
  constraint launches_pkey primary key (attempt_id, epoch),
  constraint launches_attempt_fkey foreign key (attempt_id)
    references courseyard.attempts (id) on delete cascade
);

-- The run-time data of one SCO in one activity attempt: element -> value, as the SCO set it.
create table if not exists courseyard.sco_states (
  attempt_id uuid not null,
  item text not null,
  activity_attempt integer not null default 1,
  data jsonb not null default '{}',
  total_seconds numeric not null default 0,
  session_seconds numeric not null default 0,
  entry text not null default 'ab-initio',
  initialized boolean not null default false,
  terminated boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint sco_states_pkey primary key (attempt_id, item, activity_attempt),
  constraint sco_states_attempt_fkey foreign key (attempt_id)
    references courseyard.attempts (id) on delete cascade
);

-- Commits of a window that another one has overtaken: refused, yet kept so that nothing vanishes.
create table if not exists courseyard.refused_commits (
  id bigint generated always as identity,
  attempt_id uuid not null,
  epoch integer not null,
  seq integer not null,
  item text not null,
  elements jsonb not null,
  refused_at timestamptz not null default now(),
  constraint refused_commits_pkey primary key (id),
  constraint refused_commits_attempt_fkey foreign key (attempt_id)
    references courseyard.attempts (id) on delete cascade,
  constraint refused_commits_once_key unique (attempt_id, epoch, seq)
);

-- Learning time as the server saw it, per day (UTC), beside what the SCO reports.
create table if not exists courseyard.activity_time (
  attempt_id uuid not null,
  day date not null,
  seconds numeric not null default 0,
  constraint activity_time_pkey primary key (attempt_id, day),
  constraint activity_time_attempt_fkey foreign key (attempt_id)
    references courseyard.attempts (id) on delete cascade
);

-- What a running SCO did against the specification: kept, counted, never a refusal.
create table if not exists courseyard.runtime_findings (
  attempt_id uuid not null,
  item text not null,
  code text not null,
  element text not null default '',
  detail text not null default '',
  occurrences integer not null default 1,
  first_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  constraint runtime_findings_pkey primary key (attempt_id, item, code, element),
  constraint runtime_findings_attempt_fkey foreign key (attempt_id)
    references courseyard.attempts (id) on delete cascade
);

-- Objectives and shared data stores that live longer than an attempt. scope: '' = the learner's, across
-- courses; else the id of the attempt they belong to.
create table if not exists courseyard.global_objectives (
  profile_id uuid not null,
  scope text not null default '',
  objective text not null,
  data jsonb not null default '{}',
  updated_at timestamptz not null default now(),
  constraint global_objectives_pkey primary key (profile_id, scope, objective),
  constraint global_objectives_profile_fkey foreign key (profile_id)
    references public.profiles (id) on delete cascade
);

create table if not exists courseyard.shared_data (
  profile_id uuid not null,
  scope text not null default '',
  store text not null,
  value text,
  updated_at timestamptz not null default now(),
  constraint shared_data_pkey primary key (profile_id, scope, store),
  constraint shared_data_profile_fkey foreign key (profile_id)
    references public.profiles (id) on delete cascade
);

-- The last sequencing requests of an attempt, with what ran and why.
create table if not exists courseyard.sequencing_traces (
  attempt_id uuid not null,
  number integer not null,
  request text not null,
  target text,
  outcome jsonb not null,
  trace jsonb not null,
  created_at timestamptz not null default now(),
  constraint sequencing_traces_pkey primary key (attempt_id, number),
  constraint sequencing_traces_attempt_fkey foreign key (attempt_id)
    references courseyard.attempts (id) on delete cascade
);

-- What trigger_update_scorm_progress has understood of rows that were not written by the engine, one fact per
-- meaning, so that a late row of older time is told from a newer one. firm: a later value cannot take it back.
create table if not exists courseyard.tracking_facts (
  enrollment_id uuid not null,
  fact text not null,
  word text,
  number numeric,
  firm boolean not null default false,
  told_at timestamptz not null,
  constraint tracking_facts_pkey primary key (enrollment_id, fact),
  constraint tracking_facts_enrollment_fkey foreign key (enrollment_id)
    references public.scorm_enrollments (id) on delete cascade
);

-- Partner enrolments that were completed because all their modules were: only these fall back when a module does.
create table if not exists courseyard.partner_completions (
  partner_enrollment_id uuid not null,
  completed_at timestamptz not null default now(),
  constraint partner_completions_pkey primary key (partner_enrollment_id),
  constraint partner_completions_enrollment_fkey foreign key (partner_enrollment_id)
    references public.partner_lms_enrollments (id) on delete cascade
);
