-- The partner hub: how each provider is set up, which of the partner's records is which row here, what each run did.
-- Every row hangs on a row of public and dies with it.

create table if not exists courseyard.partner_settings (
  provider_id uuid not null,
  kind text not null,
  options jsonb not null default '{}',
  -- All secrets of the provider, encrypted as one text; never read but by the process that calls the partner.
  secrets text,
  schedule_minutes integer,
  paused boolean not null default false,
  requests_per_minute integer not null default 120,
  field_mapping jsonb not null default '{}',
  identity_rules text[] not null default '{external_id,sis_id,email}',
  unknown_people text not null default 'wait',
  import_rule text not null default 'choose',
  stale_after_minutes integer not null default 2880,
  keep_changes_days integer not null default 30,
  next_run_at timestamptz,
  next_drift_at timestamptz,
  failures_in_a_row integer not null default 0,
  failing_since timestamptz,
  stale_since timestamptz,
  -- While somebody is at the partner to let this server in: a digest of what comes back with them, and who it is.
  consent_state text,
  consent_by uuid,
  consent_until timestamptz,
  checked_at timestamptz,
  check_result jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint partner_settings_pkey primary key (provider_id),
  constraint partner_settings_provider_fkey foreign key (provider_id)
    references public.partner_lms_providers (id) on delete cascade,
  constraint partner_settings_unknown_check check (unknown_people in ('wait', 'make')),
  constraint partner_settings_import_check check (import_rule in ('choose', 'all')),
  constraint partner_settings_schedule_check check (schedule_minutes between 5 and 43200),
  constraint partner_settings_rate_check check (requests_per_minute between 1 and 6000),
  constraint partner_settings_stale_check check (stale_after_minutes between 10 and 525600),
  constraint partner_settings_keep_check check (keep_changes_days between 0 and 3650)
);

-- The partner's catalogue as it was last told, imported or not: what the preview compares.
create table if not exists courseyard.partner_catalogue (
  provider_id uuid not null,
  external_id text not null,
  record jsonb not null,
  hash text not null,
  first_seen_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  gone_at timestamptz,
  constraint partner_catalogue_pkey primary key (provider_id, external_id),
  constraint partner_catalogue_provider_fkey foreign key (provider_id)
    references public.partner_lms_providers (id) on delete cascade
);

-- Which of the partner's records is which row here. hash: of the record as it was last written; data_at: its time at
-- the partner, so that a late delivery of older facts is told from a newer one; told_at: of fields that were told at
-- another time than that, null for one that never was.
create table if not exists courseyard.partner_keys (
  provider_id uuid not null,
  kind text not null,
  external_id text not null,
  row_id uuid not null,
  hash text,
  data_at timestamptz,
  told_at jsonb,
  seen_run uuid,
  gone_at timestamptz,
  updated_at timestamptz not null default now(),
  constraint partner_keys_pkey primary key (provider_id, kind, external_id),
  constraint partner_keys_provider_fkey foreign key (provider_id)
    references public.partner_lms_providers (id) on delete cascade,
  constraint partner_keys_kind_check check (kind in ('course', 'enrolment', 'module', 'credential'))
);
create index if not exists partner_keys_row_idx on courseyard.partner_keys (row_id);

-- Each course of a partner beside what was imported of it; null: it came and went and nobody wanted it.
create or replace view courseyard.compared_catalogue with (security_invoker = on) as
  select c.provider_id, c.external_id, c.record, c.hash, c.first_seen_at, c.seen_at, c.gone_at, k.row_id,
      case
        when k.row_id is null and c.gone_at is null then 'new'
        when k.row_id is null then null
        when c.gone_at is not null then 'gone'
        when k.hash is distinct from c.hash then 'changed'
        else 'imported'
      end as state
    from courseyard.partner_catalogue as c
    left join courseyard.partner_keys as k
      on k.provider_id = c.provider_id and k.kind = 'course' and k.external_id = c.external_id;

-- The identity map: which person here an account at the partner is, and by which rule that was found.
create table if not exists courseyard.partner_people (
  provider_id uuid not null,
  external_id text not null,
  profile_id uuid,
  email text,
  name text,
  sis_id text,
  state text not null default 'waiting',
  rule text,
  candidates uuid[] not null default '{}',
  decided_by uuid,
  seen_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint partner_people_pkey primary key (provider_id, external_id),
  constraint partner_people_provider_fkey foreign key (provider_id)
    references public.partner_lms_providers (id) on delete cascade,
  constraint partner_people_profile_fkey foreign key (profile_id)
    references public.profiles (id) on delete cascade,
  constraint partner_people_state_check check (state in ('matched', 'waiting', 'ignored')),
  constraint partner_people_matched_check check ((state = 'matched') = (profile_id is not null))
);
create index if not exists partner_people_profile_idx on courseyard.partner_people (profile_id);
create index if not exists partner_people_waiting_idx on courseyard.partner_people (provider_id)
  where state = 'waiting';

-- Enrolments that are left aside on purpose: their course was not imported, or their person is to be ignored.
create table if not exists courseyard.partner_aside (
  provider_id uuid not null,
  external_id text not null,
  constraint partner_aside_pkey primary key (provider_id, external_id),
  constraint partner_aside_provider_fkey foreign key (provider_id)
    references public.partner_lms_providers (id) on delete cascade
);

