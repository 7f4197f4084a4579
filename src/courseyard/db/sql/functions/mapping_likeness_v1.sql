-- What these partner courses may be mapped to by the likeness of their titles, the likest first, as pg_trgm measures it;
-- no row with a score where the extension is nowhere in this database. It is found in whatever schema it was put.
create or replace function courseyard.mapping_likeness_v1(p_courses uuid[], p_floor real)
returns table (partner_course_id uuid, kind text, target_id uuid, score real)
language plpgsql
stable
set search_path = ''
as $$
declare
  likeness text;
begin
  select pg_catalog.quote_ident(n.nspname) || '.similarity' into likeness
    from pg_catalog.pg_extension as x
    join pg_catalog.pg_namespace as n on n.oid = x.extnamespace
    where x.extname = 'pg_trgm' and pg_catalog.has_schema_privilege(n.oid, 'USAGE');
  if likeness is null then
    return;
  end if;
  return query execute pg_catalog.format($sql$
    select c.id, t.kind, t.id, s.score
      from public.partner_courses as c
      cross join courseyard.mapping_choices_v1() as t
      cross join lateral %s(c.course_name::text, t.title) as s (score)
      where c.id = any ($1) and s.score >= $2 and t.active
        and not exists (select from courseyard.mapping_dismissals as d
          where d.partner_course_id = c.id and d.kind = t.kind and d.target_id = t.id)
  $sql$, likeness) using p_courses, p_floor;
end
$$;

revoke all on function courseyard.mapping_likeness_v1(uuid[], real) from public, anon, authenticated;
grant execute on function courseyard.mapping_likeness_v1(uuid[], real) to service_role;
