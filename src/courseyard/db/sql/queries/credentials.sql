-- Credentials that partners issued. What a caller may see is decided by policies on the public tables: "seen" runs with
-- the caller's rights, "beside" fetches the engine's own facts about what was seen.

-- name: seen
select c.id::text as id, c.user_id::text as user_id, c.provider_id::text as provider_id,
  c.partner_enrollment_id::text as partner_enrollment_id, c.credential_name, c.credential_type, c.credential_number,
  c.external_credential_id, c.issued_date, c.expiration_date, c.verification_url, c.certificate_url,
  c.metadata ->> 'revoked_at' as revoked_at, c.created_at, f.full_name::text as person_name, f.email::text as person_email,
  l.provider_name::text as provider_name,
  case
    when c.metadata ? 'revoked_at' then 'revoked'
    when c.expiration_date < current_date then 'expired'
    when c.expiration_date < current_date + 60 then 'expiring'
    else 'valid'
  end as state, count(*) over () as total
from public.partner_credentials as c
left join public.profiles as f on f.id = c.user_id
left join public.partner_lms_providers as l on l.id = c.provider_id
where (%(id)s::uuid is null or c.id = %(id)s)
  and (%(user_id)s::uuid is null or c.user_id = %(user_id)s)
  and (%(provider_id)s::uuid is null or c.provider_id = %(provider_id)s)
  and (%(state)s::text is null or %(state)s = case
    when c.metadata ? 'revoked_at' then 'revoked'
    when c.expiration_date < current_date then 'expired'
    when c.expiration_date < current_date + 60 then 'expiring'
    else 'valid'
  end)
  and (%(search)s::text is null or c.credential_name ilike %(search)s or c.credential_number ilike %(search)s
    or f.full_name ilike %(search)s or f.email ilike %(search)s)
order by c.issued_date desc nulls last, c.created_at desc, c.id
limit %(limit)s offset %(offset)s;

-- name: beside
select c.id::text as id, f.file_name, f.size, k.state as check_state, k.detail as check_detail, k.checked_at,
  k.answered_at, k.address is distinct from c.verification_url as check_is_old
from public.partner_credentials as c
left join courseyard.credential_files as f on f.credential_id = c.id
left join courseyard.credential_checks as k on k.credential_id = c.id
where c.id = any(%(ids)s::uuid[]);

-- name: add
insert into public.partner_credentials (user_id, provider_id, partner_enrollment_id, credential_name, credential_type,
  credential_number, issued_date, expiration_date, verification_url, certificate_url, metadata)
values (%(user_id)s, %(provider_id)s, %(partner_enrollment_id)s, %(credential_name)s, %(credential_type)s,
  %(credential_number)s, %(issued_date)s, %(expiration_date)s, %(verification_url)s, %(certificate_url)s,
  jsonb_build_object('entered_by', %(entered_by)s::text))
returning id::text as id;

-- name: change
update public.partner_credentials set credential_name = %(credential_name)s, credential_type = %(credential_type)s,
  credential_number = %(credential_number)s, issued_date = %(issued_date)s, expiration_date = %(expiration_date)s,
  verification_url = %(verification_url)s, certificate_url = coalesce(%(certificate_url)s, certificate_url)
where id = %(id)s;

-- name: delete
delete from public.partner_credentials where id = %(id)s;

-- name: keep_file
insert into courseyard.credential_files as f (credential_id, file_name, size, sha256)
values (%(id)s, %(file_name)s, %(size)s, %(sha256)s)
on conflict on constraint credential_files_pkey do update set
  file_name = excluded.file_name, size = excluded.size, sha256 = excluded.sha256, created_at = now();

-- name: set_certificate_url
update public.partner_credentials set certificate_url = %(url)s where id = %(id)s;

-- name: file
select f.file_name, f.size, f.sha256 from courseyard.credential_files as f where f.credential_id = %(id)s;

-- name: to_check
-- Addresses that were never looked at, or not for a while; one that is in trouble is looked at again sooner.
select c.id::text as id, c.verification_url, c.provider_id::text as provider_id
from public.partner_credentials as c
left join courseyard.credential_checks as k on k.credential_id = c.id
where c.verification_url is not null and not c.metadata ? 'revoked_at'
  and (c.expiration_date is null or c.expiration_date >= current_date)
  and (k.credential_id is null or k.address <> c.verification_url
    or k.checked_at < now() - case when k.state = 'trouble' then interval '1 day' else interval '7 days' end)
order by k.checked_at nulls first, c.id limit %(limit)s;

-- name: keep_check
insert into courseyard.credential_checks as k (credential_id, address, state, detail, answered_at)
select c.id, %(address)s, %(state)s, %(detail)s, case when %(state)s = 'answers' then now() end
from public.partner_credentials as c where c.id = %(id)s
on conflict on constraint credential_checks_pkey do update set
  address = excluded.address, state = excluded.state, detail = excluded.detail, checked_at = now(),
  answered_at = coalesce(excluded.answered_at, case when k.address = excluded.address then k.answered_at end);

-- name: trusted_hosts
-- Hosts that the provider's own set-up names: an organisation's partner may live in its own network.
select coalesce(s.options ->> 'base_url', '') as base_url, coalesce(to_jsonb(l) ->> 'website_url', '') as website_url
from public.partner_lms_providers as l
left join courseyard.partner_settings as s on s.provider_id = l.id
where l.id = %(provider_id)s;

-- name: remind
-- Reminders whose day has come and that did not go out yet; recorded with the same statement, so that each goes once.
insert into courseyard.credential_reminders as r (credential_id, expires, days)
select c.id, c.expiration_date, min(d.days)
from public.partner_credentials as c
cross join unnest(%(days)s::integer[]) as d (days)
where c.expiration_date between current_date - 1 and current_date + d.days and not c.metadata ? 'revoked_at'
  and not exists (
    select from courseyard.credential_reminders as o
    where o.credential_id = c.id and o.expires = c.expiration_date and o.days <= d.days
  )
group by c.id, c.expiration_date
on conflict do nothing
returning r.credential_id::text as credential_id, r.expires, r.days;

-- name: reminder
select c.id::text as credential_id, c.credential_name as name, c.expiration_date, c.verification_url,
  l.provider_name::text as provider, coalesce(e.external_id, f.id::text) as learner_id, f.email::text as learner_email,
  f.full_name::text as learner_name
from public.partner_credentials as c
join public.profiles as f on f.id = c.user_id
left join courseyard.learners as e on e.profile_id = f.id
left join public.partner_lms_providers as l on l.id = c.provider_id
where c.id = %(id)s;
