-- Files in the package store that no version stands for: of imports that run or were killed, and of packages whose
-- rows are gone while their files are being removed. What lies in the store without a row here is nobody's business:
-- another installation may use the same storage.

create table if not exists courseyard.loose_files (
  version_id uuid not null,
  since timestamptz not null default now(),
  constraint loose_files_pkey primary key (version_id)
);
alter table courseyard.loose_files enable row level security;
revoke all on courseyard.loose_files from public, anon, authenticated;
grant all on courseyard.loose_files to service_role;

do $verify$
begin
  if has_table_privilege('authenticated', 'courseyard.loose_files', 'select')
    or not has_table_privilege('service_role', 'courseyard.loose_files', 'select, insert, delete') then
    raise exception 'The rights on courseyard.loose_files are not as they should be.'
      using errcode = 'CY002', hint = 'Run all of Courseyard''s SQL again, from its beginning.';
  end if;
end
$verify$;
