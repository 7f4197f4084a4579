-- Packages, their versions and files.

-- name: create
insert into public.scorm_packages
  (id, title, description, version, package_url, manifest_url, launch_url, duration_minutes, passing_score, metadata,
   created_by)
select fresh.id, %(title)s, %(description)s, %(version)s,
  '/api/packages/' || fresh.id, '/api/packages/' || fresh.id || '/manifest', %(launch_path)s,
  %(duration_minutes)s, coalesce(%(passing_score)s, 80), %(metadata)s, %(created_by)s::uuid
from (select gen_random_uuid() as id) as fresh
returning id::text, title;

-- name: renew
update public.scorm_packages set
  title = coalesce(%(title)s, title), version = %(version)s, launch_url = %(launch_path)s,
  description = coalesce(description, %(description)s),
  duration_minutes = coalesce(%(duration_minutes)s, duration_minutes),
  passing_score = coalesce(%(passing_score)s, passing_score),
  metadata = coalesce(metadata, '{}') || %(metadata)s
where id = %(package_id)s
returning id::text, title;

-- name: add_version
with version as (
  insert into courseyard.package_versions
    (id, package_id, number, standard, edition, document, findings, file_name, sha256, file_count, total_bytes,
     activity_count)
  select %(id)s, %(package_id)s, coalesce(max(v.number), 0) + 1, %(standard)s, %(edition)s, %(document)s,
    %(findings)s::jsonb, %(file_name)s, %(sha256)s, %(file_count)s, %(total_bytes)s, %(activity_count)s
  from courseyard.package_versions v where v.package_id = %(package_id)s
  returning id, package_id, number
), settings as (
  insert into courseyard.package_settings (package_id, current_version_id)
  select package_id, id from version
  on conflict (package_id) do update set current_version_id = excluded.current_version_id, updated_at = now()
)
select id::text, number from version;

-- name: add_files
insert into courseyard.package_files (version_id, path, size, media_type)
select %(version_id)s, f.path, f.size, f.type
from unnest(%(paths)s::text[], %(sizes)s::bigint[], %(types)s::text[]) as f (path, size, type);

-- name: versions
select id::text, number, edition, file_name, file_count, total_bytes, activity_count, created_at
from courseyard.package_versions where package_id = %(package_id)s order by number desc;

-- name: current
-- What the version holds that new attempts start on.
select v.document, jsonb_array_length(v.findings) as findings
from courseyard.package_settings s
join courseyard.package_versions v on v.id = s.current_version_id
where s.package_id = %(package_id)s;

-- name: delete
-- The versions go with their package; their files are noted until they are gone from the store.
with loose as (
  insert into courseyard.loose_files (version_id)
  select id from courseyard.package_versions where package_id = %(package_id)s
  on conflict do nothing
)
delete from public.scorm_packages where id = %(package_id)s;

-- name: note_files
insert into courseyard.loose_files (version_id) values (%(version_id)s);

-- name: settle_files
delete from courseyard.loose_files where version_id = %(version_id)s;

-- name: loose_files
select version_id::text from courseyard.loose_files where since < %(before)s order by since;

-- name: by_digest
-- Whether a package of these bytes stands already: the demo loads its courses once.
select p.id::text, p.title, p.version as edition, v.id::text as version_id, v.number, v.activity_count as activities
from courseyard.package_versions v
join public.scorm_packages p on p.id = v.package_id
where v.sha256 = %(sha256)s order by v.created_at limit 1;
