-- The seven tables of the guide. One list of columns serves both an empty database and an earlier hand-made version
-- of the same tables, so that both end up alike; rows are kept. Columns beyond the list are left as they are.

do $columns$
declare
  wanted record;
  stands record;
  empty_rows bigint;
begin
  for wanted in
    select * from (values
      -- table, column, type, required, default, what a row gets that lacks a required value
      ('scorm_packages', 'id', 'uuid', true, 'gen_random_uuid()', 'gen_random_uuid()'),
      ('scorm_packages', 'title', 'text', true, null, '''Untitled package'''),
      ('scorm_packages', 'description', 'text', false, null, null),
      ('scorm_packages', 'version', 'text', false, '''1.2''', null),
      ('scorm_packages', 'package_url', 'text', true, null, ''''''),
      ('scorm_packages', 'manifest_url', 'text', false, null, null),
      ('scorm_packages', 'launch_url', 'text', true, null, ''''''),
      ('scorm_packages', 'duration_minutes', 'integer', false, null, null),
      ('scorm_packages', 'passing_score', 'integer', false, '80', null),
      ('scorm_packages', 'max_attempts', 'integer', false, null, null),
      ('scorm_packages', 'is_active', 'boolean', false, 'true', null),
      ('scorm_packages', 'metadata', 'jsonb', false, '''{}''', null),
      ('scorm_packages', 'created_by', 'uuid', false, 'auth.uid()', null),
      ('scorm_packages', 'created_at', 'timestamptz', false, 'now()', null),
      ('scorm_packages', 'updated_at', 'timestamptz', false, 'now()', null),

      ('scorm_enrollments', 'id', 'uuid', true, 'gen_random_uuid()', 'gen_random_uuid()'),
      ('scorm_enrollments', 'scorm_package_id', 'uuid', true, null, null),
      ('scorm_enrollments', 'user_id', 'uuid', true, null, null),
      ('scorm_enrollments', 'enrollment_id', 'uuid', false, null, null),
      ('scorm_enrollments', 'status', 'text', false, '''not_attempted''', null),
      ('scorm_enrollments', 'progress_percentage', 'numeric', false, '0', null),
      ('scorm_enrollments', 'score', 'numeric', false, null, null),
      ('scorm_enrollments', 'attempts', 'integer', false, '0', null),
      ('scorm_enrollments', 'time_spent_seconds', 'integer', false, '0', null),
      ('scorm_enrollments', 'started_at', 'timestamptz', false, null, null),
      ('scorm_enrollments', 'completed_at', 'timestamptz', false, null, null),
      ('scorm_enrollments', 'last_accessed_at', 'timestamptz', false, null, null),
      ('scorm_enrollments', 'suspend_data', 'jsonb', false, '''{}''', null),
      ('scorm_enrollments', 'cmi_data', 'jsonb', false, '''{}''', null),
      ('scorm_enrollments', 'created_at', 'timestamptz', false, 'now()', null),
      ('scorm_enrollments', 'updated_at', 'timestamptz', false, 'now()', null),

      ('scorm_tracking', 'id', 'uuid', true, 'gen_random_uuid()', 'gen_random_uuid()'),
      ('scorm_tracking', 'scorm_enrollment_id', 'uuid', true, null, null),
      ('scorm_tracking', 'element', 'text', true, null, ''''''),
      ('scorm_tracking', 'value', 'text', false, null, null),
      ('scorm_tracking', 'timestamp', 'timestamptz', false, 'now()', null),

      ('partner_course_mappings', 'id', 'uuid', true, 'gen_random_uuid()', 'gen_random_uuid()'),
      ('partner_course_mappings', 'partner_course_id', 'uuid', true, null, null),
      ('partner_course_mappings', 'internal_program_id', 'uuid', false, null, null),
      ('partner_course_mappings', 'internal_course_id', 'uuid', false, null, null),
      ('partner_course_mappings', 'scorm_package_id', 'uuid', false, null, null),
      ('partner_course_mappings', 'mapping_type', 'text', true, '''equivalent''', '''equivalent'''),
      ('partner_course_mappings', 'is_active', 'boolean', false, 'true', null),
      ('partner_course_mappings', 'metadata', 'jsonb', false, '''{}''', null),
      ('partner_course_mappings', 'created_at', 'timestamptz', false, 'now()', null),
      ('partner_course_mappings', 'updated_at', 'timestamptz', false, 'now()', null),

      ('external_module_progress', 'id', 'uuid', true, 'gen_random_uuid()', 'gen_random_uuid()'),
      ('external_module_progress', 'user_id', 'uuid', true, null, null),
      ('external_module_progress', 'partner_enrollment_id', 'uuid', false, null, null),
      ('external_module_progress', 'module_id', 'text', true, null, 'id::text'),
      ('external_module_progress', 'module_name', 'text', false, null, null),
      ('external_module_progress', 'status', 'text', false, '''not_started''', null),
      ('external_module_progress', 'progress_percentage', 'numeric', false, '0', null),
      ('external_module_progress', 'score', 'numeric', false, null, null),
      ('external_module_progress', 'time_spent_seconds', 'integer', false, '0', null),
      ('external_module_progress', 'started_at', 'timestamptz', false, null, null),
      ('external_module_progress', 'completed_at', 'timestamptz', false, null, null),
      ('external_module_progress', 'last_accessed_at', 'timestamptz', false, null, null),
      ('external_module_progress', 'metadata', 'jsonb', false, '''{}''', null),
      ('external_module_progress', 'created_at', 'timestamptz', false, 'now()', null),
      ('external_module_progress', 'updated_at', 'timestamptz', false, 'now()', null),

      ('lms_sync_log', 'id', 'uuid', true, 'gen_random_uuid()', 'gen_random_uuid()'),
      ('lms_sync_log', 'provider_id', 'uuid', true, null, null),
      ('lms_sync_log', 'sync_type', 'text', true, null, '''unknown'''),
      ('lms_sync_log', 'status', 'text', true, null, '''unknown'''),
      ('lms_sync_log', 'records_processed', 'integer', false, '0', null),
      ('lms_sync_log', 'records_failed', 'integer', false, '0', null),
      ('lms_sync_log', 'error_message', 'text', false, null, null),
      ('lms_sync_log', 'sync_data', 'jsonb', false, '''{}''', null),
      ('lms_sync_log', 'started_at', 'timestamptz', false, 'now()', null),
      ('lms_sync_log', 'completed_at', 'timestamptz', false, null, null),
      ('lms_sync_log', 'created_at', 'timestamptz', false, 'now()', null),

      ('partner_credentials', 'id', 'uuid', true, 'gen_random_uuid()', 'gen_random_uuid()'),
      ('partner_credentials', 'user_id', 'uuid', true, null, null),
      ('partner_credentials', 'partner_enrollment_id', 'uuid', false, null, null),
      ('partner_credentials', 'provider_id', 'uuid', true, null, null),
      ('partner_credentials', 'credential_name', 'text', true, null, '''Credential'''),
      ('partner_credentials', 'credential_type', 'text', false, null, null),
      ('partner_credentials', 'credential_number', 'text', false, null, null),
      ('partner_credentials', 'external_credential_id', 'text', false, null, null),
      ('partner_credentials', 'issued_date', 'date', false, null, null),
      ('partner_credentials', 'expiration_date', 'date', false, null, null),
      ('partner_credentials', 'verification_url', 'text', false, null, null),
      ('partner_credentials', 'certificate_url', 'text', false, null, null),
      ('partner_credentials', 'metadata', 'jsonb', false, '''{}''', null),
      ('partner_credentials', 'created_at', 'timestamptz', false, 'now()', null),
      ('partner_credentials', 'updated_at', 'timestamptz', false, 'now()', null)
    ) as list (table_name, column_name, type, required, standard, filler)
  loop
    if to_regclass('public.' || wanted.table_name) is null then
      execute format('create table public.%I ()', wanted.table_name);
    end if;

    select a.atttypid, a.atttypmod, a.attnotnull, a.attidentity, a.attgenerated,
        pg_catalog.pg_get_expr(d.adbin, d.adrelid) as standard
      into stands
      from pg_catalog.pg_attribute as a
      left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = to_regclass('public.' || wanted.table_name) and a.attname = wanted.column_name
        and not a.attisdropped;

    if not found then
      execute format('alter table public.%I add column %I %s', wanted.table_name, wanted.column_name, wanted.type)
        || coalesce(' default ' || wanted.standard, '');
    else
      if stands.attgenerated <> '' or stands.attidentity <> '' then
        raise exception 'Column % of public.% is generated; Courseyard writes it.', wanted.column_name,
          wanted.table_name using errcode = 'CY002', hint = 'Drop or rename the column and run this again.';
      end if;
      if stands.atttypid <> wanted.type::regtype or stands.atttypmod <> -1 then
        -- The two views are made anew further on; they would hold the column fast.
        drop view if exists public.partner_enrollment_summary, public.scorm_completion_summary;
        begin
          execute format('alter table public.%I alter column %I drop default', wanted.table_name,
            wanted.column_name);
          execute format('alter table public.%1$I alter column %2$I type %3$s using (%2$I%4$s)::%3$s',
            wanted.table_name, wanted.column_name, wanted.type,
            case when stands.atttypid = 'timestamp'::regtype then ' at time zone ''UTC'''
              when wanted.type = 'uuid' or wanted.type = 'jsonb' then '::text' else '' end);
          raise notice 'public.%.% was % and is % now.', wanted.table_name, wanted.column_name,
            pg_catalog.format_type(stands.atttypid, stands.atttypmod), wanted.type;
        exception when others then
          raise exception 'Column % of public.% is % and cannot be made %: %', wanted.column_name,
            wanted.table_name, stands.atttypid::regtype, wanted.type, sqlerrm
            using errcode = 'CY002', hint = 'Change the column by hand, or rename the table, and run this again.';
        end;
        stands.standard := null;
      end if;
      if wanted.standard is not null and (stands.standard is null or split_part(stands.standard, '::', 1)
        is distinct from wanted.standard) then
        execute format('alter table public.%I alter column %I set default %s', wanted.table_name,
          wanted.column_name, wanted.standard);
      elsif wanted.standard is null and stands.standard is not null then
        execute format('alter table public.%I alter column %I drop default', wanted.table_name,
          wanted.column_name);
      end if;
      -- Stricter than the contract would refuse rows that other programs may write.
      if stands.attnotnull and not wanted.required then
        execute format('alter table public.%I alter column %I drop not null', wanted.table_name,
          wanted.column_name);
      end if;
      continue when stands.attnotnull and wanted.required;
    end if;

    if wanted.required then
      if wanted.filler is not null then
        execute format('update public.%1$I set %2$I = %3$s where %2$I is null', wanted.table_name,
          wanted.column_name, wanted.filler);
      end if;
      execute format('select count(*) from public.%I where %I is null', wanted.table_name, wanted.column_name)
        into empty_rows;
      if empty_rows > 0 then
        raise exception '% rows of public.% have no %, which every row needs.', empty_rows, wanted.table_name,
          wanted.column_name
          using errcode = 'CY002',
            hint = format('See them: SELECT * FROM public.%I WHERE %I IS NULL; complete or delete them, '
              || 'and run this again.', wanted.table_name, wanted.column_name);
      end if;
      execute format('alter table public.%I alter column %I set not null', wanted.table_name, wanted.column_name);
    end if;
  end loop;
