-- For each state of an enrolment at a partner the first of its words that the organisation's own status column takes: text
-- or an enumeration, perhaps limited by a CHECK of its own. A state that it has no word for is left out.
create or replace function courseyard.partner_words_v2()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  words jsonb := '{}';
  candidate record;
  kind text;
  rules text;
  taken boolean;
begin
  select pg_catalog.format_type(a.atttypid, a.atttypmod),
      coalesce(pg_catalog.string_agg(pg_catalog.pg_get_expr(c.conbin, c.conrelid), ' and '), 'true')
    into kind, rules
    from pg_catalog.pg_attribute as a
    left join pg_catalog.pg_constraint as c
      on c.conrelid = a.attrelid and c.contype = 'c' and c.conkey = array[a.attnum]
    where a.attrelid = 'public.partner_lms_enrollments'::regclass and a.attname = 'status' and not a.attisdropped
    group by a.atttypid, a.atttypmod;

  for candidate in
    select * from (values
      ('pending', 'pending'), ('pending', 'enrolled'), ('pending', 'invited'), ('pending', 'not_started'),
      -- Begun, of one that the partner calls pending: as trigger_sync_partner_progress calls it.
      ('begun', 'in_progress'), ('begun', 'active'),
      ('active', 'active'), ('active', 'in_progress'), ('active', 'enrolled'),
      ('completed', 'completed'),
      ('failed', 'failed'),
      ('withdrawn', 'withdrawn'), ('withdrawn', 'cancelled'), ('withdrawn', 'canceled'), ('withdrawn', 'dropped')
    ) as list (state, word)
  loop
    continue when words ? candidate.state;
    begin
      -- A word that a short column would cut off is none of its words.
      execute pg_catalog.format('select s.status::text = %2$L and (%3$s) is not false from (select %2$L::%1$s as status) as s',
        kind, candidate.word, rules) into taken;
    exception when check_violation or invalid_text_representation or string_data_right_truncation then
      taken := false;
    end;
    if taken then
      words := words || pg_catalog.jsonb_build_object(candidate.state, candidate.word);
    end if;
  end loop;
  return words;
end
$$;

revoke all on function courseyard.partner_words_v2() from public, anon, authenticated;
grant execute on function courseyard.partner_words_v2() to service_role;
