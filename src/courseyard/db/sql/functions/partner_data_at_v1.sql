-- How old what is here of a partner is: the newest time that the partner told of its data; where none of its streams tells
-- one, the time of the last look. Null before the first.
create or replace function courseyard.partner_data_at_v1(p_provider uuid)
returns timestamptz
language sql
stable
set search_path = ''
as $$
  select coalesce(pg_catalog.max(c.data_at), pg_catalog.max(c.finished_at))
    from courseyard.sync_cursors as c where c.provider_id = p_provider;
$$;

revoke all on function courseyard.partner_data_at_v1(uuid) from public, anon, authenticated;
grant execute on function courseyard.partner_data_at_v1(uuid) to service_role;
