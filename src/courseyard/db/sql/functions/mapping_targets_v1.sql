-- What active mappings that enrol and complete point to: one row per target, for a mapping may name a program, a course and
-- a package at once. What prerequisite and elective do is in mapping_relations_v1; an organisation's own words only inform.
create or replace function courseyard.mapping_targets_v1()
returns table (mapping_id uuid, partner_course_id uuid, mapping_type text, kind text, target_id uuid)
language sql
stable
set search_path = ''
as $$
  select m.id, m.partner_course_id, pg_catalog.lower(m.mapping_type), t.kind, t.target_id
    from public.partner_course_mappings as m
    cross join lateral (values
      ('program', m.internal_program_id), ('course', m.internal_course_id), ('package', m.scorm_package_id)
    ) as t (kind, target_id)
    where m.is_active is not false and t.target_id is not null
      and pg_catalog.lower(m.mapping_type) in ('equivalent', 'credit');
$$;

revoke all on function courseyard.mapping_targets_v1() from public, anon, authenticated;
grant execute on function courseyard.mapping_targets_v1() to service_role;
