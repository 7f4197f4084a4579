-- Writes partner enrolments, their status in our words ("pending", "active", …) put into the organisation's own; where its
-- column has no word for one, the rest is written and the status stays.
create or replace function courseyard.partner_status_v1(p_rows jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  words constant jsonb := courseyard.partner_words_v2();
begin
  perform courseyard.partner_write_v1('partner_lms_enrollments', (
    select pg_catalog.jsonb_agg(case
        when words ? (r.value ->> 'status')
          then r.value || pg_catalog.jsonb_build_object('status', words -> (r.value ->> 'status'))
        else r.value - 'status'
      end)
      from pg_catalog.jsonb_array_elements(p_rows) as r
  ), null);
end
$$;

revoke all on function courseyard.partner_status_v1(jsonb) from public, anon, authenticated;
grant execute on function courseyard.partner_status_v1(jsonb) to service_role;
