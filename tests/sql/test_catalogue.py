"""What must hold for every object of the schema, whoever adds one."""

from __future__ import annotations

from .conftest import Database


def test_no_definer_function_that_others_may_call_is_in_an_exposed_schema(db: Database) -> None:
    assert db.rows(
        "select p.oid::regprocedure::text as name from pg_proc p where p.pronamespace = 'public'::regnamespace "
        "and p.prosecdef and (has_function_privilege('anon', p.oid, 'EXECUTE') "
        "or has_function_privilege('authenticated', p.oid, 'EXECUTE'))"
    ) == []  # fmt: skip


def test_no_function_of_the_engine_is_within_reach(db: Database) -> None:
    assert not db.value("select has_schema_privilege('anon', 'courseyard', 'USAGE')")
    assert not db.value("select has_schema_privilege('authenticated', 'courseyard', 'USAGE')")
    # Policies call these whatever schema they are in; that is all that is granted.
    granted = db.rows(
        "select p.proname from pg_proc p where p.pronamespace = 'courseyard'::regnamespace and p.prosecdef "
        "and has_function_privilege('authenticated', p.oid, 'EXECUTE') order by 1"
    )
    assert [row["proname"] for row in granted] == [
        "active_packages", "caller_role", "is_admin", "is_instructor", "is_staff", "managed_enrollments",
        "managed_packages", "own_enrollments", "own_open_enrollments", "own_packages",
    ]  # fmt: skip


def test_every_function_pins_its_search_path(db: Database) -> None:
    assert db.rows(
        "select p.oid::regprocedure::text as name from pg_proc p "
        "where p.pronamespace in ('public'::regnamespace, 'courseyard'::regnamespace, 'auth'::regnamespace) "
        "and not exists (select from unnest(p.proconfig) c where c like 'search_path=%%') "
        "and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')"
    ) == []  # fmt: skip


def test_every_foreign_key_has_an_index(db: Database) -> None:
    assert db.rows(
        "select c.conrelid::regclass::text || '.' || c.conname as name from pg_constraint c "
        "join pg_class t on t.oid = c.conrelid "
        "where c.contype = 'f' and t.relnamespace in ('public'::regnamespace, 'courseyard'::regnamespace) "
        "and not exists (select from pg_index i where i.indrelid = c.conrelid and i.indpred is null "
        "and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)"
    ) == []  # fmt: skip


def test_every_foreign_key_and_constraint_has_a_name_of_its_own(db: Database) -> None:
    names = db.rows("select conname from pg_constraint where connamespace in ('public'::regnamespace, "
                    "'courseyard'::regnamespace) and contype in ('f', 'u', 'c')")  # fmt: skip
    assert len(names) > 40
    assert [row["conname"] for row in names if row["conname"].endswith(("1", "not_null"))] == []


def test_row_level_security_is_on_everywhere(db: Database) -> None:
    assert db.rows(
        "select oid::regclass::text as name from pg_class where relkind in ('r', 'p') and not relrowsecurity "
        "and relnamespace in ('public'::regnamespace, 'courseyard'::regnamespace) "
    ) == []  # fmt: skip


def test_policies_are_one_per_command_and_ask_once_per_statement(db: Database) -> None:
    policies = db.rows("select * from pg_policies where schemaname = 'public'")
    assert policies
    assert all(policy["roles"] == ["authenticated"] for policy in policies)
    seen = [(policy["tablename"], policy["cmd"]) for policy in policies]
    assert len(seen) == len(set(seen))
    for policy in policies:
        for text in filter(None, (policy["qual"], policy["with_check"])):
            # Every call stands in a sub-select, so that it runs once and not for each row.
            assert text.count("auth.uid()") == text.count("SELECT auth.uid()"), text
            assert text.count("courseyard.") == text.count("SELECT courseyard."), text


def test_each_guided_trigger_has_one_event(db: Database) -> None:
    assert db.rows(
        "select trigger_name, event_manipulation, action_orientation from information_schema.triggers "
        "where trigger_name like 'trigger_%%' order by 1"
    ) == [
        {"trigger_name": "trigger_sync_partner_progress", "event_manipulation": "INSERT", "action_orientation": "STATEMENT"},
        {"trigger_name": "trigger_update_scorm_progress", "event_manipulation": "INSERT", "action_orientation": "STATEMENT"},
    ]  # fmt: skip
