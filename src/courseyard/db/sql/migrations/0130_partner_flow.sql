-- Mappings and the enrolment flow: suggestions that a person let go, what is still to be done at a partner, which
-- enrolment of ours follows which partner enrolment, and which completion counts for which.

create table if not exists courseyard.mapping_dismissals (
  partner_course_id uuid not null,
  kind text not null,
  target_id uuid not null,
  dismissed_by uuid,
  dismissed_at timestamptz not null default now(),
  constraint mapping_dismissals_pkey primary key (partner_course_id, kind, target_id),
  constraint mapping_dismissals_course_fkey foreign key (partner_course_id)
    references public.partner_courses (id) on delete cascade,
  constraint mapping_dismissals_kind_check check (kind in ('program', 'course', 'package'))
);

-- What is to be done at a partner. token: whoever holds the newest one works on it; a worker that was thought dead
-- and comes back writes nothing. account: the partner's account of the person, once it is found; candidates: the
-- accounts that a person must choose from.
create table if not exists courseyard.partner_outbox (
  id uuid not null default gen_random_uuid(),
  provider_id uuid not null,
  partner_enrollment_id uuid not null,
  action text not null,
  state text not null default 'waiting',
  attempts integer not null default 0,
  next_try_at timestamptz not null default now(),
  token uuid,
  heartbeat_at timestamptz,
  account jsonb,
  candidates jsonb not null default '[]',
  error text,
  advice text,
  requested_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  done_at timestamptz,
  constraint partner_outbox_pkey primary key (id),
  constraint partner_outbox_provider_fkey foreign key (provider_id)
    references public.partner_lms_providers (id) on delete cascade,
  constraint partner_outbox_enrollment_fkey foreign key (partner_enrollment_id)
    references public.partner_lms_enrollments (id) on delete cascade,
  constraint partner_outbox_action_check check (action in ('enrol', 'withdraw')),
  constraint partner_outbox_state_check check (state in ('waiting', 'working', 'person', 'done', 'failed', 'cancelled'))
);
create unique index if not exists partner_outbox_open_key
  on courseyard.partner_outbox (partner_enrollment_id) where state in ('waiting', 'working', 'person');
create index if not exists partner_outbox_enrollment_idx on courseyard.partner_outbox (partner_enrollment_id);
create index if not exists partner_outbox_provider_idx on courseyard.partner_outbox (provider_id, next_try_at);
create index if not exists partner_outbox_state_idx on courseyard.partner_outbox (state, updated_at desc);

-- Which enrolment of ours was made, or found, for a partner enrolment because of a mapping. Once: who is taken out
-- here by a person is not put in again. problem: why none could be made; tried again later.
create table if not exists courseyard.partner_mapped (
  partner_enrollment_id uuid not null,
  mapping_id uuid not null,
  kind text not null,
  enrollment_id uuid,
  scorm_enrollment_id uuid,
  problem text,
  tried_at timestamptz not null default now(),
  constraint partner_mapped_pkey primary key (partner_enrollment_id, mapping_id, kind),
  constraint partner_mapped_partner_fkey foreign key (partner_enrollment_id)
    references public.partner_lms_enrollments (id) on delete cascade,
  constraint partner_mapped_mapping_fkey foreign key (mapping_id)
    references public.partner_course_mappings (id) on delete cascade,
  constraint partner_mapped_enrollment_fkey foreign key (enrollment_id)
    references public.enrollments (id) on delete set null,
  constraint partner_mapped_scorm_fkey foreign key (scorm_enrollment_id)
    references public.scorm_enrollments (id) on delete set null,
  constraint partner_mapped_kind_check check (kind in ('program', 'course', 'package'))
);
create index if not exists partner_mapped_mapping_idx on courseyard.partner_mapped (mapping_id);
create index if not exists partner_mapped_enrollment_idx on courseyard.partner_mapped (enrollment_id);
create index if not exists partner_mapped_scorm_idx on courseyard.partner_mapped (scorm_enrollment_id);

