"""Who may do what, tried as an attack: every caller, every table and view, every command."""

from __future__ import annotations

import psycopg
import pytest

from .conftest import (
    ADMIN,
    FIRST_AID,
    INES,
    IVAN,
    LEA,
    LEA_FIRST_AID,
    LEA_RETIRED,
    LEA_SAFETY,
    LEO,
    LEO_SAFETY,
    PARTNER_COURSE,
    PROVIDER,
    RETIRED,
    SAFETY,
    UNUSED,
    Database,
)  # fmt: skip

CALLERS: dict[str, tuple[str, str | None]] = {
    "anon": ("anon", None), "lea": ("authenticated", LEA), "leo": ("authenticated", LEO),
    "ines": ("authenticated", INES), "ivan": ("authenticated", IVAN), "ada": ("authenticated", ADMIN),
    "stranger": ("authenticated", "a0000000-0000-4000-8000-00000000000f"), "nobody": ("authenticated", None),
    "service": ("service_role", None),
}  # fmt: skip

# Rows that each caller reaches without naming any; "-" = refused.
EXPECTED = """
relation                    command anon lea leo ines ivan ada stranger nobody service
scorm_packages              select  -    3   1   4    4    4   0        0      4
scorm_packages              insert  -    -   -   1    1    1   -        -      1
scorm_packages              update  -    0   0   1    0    4   0        0      4
scorm_packages              delete  -    -   -   -    -    -   -        -      4
scorm_enrollments           select  -    3   1   4    4    4   0        0      4
scorm_enrollments           insert  -    -   -   1    1    1   -        -      1
scorm_enrollments           update  -    0   0   1    0    4   0        0      4
scorm_enrollments           delete  -    -   -   -    -    -   -        -      4
scorm_tracking              select  -    2   1   3    3    3   0        0      3
scorm_tracking              insert  -    1   -   -    -    1   -        -      1
scorm_tracking              update  -    -   -   -    -    -   -        -      3
scorm_tracking              delete  -    -   -   -    -    -   -        -      3
partner_course_mappings     select  -    0   0   1    1    1   0        0      1
partner_course_mappings     insert  -    -   -   -    -    1   -        -      1
partner_course_mappings     update  -    0   0   0    0    1   0        0      1
partner_course_mappings     delete  -    -   -   -    -    -   -        -      1
external_module_progress    select  -    1   1   2    2    2   0        0      2
external_module_progress    insert  -    -   -   -    -    1   -        -      1
external_module_progress    update  -    0   0   0    0    2   0        0      2
external_module_progress    delete  -    -   -   -    -    -   -        -      2
lms_sync_log                select  -    0   0   0    0    1   0        0      1
lms_sync_log                insert  -    -   -   -    -    -   -        -      1
lms_sync_log                update  -    -   -   -    -    -   -        -      1
lms_sync_log                delete  -    -   -   -    -    -   -        -      1
partner_credentials         select  -    1   1   2    2    2   0        0      2
partner_credentials         insert  -    -   -   -    -    -   -        -      1
partner_credentials         update  -    -   -   -    -    -   -        -      2
partner_credentials         delete  -    -   -   -    -    -   -        -      2
partner_enrollment_summary  select  -    1   1   2    2    2   0        0      2
partner_enrollment_summary  update  -    -   -   -    -    -   -        -      -
partner_enrollment_summary  delete  -    -   -   -    -    -   -        -      -
scorm_completion_summary    select  -    3   1   4    4    4   0        0      4
scorm_completion_summary    update  -    -   -   -    -    -   -        -      -
scorm_completion_summary    delete  -    -   -   -    -    -   -        -      -
profiles                    select  -    1   1   5    5    5   0        0      5
profiles                    insert  -    -   -   -    -    1   -        -      1
profiles                    update  -    0   0   0    0    5   0        0      5
profiles                    delete  -    -   -   -    -    -   -        -      5
programs                    select  -    1   1   1    1    1   1        1      1
programs                    insert  -    -   -   -    -    1   -        -      1
programs                    update  -    0   0   0    0    1   0        0      1
programs                    delete  -    -   -   -    -    -   -        -      1
courses                     select  -    1   1   1    1    1   1        1      1
courses                     insert  -    -   -   -    -    1   -        -      1
courses                     update  -    0   0   0    0    1   0        0      1
courses                     delete  -    -   -   -    -    -   -        -      1
enrollments                 select  -    1   1   2    2    2   0        0      2
enrollments                 insert  -    -   -   -    -    1   -        -      1
enrollments                 update  -    0   0   0    0    2   0        0      2
enrollments                 delete  -    -   -   -    -    -   -        -      2
partner_lms_providers       select  -    1   1   1    1    1   1        1      1
partner_lms_providers       insert  -    -   -   -    -    1   -        -      1
partner_lms_providers       update  -    0   0   0    0    1   0        0      1
partner_lms_providers       delete  -    -   -   -    -    -   -        -      1
partner_courses             select  -    1   1   1    1    1   1        1      1
partner_courses             insert  -    -   -   -    -    1   -        -      1
partner_courses             update  -    0   0   0    0    1   0        0      1
partner_courses             delete  -    -   -   -    -    -   -        -      1
partner_lms_enrollments     select  -    1   1   2    2    2   0        0      2
partner_lms_enrollments     insert  -    -   -   -    -    1   -        -      1
partner_lms_enrollments     update  -    0   0   0    0    2   0        0      2
partner_lms_enrollments     delete  -    -   -   -    -    -   -        -      2
"""