end
$columns$;

-- Keys. A constraint of the same meaning under another name is renamed or made anew; rows that refer to nothing are
-- kept, told, and only new rows are held to the rule.
do $keys$
declare
  path constant text := current_setting('search_path');
  wanted record;
  stands record;
  columns smallint[];
  doubles bigint;
begin
  -- So that constraint definitions print with schema names.
  perform set_config('search_path', '', true);

  for wanted in
    select list.*, ('public.' || list.table_name)::regclass as relid from (values
      ('scorm_packages', 'scorm_packages_pkey', 'p', '{id}', 'PRIMARY KEY (id)'),
      ('scorm_enrollments', 'scorm_enrollments_pkey', 'p', '{id}', 'PRIMARY KEY (id)'),
      ('scorm_tracking', 'scorm_tracking_pkey', 'p', '{id}', 'PRIMARY KEY (id)'),
      ('partner_course_mappings', 'partner_course_mappings_pkey', 'p', '{id}', 'PRIMARY KEY (id)'),
      ('external_module_progress', 'external_module_progress_pkey', 'p', '{id}', 'PRIMARY KEY (id)'),
      ('lms_sync_log', 'lms_sync_log_pkey', 'p', '{id}', 'PRIMARY KEY (id)'),
      ('partner_credentials', 'partner_credentials_pkey', 'p', '{id}', 'PRIMARY KEY (id)'),
      ('scorm_enrollments', 'scorm_enrollments_scorm_package_id_user_id_key', 'u', '{scorm_package_id,user_id}',
        'UNIQUE (scorm_package_id, user_id)'),

      ('scorm_packages', 'scorm_packages_created_by_fkey', 'f', '{created_by}',
        'FOREIGN KEY (created_by) REFERENCES public.profiles(id) ON DELETE SET NULL'),
      ('scorm_enrollments', 'scorm_enrollments_scorm_package_id_fkey', 'f', '{scorm_package_id}',
        'FOREIGN KEY (scorm_package_id) REFERENCES public.scorm_packages(id) ON DELETE CASCADE'),
      ('scorm_enrollments', 'scorm_enrollments_user_id_fkey', 'f', '{user_id}',
        'FOREIGN KEY (user_id) REFERENCES public.profiles(id) ON DELETE CASCADE'),
      ('scorm_enrollments', 'scorm_enrollments_enrollment_id_fkey', 'f', '{enrollment_id}',
        'FOREIGN KEY (enrollment_id) REFERENCES public.enrollments(id) ON DELETE SET NULL'),
      ('scorm_tracking', 'scorm_tracking_scorm_enrollment_id_fkey', 'f', '{scorm_enrollment_id}',
        'FOREIGN KEY (scorm_enrollment_id) REFERENCES public.scorm_enrollments(id) ON DELETE CASCADE'),
      ('partner_course_mappings', 'partner_course_mappings_partner_course_id_fkey', 'f', '{partner_course_id}',
        'FOREIGN KEY (partner_course_id) REFERENCES public.partner_courses(id) ON DELETE CASCADE'),
      ('partner_course_mappings', 'partner_course_mappings_internal_program_id_fkey', 'f', '{internal_program_id}',
        'FOREIGN KEY (internal_program_id) REFERENCES public.programs(id) ON DELETE SET NULL'),
      ('partner_course_mappings', 'partner_course_mappings_internal_course_id_fkey', 'f', '{internal_course_id}',
        'FOREIGN KEY (internal_course_id) REFERENCES public.courses(id) ON DELETE SET NULL'),
      ('partner_course_mappings', 'partner_course_mappings_scorm_package_id_fkey', 'f', '{scorm_package_id}',
        'FOREIGN KEY (scorm_package_id) REFERENCES public.scorm_packages(id) ON DELETE SET NULL'),
      ('external_module_progress', 'external_module_progress_user_id_fkey', 'f', '{user_id}',
        'FOREIGN KEY (user_id) REFERENCES public.profiles(id) ON DELETE CASCADE'),
      ('external_module_progress', 'external_module_progress_partner_enrollment_id_fkey', 'f',
        '{partner_enrollment_id}',
        'FOREIGN KEY (partner_enrollment_id) REFERENCES public.partner_lms_enrollments(id) ON DELETE CASCADE'),
      ('lms_sync_log', 'lms_sync_log_provider_id_fkey', 'f', '{provider_id}',
        'FOREIGN KEY (provider_id) REFERENCES public.partner_lms_providers(id) ON DELETE CASCADE'),
      ('partner_credentials', 'partner_credentials_user_id_fkey', 'f', '{user_id}',
        'FOREIGN KEY (user_id) REFERENCES public.profiles(id) ON DELETE CASCADE'),
      ('partner_credentials', 'partner_credentials_partner_enrollment_id_fkey', 'f', '{partner_enrollment_id}',
        'FOREIGN KEY (partner_enrollment_id) REFERENCES public.partner_lms_enrollments(id) ON DELETE SET NULL'),
      ('partner_credentials', 'partner_credentials_provider_id_fkey', 'f', '{provider_id}',
        'FOREIGN KEY (provider_id) REFERENCES public.partner_lms_providers(id) ON DELETE CASCADE')
    ) as list (table_name, name, kind, column_names, definition)
  loop
    select array_agg(a.attnum order by a.attnum) into columns
      from pg_catalog.pg_attribute as a
      where a.attrelid = wanted.relid and a.attname = any (wanted.column_names::name[]);

    -- What stands on the same columns, or under the wanted name.
    for stands in
      select c.conname, c.contype, c.convalidated,
          regexp_replace(pg_catalog.pg_get_constraintdef(c.oid), ' NOT VALID$', '') = wanted.definition as fits
        from pg_catalog.pg_constraint as c
        where c.conrelid = wanted.relid and (c.conname = wanted.name or (c.contype::text = wanted.kind
          and (wanted.kind = 'p' or (select array_agg(k order by k) from unnest(c.conkey) as k) = columns)))
    loop
      if not stands.fits and wanted.kind = 'p' then
        raise exception 'public.% has a primary key that is not its id.', wanted.table_name
          using errcode = 'CY002', hint = 'Make id the primary key, or rename the table, and run this again.';
      end if;
      if stands.fits and stands.conname <> wanted.name and not exists (
        select from pg_catalog.pg_constraint as c where c.conrelid = wanted.relid and c.conname = wanted.name
      ) then
        execute format('alter table public.%I rename constraint %I to %I', wanted.table_name, stands.conname,
          wanted.name);
      elsif not stands.fits or stands.conname <> wanted.name then
        execute format('alter table public.%I drop constraint %I', wanted.table_name, stands.conname);
        raise notice 'public.%: constraint % made way for %.', wanted.table_name, stands.conname, wanted.name;
      end if;
    end loop;

    if not exists (
      select from pg_catalog.pg_constraint as c where c.conrelid = wanted.relid and c.conname = wanted.name
    ) then
      if wanted.kind <> 'f' then
        execute format('select count(*) from (select from public.%I group by %s having count(*) > 1) as d',
          wanted.table_name, trim(wanted.column_names, '{}')) into doubles;
        if doubles > 0 then
          raise exception 'public.% holds % values of (%) more than once; each may stand only once.',
            wanted.table_name, doubles, trim(wanted.column_names, '{}')
            using errcode = 'CY002',
              hint = format('See them: SELECT %1$s, count(*) FROM public.%2$I GROUP BY %1$s HAVING count(*) > 1; '
                || 'keep one of each, and run this again.', trim(wanted.column_names, '{}'), wanted.table_name);
        end if;
        execute format('alter table public.%I add constraint %I %s', wanted.table_name, wanted.name,
          wanted.definition);
      else
        execute format('alter table public.%I add constraint %I %s not valid', wanted.table_name, wanted.name,
          wanted.definition);
      end if;
    end if;

    if exists (
      select from pg_catalog.pg_constraint as c
        where c.conrelid = wanted.relid and c.conname = wanted.name and not c.convalidated
    ) then
      begin
        execute format('alter table public.%I validate constraint %I', wanted.table_name, wanted.name);
      exception when foreign_key_violation then
        raise warning 'Some rows of public.% refer to rows that do not exist (%). They are kept; new rows must be right.',
          wanted.table_name, wanted.name;
      end;
    end if;
  end loop;

  perform set_config('search_path', path, true);
