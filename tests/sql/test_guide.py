"""The migration guide's own SQL, run as it stands in the guide."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fix_db import Cluster

from courseyard.db.export import export_script
from courseyard.db.migrate import apply

from .conftest import LEA_SAFETY, PROVIDER, SAFETY, Database, opened

TEXT = (Path(__file__).parent / "guide_blocks.sql").read_text("utf-8")
BLOCKS = dict(re.findall(r"^-- block: (\w+)\n(.*?)(?=^-- block: |\Z)", TEXT, re.MULTILINE | re.DOTALL))

NEW_TABLES = [
    "external_module_progress", "lms_sync_log", "partner_course_mappings", "partner_credentials", "scorm_enrollments",
    "scorm_packages", "scorm_tracking",
]  # fmt: skip


def all_results(db: Database, block: str) -> list[list[dict[str, object]]]:
    """The rows of every statement of a block."""
    cursor = db.connection.execute(BLOCKS[block].encode())
    found = [cursor.fetchall() if cursor.description else []]
    while cursor.nextset():
        found.append(cursor.fetchall() if cursor.description else [])
    return found


def test_every_verification_query_answers_as_the_guide_expects(db: Database) -> None:
    [tables] = all_results(db, "verify_tables")
    assert [row["tablename"] for row in tables] == NEW_TABLES
    [views] = all_results(db, "verify_views")
    assert [row["viewname"] for row in views] == ["partner_enrollment_summary", "scorm_completion_summary"]
    [triggers] = all_results(db, "verify_triggers")
    assert sorted((row["trigger_name"], row["event_object_table"]) for row in triggers) == [
        ("trigger_sync_partner_progress", "external_module_progress"),
        ("trigger_update_scorm_progress", "scorm_tracking"),
    ]
    assert all_results(db, "test_table_access") == [[{"count": 0}]] * 3


def test_both_views_show_their_columns_when_empty(db: Database) -> None:
    for view, columns in {
        "partner_enrollment_summary": "id student_id student_name student_email course_name provider_name status "
        "progress_percentage enrolled_at completed_at module_count avg_module_progress",
        "scorm_completion_summary": "id user_id student_name student_email scorm_title status progress_percentage "
        "score attempts time_spent_minutes started_at completed_at",
    }.items():
        cursor = db.connection.execute(f"select * from {view}".encode())
        assert cursor.fetchall() == []
        assert [column.name for column in cursor.description or []] == columns.split()


def test_example_package_and_mapping_can_be_inserted(cast: Database) -> None:
    all_results(cast, "example_package")
    assert cast.row("select version, passing_score, is_active, metadata from scorm_packages where title like 'Test%%'") == {
        "version": "1.2", "passing_score": 80, "is_active": True, "metadata": {},
    }  # fmt: skip
    course = cast.value("select id from partner_courses limit 1")
    program = cast.value("select id from programs")
    text = BLOCKS["example_mapping"].replace("your-partner-course-uuid", str(course))
    cast.connection.execute(text.replace("your-program-uuid", str(program)).encode())
    assert cast.value("select count(*) from partner_course_mappings where internal_program_id = %s", program) == 1


def test_the_drop_block_then_a_fresh_apply(cast: Database) -> None:
    play_through_the_engine(cast)
    all_results(cast, "drop_block")
    apply(cast.url)
    [tables] = all_results(cast, "verify_tables")
    assert [row["tablename"] for row in tables] == NEW_TABLES
    assert len(all_results(cast, "verify_triggers")[0]) == 2
    # What the engine kept for the dropped rows is gone, and rows die with their parents again.
    for table in ("package_versions", "package_files", "attempts", "sco_states", "tracking_facts", "package_settings"):
        assert cast.value(f"select count(*) from courseyard.{table}") == 0, table
    assert cast.value("select count(*) from profiles") == 5
    play_through_the_engine(cast, fresh=True)
    cast.changed("delete from scorm_packages")
    assert cast.value("select count(*) from courseyard.sco_states") == 0


def play_through_the_engine(db: Database, *, fresh: bool = False) -> None:
    """Rows such as the engine keeps for an enrolment."""
    if fresh:
        db.changed("insert into scorm_packages (id, title, package_url, launch_url) values (%s, 'S', 'p', 'l')", SAFETY)
        db.changed(
            "insert into scorm_enrollments (id, scorm_package_id, user_id) select %s, %s, id from profiles limit 1",
            LEA_SAFETY, SAFETY,
        )  # fmt: skip
    db.changed(
        "with v as (insert into courseyard.package_versions (package_id, number, standard, edition, document, file_name, "
        "sha256, file_count, total_bytes, activity_count) values (%s, 1, '1.2', '1.2', '{}', 'f', 's', 1, 1, 1) "
        "returning id), f as (insert into courseyard.package_files select id, 'a', 1, 'b' from v), "
        "s as (insert into courseyard.package_settings (package_id, current_version_id) select %s, id from v), "
        "a as (insert into courseyard.attempts (enrollment_id, version_id) select %s, id from v returning id) "
        "insert into courseyard.sco_states (attempt_id, item) select id, 'i' from a",
        SAFETY, SAFETY, LEA_SAFETY,
    )  # fmt: skip


def test_the_extension_block_runs_where_the_server_has_them(db: Database) -> None:
    offered = db.value("select count(*) from pg_available_extensions where name in ('uuid-ossp', 'pgcrypto')")
    if offered < 2:
        pytest.skip("this server does not offer the extensions")
    all_results(db, "extensions")
    assert db.value("select count(*) from pg_extension where extname in ('uuid-ossp', 'pgcrypto')") == 2


def test_the_exported_script_runs_as_one_paste_and_again(bare: Cluster) -> None:
    script = export_script()
    with opened(bare.create()) as db:
        for _ in range(2):
            # One string of statements, one transaction: what a SQL editor sends.
            db.connection.execute(script.encode())
        [tables] = all_results(db, "verify_tables")
        assert [row["tablename"] for row in tables] == NEW_TABLES
        assert apply(db.url) == []


def test_the_exported_script_adopts_a_supabase_project(supabase: str) -> None:
    with opened(supabase) as db:
        db.connection.execute(export_script().encode())
        assert len(all_results(db, "verify_triggers")[0]) == 2
        all_results(db, "example_package")
        course = db.value("select id from partner_courses limit 1")
        text = BLOCKS["example_mapping"].replace("your-partner-course-uuid", str(course))
        db.connection.execute(text.replace("your-program-uuid", str(db.value("select id from programs"))).encode())
        assert db.value("select provider_name from partner_enrollment_summary limit 1") == "JRI"
        assert str(db.value("select id from partner_lms_providers")) == PROVIDER