INSERTS = {
    "scorm_packages": "(title, package_url, launch_url) values ('New', 'p', 'l')",
    "scorm_enrollments": f"(scorm_package_id, user_id) values ('{UNUSED}', '{LEO}')",
    "scorm_tracking": f"(scorm_enrollment_id, element, value) values ('{LEA_SAFETY}', 'cmi.core.lesson_location', '9')",
    "partner_course_mappings": f"(partner_course_id) values ('{PARTNER_COURSE}')",
    "external_module_progress": f"(user_id, module_id) values ('{LEA}', 'm9')",
    "lms_sync_log": f"(provider_id, sync_type, status) values ('{PROVIDER}', 's', 's')",
    "partner_credentials": f"(user_id, provider_id, credential_name) values ('{LEA}', '{PROVIDER}', 'c')",
    "profiles": "(email, role) values ('new@example.org', 'admin')",
    "programs": "(title) values ('p')",
    "courses": "(title) values ('c')",
    "enrollments": f"(user_id) values ('{LEA}')",
    "partner_lms_providers": "(provider_name, provider_type) values ('p', 'rest')",
    "partner_courses": "(course_name) values ('c')",
    "partner_lms_enrollments": f"(student_id) values ('{LEA}')",
}
TOUCH = {"scorm_tracking": "element", "lms_sync_log": "status"}

_HEAD, *_LINES = EXPECTED.strip().splitlines()
MATRIX = {
    (relation, command): dict(zip(_HEAD.split()[2:], cells, strict=True))
    for relation, command, *cells in (line.split() for line in _LINES)
}


def attempt(db: Database, caller: str, statement: str) -> str:
    """How many rows a caller reached, or "-" for a refusal; nothing of it stays."""
    role, person = CALLERS[caller]
    try:
        with db.acting(role, person):
            if statement.startswith("select"):
                return str(db.value(statement))
            return str(db.changed(statement))
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState):
        return "-"


def statement_for(relation: str, command: str) -> str:
    """What a caller tries on a relation."""
    column = TOUCH.get(relation, "id" if relation.endswith("summary") else "updated_at")
    return {
        "select": f"select count(*) from public.{relation}",
        "insert": f"insert into public.{relation} {INSERTS.get(relation, '')}",
        "update": f"update public.{relation} set {column} = {column}",
        "delete": f"delete from public.{relation}",
    }[command]


def test_every_caller_on_every_relation(cast: Database) -> None:
    found = {key: {caller: attempt(cast, caller, statement_for(*key)) for caller in CALLERS} for key in MATRIX}
    assert found == MATRIX


def test_the_matrix_leaves_no_relation_out(db: Database) -> None:
    relations = db.rows(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')"
    )
    assert {row["relname"] for row in relations} == {relation for relation, _ in MATRIX}


def test_the_engine_is_for_the_service_alone(cast: Database) -> None:
    tables = cast.rows("select relname from pg_class where relnamespace = 'courseyard'::regnamespace and relkind = 'r'")
    assert len(tables) > 15
    for row in tables:
        reached = {c: attempt(cast, c, f"select count(*) from courseyard.{row['relname']}") for c in CALLERS}
        assert {caller for caller, outcome in reached.items() if outcome != "-"} == {"service"}, row


def test_nobody_can_name_the_functions_that_policies_ask(cast: Database) -> None:
    for caller in ("anon", "lea", "ada"):
        assert attempt(cast, caller, "select courseyard.is_admin()") == "-"
        assert attempt(cast, caller, "select count(*) from courseyard.own_enrollments()") == "-"