end
$keys$;

-- A check that an earlier version put on a column of the contract could refuse what a course reports. Their words
-- are not limited by the contract, so such checks go.
do $checks$
declare
  stands record;
begin
  for stands in
    select c.conname, t.relname, pg_catalog.pg_get_constraintdef(c.oid) as definition
      from pg_catalog.pg_constraint as c
      join pg_catalog.pg_class as t on t.oid = c.conrelid
      where c.contype = 'c' and t.relnamespace = 'public'::regnamespace
        and t.relname in ('scorm_packages', 'scorm_enrollments', 'scorm_tracking', 'partner_course_mappings',
          'external_module_progress', 'lms_sync_log', 'partner_credentials')
        and exists (
          select from pg_catalog.pg_attribute as a
            where a.attrelid = t.oid and a.attnum = any (c.conkey) and a.attname in ('version', 'passing_score',
              'max_attempts', 'duration_minutes', 'status', 'progress_percentage', 'score', 'attempts',
              'time_spent_seconds', 'element', 'value', 'mapping_type', 'sync_type', 'credential_type')
        )
  loop
    execute format('alter table public.%I drop constraint %I', stands.relname, stands.conname);
    raise notice 'public.%: dropped % (%), which could refuse what a course or a partner reports.',
      stands.relname, stands.conname, stands.definition;
  end loop;
