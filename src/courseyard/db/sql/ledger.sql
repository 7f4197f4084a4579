-- Which files were applied to this database. Run before the first of them is recorded.
do $ledger$
begin
  if to_regclass('courseyard.schema_migrations') is null then
    create schema if not exists courseyard;
    create table courseyard.schema_migrations (
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default now(),
      constraint schema_migrations_pkey primary key (name)
    );
    alter table courseyard.schema_migrations enable row level security;
    revoke all on courseyard.schema_migrations from public;
  end if;
end
$ledger$;
