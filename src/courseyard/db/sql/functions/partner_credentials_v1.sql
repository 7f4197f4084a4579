-- Certificates and badges that a partner issued. One that waits for its person waits as enrolments do.
create or replace function courseyard.partner_credentials_v1(
  p_provider uuid,
  p_run uuid,
  p_items jsonb,
  p_compare boolean,
  p_listing boolean
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  plan courseyard.partner_item_v1[];
  counts jsonb;
  written record;
begin
  select pg_catalog.array_agg(row(i.external_id, i.hash, i.data_at, i.record,
      case
        when i.verdict = 'older' then i.verdict
        when p.state = 'ignored' then 'skipped'
        when p.profile_id is null and pg_catalog.cardinality(p.candidates) > 1 then 'person-ambiguous'
        when p.profile_id is null then 'person-unknown'
        when i.verdict = 'unchanged' and t.id is null then 'write'
        else i.verdict
      end,
      coalesce(i.row_id, o.id, pg_catalog.gen_random_uuid()), null, p.profile_id, e.id, i.told_at)::courseyard.partner_item_v1)
    into plan
    from courseyard.partner_plan_v1(p_provider, 'credential', p_items, p_compare) as i
    left join courseyard.partner_people as p
      on p.provider_id = p_provider and p.external_id = i.record #>> '{user,external_id}'
    left join courseyard.partner_keys as k
      on k.provider_id = p_provider and k.kind = 'enrolment' and k.external_id = i.record ->> 'enrolment'
    left join public.partner_lms_enrollments as e on e.id = k.row_id
    left join public.partner_credentials as t on t.id = i.row_id
    -- One that was entered by hand under the partner's own key.
    left join lateral (
      select c.id from public.partner_credentials as c
        where i.row_id is null and c.provider_id = p_provider and c.external_credential_id = i.external_id
        limit 1
    ) as o on true;

  select * into written from courseyard.partner_write_v1('partner_credentials', (
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
        'id', i.row_id, 'user_id', i.person_id, 'provider_id', p_provider, 'partner_enrollment_id', i.enrolment_id,
        'external_credential_id', i.external_id, 'credential_name', i.record ->> 'name',
        'credential_type', i.record ->> 'type', 'credential_number', i.record ->> 'number',
        'issued_date', i.record ->> 'issued', 'verification_url', i.record ->> 'verification_url',
        'certificate_url', i.record ->> 'certificate_url',
        'metadata', coalesce(t.metadata, '{}') - 'revoked_at'
          || pg_catalog.jsonb_build_object('partner', coalesce(i.record -> 'extra', '{}'))))
        -- Outside of the above: one that no longer expires loses its date.
        || pg_catalog.jsonb_build_object('expiration_date', i.record ->> 'expires'))
      from pg_catalog.unnest(plan) as i
      left join public.partner_credentials as t on t.id = i.row_id
      where i.verdict = 'write'
  ), p_run);

  counts := courseyard.partner_settle_v1(p_provider, p_run, 'credential', plan, p_listing);
  return counts || pg_catalog.jsonb_build_object('created', written.created, 'updated', written.updated);
end
$$;

revoke all on function courseyard.partner_credentials_v1(uuid, uuid, jsonb, boolean, boolean) from public, anon, authenticated;
grant execute on function courseyard.partner_credentials_v1(uuid, uuid, jsonb, boolean, boolean) to service_role;