end
$checks$;

-- The one rule on values: a time that programs can read (most languages know no infinity and no year 0).
do $time$
begin
  if not exists (
    select from pg_catalog.pg_constraint as c
      where c.conrelid = 'public.scorm_tracking'::regclass and c.conname = 'scorm_tracking_timestamp_check'
  ) then
    alter table public.scorm_tracking add constraint scorm_tracking_timestamp_check
      check ("timestamp" >= '1900-01-01 00:00:00+00' and "timestamp" < '9999-01-01 00:00:00+00') not valid;
  end if;
  alter table public.scorm_tracking validate constraint scorm_tracking_timestamp_check;
exception when check_violation then
  raise warning 'Some rows of public.scorm_tracking have a time out of all bounds. They are kept; new rows must be right.';
end
$time$;

-- Every foreign key has an index; the others serve what people ask: who is learning now, what happened last.
create index if not exists scorm_packages_created_by_idx on public.scorm_packages (created_by);
create index if not exists scorm_enrollments_user_id_idx on public.scorm_enrollments (user_id, status);
create index if not exists scorm_enrollments_package_status_idx
  on public.scorm_enrollments (scorm_package_id, status);
create index if not exists scorm_enrollments_enrollment_id_idx on public.scorm_enrollments (enrollment_id);
create index if not exists scorm_enrollments_last_accessed_idx
  on public.scorm_enrollments (last_accessed_at desc nulls last);