-- Why an enrolment counts as completed though nobody completed it there: one row per enrolment that was credited, by
-- the completion of another one. What is told of the source stays readable when the source is gone.
create table if not exists courseyard.credits (
  id bigint generated always as identity,
  scorm_enrollment_id uuid,
  enrollment_id uuid,
  partner_enrollment_id uuid,
  by_scorm_enrollment_id uuid,
  by_enrollment_id uuid,
  by_partner_enrollment_id uuid,
  mapping_id uuid,
  mapping_type text not null,
  source_title text,
  source_provider text,
  completed_at timestamptz,
  status_before text,
  credited_at timestamptz not null default now(),
  constraint credits_pkey primary key (id),
  constraint credits_scorm_key unique (scorm_enrollment_id),
  constraint credits_enrollment_key unique (enrollment_id),
  constraint credits_partner_key unique (partner_enrollment_id),
  constraint credits_scorm_fkey foreign key (scorm_enrollment_id)
    references public.scorm_enrollments (id) on delete cascade,
  constraint credits_enrollment_fkey foreign key (enrollment_id)
    references public.enrollments (id) on delete cascade,
  constraint credits_partner_fkey foreign key (partner_enrollment_id)
    references public.partner_lms_enrollments (id) on delete cascade,
  constraint credits_by_scorm_fkey foreign key (by_scorm_enrollment_id)
    references public.scorm_enrollments (id) on delete set null,
  constraint credits_by_enrollment_fkey foreign key (by_enrollment_id)
    references public.enrollments (id) on delete set null,
  constraint credits_by_partner_fkey foreign key (by_partner_enrollment_id)
    references public.partner_lms_enrollments (id) on delete set null,
  constraint credits_mapping_fkey foreign key (mapping_id)
    references public.partner_course_mappings (id) on delete set null,
  constraint credits_target_check check (num_nonnulls(scorm_enrollment_id, enrollment_id, partner_enrollment_id) = 1)
);
create index if not exists credits_by_scorm_idx on courseyard.credits (by_scorm_enrollment_id);
create index if not exists credits_by_enrollment_idx on courseyard.credits (by_enrollment_id);
create index if not exists credits_by_partner_idx on courseyard.credits (by_partner_enrollment_id);
create index if not exists credits_mapping_idx on courseyard.credits (mapping_id);

do $guard$
begin
  perform courseyard.restore_key('mapping_dismissals', 'mapping_dismissals_course_fkey', 'partner_course_id', 'partner_courses', 'cascade');
  perform courseyard.restore_key('partner_outbox', 'partner_outbox_provider_fkey', 'provider_id', 'partner_lms_providers', 'cascade');
  perform courseyard.restore_key('partner_outbox', 'partner_outbox_enrollment_fkey', 'partner_enrollment_id', 'partner_lms_enrollments', 'cascade');
  perform courseyard.restore_key('partner_mapped', 'partner_mapped_partner_fkey', 'partner_enrollment_id', 'partner_lms_enrollments', 'cascade');
  perform courseyard.restore_key('partner_mapped', 'partner_mapped_mapping_fkey', 'mapping_id', 'partner_course_mappings', 'cascade');
  perform courseyard.restore_key('partner_mapped', 'partner_mapped_enrollment_fkey', 'enrollment_id', 'enrollments', 'set null');
  perform courseyard.restore_key('partner_mapped', 'partner_mapped_scorm_fkey', 'scorm_enrollment_id', 'scorm_enrollments', 'set null');
  perform courseyard.restore_key('credits', 'credits_scorm_fkey', 'scorm_enrollment_id', 'scorm_enrollments', 'cascade');
  perform courseyard.restore_key('credits', 'credits_enrollment_fkey', 'enrollment_id', 'enrollments', 'cascade');
  perform courseyard.restore_key('credits', 'credits_partner_fkey', 'partner_enrollment_id', 'partner_lms_enrollments', 'cascade');
  perform courseyard.restore_key('credits', 'credits_by_scorm_fkey', 'by_scorm_enrollment_id', 'scorm_enrollments', 'set null');
  perform courseyard.restore_key('credits', 'credits_by_enrollment_fkey', 'by_enrollment_id', 'enrollments', 'set null');
  perform courseyard.restore_key('credits', 'credits_by_partner_fkey', 'by_partner_enrollment_id', 'partner_lms_enrollments', 'set null');
  perform courseyard.restore_key('credits', 'credits_mapping_fkey', 'mapping_id', 'partner_course_mappings', 'set null');
  perform courseyard.guard_tables();
end
$guard$;
