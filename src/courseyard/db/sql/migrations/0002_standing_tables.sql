-- Do the tables that stand already have what Courseyard needs? Changes nothing. Tables that hold the organisation's
-- own data are never altered, so what they lack is told here, before anything else happens.

do $check$
declare
  wanted record;
  problems text[] := '{}';
  missing text;
  wrong text;
begin
  for wanted in
    select t.name, t.columns, t.uuids, c.oid as relid, c.relkind
      from (values
        ('profiles', array['id', 'email', 'full_name'], array['id']),
        ('programs', array['id'], array['id']),
        ('courses', array['id'], array['id']),
        ('enrollments', array['id'], array['id']),
        ('partner_lms_providers', array['id', 'provider_name'], array['id']),
        ('partner_courses', array['id', 'course_name'], array['id']),
        ('partner_lms_enrollments',
          array['id', 'provider_id', 'student_id', 'course_id', 'status', 'progress_percentage', 'enrolled_at',
            'completed_at', 'updated_at'],
          array['id', 'provider_id', 'student_id', 'course_id'])
      ) as t (name, columns, uuids)
      join pg_catalog.pg_class as c on c.relname = t.name and c.relnamespace = 'public'::regnamespace
      order by t.name
  loop
    if wanted.relkind not in ('r', 'p') then
      problems := problems || format('public.%I is no table, so that no row can refer to its rows', wanted.name);
      continue;
    end if;

    select string_agg(needed.name, ', ' order by needed.place) into missing
      from unnest(wanted.columns) with ordinality as needed (name, place)
      where not exists (
        select from pg_catalog.pg_attribute as a
          where a.attrelid = wanted.relid and a.attname = needed.name and not a.attisdropped
      );
    if missing is not null then
      problems := problems || format('table public.%I lacks: %s', wanted.name, missing);
      continue;
    end if;

    select string_agg(format('%s is %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', '
        order by a.attnum) into wrong
      from pg_catalog.pg_attribute as a
      where a.attrelid = wanted.relid and a.attname = any (wanted.uuids) and a.atttypid <> 'uuid'::regtype;
    if wrong is not null then
      problems := problems || format('table public.%I has keys that are no uuid: %s', wanted.name, wrong);
    end if;

    if not exists (
      select from pg_catalog.pg_index as i
        join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = wanted.relid and i.indisunique and i.indisvalid and i.indimmediate
          and i.indnkeyatts = 1 and i.indpred is null and a.attname = 'id'
    ) then
      problems := problems || format('table public.%I has neither a primary key nor a unique constraint on id',
        wanted.name);
    end if;
  end loop;

  if problems <> '{}' then
    raise exception 'Tables that stand already do not fit: %.', array_to_string(problems, '; ')
      using errcode = 'CY002',
        hint = 'Courseyard does not alter these tables. Add what is missing (a view over it does not do), '
          || 'or rename the table, and run this again.';
  end if;
end
$check$;

-- The same for an earlier hand-made version of Courseyard's own tables: what cannot be brought up to date by itself.
do $check$
declare
  problems text[];
begin
  select array_agg(format('public.%I is no table', c.relname) order by c.relname) into problems
    from pg_catalog.pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relkind not in ('r', 'p')
      and c.relname in ('scorm_packages', 'scorm_enrollments', 'scorm_tracking', 'partner_course_mappings',
        'external_module_progress', 'lms_sync_log', 'partner_credentials');

  -- A required column of somebody else's making would refuse every row that Courseyard writes.
  select coalesce(problems, '{}') || coalesce(array_agg(
      format('column %I of public.%I is required and has no default', a.attname, c.relname)
      order by c.relname, a.attnum), '{}') into problems
    from pg_catalog.pg_class as c
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join (values
      ('scorm_packages', array['id', 'title', 'description', 'version', 'package_url', 'manifest_url', 'launch_url',
        'duration_minutes', 'passing_score', 'max_attempts', 'is_active', 'metadata', 'created_by']),
      ('scorm_enrollments', array['id', 'scorm_package_id', 'user_id', 'enrollment_id', 'status',
        'progress_percentage', 'score', 'attempts', 'time_spent_seconds', 'started_at', 'completed_at',
        'last_accessed_at', 'suspend_data', 'cmi_data']),
      ('scorm_tracking', array['id', 'scorm_enrollment_id', 'element', 'value', 'timestamp']),
      ('partner_course_mappings', array['id', 'partner_course_id', 'internal_program_id', 'internal_course_id',
        'scorm_package_id', 'mapping_type', 'is_active', 'metadata']),
      ('external_module_progress', array['id', 'user_id', 'partner_enrollment_id', 'module_id', 'module_name',
        'status', 'progress_percentage', 'score', 'time_spent_seconds', 'started_at', 'completed_at',
        'last_accessed_at', 'metadata']),
      ('lms_sync_log', array['id', 'provider_id', 'sync_type', 'status', 'records_processed', 'records_failed',
        'error_message', 'sync_data', 'started_at', 'completed_at']),
      ('partner_credentials', array['id', 'user_id', 'partner_enrollment_id', 'provider_id', 'credential_name',
        'credential_type', 'credential_number', 'external_credential_id', 'issued_date', 'expiration_date',
        'verification_url', 'certificate_url', 'metadata'])
    ) as ours (name, columns) on ours.name = c.relname
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and a.attnotnull and not a.atthasdef and a.attidentity = ''
      and a.attname <> all (ours.columns) and a.attname not in ('created_at', 'updated_at');

  if problems <> '{}' then
    raise exception 'An earlier version of these tables stands and cannot be adopted: %.',
      array_to_string(problems, '; ')
      using errcode = 'CY002',
        hint = 'Give such a column a default or let it be empty (ALTER TABLE … ALTER COLUMN … DROP NOT NULL), '
          || 'rename what is no table, and run this again.';
  end if;
end
$check$;