create index if not exists scorm_tracking_enrollment_time_idx
  on public.scorm_tracking (scorm_enrollment_id, "timestamp" desc);
create index if not exists partner_course_mappings_partner_course_id_idx
  on public.partner_course_mappings (partner_course_id);
create index if not exists partner_course_mappings_internal_program_id_idx
  on public.partner_course_mappings (internal_program_id);
create index if not exists partner_course_mappings_internal_course_id_idx
  on public.partner_course_mappings (internal_course_id);
create index if not exists partner_course_mappings_scorm_package_id_idx
  on public.partner_course_mappings (scorm_package_id);
create index if not exists external_module_progress_user_id_idx on public.external_module_progress (user_id);
create index if not exists external_module_progress_enrollment_idx
  on public.external_module_progress (partner_enrollment_id, module_id);
create index if not exists lms_sync_log_provider_idx on public.lms_sync_log (provider_id, started_at desc);
create index if not exists partner_credentials_user_id_idx on public.partner_credentials (user_id);
create index if not exists partner_credentials_enrollment_idx on public.partner_credentials (partner_enrollment_id);
create index if not exists partner_credentials_provider_idx
  on public.partner_credentials (provider_id);

-- An earlier version's index of the same making under another name would only cost.
do $doubles$
declare
  double record;
