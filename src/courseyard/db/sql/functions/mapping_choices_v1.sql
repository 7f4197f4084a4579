-- Everything of ours that a partner's course may be mapped to, with its title as the organisation's tables call it.
create or replace function courseyard.mapping_choices_v1()
returns table (kind text, id uuid, title text, active boolean)
language sql
stable
set search_path = ''
as $$
  select f.kind, f.id, coalesce(f.facts ->> 'title', f.facts ->> 'name', f.facts ->> 'course_name',
      f.facts ->> 'program_name', f.id::text), coalesce((f.facts ->> 'is_active')::boolean, (f.facts ->> 'active')::boolean, true)
    from (
      select 'program' as kind, p.id, pg_catalog.to_jsonb(p) as facts from public.programs as p
      union all
      select 'course', c.id, pg_catalog.to_jsonb(c) from public.courses as c
      union all
      select 'package', s.id, pg_catalog.jsonb_build_object('title', s.title, 'is_active', s.is_active)
        from public.scorm_packages as s
    ) as f;
$$;

revoke all on function courseyard.mapping_choices_v1() from public, anon, authenticated;
grant execute on function courseyard.mapping_choices_v1() to service_role;