# -- single attacks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        f"update scorm_enrollments set score = 100, status = 'passed' where id = '{LEA_SAFETY}'",
        f"update scorm_enrollments set user_id = '{LEA}' where id = '{LEO_SAFETY}'",
        f"update scorm_packages set passing_score = 0 where id = '{SAFETY}'",
        f"update profiles set role = 'admin' where id = '{LEA}'",
        f"update external_module_progress set progress_percentage = 100 where user_id = '{LEA}'",
        f"update partner_lms_enrollments set status = 'completed' where student_id = '{LEA}'",
    ],
)
def test_a_learner_changes_nothing_of_this(cast: Database, statement: str) -> None:
    assert attempt(cast, "lea", statement) == "0"


@pytest.mark.parametrize(
    "statement",
    [
        f"insert into scorm_enrollments (scorm_package_id, user_id) values ('{UNUSED}', '{LEA}')",
        f"insert into scorm_tracking (scorm_enrollment_id, element, value) values ('{LEO_SAFETY}', 'cmi.location', 'x')",
        (
            f"insert into scorm_tracking (scorm_enrollment_id, element) select id, 'x' from scorm_enrollments "
            f"union all select '{LEO_SAFETY}', 'x'"
        ),
        f"insert into scorm_tracking (scorm_enrollment_id, element) values ('{LEA_RETIRED}', 'cmi.location')",
        f"insert into partner_credentials (user_id, provider_id, credential_name) values ('{LEA}', '{PROVIDER}', 'c')",
        f"insert into profiles (id, role) values ('{LEA}', 'admin') on conflict (id) do update set role = 'admin'",
        (
            f"insert into scorm_enrollments (scorm_package_id, user_id) values ('{SAFETY}', '{LEA}') "
            "on conflict (scorm_package_id, user_id) do update set score = 100"
        ),
        "select api_config::text from partner_lms_providers",
        "update scorm_tracking set value = 'passed'",
        "delete from scorm_tracking",
        "truncate scorm_enrollments",
        "create table public.mine ()",
        "set local row_security = off; select * from scorm_enrollments where false; select * from lms_sync_log",
    ],
)
def test_a_learner_is_refused(cast: Database, statement: str) -> None:
    role, person = CALLERS["lea"]
    with (
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ActiveSqlTransaction)),
        cast.acting(role, person),
    ):
        cast.connection.execute(statement.encode())


def test_the_token_alone_makes_nobody_staff(cast: Database) -> None:
    for claims in ({"user_metadata": {"role": "admin"}}, {"app_metadata": {"role": "admin"}}, {"user_role": "admin"}):
        with cast.acting("authenticated", LEA, **claims):
            assert cast.value("select count(*) from scorm_enrollments") == 3


def test_learners_read_through_the_views_only_their_own(cast: Database) -> None:
    with cast.acting("authenticated", LEA):
        assert {r["student_email"] for r in cast.rows("select student_email from scorm_completion_summary")} == {
            "lea@example.org"
        }
        assert cast.rows(
            "select student_name, course_name, provider_name, module_count from partner_enrollment_summary"
        ) == [
            {
                "student_name": "Lea Learner",
                "course_name": "Forklifts",
                "provider_name": "Skills Partner",
                "module_count": 1,
            }
        ]


def test_a_learner_reports_to_an_own_open_enrolment(cast: Database) -> None:
    insert = "insert into scorm_tracking (scorm_enrollment_id, element, value) values (%s, %s, %s)"
    with cast.acting("authenticated", LEA):
        cast.changed(insert, LEA_SAFETY, "cmi.core.lesson_status", "completed")
        # The course still reports its score after the value that completed it.
        cast.changed(insert, LEA_SAFETY, "cmi.core.score.raw", "90")
        assert cast.row("select status, score from scorm_enrollments where id = %s", LEA_SAFETY) == {
            "status": "completed", "score": 90,
        }  # fmt: skip
    for status, since, opened in (
        ("completed", "2 days", False), ("passed", "2 days", False), ("completed", "1 hour", True),
        ("failed", "2 days", True), ("incomplete", "2 days", True),
    ):  # fmt: skip
        cast.changed(
            f"update scorm_enrollments set status = %s, completed_at = now() - interval '{since}' where id = %s",
            status, LEA_SAFETY,
        )  # fmt: skip
        outcome = attempt(
            cast, "lea", f"insert into scorm_tracking (scorm_enrollment_id, element) values ('{LEA_SAFETY}', 'x')"
        )
        assert (outcome == "1") == opened, (status, since)


