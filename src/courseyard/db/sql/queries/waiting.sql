-- Records that wait, counted as pages tell it. The counts of a run say how often a record could not be written; one that
-- is tried again within the run is in them each time.

-- name: of_runs
-- What waits now of what these runs tried, per kind; unread: of these, what nobody could read or the database refused.
-- What a later run tried again is that run's.
select f.run_id::text as run_id, f.kind, count(*) as n,
  count(*) filter (where f.code in ('refused', 'not-understood')) as unread
from courseyard.sync_failures as f
where f.run_id = any(%(run_ids)s::uuid[]) and f.resolved_at is null
group by f.run_id, f.kind;

-- name: of_accounts
-- Records that wait for somebody to say who these accounts are, with the modules of their enrolments; and others of theirs,
-- which wait for something else.
with own as (
  select f.person, f.external_id, f.kind, f.code in ('person-unknown', 'person-ambiguous') as follows
  from courseyard.sync_failures as f
  where f.provider_id = %(provider_id)s and f.resolved_at is null and f.person = any(%(accounts)s::text[])
),
waiting as (
  select o.person, o.follows from own as o
  union all
  select o.person, o.follows and f.code not in ('refused', 'not-understood')
  from own as o
  join courseyard.sync_failures as f
    on f.provider_id = %(provider_id)s and f.resolved_at is null and f.kind = 'module' and f.person is null
    and f.record ->> 'enrolment' = o.external_id
  where o.kind = 'enrolment'
)
select w.person as account, count(*) filter (where w.follows) as records, count(*) filter (where not w.follows) as others
from waiting as w
group by w.person;
