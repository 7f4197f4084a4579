-- Writes partner enrolments, their status in our words ("pending", "active", …): the first set of words that the column
-- takes is used; where it takes none, the rest is written and the status stays.
create or replace function courseyard.partner_status_v1(p_rows jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  words jsonb;
begin
  foreach words in array courseyard.partner_words_v1() || null::jsonb loop
    begin
      perform courseyard.partner_write_v1('partner_lms_enrollments', (
        select pg_catalog.jsonb_agg(case
            when words is null then r.value - 'status'
            else r.value || pg_catalog.jsonb_build_object('status', words ->> (r.value ->> 'status'))
          end)
          from pg_catalog.jsonb_array_elements(p_rows) as r
      ), null);
      return;
    exception when check_violation or invalid_text_representation or string_data_right_truncation then
      if words is null then
        raise;
      end if;
    end;
  end loop;
end
$$;

revoke all on function courseyard.partner_status_v1(jsonb) from public, anon, authenticated;
grant execute on function courseyard.partner_status_v1(jsonb) to service_role;