begin
  for double in
    select other.indexrelid::regclass as name, ours.indexrelid::regclass as kept
      from pg_catalog.pg_index as ours
      join pg_catalog.pg_index as other on other.indrelid = ours.indrelid and other.indexrelid <> ours.indexrelid
        and other.indkey = ours.indkey and other.indclass = ours.indclass and other.indoption = ours.indoption
        and (other.indisunique = ours.indisunique)
        and other.indpred is null and ours.indpred is null and other.indexprs is null and ours.indexprs is null
      join pg_catalog.pg_class as t on t.oid = ours.indrelid and t.relnamespace = 'public'::regnamespace
      join pg_catalog.pg_class as i on i.oid = ours.indexrelid
      where t.relname in ('scorm_packages', 'scorm_enrollments', 'scorm_tracking', 'partner_course_mappings',
          'external_module_progress', 'lms_sync_log', 'partner_credentials')
        and (exists (select from pg_catalog.pg_constraint as c where c.conindid = ours.indexrelid)
          or i.relname in ('scorm_packages_created_by_idx', 'scorm_enrollments_user_id_idx',
            'scorm_enrollments_package_status_idx', 'scorm_enrollments_enrollment_id_idx',
            'scorm_tracking_enrollment_time_idx', 'partner_course_mappings_partner_course_id_idx',
            'partner_course_mappings_internal_program_id_idx', 'partner_course_mappings_internal_course_id_idx',
            'partner_course_mappings_scorm_package_id_idx', 'external_module_progress_user_id_idx',
            'external_module_progress_enrollment_idx', 'lms_sync_log_provider_idx',
            'partner_credentials_user_id_idx', 'partner_credentials_enrollment_idx',
            'partner_credentials_provider_idx', 'scorm_enrollments_last_accessed_idx'))
        and not exists (
          select from pg_catalog.pg_constraint as c where c.conindid = other.indexrelid
        )
  loop
    execute format('drop index %s', double.name);
    raise notice 'Dropped index %, which is the same as %.', double.name, double.kept;
  end loop;
