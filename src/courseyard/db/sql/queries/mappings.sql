-- Mappings of partners' courses to what is ours. Columns that an organisation's own tables may call otherwise are read
-- through their JSON.

-- name: find
-- A mapping that points to nothing any more (its target was deleted) is listed all the same.
select m.id::text as id, m.partner_course_id::text as partner_course_id, c.course_name::text as partner_course,
  l.id::text as provider_id, l.provider_name::text as provider, m.mapping_type, m.is_active is not false as is_active,
  m.internal_program_id::text as internal_program_id, m.internal_course_id::text as internal_course_id,
  m.scorm_package_id::text as scorm_package_id, m.created_at, m.updated_at,
  coalesce((select jsonb_agg(jsonb_build_object('kind', t.kind, 'id', t.id, 'title', t.title) order by t.kind)
    from courseyard.mapping_choices_v1() as t
    where t.id in (m.internal_program_id, m.internal_course_id, m.scorm_package_id)), '[]') as targets,
  count(*) over () as total
from public.partner_course_mappings as m
join public.partner_courses as c on c.id = m.partner_course_id
left join public.partner_lms_providers as l
  on l.id::text = coalesce(to_jsonb(c) ->> 'provider_id', to_jsonb(c) ->> 'partner_id')
where (%(id)s::uuid is null or m.id = %(id)s)
  and (%(provider_id)s::uuid is null or l.id = %(provider_id)s)
  and (%(partner_course_id)s::uuid is null or m.partner_course_id = %(partner_course_id)s)
  and (%(mapping_type)s::text is null or lower(m.mapping_type) = %(mapping_type)s)
  and (%(active)s::boolean is null or (m.is_active is not false) = %(active)s)
  and (%(search)s::text is null or c.course_name ilike %(search)s or exists (
    select from courseyard.mapping_choices_v1() as t
      where t.id in (m.internal_program_id, m.internal_course_id, m.scorm_package_id) and t.title ilike %(search)s))
order by lower(c.course_name), m.created_at, m.id
limit %(limit)s offset %(offset)s;

-- name: add
-- A mapping of the same course to the same target is the same mapping: it takes the type and is active again.
with wanted as (
  select (r.value ->> 'course')::uuid as course, r.value ->> 'kind' as kind, (r.value ->> 'target')::uuid as target,
    r.value ->> 'type' as type, r.place
  from jsonb_array_elements(%(mappings)s::jsonb) with ordinality as r (value, place)
),
standing as (
  update public.partner_course_mappings as m set mapping_type = w.type, is_active = true
  from wanted as w
  where m.partner_course_id = w.course
    and w.target = case w.kind when 'program' then m.internal_program_id when 'course' then m.internal_course_id
      else m.scorm_package_id end
  returning m.id, w.place
),
made as (
  insert into public.partner_course_mappings (partner_course_id, internal_program_id, internal_course_id,
    scorm_package_id, mapping_type, metadata)
  select w.course, case when w.kind = 'program' then w.target end, case when w.kind = 'course' then w.target end,
    case when w.kind = 'package' then w.target end, w.type, %(metadata)s
  from wanted as w
  where not exists (select from standing as s where s.place = w.place)
  returning id
)
select id::text as id, false as created from (select distinct s.id from standing as s) as s
union all
select m.id::text, true from made as m;

-- name: lock
-- Two requests for the same mapping make one.
select pg_advisory_xact_lock(hashtextextended('courseyard.mappings', 0))::text as locked;

-- name: change
update public.partner_course_mappings set
  mapping_type = coalesce(%(mapping_type)s, mapping_type), is_active = coalesce(%(active)s, is_active)
where id = any(%(ids)s::uuid[]);

-- name: delete
delete from public.partner_course_mappings where id = any(%(ids)s::uuid[]);

-- name: choices
select t.kind, t.id::text as id, t.title, t.active from courseyard.mapping_choices_v1() as t
order by array_position(array['package', 'course', 'program'], t.kind), lower(t.title), t.id
limit %(limit)s;