-- What a run needs beside its row in public.lms_sync_log, whose id it has. token: whoever holds the newest one works
-- on the run; a worker that was thought dead and comes back is refused.
create table if not exists courseyard.sync_runs (
  id uuid not null,
  provider_id uuid not null,
  mode text not null,
  streams text[] not null,
  dry_run boolean not null default false,
  requested_by uuid,
  token uuid,
  stream text,
  cursor jsonb,
  counts jsonb not null default '{}',
  problems jsonb not null default '[]',
  total integer,
  watermarks_before jsonb not null default '{}',
  heartbeat_at timestamptz,
  cancel_requested boolean not null default false,
  undone_at timestamptz,
  created_at timestamptz not null default now(),
  constraint sync_runs_pkey primary key (id),
  constraint sync_runs_log_fkey foreign key (id) references public.lms_sync_log (id) on delete cascade,
  constraint sync_runs_provider_fkey foreign key (provider_id)
    references public.partner_lms_providers (id) on delete cascade,
  constraint sync_runs_mode_check check (mode in ('sync', 'drift', 'webhook', 'replay', 'undo'))
);
create index if not exists sync_runs_provider_idx on courseyard.sync_runs (provider_id, created_at desc);

-- Up to where each stream of a provider was followed, and how old the data were at the partner.
create table if not exists courseyard.sync_cursors (
  provider_id uuid not null,
  stream text not null,
  watermark jsonb,
  data_at timestamptz,
  finished_at timestamptz not null default now(),
  constraint sync_cursors_pkey primary key (provider_id, stream),
  constraint sync_cursors_provider_fkey foreign key (provider_id)
    references public.partner_lms_providers (id) on delete cascade
);

-- Each row that a run wrote, before and after: what undo takes back.
create table if not exists courseyard.sync_changes (
  id bigint generated always as identity,
  run_id uuid not null,
  table_name text not null,
  row_id uuid not null,
  before jsonb,
  after jsonb,
  constraint sync_changes_pkey primary key (id),
  constraint sync_changes_run_fkey foreign key (run_id) references courseyard.sync_runs (id) on delete cascade
);
create index if not exists sync_changes_run_idx on courseyard.sync_changes (run_id, id);
create index if not exists sync_changes_row_idx on courseyard.sync_changes (row_id, id);

-- Records that could not be written, kept as they came until they can be, or a person lets them go.
create table if not exists courseyard.sync_failures (
  id bigint generated always as identity,
  provider_id uuid not null,
  run_id uuid,
  kind text not null,
  external_id text not null,
  person text,
  record jsonb not null,
  code text not null,
  reason text not null,
  tries integer not null default 1,
  first_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  resolved_at timestamptz,
  resolution text,
  constraint sync_failures_pkey primary key (id),
  constraint sync_failures_provider_fkey foreign key (provider_id)
    references public.partner_lms_providers (id) on delete cascade,
  constraint sync_failures_run_fkey foreign key (run_id) references courseyard.sync_runs (id) on delete set null
);
create unique index if not exists sync_failures_open_key
  on courseyard.sync_failures (provider_id, kind, external_id) where resolved_at is null;
create index if not exists sync_failures_provider_idx on courseyard.sync_failures (provider_id, last_at desc);
create index if not exists sync_failures_run_idx on courseyard.sync_failures (run_id);

-- What partners pushed, kept from the moment it is acknowledged until a run has written it.
create table if not exists courseyard.partner_inbox (
  id bigint generated always as identity,
  provider_id uuid not null,
  delivery_id text,
  records jsonb not null,
  rejected jsonb not null default '[]',
  received_at timestamptz not null default now(),
  done_at timestamptz,
  run_id uuid,
  constraint partner_inbox_pkey primary key (id),
  constraint partner_inbox_provider_fkey foreign key (provider_id)
    references public.partner_lms_providers (id) on delete cascade
);
create unique index if not exists partner_inbox_delivery_key
  on courseyard.partner_inbox (provider_id, delivery_id);
create index if not exists partner_inbox_waiting_idx on courseyard.partner_inbox (provider_id, id) where done_at is null;

do $guard$
begin
  perform courseyard.restore_key('sync_runs', 'sync_runs_log_fkey', 'id', 'lms_sync_log');
  perform courseyard.restore_key('sync_runs', 'sync_runs_provider_fkey', 'provider_id', 'partner_lms_providers');
  perform courseyard.restore_key('partner_settings', 'partner_settings_provider_fkey', 'provider_id', 'partner_lms_providers');
  perform courseyard.restore_key('partner_catalogue', 'partner_catalogue_provider_fkey', 'provider_id', 'partner_lms_providers');
  perform courseyard.restore_key('partner_keys', 'partner_keys_provider_fkey', 'provider_id', 'partner_lms_providers');
  perform courseyard.restore_key('partner_people', 'partner_people_provider_fkey', 'provider_id', 'partner_lms_providers');
  perform courseyard.restore_key('partner_people', 'partner_people_profile_fkey', 'profile_id', 'profiles');
  perform courseyard.restore_key('partner_aside', 'partner_aside_provider_fkey', 'provider_id', 'partner_lms_providers');
  perform courseyard.restore_key('sync_cursors', 'sync_cursors_provider_fkey', 'provider_id', 'partner_lms_providers');
  perform courseyard.restore_key('sync_failures', 'sync_failures_provider_fkey', 'provider_id', 'partner_lms_providers');
  perform courseyard.restore_key('partner_inbox', 'partner_inbox_provider_fkey', 'provider_id', 'partner_lms_providers');
  perform courseyard.guard_tables();
end
$guard$;

-- One record of a batch on its way through the functions below: what is to be done with it, and the rows it is about.
do $type$
begin
  if to_regtype('courseyard.partner_item_v1') is null then
    create type courseyard.partner_item_v1 as (
      external_id text,
      hash text,
      data_at timestamptz,
      record jsonb,
      -- write | late | unchanged | older | skipped, or the code of a failure
      verdict text,
      row_id uuid,
      course_id uuid,
      person_id uuid,
      enrolment_id uuid,
      told_at jsonb
    );
  end if;
end
$type$;
