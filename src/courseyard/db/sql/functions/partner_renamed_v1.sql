-- A listing lacks an enrolment and holds another one, new with this run, of the same person in the same course: the partner
-- calls it otherwise now (an import anew, a migration). The row that stands goes on under the new key, with its modules; the
-- one that was made for the new key goes. Where it is not clear which is which (several of either) nothing is done.
-- p_missing: the keys that the listing lacks. Returns those of them that go on.
create or replace function courseyard.partner_renamed_v1(p_provider uuid, p_run uuid, p_missing text[])
returns text[]
language plpgsql
set search_path = ''
as $$
declare
  pairs jsonb;
begin
  select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(c) - 'formers' - 'fresh_ones') into pairs
    from (
      select k.external_id as former, k.row_id as stands, n.external_id as now_called, f.id as fresh,
          pg_catalog.count(*) over (partition by f.id) as formers, pg_catalog.count(*) over (partition by k.row_id) as fresh_ones
        from courseyard.partner_keys as k
        join public.partner_lms_enrollments as e on e.id = k.row_id
        join public.partner_lms_enrollments as f
          on f.student_id = e.student_id and f.course_id = e.course_id and f.id <> e.id
        join courseyard.partner_keys as n
          on n.provider_id = p_provider and n.kind = 'enrolment' and n.row_id = f.id and n.gone_at is null
        where k.provider_id = p_provider and k.kind = 'enrolment' and k.external_id = any (p_missing) and k.gone_at is null
          and exists (
            select from courseyard.sync_changes as c
              where c.run_id = p_run and c.row_id = f.id and c.before is null and c.table_name = 'partner_lms_enrollments')
          and not exists (select from public.external_module_progress as m where m.partner_enrollment_id = f.id)
          and not exists (select from public.partner_credentials as d where d.partner_enrollment_id = f.id)
    ) as c
    where c.formers = 1 and c.fresh_ones = 1;
  if pairs is null then
    return '{}';
  end if;

  delete from courseyard.partner_keys as k using pg_catalog.jsonb_to_recordset(pairs) as p (former text)
    where k.provider_id = p_provider and k.kind = 'enrolment' and k.external_id = p.former;
  -- Without a digest, so that the next telling is written whole.
  update courseyard.partner_keys as k set row_id = p.stands, hash = null, updated_at = pg_catalog.now()
    from pg_catalog.jsonb_to_recordset(pairs) as p (now_called text, stands uuid)
    where k.provider_id = p_provider and k.kind = 'enrolment' and k.external_id = p.now_called;
  update courseyard.partner_keys as k set
      external_id = p.now_called || pg_catalog.substr(k.external_id, pg_catalog.length(p.former) + 1)
    from pg_catalog.jsonb_to_recordset(pairs) as p (former text, now_called text, stands uuid)
    join public.external_module_progress as m on m.partner_enrollment_id = p.stands
    where k.provider_id = p_provider and k.kind = 'module' and k.row_id = m.id
      and pg_catalog.starts_with(k.external_id, p.former || ':');

  perform courseyard.partner_write_v1('partner_lms_enrollments', (
    select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object('id', p.stands, 'external_enrollment_id', p.now_called,
          'external_account_id', pg_catalog.to_jsonb(f) -> 'external_account_id')
        || case
          when pg_catalog.lower(f.status::text) = 'completed'
            then pg_catalog.jsonb_build_object('status', f.status, 'completed_at', f.completed_at)
          else '{}'
        end)
      from pg_catalog.jsonb_to_recordset(pairs) as p (now_called text, stands uuid, fresh uuid)
      join public.partner_lms_enrollments as f on f.id = p.fresh
  ), p_run);
  delete from courseyard.sync_changes as c using pg_catalog.jsonb_to_recordset(pairs) as p (fresh uuid)
    where c.run_id = p_run and c.row_id = p.fresh;
  delete from public.partner_lms_enrollments as f using pg_catalog.jsonb_to_recordset(pairs) as p (fresh uuid)
    where f.id = p.fresh;
  return array(select p.former from pg_catalog.jsonb_to_recordset(pairs) as p (former text));
end
$$;

revoke all on function courseyard.partner_renamed_v1(uuid, uuid, text[]) from public, anon, authenticated;
grant execute on function courseyard.partner_renamed_v1(uuid, uuid, text[]) to service_role;
