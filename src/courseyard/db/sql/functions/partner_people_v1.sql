-- The identity map: remembers accounts that a partner told of and finds out who they are, by the provider's rules in
-- their order. The first rule that finds anybody decides: one person is a match, several wait for a person to choose.
-- p_users: objects with external_id, email, name, sis_id; null: all that wait are looked at again, for those who have come
-- since. Returns who is still unknown and could be made.
create or replace function courseyard.partner_people_v1(p_provider uuid, p_users jsonb)
returns table (external_id text, email text, name text, sis_id text)
language plpgsql
set search_path = ''
as $$
declare
  rules text[];
  rule text;
  told text[];
begin
  select s.identity_rules into rules from courseyard.partner_settings as s where s.provider_id = p_provider;

  insert into courseyard.partner_people as p (provider_id, external_id, email, name, sis_id)
    select distinct on (u.external_id) p_provider, u.external_id, u.email, u.name, u.sis_id
      from pg_catalog.jsonb_to_recordset(p_users) as u (external_id text, email text, name text, sis_id text)
      order by u.external_id, u.email nulls last
    on conflict on constraint partner_people_pkey do update set
      email = coalesce(excluded.email, p.email),
      name = coalesce(excluded.name, p.name),
      sis_id = coalesce(excluded.sis_id, p.sis_id),
      seen_at = pg_catalog.now()
      where (excluded.email, excluded.name, excluded.sis_id) is distinct from (p.email, p.name, p.sis_id)
        or p.seen_at < pg_catalog.now() - interval '1 day';

  told := case when p_users is null
    then array(select p.external_id from courseyard.partner_people as p
      where p.provider_id = p_provider and p.state = 'waiting' and p.candidates = '{}')
    else array(select distinct u.external_id
      from pg_catalog.jsonb_to_recordset(p_users) as u (external_id text, email text, name text, sis_id text))
  end;

  foreach rule in array coalesce(rules, '{external_id,sis_id,email}') loop
    with unknown as (
      select p.external_id, p.email, p.sis_id from courseyard.partner_people as p
        where p.provider_id = p_provider and p.external_id = any (told) and p.state = 'waiting'
          and p.candidates = '{}'
    ),
    pairs as (
      select u.external_id, l.profile_id from unknown as u
        join courseyard.learners as l
          on l.external_id = case rule when 'external_id' then u.external_id when 'sis_id' then u.sis_id end
        where rule in ('external_id', 'sis_id')
      union
      select u.external_id, f.id from unknown as u
        join public.profiles as f on pg_catalog.lower(f.email::text) = pg_catalog.lower(u.email)
        where rule = 'email'
    ),
    found as (
      select q.external_id, pg_catalog.array_agg(q.profile_id order by q.profile_id) as people
        from pairs as q group by q.external_id
    )
    update courseyard.partner_people as p set
        state = case when pg_catalog.cardinality(f.people) = 1 then 'matched' else 'waiting' end,
        profile_id = case when pg_catalog.cardinality(f.people) = 1 then f.people[1] end,
        candidates = case when pg_catalog.cardinality(f.people) = 1 then '{}' else f.people end,
        rule = rule_name.value,
        updated_at = pg_catalog.now()
      from found as f, (select rule as value) as rule_name
      where p.provider_id = p_provider and p.external_id = f.external_id;
  end loop;

  return query
    select p.external_id, p.email, p.name, p.sis_id from courseyard.partner_people as p
      where p.provider_id = p_provider and p.external_id = any (told) and p.state = 'waiting'
        and p.candidates = '{}';
end
$$;

revoke all on function courseyard.partner_people_v1(uuid, jsonb) from public, anon, authenticated;
grant execute on function courseyard.partner_people_v1(uuid, jsonb) to service_role;
