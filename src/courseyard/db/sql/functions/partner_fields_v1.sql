-- What a partner may tell of an enrolment or a module one time and leave out another: of each such field the newest that was
-- told counts, in whatever order it comes. A module's started_at is not among them: of that the earliest counts.
create or replace function courseyard.partner_fields_v1(p_kind text)
returns text[]
language sql
immutable
set search_path = ''
as $$
  select case p_kind
    when 'enrolment' then array['status', 'progress', 'enrolled_at']
    when 'module' then array['status', 'progress', 'score', 'time_spent_seconds', 'last_accessed_at', 'module_name']
    else '{}'
  end;
$$;

revoke all on function courseyard.partner_fields_v1(text) from public, anon, authenticated;
grant execute on function courseyard.partner_fields_v1(text) to service_role;
