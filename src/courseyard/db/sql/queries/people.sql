-- Accounts, sign-in links, sessions. Tokens come in as hashes.

-- name: account_by_email
select a.profile_id::text as profile_id, a.password_hash
from courseyard.accounts a
where lower(a.email) = lower(%(email)s) and a.disabled_at is null;

-- name: keep_password
update courseyard.accounts set password_hash = %(password_hash)s where profile_id = %(profile_id)s;

-- name: password_of
select password_hash from courseyard.accounts where profile_id = %(profile_id)s and disabled_at is null;

-- name: open_session
insert into courseyard.sessions (token_hash, profile_id, expires_at)
select %(token_hash)s, p.id, now() + %(lifetime)s
from public.profiles p
where p.id = %(profile_id)s
returning profile_id::text as profile_id;

-- name: person_of_session
-- Only a session of an account that may still sign in counts. What a profile may lack is read through its JSON.
with seen as (
  update courseyard.sessions s
  set last_seen_at = now()
  where s.token_hash = %(token_hash)s and s.expires_at > now() and s.last_seen_at < now() - interval '1 minute'
)
select p.id::text as profile_id, p.email, p.full_name as name,
  to_jsonb(p) ->> 'role' as role
from courseyard.sessions s
join public.profiles p on p.id = s.profile_id
where s.token_hash = %(token_hash)s and s.expires_at > now()
  and not exists (
    select from courseyard.accounts a where a.profile_id = p.id and a.disabled_at is not null
  );

-- name: person
select p.id::text as profile_id, p.email, p.full_name as name,
  to_jsonb(p) ->> 'role' as role
from public.profiles p
where p.id = %(profile_id)s
  and not exists (
    select from courseyard.accounts a where a.profile_id = p.id and a.disabled_at is not null
  );

-- name: person_by_email
select p.id::text as profile_id, p.email, p.full_name as name,
  to_jsonb(p) ->> 'role' as role
from public.profiles p
where lower(p.email) = lower(%(email)s)
order by p.id
limit 1;

-- name: close_session
delete from courseyard.sessions where token_hash = %(token_hash)s;

-- name: close_other_sessions
delete from courseyard.sessions
where profile_id = %(profile_id)s and token_hash is distinct from %(token_hash)s;

-- name: spend_open_links
update courseyard.sign_in_links set used_at = now()
where profile_id = %(profile_id)s and used_at is null;

-- name: drop_expired
with old_links as (delete from courseyard.sign_in_links where expires_at < now()),
  old_tries as (delete from courseyard.sign_in_tries where first_at < now() - %(window)s)
delete from courseyard.sessions where expires_at < now();

-- name: make_link
insert into courseyard.sign_in_links (token_hash, profile_id, expires_at)
values (%(token_hash)s, %(profile_id)s, now() + %(lifetime)s);

-- name: link_owner
select p.full_name as name, p.email
from courseyard.sign_in_links l
join public.profiles p on p.id = l.profile_id
where l.token_hash = %(token_hash)s and l.used_at is null and l.expires_at > now();

-- name: spend_link
-- One statement decides who wins when a link is opened twice at once.
update courseyard.sign_in_links l set used_at = now()
where l.token_hash = %(token_hash)s and l.used_at is null and l.expires_at > now()
  and not exists (
    select from courseyard.accounts a where a.profile_id = l.profile_id and a.disabled_at is not null
  )
returning l.profile_id::text as profile_id;

-- name: count_try
-- Counted before the password is looked at, so that many tries at once do not slip through together.
insert into courseyard.sign_in_tries as t (bucket, tries, first_at) values (%(bucket)s, 1, now())
on conflict (bucket) do update set
  tries = case when t.first_at > now() - %(window)s then t.tries + 1 else 1 end,
  first_at = case when t.first_at > now() - %(window)s then t.first_at else now() end
returning tries;

-- name: forget_tries
delete from courseyard.sign_in_tries where bucket = %(bucket)s;

-- name: uncount_try
update courseyard.sign_in_tries set tries = greatest(tries - 1, 0) where bucket = %(bucket)s;

-- name: profiles_hang_on_auth
select exists (
  select from pg_catalog.pg_constraint c
  where c.contype = 'f'
    and c.conrelid = to_regclass('public.profiles') and c.confrelid = to_regclass('auth.users')
) as hangs;

-- name: learner
select profile_id::text as profile_id, made
from courseyard.learner_v1(%(external_id)s, %(email)s, %(full_name)s, %(make)s, %(profile_id)s);

-- name: make_account
insert into courseyard.accounts (profile_id, email) values (%(profile_id)s, %(email)s)
on conflict (profile_id) do nothing;

-- name: set_role
update public.profiles set role = %(role)s where id = %(profile_id)s returning id::text as profile_id;

-- name: set_disabled
update courseyard.accounts set disabled_at = case when %(disabled)s then now() end
where profile_id = %(profile_id)s
returning profile_id::text as profile_id;

-- name: list_people
select p.id::text as profile_id, p.email, p.full_name as name,
  coalesce(to_jsonb(p) ->> 'role', 'student') as role,
  a.profile_id is not null as has_account, a.password_hash is not null as has_password, a.disabled_at,
  l.external_id,
  (select max(s.last_seen_at) from courseyard.sessions s where s.profile_id = p.id) as last_seen_at,
  count(*) over () as total
from public.profiles p
left join courseyard.accounts a on a.profile_id = p.id
left join courseyard.learners l on l.profile_id = p.id
where %(search)s::text is null
  or p.full_name ilike %(search)s or p.email ilike %(search)s or l.external_id ilike %(search)s
order by lower(coalesce(p.full_name, p.email)), p.id
limit %(limit)s offset %(offset)s;

-- name: any_account
select profile_id::text as profile_id from courseyard.accounts where disabled_at is null limit 1;