end
$doubles$;

comment on table public.scorm_packages is 'SCORM packages that learners can be enrolled in.';
comment on table public.scorm_enrollments is 'A learner in a package: status, progress (0..100), score (0..100), time.';
comment on table public.scorm_tracking is 'What courses reported, element by element; a trigger keeps scorm_enrollments.';
comment on table public.partner_course_mappings is 'Which program, course or package of ours a partner''s course counts as.';
comment on table public.external_module_progress is 'Progress in the modules of a partner''s course, as the partner tells it.';
comment on table public.lms_sync_log is 'One row per run of a synchronisation with a partner.';
comment on table public.partner_credentials is 'Certificates and badges that partners issued.';

do $verify$
declare
  missing text;
begin
  select string_agg(t.name, ', ') into missing
    from unnest(array['scorm_packages', 'scorm_enrollments', 'scorm_tracking', 'partner_course_mappings',
      'external_module_progress', 'lms_sync_log', 'partner_credentials']) as t (name)
    where to_regclass('public.' || t.name) is null
      or not exists (
        select from pg_catalog.pg_constraint as c
          where c.conrelid = to_regclass('public.' || t.name) and c.contype = 'p'
      );
  if missing is not null then
    raise exception 'These tables are missing or have no primary key: %.', missing
      using errcode = 'CY002', hint = 'Run all of Courseyard''s SQL again, from its beginning.';
  end if;
end
$verify$;
