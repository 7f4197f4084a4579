-- Finds a learner by the caller's own identifier or else by e-mail, and makes one where that may be done here.
-- Returns no row when nobody is known and p_make is false. p_id: the id that Supabase gave to a user just made.
-- A known e-mail whose learner goes by another identifier is somebody else.
create or replace function courseyard.learner_v1(
  p_external_id text,
  p_email text,
  p_name text,
  p_make boolean,
  p_id uuid default null
)
returns table (profile_id uuid, made boolean)
language plpgsql
set search_path = ''
as $$
declare
  found_id uuid;
begin
  -- Two requests for the same new learner at once make one learner.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('courseyard.learner', 0));

  if p_external_id is not null then
    select l.profile_id into found_id from courseyard.learners l where l.external_id = p_external_id;
  end if;
  if found_id is null and p_id is not null then
    found_id := p_id;
    insert into public.profiles as p (id, email, full_name) values (p_id, p_email, p_name)
    on conflict (id) do update set
      email = coalesce(p.email, excluded.email), full_name = coalesce(p.full_name, excluded.full_name);
    made := true;
  end if;
  if found_id is null then
    select p.id into found_id
    from public.profiles p
    left join courseyard.learners l on l.profile_id = p.id
    where lower(p.email) = lower(p_email)
      and (p_external_id is null or l.external_id is null)
    order by pg_catalog.to_jsonb(p) ->> 'created_at', p.id
    limit 1;
  end if;
  if found_id is null and p_make then
    found_id := pg_catalog.gen_random_uuid();
    insert into public.profiles (id, email, full_name) values (found_id, p_email, p_name);
    made := true;
  end if;
  if found_id is null then
    return;
  end if;

  insert into courseyard.learners as l (profile_id, external_id, display_name)
  values (found_id, p_external_id, p_name)
  on conflict on constraint learners_pkey do update set
    external_id = coalesce(l.external_id, excluded.external_id),
    display_name = coalesce(excluded.display_name, l.display_name);

  profile_id := found_id;
  made := coalesce(made, false);
  return next;
end
$$;
