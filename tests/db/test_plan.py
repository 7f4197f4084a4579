"""Plan tells what apply would do and what is in the way, and changes nothing."""

from __future__ import annotations

import json

import psycopg
import pytest

from courseyard.db import plan as plan_module
from courseyard.db.migrate import apply
from courseyard.db.plan import make_plan
from courseyard.db.scripts import scripts
from courseyard.errors import DatabaseUnreachableError, SetupError


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def texts(plan, state: str) -> str:
    return "\n".join(check.text for check in plan.checks if check.state == state)


def catalogue(url: str) -> list[tuple]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "select oid::text, relname, relacl::text from pg_class where relname !~ '^pg_toast' "
            "union all select oid::text, nspname, nspacl::text from pg_namespace where nspname !~ '^pg_' "
            "union all select oid::text, proname, proacl::text from pg_proc order by 1, 2"
        ).fetchall()


def test_on_an_empty_database_all_is_to_be_done(either_empty_db):
    before = catalogue(either_empty_db)
    plan = make_plan(either_empty_db)
    assert not plan.blocked
    assert "create table scorm_packages" in plan.steps
    assert "create table profiles" in plan.steps
    assert [s for s in plan.steps if s.startswith("run ")] == [f"run {s.name}" for s in scripts()]
    assert "table scorm_tracking is absent" in texts(plan, "ok")
    assert "PostgreSQL" in plan.checks[0].text
    assert catalogue(either_empty_db) == before


def test_on_a_current_database_there_is_nothing_to_do(either_db):
    run(
        either_db, "insert into scorm_packages (title, package_url, launch_url) values ('a', 'b', 'c'), ('d', 'e', 'f')"
    )
    plan = make_plan(either_db)
    assert plan.steps == []
    assert not plan.blocked
    assert "table scorm_packages stands with 2 rows; its rows stay" in texts(plan, "ok")
    assert "table profiles stands with 0 rows; stays as it is" in texts(plan, "ok")


def test_what_was_changed_by_hand_is_listed_for_repair(db_url):
    run(db_url, "grant select on public.scorm_enrollments to anon", "drop view public.scorm_completion_summary")
    steps = make_plan(db_url).steps
    assert "repair: anon may SELECT on scorm_enrollments" in steps
    assert "repair: view scorm_completion_summary is missing" in steps
    apply(db_url)
    assert make_plan(db_url).steps == []


def test_an_earlier_hand_made_table_is_compared(empty_db):
    run(empty_db, "create table scorm_packages (id uuid primary key, title varchar(50), package_url text)")
    plan = make_plan(empty_db)
    assert "bring up to date: scorm_packages.title is 'varchar', not 'text not null'" in plan.steps
    assert "bring up to date: scorm_packages has no column launch_url" in plan.steps


def test_a_base_table_that_lacks_a_column_is_in_the_way(empty_db):
    run(empty_db, "create table profiles (id uuid primary key, email text)")
    plan = make_plan(empty_db)
    assert plan.blocked
    assert "profiles lacks: full_name" in texts(plan, "problem")


def test_missing_rights_are_in_the_way_with_the_remedy(empty_db, request):
    name = empty_db.rsplit("/", 1)[1]
    role = f"poor_{name}"
    run(empty_db, f"create role {role} login password 'poor'")
    try:
        plan = make_plan(f"postgresql://{role}:poor@{empty_db.split('@', 1)[1]}")
        assert plan.blocked
        assert "may not create tables in schema public" in texts(plan, "problem")
        assert "GRANT CREATE ON SCHEMA public" in texts(plan, "problem")
    finally:
        run(empty_db, f"drop role {role}")


def test_a_read_only_server_is_in_the_way(empty_db):
    run(empty_db, f"alter database {empty_db.rsplit('/', 1)[1]} set default_transaction_read_only = on")
    plan = make_plan(empty_db)
    assert plan.blocked
    assert "takes no writes" in texts(plan, "problem")


def test_an_old_server_is_in_the_way(empty_db, monkeypatch):
    monkeypatch.setattr(plan_module, "MIN_VERSION", 99)
    plan = make_plan(empty_db)
    assert plan.blocked
    assert "99 or later is needed" in texts(plan, "problem")


def test_the_plan_is_plain_data_for_scripts(empty_db):
    document = json.loads(json.dumps(make_plan(empty_db).as_json()))
    assert document["blocked"] is False
    assert {"state": "ok", "text": "the server takes writes"} in document["checks"]
    assert document["steps"]


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("postgresql://someone:s3cret@127.0.0.1:1/db", DatabaseUnreachableError, "refused"),
        ("postgresql://someone:s3cret@nowhere.invalid/db", DatabaseUnreachableError, "resolve"),
        ("postgresql://someone:s3c@ret@127.0.0.1:1/db", SetupError, "no PostgreSQL address"),
        ("mysql://someone:s3cret@127.0.0.1/db", SetupError, "no PostgreSQL address"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_without_its_password(url, kind, words):
    with pytest.raises(kind, match=words) as refused:
        make_plan(url)
    told = f"{refused.value.detail} {refused.value.advice}"
    assert "s3c" not in told
    assert "ret@" not in told
    assert "COURSEYARD_DATABASE_URL" in told


def test_a_wrong_password_or_database_is_told(empty_db):
    password = empty_db.split(":", 2)[2].split("@")[0]
    with pytest.raises(DatabaseUnreachableError, match="password") as refused:
        make_plan(empty_db.replace(password, "wrong-one"))
    assert "wrong-one" not in f"{refused.value.detail} {refused.value.advice}"
    with pytest.raises(DatabaseUnreachableError, match="does not exist"):
        make_plan(empty_db + "_gone")
