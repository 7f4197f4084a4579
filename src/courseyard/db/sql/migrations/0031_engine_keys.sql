-- After the guide's drop block the engine's rows hang in the air: DROP TABLE … CASCADE takes the foreign keys of
-- other tables along and leaves their rows. Rows without their parent go here, and the keys come back.

do $keys$
declare
  wanted record;
  orphans bigint;
begin
  for wanted in
    select * from (values
      ('package_versions', 'package_versions_package_fkey', 'package_id', 'public', 'scorm_packages', 'id'),
      ('package_settings', 'package_settings_package_fkey', 'package_id', 'public', 'scorm_packages', 'id'),
      ('attempts', 'attempts_enrollment_fkey', 'enrollment_id', 'public', 'scorm_enrollments', 'id'),
      ('tracking_facts', 'tracking_facts_enrollment_fkey', 'enrollment_id', 'public', 'scorm_enrollments', 'id'),
      ('partner_completions', 'partner_completions_enrollment_fkey', 'partner_enrollment_id', 'public',
        'partner_lms_enrollments', 'id'),
      ('learners', 'learners_profile_fkey', 'profile_id', 'public', 'profiles', 'id'),
      ('accounts', 'accounts_profile_fkey', 'profile_id', 'public', 'profiles', 'id'),
      ('sign_in_links', 'sign_in_links_profile_fkey', 'profile_id', 'public', 'profiles', 'id'),
      ('sessions', 'sessions_profile_fkey', 'profile_id', 'public', 'profiles', 'id'),
      ('attempts', 'attempts_preview_profile_fkey', 'preview_profile_id', 'public', 'profiles', 'id'),
      ('global_objectives', 'global_objectives_profile_fkey', 'profile_id', 'public', 'profiles', 'id'),
      ('shared_data', 'shared_data_profile_fkey', 'profile_id', 'public', 'profiles', 'id')
    ) as list (table_name, name, column_name, parent_schema, parent, parent_key)
    where not exists (
      select from pg_catalog.pg_constraint as c
        where c.conrelid = ('courseyard.' || list.table_name)::regclass and c.conname = list.name
    )
  loop
    execute format('delete from courseyard.%1$I as child where child.%2$I is not null and not exists '
      || '(select from %3$I.%4$I as parent where parent.%5$I = child.%2$I)',
      wanted.table_name, wanted.column_name, wanted.parent_schema, wanted.parent, wanted.parent_key);
    get diagnostics orphans = row_count;
    if orphans > 0 then
      raise notice 'courseyard.%: removed % rows whose %.% is gone.', wanted.table_name, orphans,
        wanted.parent_schema, wanted.parent;
    end if;
    execute format('alter table courseyard.%I add constraint %I foreign key (%I) references %I.%I (%I) '
      || 'on delete cascade', wanted.table_name, wanted.name, wanted.column_name, wanted.parent_schema,
      wanted.parent, wanted.parent_key);
  end loop;
end
$keys$;

do $verify$
declare
  bare text;
begin
  select string_agg(format('courseyard.%s', c.relname), ', ') into bare
    from pg_catalog.pg_class as c
    where c.relnamespace = 'courseyard'::regnamespace and c.relkind = 'r'
      and c.relname in ('package_versions', 'package_settings', 'learners', 'accounts', 'sign_in_links', 'sessions',
        'attempts', 'global_objectives', 'shared_data', 'tracking_facts', 'partner_completions')
      and not exists (
        select from pg_catalog.pg_constraint as k where k.conrelid = c.oid and k.contype = 'f'
      );
  if bare is not null then
    raise exception 'These tables have lost their foreign keys: %.', bare
      using errcode = 'CY002', hint = 'Run all of Courseyard''s SQL again, from its beginning.';
  end if;
end
$verify$;
