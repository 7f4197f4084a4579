-- The second half of every write: keys of what was written, failures of what was not, open failures that are settled by
-- it, and the marks by which a full listing finds out what is gone. Returns how many records had which outcome.
create or replace function courseyard.partner_settle_v1(
  p_provider uuid,
  p_run uuid,
  p_kind text,
  p_plan courseyard.partner_item_v1[],
  p_listing boolean
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  counts jsonb;
begin
  insert into courseyard.partner_keys as k (provider_id, kind, external_id, row_id, hash, data_at, told_at, seen_run)
    -- The digest is of the newest record.
    select p_provider, p_kind, i.external_id, i.row_id, case when i.verdict = 'write' then i.hash end, i.data_at, i.told_at, p_run
      from pg_catalog.unnest(p_plan) as i
      where i.verdict in ('write', 'late')
      order by i.external_id
    on conflict on constraint partner_keys_pkey do update set
      row_id = excluded.row_id,
      hash = coalesce(excluded.hash, k.hash),
      data_at = greatest(k.data_at, excluded.data_at),
      told_at = excluded.told_at,
      seen_run = excluded.seen_run,
      -- An end of a later time was told before this.
      gone_at = case when k.data_at > excluded.data_at then k.gone_at end,
      updated_at = pg_catalog.now();

  -- The same again, but later: whatever was true in between is older than this.
  update courseyard.partner_keys as k set data_at = i.data_at, told_at = i.told_at
    from pg_catalog.unnest(p_plan) as i
    where i.verdict = 'unchanged' and k.provider_id = p_provider and k.kind = p_kind
      and k.external_id = i.external_id and k.data_at < i.data_at;

  -- Arrays and not joins: the plan is made while these tables are still small and unknown to the planner.
  if p_listing then
    update courseyard.partner_keys as k set seen_run = p_run
      where k.provider_id = p_provider and k.kind = p_kind and k.external_id = any (array(
        select i.external_id from pg_catalog.unnest(p_plan) as i where i.verdict not in ('write', 'late')));
  end if;
  -- What waits of a later time than what was written now goes on waiting; and so does what tells more.
  update courseyard.sync_failures as f set resolved_at = pg_catalog.now(), resolution = 'written'
    where f.provider_id = p_provider and f.kind = p_kind and f.resolved_at is null
      and f.external_id = any (array(
        select i.external_id from pg_catalog.unnest(p_plan) as i
          where i.verdict in ('write', 'late', 'unchanged', 'older', 'skipped')))
      and not exists (
        select from pg_catalog.unnest(p_plan) as i
          where i.external_id = f.external_id and (i.data_at < (f.record ->> 'data_at')::timestamptz
            or i.data_at > (f.record ->> 'data_at')::timestamptz and exists (
              select from courseyard.partner_given_v1(p_kind, f.record) as w
                join courseyard.partner_given_v1(p_kind, i.record) as n using (field)
                where w.told_at is not null and n.told_at is null)));

  insert into courseyard.sync_failures as f (provider_id, run_id, kind, external_id, person, record, code, reason)
    select p_provider, p_run, p_kind, i.external_id, i.record #>> '{user,external_id}', i.record, i.verdict,
        case i.verdict
          when 'person-unknown' then 'Nobody here is known to be this account of the partner.'
          when 'person-ambiguous' then 'Several people here could be this account of the partner.'
          when 'course-not-imported' then 'The course is in the catalogue and was not imported.'
          when 'course-unknown' then 'The course is not in the catalogue that was fetched.'
          else 'The enrolment that this belongs to is not known yet.'
        end
      from pg_catalog.unnest(p_plan) as i
      where i.verdict in ('person-unknown', 'person-ambiguous', 'course-unknown', 'course-not-imported',
        'enrolment-unknown')
      order by i.external_id
    on conflict (provider_id, kind, external_id) where resolved_at is null do update set
      run_id = excluded.run_id, person = excluded.person, code = excluded.code, reason = excluded.reason,
      record = courseyard.partner_merged_v1(p_kind, f.record, excluded.record),
      tries = f.tries + 1, last_at = pg_catalog.now();

  select coalesce(pg_catalog.jsonb_object_agg(c.verdict, c.n), '{}') into counts
    from (
      select case
            when i.verdict in ('write', 'unchanged', 'older', 'skipped') then i.verdict
            when i.verdict = 'late' then 'write'
            else 'failed'
          end as verdict,
          pg_catalog.count(*) as n
        from pg_catalog.unnest(p_plan) as i
        group by 1
    ) as c;
  return counts;
end
$$;

revoke all on function courseyard.partner_settle_v1(uuid, uuid, text, courseyard.partner_item_v1[], boolean) from public, anon, authenticated;
grant execute on function courseyard.partner_settle_v1(uuid, uuid, text, courseyard.partner_item_v1[], boolean) to service_role;
