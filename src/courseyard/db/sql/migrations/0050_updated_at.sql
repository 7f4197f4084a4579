-- updated_at is kept by the database, for Courseyard's tables and for base tables that it made.

create or replace function courseyard.touch_updated_at() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end
$$;
revoke all on function courseyard.touch_updated_at() from public, anon, authenticated;

do $triggers$
declare
  wanted regclass;
begin
  for wanted in
    select c.oid::regclass from pg_catalog.pg_class as c
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
        and (c.relname in ('scorm_packages', 'scorm_enrollments', 'partner_course_mappings',
            'external_module_progress', 'partner_credentials')
          or (c.relname in ('profiles', 'programs', 'courses', 'enrollments', 'partner_lms_providers',
              'partner_courses', 'partner_lms_enrollments')
            and pg_catalog.obj_description(c.oid, 'pg_class') like 'Made by Courseyard%'))
  loop
    execute format('create or replace trigger touch_updated_at before update on %s '
      || 'for each row execute function courseyard.touch_updated_at()', wanted);
  end loop;
end
$triggers$;

do $verify$
begin
  if (select count(*) from pg_catalog.pg_trigger as t
      join pg_catalog.pg_class as c on c.oid = t.tgrelid
      where t.tgname = 'touch_updated_at' and c.relname in ('scorm_packages', 'scorm_enrollments',
        'partner_course_mappings', 'external_module_progress', 'partner_credentials')) <> 5 then
    raise exception 'updated_at is not kept on every table.'
      using errcode = 'CY002', hint = 'Run all of Courseyard''s SQL again, from its beginning.';
  end if;
end
$verify$;
