-- The words for the states of an enrolment at a partner, as sets that an organisation's own status column may take:
-- text or an enumeration, perhaps limited by a CHECK. To be tried in this order.
create or replace function courseyard.partner_words_v1()
returns jsonb[]
language sql
immutable
set search_path = ''
as $$
  select array[
    '{"pending": "pending", "active": "active", "completed": "completed", "failed": "failed", "withdrawn": "withdrawn"}',
    '{"pending": "pending", "active": "in_progress", "completed": "completed", "failed": "failed", "withdrawn": "cancelled"}',
    '{"pending": "enrolled", "active": "active", "completed": "completed", "failed": "completed", "withdrawn": "dropped"}'
  ]::jsonb[];
$$;

revoke all on function courseyard.partner_words_v1() from public, anon, authenticated;
grant execute on function courseyard.partner_words_v1() to service_role;
