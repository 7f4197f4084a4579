-- What undoing a run takes back and what it leaves, and why, in two tables of the transaction; nothing is changed yet.
-- undo_rows, one for each row that the run wrote. action: delete | restore | keep; because, where it is kept: changed or
-- deleted by somebody since; lost: what it referred to before is gone; referred: a row that stays refers to it.
-- undo_references: rows that refer to one that would be deleted. by_row: a row that the undo would delete itself, which
-- holds the other one only if it is kept; null for rows that others made, however the key to them is declared.
create or replace function courseyard.partner_undo_plan_v1(p_run uuid)
returns void
language plpgsql
set search_path = ''
set client_min_messages = 'warning'
as $$
declare
  -- Kept by the database, so that they tell nothing.
  stamps constant text[] := '{updated_at,created_at}';
  -- Read under policies that show the service all of them.
  ours constant text[] := '{public.partner_courses,public.partner_lms_enrollments,public.external_module_progress,'
    'public.partner_credentials,public.partner_course_mappings}';
  some_table text;
  link record;
begin
  drop table if exists pg_temp.undo_rows, pg_temp.undo_references, pg_temp.undo_keys;
  create temporary table undo_rows (
    table_name text, row_id uuid, action text, because text, target jsonb
  ) on commit drop;
  create temporary table undo_references (
    table_name text, row_id uuid, referrer text, by_row uuid, referring bigint
  ) on commit drop;

  -- A row as the run found it, as it left it, and as it stands. Somebody may also have changed it between two changes of
  -- the run. Where nothing is different in the end there is nothing to take back.
  for some_table in select distinct c.table_name from courseyard.sync_changes as c where c.run_id = p_run loop
    execute pg_catalog.format($sql$
      with steps as (
        select c.row_id, c.before, c.after, pg_catalog.row_number() over w as place,
            pg_catalog.lead(c.id) over w is null as is_last, pg_catalog.lag(c.after) over w as left_as
          from courseyard.sync_changes as c
          where c.run_id = $1 and c.table_name = %1$L
          window w as (partition by c.row_id order by c.id)
      ),
      written as (
        select s.row_id, (pg_catalog.array_agg(s.before) filter (where s.place = 1))[1] as before,
            (pg_catalog.array_agg(s.after) filter (where s.is_last))[1] as after,
            pg_catalog.bool_or(s.place > 1 and s.before - $2 is distinct from s.left_as - $2) as between
          from steps as s
          group by s.row_id
      )
      insert into pg_temp.undo_rows (table_name, row_id, action, because, target)
        select %1$L, w.row_id,
            case
              when t.id is null or w.between or d.since then 'keep'
              when w.before is null then 'delete'
              else 'restore'
            end,
            case when t.id is null then 'deleted' when w.between or d.since then 'changed' end,
            d.target
          from written as w
          left join public.%1$I as t on t.id = w.row_id
          left join lateral (select pg_catalog.to_jsonb(t) as standing offset 0) as s on true
          left join lateral (
            select pg_catalog.bool_or(s.standing -> a.key is distinct from a.value) as since,
                pg_catalog.jsonb_object_agg(a.key, w.before -> a.key) filter (where w.before is not null) as target
              from pg_catalog.jsonb_each(w.after) as a
              where (w.before is not null or s.standing - $2 <> w.after - $2)
                and a.value is distinct from w.before -> a.key and a.key = any ($3)
          ) as d on true
          where w.before is null or d.target is not null
    $sql$, some_table) using p_run, stamps, array(
      select f.attname::text from pg_catalog.pg_attribute as f
        where f.attrelid = pg_catalog.format('public.%I', some_table)::regclass and f.attnum > 0
          and not f.attisdropped and f.attgenerated = '' and f.attname::text <> all (stamps)
    );
  end loop;
  analyze pg_temp.undo_rows;

  -- Every key from or to these rows, those of the organisation's own tables among them. Where its own table of enrolments
  -- has no key to the courses, the column is one all the same.
  create temporary table undo_keys on commit drop as
    with keys as (
      select k.conrelid, k.confrelid, k.conkey, k.confkey, k.conpfeqop
        from pg_catalog.pg_constraint as k
        where k.contype = 'f' and k.conparentid = 0
      union all
      select e.attrelid, c.attrelid, array[e.attnum], array[c.attnum], array['pg_catalog.=(uuid,uuid)'::regoperator::oid]
        from pg_catalog.pg_attribute as e, pg_catalog.pg_attribute as c
        where e.attrelid = 'public.partner_lms_enrollments'::regclass and e.attname = 'course_id'
          and c.attrelid = 'public.partner_courses'::regclass and c.attname = 'id'
          and e.atttypid = c.atttypid and not exists (
            select from pg_catalog.pg_constraint as k
              where k.contype = 'f' and k.conrelid = e.attrelid and k.confrelid = c.attrelid and k.conkey = array[e.attnum])
    ),
    relations as (
      select r.oid, n.nspname as schema, n.oid as schema_id, r.relname::text as name, n.nspname || '.' || r.relname as path
        from pg_catalog.pg_class as r join pg_catalog.pg_namespace as n on n.oid = r.relnamespace
    )
    select k.conrelid::regclass as child, c.schema as child_schema, c.schema_id as child_schema_id, c.path as child_path,
        case when c.schema = 'public' then c.name end as child_name,
        k.confrelid::regclass as parent, case when p.schema = 'public' then p.name end as parent_name,
        pairs.columns, pairs.given, pairs.matches
      from keys as k
      join relations as c on c.oid = k.conrelid
      join relations as p on p.oid = k.confrelid
      cross join lateral (
        select pg_catalog.array_agg(ours.attname::text) as columns,
            pg_catalog.string_agg(pg_catalog.format('c.%I is not null', ours.attname), ' and ') as given,
            pg_catalog.string_agg(pg_catalog.format('p.%I operator(%I.%s) c.%I', theirs.attname, n.nspname, o.oprname,
              ours.attname), ' and ') as matches
          from rows from (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey), pg_catalog.unnest(k.conpfeqop))
            as pair (child_column, parent_column, equals)
          join pg_catalog.pg_attribute as ours on ours.attrelid = k.conrelid and ours.attnum = pair.child_column
          join pg_catalog.pg_attribute as theirs on theirs.attrelid = k.confrelid and theirs.attnum = pair.parent_column
          join pg_catalog.pg_operator as o on o.oid = pair.equals
          join pg_catalog.pg_namespace as n on n.oid = o.oprnamespace
      ) as pairs;

  -- What a row referred to before may be gone by now.
  for link in
    select k.* from pg_temp.undo_keys as k
      where exists (select from pg_temp.undo_rows as u
        where u.table_name = k.child_name and u.action = 'restore' and u.target ?| k.columns)
  loop
    execute pg_catalog.format($sql$
      update pg_temp.undo_rows as u set action = 'keep', because = 'lost'
        from %1$s as t
        where u.table_name = $1 and u.action = 'restore' and u.target ?| $2 and t.id = u.row_id
          and exists (
            select from pg_catalog.jsonb_populate_record(t, u.target) as c
              where %2$s and not exists (select from %3$s as p where %4$s))
    $sql$, link.child, link.given, link.parent, link.matches) using link.child_name, link.columns;
  end loop;

  for link in
    select k.* from pg_temp.undo_keys as k
      -- What the engine notes about a row by itself goes with it.
      where k.child_path <> all (array['courseyard.partner_completions', 'courseyard.credential_checks',
          'courseyard.credential_reminders'])
        and exists (select from pg_temp.undo_rows as u where u.table_name = k.parent_name and u.action = 'delete')
  loop
    if not pg_catalog.has_schema_privilege(link.child_schema_id, 'usage')
      or not pg_catalog.has_table_privilege(link.child, 'select')
      or link.child_path <> all (ours) and link.child_schema <> 'courseyard' and pg_catalog.row_security_active(link.child)
    then
      raise exception 'Rows of % may refer to what would be deleted, and the role % may not see all of them.',
        link.child_path, current_user using errcode = 'CY409', hint = 'Grant it SELECT there.';
    end if;
    execute pg_catalog.format($sql$
      insert into pg_temp.undo_references (table_name, row_id, referrer, by_row, referring)
        select d.table_name, d.row_id, $2, case when u.action = 'delete' then u.row_id end, pg_catalog.count(*)
          from pg_temp.undo_rows as d
          join %1$s as p on p.id = d.row_id
          join %2$s as c on %3$s
          left join pg_temp.undo_rows as u on u.table_name = $3 and %4$s
          -- One that is put back to refer to something else lets go of it.
          where d.table_name = $1 and d.action = 'delete' and (u.action = 'restore' and u.target ?| $4) is not true
            and %5$s
          group by d.table_name, d.row_id, case when u.action = 'delete' then u.row_id end
    $sql$, link.parent, link.child, link.matches,
      case when exists (select from pg_temp.undo_rows as u where u.table_name = link.child_name)
        then 'u.row_id = c.id' else 'false' end,
      -- Which enrolments here follow one: one in which nothing was begun is left where it is and found again; that somebody
      -- was taken out here by hand is remembered.
      case when link.child_path <> 'courseyard.partner_mapped' then 'true' else $sql$
        c.problem is null and (c.scorm_enrollment_id is null or exists (
          select from public.scorm_enrollments as s
            where s.id = c.scorm_enrollment_id and (s.attempts > 0 or s.status <> 'not_attempted'
              or exists (select from public.scorm_tracking as f where f.scorm_enrollment_id = s.id))))
      $sql$ end)
      using link.parent_name, link.child_path, link.child_name, link.columns;
  end loop;
  analyze pg_temp.undo_references;

  with recursive held (table_name, row_id) as (
    select r.table_name, r.row_id from pg_temp.undo_references as r where r.by_row is null
    union
    select r.table_name, r.row_id
      from held as h
      join pg_temp.undo_references as r on r.by_row = h.row_id and r.referrer = 'public.' || h.table_name
  )
  update pg_temp.undo_rows as u set action = 'keep', because = 'referred'
    from held as h
    where u.table_name = h.table_name and u.row_id = h.row_id;
  delete from pg_temp.undo_references as r using pg_temp.undo_rows as u
    where u.row_id = r.by_row and r.referrer = 'public.' || u.table_name and u.action <> 'keep';
end
$$;

revoke all on function courseyard.partner_undo_plan_v1(uuid) from public, anon, authenticated;
grant execute on function courseyard.partner_undo_plan_v1(uuid) to service_role;
