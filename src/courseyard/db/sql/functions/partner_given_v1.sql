-- When each field of a record was told, by its name: null for one that the record does not tell. p_record: as the runs write
-- it; its told_at, where it was put together from several, holds the times that differ from its own.
create or replace function courseyard.partner_given_v1(p_kind text, p_record jsonb)
returns table (field text, told_at timestamptz)
language sql
immutable
set search_path = ''
as $$
  select f.name,
      case
        -- Left out, a status is the ordinary one; null, the partner does not say.
        when f.name = 'status' and p_record -> 'status' is distinct from 'null'
            or f.name <> 'status' and p_record ->> f.name is not null
          then coalesce(p_record #>> array['told_at', f.name], p_record ->> 'data_at', 'infinity')::timestamptz
      end
    from pg_catalog.unnest(courseyard.partner_fields_v1(p_kind)) as f (name);
$$;

revoke all on function courseyard.partner_given_v1(text, jsonb) from public, anon, authenticated;
grant execute on function courseyard.partner_given_v1(text, jsonb) to service_role;
