-- What the partner answered to an enrolment, written with the end of its outbox entry: person and keys are linked, so that
-- the next sync finds the same row. p_answer: an item as runs write it. Refused (CY411) when another worker took the entry
-- over or it is over; CY409 when the partner's enrolment is somebody else's here.
create or replace function courseyard.partner_enrolled_v1(p_item uuid, p_token uuid, p_answer jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  item courseyard.partner_outbox;
  own public.partner_lms_enrollments;
  key constant text := p_answer ->> 'external_id';
  counts jsonb;
begin
  select o.* into item from courseyard.partner_outbox as o
    where o.id = p_item and o.token = p_token and o.state = 'working' for update;
  if not found then
    raise exception 'Another worker goes on with this, or it is over.' using errcode = 'CY411';
  end if;
  select e.* into own from public.partner_lms_enrollments as e where e.id = item.partner_enrollment_id;
  if exists (
    select from courseyard.partner_keys as k
      join public.partner_lms_enrollments as e on e.id = k.row_id
      where k.provider_id = item.provider_id and k.kind = 'enrolment' and k.external_id = key
        and e.student_id <> own.student_id
  ) then
    raise exception 'The partner''s account belongs to somebody else here: the enrolment % stands for another person.', key
      using errcode = 'CY409';
  end if;

  insert into courseyard.partner_keys (provider_id, kind, external_id, row_id)
    values (item.provider_id, 'course', p_answer #>> '{record,course}', own.course_id)
    on conflict on constraint partner_keys_pkey do nothing;
  delete from courseyard.partner_keys as k
    where k.provider_id = item.provider_id and k.kind = 'enrolment' and k.row_id = own.id and k.external_id <> key;
  insert into courseyard.partner_keys (provider_id, kind, external_id, row_id)
    values (item.provider_id, 'enrolment', key, own.id)
    on conflict on constraint partner_keys_pkey do update set
      row_id = excluded.row_id, hash = null, data_at = null, told_at = null, gone_at = null;
  -- A partner that does not tell the state has enrolled the person all the same.
  counts := courseyard.partner_enrolments_v1(item.provider_id, null, pg_catalog.jsonb_build_array(
    case when p_answer #> '{record,status}' = 'null' then p_answer #- '{record,status}' else p_answer end), false, false, false);
  if not counts ? 'write' then
    raise exception 'What the partner answered could not be written: its course or account is not known here.'
      using errcode = 'CY409';
  end if;
  update courseyard.partner_outbox as o set
      state = 'done', done_at = pg_catalog.now(), updated_at = pg_catalog.now(), error = null, advice = null, token = null
    where o.id = p_item;
end
$$;

revoke all on function courseyard.partner_enrolled_v1(uuid, uuid, jsonb) from public, anon, authenticated;
grant execute on function courseyard.partner_enrolled_v1(uuid, uuid, jsonb) to service_role;