def test_what_is_an_instructors_to_manage(cast: Database) -> None:
    own, other = FIRST_AID, SAFETY
    for statement, outcome in (
        (f"update scorm_packages set title = 'x' where id = '{own}'", "1"),
        (f"update scorm_packages set title = 'x' where id = '{other}'", "0"),
        (f"update scorm_packages set created_by = '{IVAN}' where id = '{own}'", "-"),
        (
            f"insert into scorm_packages (title, package_url, launch_url, created_by) values ('t', 'p', 'l', '{IVAN}')",
            "-",
        ),
        (f"update scorm_enrollments set score = 50 where id = '{LEA_FIRST_AID}'", "1"),
        (f"update scorm_enrollments set score = 50 where id = '{LEA_SAFETY}'", "0"),
        (f"update scorm_enrollments set scorm_package_id = '{UNUSED}' where id = '{LEA_FIRST_AID}'", "-"),
        (f"insert into scorm_enrollments (scorm_package_id, user_id) values ('{UNUSED}', '{LEO}')", "1"),
        (f"insert into scorm_enrollments (scorm_package_id, user_id) values ('{UNUSED}', '{INES}')", "-"),
        (f"insert into scorm_enrollments (scorm_package_id, user_id) values ('{RETIRED}', '{LEO}')", "-"),
        (
            f"insert into scorm_enrollments (scorm_package_id, user_id, status) values ('{UNUSED}', '{LEO}', 'passed')",
            "-",
        ),
        (f"insert into scorm_enrollments (scorm_package_id, user_id, score) values ('{UNUSED}', '{LEO}', 100)", "-"),
        (f"insert into scorm_enrollments (scorm_package_id, user_id, status) values ('{own}', '{LEO}', 'passed')", "1"),
        (f"insert into scorm_tracking (scorm_enrollment_id, element) values ('{LEA_FIRST_AID}', 'x')", "1"),
        (f"insert into scorm_tracking (scorm_enrollment_id, element) values ('{LEA_SAFETY}', 'x')", "-"),
        (f"update profiles set role = 'admin' where id = '{INES}'", "0"),
    ):
        assert attempt(cast, "ines", statement) == outcome, statement


def test_a_person_who_is_no_longer_staff_manages_nothing(cast: Database) -> None:
    cast.changed("update profiles set role = 'student' where id = %s", INES)
    assert attempt(cast, "ines", f"update scorm_packages set title = 'x' where id = '{FIRST_AID}'") == "0"
    assert attempt(cast, "ines", f"update scorm_enrollments set score = 1 where id = '{LEA_FIRST_AID}'") == "0"
    assert attempt(cast, "ines", "select count(*) from scorm_enrollments") == "0"


# -- what Courseyard's own player plays cannot be forged --------------------------------------------------------


@pytest.fixture
def played(cast: Database) -> Database:
    """The package Safety and First aid have versions that Courseyard plays."""
    cast.changed(
        "insert into courseyard.package_versions (package_id, number, standard, edition, document, file_name, sha256, "
        "file_count, total_bytes, activity_count) "
        "select id, 1, '1.2', '1.2', '{}', 'f', 's', 1, 1, 1 from scorm_packages where id in (%s, %s)", SAFETY, FIRST_AID,
    )  # fmt: skip
    return cast


def status_after_passing(db: Database, role: str, person: str | None, enrolment: str) -> str:
    """The enrolment's status after somebody writes that it is passed."""
    with db.acting(role, person):
        db.rows("select set_config('courseyard.engine', 'on', true)")  # claiming to be the engine does not help
        insert = "insert into scorm_tracking (scorm_enrollment_id, element, value) values (%s, %s, 'passed')"
        assert db.changed(insert, enrolment, "cmi.core.lesson_status") == 1
        db.rows("reset role")
        return str(db.value("select status from scorm_enrollments where id = %s", enrolment))


def test_a_persons_rows_beside_the_player_are_recorded_and_no_more(played: Database) -> None:
    assert status_after_passing(played, "authenticated", LEA, LEA_SAFETY) == "incomplete"
    assert status_after_passing(played, "authenticated", ADMIN, LEA_SAFETY) == "passed"
    assert status_after_passing(played, "authenticated", INES, LEA_FIRST_AID) == "passed"


def test_an_instructor_cannot_pass_himself_elsewhere(played: Database) -> None:
    own = "c0000000-0000-4000-8000-00000000000a"
    played.changed(
        "insert into scorm_enrollments (id, scorm_package_id, user_id) values (%s, %s, %s)", own, SAFETY, INES
    )
    assert status_after_passing(played, "authenticated", INES, own) == "not_attempted"


def test_rows_of_the_service_count_everywhere(played: Database) -> None:
    with played.acting("service_role"):
        insert = "insert into scorm_tracking (scorm_enrollment_id, element, value) values (%s, 'cmi.core.lesson_status', 'passed')"
        played.changed(insert, LEA_SAFETY)
        assert played.value("select status from scorm_enrollments where id = %s", LEA_SAFETY) == "passed"
