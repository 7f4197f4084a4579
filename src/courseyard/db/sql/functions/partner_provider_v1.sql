-- A provider's public row, made or changed. Its type is the connector's kind; where a CHECK or an enumeration of the
-- organisation's own does not know it, or another provider has it already and it must be unique, a word that fits is taken.
create or replace function courseyard.partner_provider_v1(p_id uuid, p_kind text, p_row jsonb)
returns text
language plpgsql
set search_path = ''
as $$
declare
  found_id constant uuid := coalesce(p_id, pg_catalog.gen_random_uuid());
  standing_type text;
  word text;
begin
  select pg_catalog.to_jsonb(l) ->> 'provider_type' into standing_type
    from public.partner_lms_providers as l where l.id = found_id;
  if standing_type is not null then
    perform courseyard.partner_write_v1('partner_lms_providers', pg_catalog.jsonb_build_array(
      p_row || pg_catalog.jsonb_build_object('id', found_id)), null);
    return found_id;
  end if;
  foreach word in array array[p_kind, p_kind || '-' || pg_catalog.left(found_id::text, 8), 'other', 'custom', 'lms', null] loop
    begin
      perform courseyard.partner_write_v1('partner_lms_providers', pg_catalog.jsonb_build_array(
        p_row || pg_catalog.jsonb_build_object('id', found_id)
          || case when word is null then '{}' else pg_catalog.jsonb_build_object('provider_type', word) end), null);
      return found_id;
    exception when check_violation or unique_violation or invalid_text_representation then
      if word is null then
        raise exception 'The table partner_lms_providers takes no further type of provider: its provider_type is limited.'
          using errcode = 'CY409';
      end if;
    end;
  end loop;
end
$$;

revoke all on function courseyard.partner_provider_v1(uuid, text, jsonb) from public, anon, authenticated;
grant execute on function courseyard.partner_provider_v1(uuid, text, jsonb) to service_role;