-- name: courses
-- Partners' courses that can be mapped, with how often each is.
select c.id::text as id, c.course_name::text as title, l.provider_name::text as provider, l.id::text as provider_id,
  (select count(*) from public.partner_course_mappings as m where m.partner_course_id = c.id) as mappings
from public.partner_courses as c
left join public.partner_lms_providers as l
  on l.id::text = coalesce(to_jsonb(c) ->> 'provider_id', to_jsonb(c) ->> 'partner_id')
where coalesce((to_jsonb(c) ->> 'active')::boolean, (to_jsonb(c) ->> 'is_active')::boolean, true)
  and (%(provider_id)s::uuid is null or l.id = %(provider_id)s)
order by lower(l.provider_name), lower(c.course_name), c.id
limit %(limit)s;

-- name: courses_named
-- Which courses somebody may mean: by our id, the partner's key, the course's code, or its title; the surest first.
select n.name, c.id::text as id, case
    when c.id::text = lower(n.name) then 1
    when k.row_id is not null or to_jsonb(c) ->> 'external_course_id' = n.name then 2
    when to_jsonb(c) ->> 'course_code' = n.name then 3
    else 4
  end as sureness
from unnest(%(names)s::text[]) as n (name)
join public.partner_courses as c on true
left join courseyard.partner_keys as k on k.kind = 'course' and k.external_id = n.name and k.row_id = c.id
where (%(provider_id)s::uuid is null
    or coalesce(to_jsonb(c) ->> 'provider_id', to_jsonb(c) ->> 'partner_id') = %(provider_id)s::text)
  and (k.row_id is not null or c.id::text = lower(n.name) or lower(c.course_name) = lower(n.name)
    or to_jsonb(c) ->> 'external_course_id' = n.name or to_jsonb(c) ->> 'course_code' = n.name);

-- name: targets_named
select n.name, t.kind, t.id::text as id, case when t.id::text = lower(n.name) then 1 else 2 end as sureness
from unnest(%(names)s::text[]) as n (name)
join courseyard.mapping_choices_v1() as t on t.id::text = lower(n.name) or lower(t.title) = lower(n.name);

-- name: unmapped
-- Courses without any mapping, a page of them.
select c.id::text as id, c.course_name::text as title, l.provider_name::text as provider, count(*) over () as total
from public.partner_courses as c
left join public.partner_lms_providers as l
  on l.id::text = coalesce(to_jsonb(c) ->> 'provider_id', to_jsonb(c) ->> 'partner_id')
where coalesce((to_jsonb(c) ->> 'active')::boolean, (to_jsonb(c) ->> 'is_active')::boolean, true)
  and (%(provider_id)s::uuid is null or l.id = %(provider_id)s)
  and not exists (select from public.partner_course_mappings as m where m.partner_course_id = c.id)
order by lower(c.course_name), c.id
limit %(limit)s offset %(offset)s;

-- name: has_trigrams
select exists (select from pg_extension as x where x.extname = 'pg_trgm'
  and has_schema_privilege(x.extnamespace, 'USAGE')) as there;

-- name: likeness
select s.partner_course_id::text as course, s.kind, s.target_id::text as target, s.score
from courseyard.mapping_likeness_v1(%(courses)s::uuid[], %(floor)s::real) as s;

-- name: dismissed
select d.partner_course_id::text as course, d.kind, d.target_id::text as target
from courseyard.mapping_dismissals as d where d.partner_course_id = any(%(courses)s::uuid[]);

-- name: dismiss
insert into courseyard.mapping_dismissals (partner_course_id, kind, target_id, dismissed_by)
select (r.value ->> 'course')::uuid, r.value ->> 'kind', (r.value ->> 'target')::uuid, %(by)s::uuid
from jsonb_array_elements(%(suggestions)s::jsonb) as r (value)
on conflict do nothing;
