"""The migrations on every kind of database that people have."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from fix_db import KINDS, TEMPLATE, Cluster, Clusters

from courseyard.db.migrate import apply
from courseyard.errors import CourseyardError

from .catalogue import describe
from .conftest import HERE, LEA, LEA_SAFETY, LEO, SAFETY, Database, as_role, opened

MIGRATIONS = Path(__file__).parents[2] / "src/courseyard/db/sql/migrations"
BASE = [
    "profiles", "programs", "courses", "enrollments", "partner_lms_providers", "partner_courses",
    "partner_lms_enrollments",
]  # fmt: skip


def refusal(url: str) -> str:
    """What apply says when it refuses, advice included."""
    with pytest.raises(CourseyardError) as caught:
        apply(url)
    return f"{caught.value.detail} {caught.value.advice}"


def base_tables_only(db: Database) -> None:
    """The seven tables as Courseyard makes them, and none of the rest."""
    for name in ("0010_platform.sql", "0020_base_tables.sql"):
        db.connection.execute((MIGRATIONS / name).read_bytes())
    db.connection.execute(b"drop schema courseyard cascade")


# -- missing roles, missing rights -----------------------------------------------------------------------------


def test_an_empty_server_gets_roles_and_auth(bare: Cluster) -> None:
    url = bare.create()
    apply(url)
    with opened(url) as db:
        assert db.rows(
            "select rolname, rolcanlogin, rolbypassrls from pg_roles "
            "where rolname in ('anon', 'authenticated', 'service_role') order by 1"
        ) == [
            {"rolname": "anon", "rolcanlogin": False, "rolbypassrls": False},
            {"rolname": "authenticated", "rolcanlogin": False, "rolbypassrls": False},
            {"rolname": "service_role", "rolcanlogin": False, "rolbypassrls": True},
        ]
        with db.acting("authenticated", LEA, app_metadata={"a": 1}):
            assert str(db.value("select auth.uid()")) == LEA
            assert db.value("select auth.role()") == "authenticated"
            assert db.value("select auth.jwt() -> 'app_metadata' ->> 'a'") == "1"
        assert db.value("select auth.uid() is null and auth.role() is null and auth.jwt() is null")


def test_the_older_claim_settings_of_postgrest_are_understood(db: Database) -> None:
    with db.connection.transaction(force_rollback=True):
        db.rows("select set_config('request.jwt.claim.sub', %s, true)", LEO)
        db.rows("select set_config('request.jwt.claim.role', 'anon', true)")
        assert str(db.value("select auth.uid()")) == LEO
        assert db.value("select auth.role()") == "anon"


def test_a_database_owner_who_may_make_roles_needs_no_superuser(owned: str) -> None:
    with opened(owned) as db:
        # Nobody here may give BYPASSRLS, so a policy lets the service pass.
        assert not db.value("select rolbypassrls from pg_roles where rolname = 'service_role'")
        with db.connection.transaction():
            db.rows("set local role service_role")
            db.changed("insert into scorm_packages (title, package_url, launch_url) values ('t', 'p', 'l')")
            assert db.value("select count(*) from scorm_packages") == 1
            assert db.value("select count(*) from courseyard.attempts") == 0
        with db.acting("authenticated", LEA):
            assert db.value("select count(*) from scorm_packages") == 0
    assert apply(owned) == []


def test_a_role_without_rights_is_told_which_and_by_whom(bare: Cluster) -> None:
    with opened(bare.admin_url) as admin:
        admin.rows("create role guest login password 'guest'")
    url = bare.create()
    with opened(as_role(url, "guest")) as db, pytest.raises(psycopg.errors.DatabaseError) as caught:
        db.connection.execute((MIGRATIONS / "0001_rights.sql").read_bytes())
    assert caught.value.sqlstate == "CY001"
    message, hint = caught.value.diag.message_primary or "", caught.value.diag.message_hint or ""
    name = url.rsplit("/", 1)[1]
    for problem in (
        f"may not create schemas in database {name}", "may not create tables in schema public",
        "the roles anon, authenticated, service_role do not exist",
    ):  # fmt: skip
        assert problem in message
    for remedy in (
        f"GRANT CREATE ON DATABASE {name} TO guest;", "GRANT CREATE ON SCHEMA public TO guest;",
        "ALTER ROLE guest CREATEROLE;", "owner of the database",
    ):  # fmt: skip
        assert remedy in hint
    refusal(as_role(url, "guest"))
    with opened(url) as db:
        assert db.value("select count(*) from pg_tables where schemaname = 'public'") == 0


def test_tables_of_another_owner_are_named(bare: Cluster) -> None:
    with opened(bare.admin_url) as admin:
        admin.rows("create role helper login password 'helper' createrole")
    url = bare.create()
    with opened(url) as db:
        db.rows("create table public.scorm_packages (id uuid primary key)")
        db.rows("create table public.profiles (id uuid primary key, email text, full_name text)")
        db.rows("alter table public.profiles enable row level security")
        db.rows("grant select, references on public.profiles to helper")
        db.rows("grant create on schema public to helper")
        db.rows(f"grant create on database {db.value('select current_database()')} to helper")
    told = refusal(as_role(url, "helper"))
    assert "public.scorm_packages belongs to role courseyard" in told
    assert "row level security hides rows of public.profiles from role helper" in told
    assert "GRANT courseyard TO helper;" in told


# -- what stands already ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("profiles", "full_name"),
        ("partner_courses", "course_name"),
        ("partner_lms_enrollments", "progress_percentage"),
        ("partner_lms_providers", "provider_name"),
    ],
)
def test_a_base_table_that_lacks_a_column_is_named_before_anything_changes(
    either_empty_db: str, table: str, column: str
) -> None:
    with opened(either_empty_db) as db:
        base_tables_only(db)
        db.rows(f"alter table {table} drop column {column}")
        assert f"table public.{table} lacks: {column}" in refusal(either_empty_db)
        assert db.value("select to_regclass('public.scorm_packages') is null")


def test_keys_that_nothing_can_refer_to_are_named(either_empty_db: str) -> None:
    with opened(either_empty_db) as db:
        base_tables_only(db)
        db.rows("alter table programs drop constraint programs_pkey cascade")
        db.rows("drop table courses, enrollments, partner_lms_enrollments, partner_courses cascade")
        db.rows("create table courses (id bigint primary key)")
        db.rows("create view partner_courses as select gen_random_uuid() as id, 'x' as course_name")
        told = refusal(either_empty_db)
    assert "table public.programs has neither a primary key nor a unique constraint on id" in told
    assert "table public.courses has keys that are no uuid: id is bigint" in told
    assert "public.partner_courses is no table" in told


def test_a_supabase_project_keeps_its_tables_as_they_are(supabase: str) -> None:
    with opened(supabase) as db:
        before = {table: describe(db, table) for table in BASE}
        rows = {table: db.value(f"select count(*) from {table}") for table in BASE}
        functions = db.rows("select oid, prosrc from pg_proc where pronamespace = 'auth'::regnamespace order by 1")
        apply(supabase)
        assert {table: describe(db, table) for table in BASE} == before
        assert {table: db.value(f"select count(*) from {table}") for table in BASE} == rows
        assert (
            db.rows("select oid, prosrc from pg_proc where pronamespace = 'auth'::regnamespace order by 1") == functions
        )
        assert db.value("select count(*) from pg_extension where extnamespace = 'public'::regnamespace") == 0


def test_on_supabase_a_role_of_an_enumeration_makes_staff(supabase: str) -> None:
    apply(supabase)
    with opened(supabase) as db:
        (admin, instructor, learner) = (f"a0000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
        db.changed(
            "insert into lms_sync_log (provider_id, sync_type, status) select id, 's', 's' from partner_lms_providers"
        )
        seen = {}
        for person in (admin, instructor, learner):
            with db.acting("authenticated", person, user_metadata={"role": "admin"}):
                seen[person] = db.value("select count(*) from lms_sync_log")
        assert seen == {admin: 1, instructor: 0, learner: 0}


def test_without_a_role_column_only_what_the_service_wrote_into_the_token_counts(supabase: str) -> None:
    with opened(supabase) as db:
        db.rows('drop policy "Staff see providers" on partner_lms_providers')
        db.rows("alter table profiles drop column role")
        apply(supabase)
        db.changed(
            "insert into lms_sync_log (provider_id, sync_type, status) select id, 's', 's' from partner_lms_providers"
        )
        person, stranger = "a0000000-0000-4000-8000-000000000003", "a0000000-0000-4000-8000-000000000009"
        for who, claims, count in (
            (person, {"app_metadata": {"role": "admin"}}, 1),
            (person, {"user_metadata": {"role": "admin"}}, 0),
            (person, {"app_metadata": {"role": "student"}}, 0),
            (stranger, {"app_metadata": {"role": "admin"}}, 0),
        ):
            with db.acting("authenticated", who, **claims):
                assert db.value("select count(*) from lms_sync_log") == count


def test_profiles_hang_on_auth_users_where_courseyard_makes_them(supabase: str) -> None:
    with opened(supabase) as db:
        db.rows("drop table profiles cascade")
        apply(supabase)
        user = db.value("select id from auth.users limit 1")
        db.changed("insert into profiles (id, email) values (%s, 'x@example.org')", user)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            db.changed("insert into profiles (email) values ('nobody@example.org')")
        db.changed("delete from auth.users where id = %s", user)
        assert db.value("select count(*) from profiles") == 0


def test_a_profiles_table_that_lets_people_change_their_role_is_warned_of(supabase: str) -> None:
    with opened(supabase) as db:
        apply(supabase)
        warned: list[str] = []
        db.connection.add_notice_handler(lambda notice: warned.append(notice.message_primary or ""))
        text = (MIGRATIONS / "0091_policies.sql").read_bytes()
        db.connection.execute(text)
        assert warned == []
        db.rows('create policy "Change own" on profiles for update to authenticated using (id = (select auth.uid()))')
        db.connection.execute(text)
        assert any("anybody could become admin" in message for message in warned)
        db.rows("revoke update on profiles from authenticated")
        db.rows("grant update (full_name) on profiles to authenticated")
        warned.clear()
        db.connection.execute(text)
        assert warned == []


# -- an earlier hand-made version ------------------------------------------------------------------------------


@pytest.fixture
def handmade(either_empty_db: str) -> str:
    """A database where the seven tables were made by hand, in part and otherwise."""
    with opened(either_empty_db) as db:
        base_tables_only(db)
        cast = (HERE / "cast.sql").read_text("utf-8")
        base_rows = [part for part in re.split(r";\n", cast) if re.search(
            r"insert into public\.(profiles|programs|courses|enrollments|partner_lms_providers|partner_courses|"
            r"partner_lms_enrollments)\b", part)]  # fmt: skip
        db.connection.execute(";\n".join(base_rows).encode())
        db.connection.execute((HERE / "handmade.sql").read_bytes())
    return either_empty_db


def test_an_earlier_version_is_adopted_with_its_rows(handmade: str) -> None:
    apply(handmade)
    with opened(handmade) as db:
        package = db.row("select * from scorm_packages")
        assert (str(package["id"]), package["title"], package["house_note"]) == (SAFETY, "Safety", "keep me")
        assert (package["passing_score"], package["package_url"], package["metadata"]) == (70, "", {})
        enrolment = db.row("select * from scorm_enrollments")
        assert (enrolment["status"], enrolment["progress_percentage"], float(enrolment["score"])) == (
            "in_progress",
            40,
            61.5,
        )
        assert db.value("select count(*) from scorm_tracking") == 1
        # The credential whose owner is gone is kept; a new one like it is refused.
        assert db.value("select count(*) from partner_credentials") == 1
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            db.changed(
                "insert into partner_credentials (user_id, provider_id, credential_name) "
                "select gen_random_uuid(), provider_id, 'x' from partner_credentials"
            )
        db.changed(
            "insert into scorm_tracking (scorm_enrollment_id, element, value) values (%s, 'cmi.core.lesson_status', 'passed')",
            LEA_SAFETY,
        )
        assert db.row("select status, progress_percentage from scorm_enrollments") == {
            "status": "passed", "progress_percentage": 100,
        }  # fmt: skip
        assert db.value("select to_regproc('public.handmade_progress') is null")
        with db.acting("authenticated", LEO):
            assert db.value("select count(*) from scorm_tracking") == 0
        assert db.value("select count(*) from scorm_completion_summary where student_name = 'Lea Learner'") == 1


def test_adopted_equals_fresh(handmade: str, clusters: Clusters) -> None:
    apply(handmade)
    server = handmade.rsplit("/", 1)[0]
    [cluster] = [c for c in map(clusters.get, KINDS) if c.admin_url.startswith(server)]
    fresh_url = cluster.create(TEMPLATE)
    with opened(handmade) as old:
        old.rows("delete from partner_credentials")
        old.rows("alter table partner_credentials validate constraint partner_credentials_user_id_fkey")
        old.rows("alter table scorm_packages drop column house_note")
        old.rows("drop index idx_enrollments_user")  # an index of one's own stays, unless ours is the same
        adopted = describe(old)
    with opened(fresh_url) as new:
        fresh = describe(new)
    cluster.drop(fresh_url)
    assert adopted == fresh


def test_running_everything_again_changes_nothing(cast: Database) -> None:
    before = describe(cast)
    rows = cast.rows("select * from scorm_enrollments order by id")
    for _ in range(2):
        for file in sorted(MIGRATIONS.glob("*.sql")):
            cast.connection.execute(file.read_bytes())
    assert describe(cast) == before
    assert cast.rows("select * from scorm_enrollments order by id") == rows


def test_double_enrolments_of_an_earlier_version_are_a_clear_word(handmade: str) -> None:
    with opened(handmade) as db:
        db.rows("alter table scorm_enrollments drop constraint one_enrollment_each")
        db.changed("insert into scorm_enrollments (scorm_package_id, user_id) select scorm_package_id, user_id "
                   "from scorm_enrollments")  # fmt: skip
        told = refusal(handmade)
        assert "holds 1 values of (scorm_package_id,user_id) more than once" in told
        assert "GROUP BY scorm_package_id,user_id HAVING count(*) > 1" in told
        assert db.value("select count(*) from scorm_enrollments") == 2


def test_what_cannot_be_adopted_is_told_first(handmade: str) -> None:
    with opened(handmade) as db:
        db.rows("alter table scorm_packages add column tenant uuid")
        db.rows("update scorm_packages set tenant = gen_random_uuid()")
        db.rows("alter table scorm_packages alter column tenant set not null")
        told = refusal(handmade)
        assert "column tenant of public.scorm_packages is required and has no default" in told
        assert db.value("select count(*) from information_schema.columns where table_name = 'scorm_tracking'") == 5


def test_rows_without_a_needed_value_are_counted(handmade: str) -> None:
    with opened(handmade) as db:
        db.rows("insert into scorm_tracking (element, value) values ('cmi.location', '1')")
        told = refusal(handmade)
        assert "1 rows of public.scorm_tracking have no scorm_enrollment_id" in told
        assert "SELECT * FROM public.scorm_tracking WHERE scorm_enrollment_id IS NULL" in told
