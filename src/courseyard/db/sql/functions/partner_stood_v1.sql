-- The times of the fields of a record, each by its name, when the record as a whole is to count as of another time.
create or replace function courseyard.partner_stood_v1(p_kind text, p_told_at jsonb, p_data_at timestamptz)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select pg_catalog.jsonb_object_agg(f.name,
      case
        when p_told_at ? f.name then p_told_at -> f.name
        else pg_catalog.to_jsonb(coalesce(p_data_at, '-infinity'))
      end)
    from pg_catalog.unnest(courseyard.partner_fields_v1(p_kind)) as f (name);
$$;

revoke all on function courseyard.partner_stood_v1(text, jsonb, timestamptz) from public, anon, authenticated;
grant execute on function courseyard.partner_stood_v1(text, jsonb, timestamptz) to service_role;
