"""What trigger_sync_partner_progress makes of module rows: mean, status, completion; at any size, on any base table."""

from __future__ import annotations

import time
from typing import Any

import pytest

from courseyard.db.migrate import apply

from .conftest import LEA, LEA_PARTNER, LEO, LEO_PARTNER, Database, opened

INSERT = (
    "insert into external_module_progress (user_id, partner_enrollment_id, module_id, progress_percentage, status) "
    "values (%s, %s, %s, %s, coalesce(%s, 'not_started'))"
)


@pytest.fixture
def partners(cast: Database) -> Database:
    """The cast without module rows."""
    cast.rows("delete from external_module_progress")
    return cast


def modules(db: Database, *rows: tuple[object, str | None], enrolment: str = LEA_PARTNER) -> dict[str, Any]:
    """Insert modules with progress and status; what the partner enrolment shows then."""
    for number, (progress, status) in enumerate(rows):
        db.changed(INSERT, LEA, enrolment, f"m{number}", progress, status)
    return shown(db, enrolment)


def shown(db: Database, enrolment: str = LEA_PARTNER) -> dict[str, Any]:
    """Status, progress and whether a completion time stands."""
    return db.row(
        "select status, progress_percentage::float as progress, completed_at is not null as done "
        "from partner_lms_enrollments where id = %s", enrolment,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "status", "progress", "done"),
    [
        ([(0, None)], "pending", 0, False),
        ([(50, None)], "in_progress", 50, False),
        ([(0, "in_progress")], "in_progress", 0, False),
        ([(100, None), (50, None), (0, None)], "in_progress", 50, False),
        ([(100, "completed"), (100, "completed")], "completed", 100, True),
        ([(None, "completed"), (0, "passed")], "completed", 100, True),
        ([(80, "completed"), (100, None)], "completed", 90, True),
        ([(100, None), (None, None), (None, None)], "in_progress", 33.33, False),
        ([(150, None), (-50, None)], "in_progress", 50, False),
        ([("NaN", None), (40, None)], "in_progress", 20, False),
        ([("Infinity", None), ("-Infinity", None)], "in_progress", 50, False),
        ([(20, "whatever the partner says")], "in_progress", 20, False),
    ],
)
def test_progress_is_the_mean_and_status_follows(
    partners: Database, rows: list[tuple[object, str | None]], status: str, progress: float, done: bool
) -> None:
    assert modules(partners, *rows) == {"status": status, "progress": progress, "done": done}


def test_completion_that_came_from_modules_falls_back_with_them(partners: Database) -> None:
    modules(partners, (100, "completed"), (100, "completed"))
    partners.changed(
        "update external_module_progress set progress_percentage = 60, status = 'in_progress' where module_id = 'm1'"
    )
    assert shown(partners) == {"status": "in_progress", "progress": 80, "done": False}
    partners.changed("update external_module_progress set status = 'completed'")
    assert shown(partners) == {"status": "completed", "progress": 80, "done": True}


def test_completion_that_the_partner_told_stays(partners: Database) -> None:
    partners.changed(
        "update partner_lms_enrollments set status = 'completed', completed_at = now() where id = %s", LEA_PARTNER
    )
    assert modules(partners, (100, None), (50, None)) == {"status": "completed", "progress": 75, "done": True}


@pytest.mark.parametrize("status", ["withdrawn", "expired", "cancelled"])
def test_what_was_ended_stays_ended(partners: Database, status: str) -> None:
    partners.changed("update partner_lms_enrollments set status = %s where id = %s", status, LEA_PARTNER)
    assert modules(partners, (100, "completed")) == {"status": status, "progress": 100, "done": False}


def test_an_active_enrolment_stays_active_until_done(partners: Database) -> None:
    partners.changed("update partner_lms_enrollments set status = 'active' where id = %s", LEA_PARTNER)
    assert modules(partners, (40, None))["status"] == "active"
    partners.changed("update external_module_progress set progress_percentage = 100")
    assert shown(partners)["status"] == "completed"


def test_a_module_that_moves_or_goes_is_reckoned_on_both_sides(partners: Database) -> None:
    modules(partners, (100, None), (20, None))
    modules(partners, (50, None), enrolment=LEO_PARTNER)
    partners.changed(
        "update external_module_progress set partner_enrollment_id = %s where progress_percentage = 100", LEO_PARTNER
    )
    assert (shown(partners)["progress"], shown(partners, LEO_PARTNER)["progress"]) == (20, 75)
    partners.changed("delete from external_module_progress where progress_percentage = 50")
    assert shown(partners, LEO_PARTNER) == {"status": "completed", "progress": 100, "done": True}
    partners.changed(INSERT, LEO, None, "alone", 10, None)


def test_the_completion_time_is_the_last_modules(partners: Database) -> None:
    partners.changed(
        "insert into external_module_progress (user_id, partner_enrollment_id, module_id, status, completed_at) "
        "values (%s, %s, 'a', 'completed', '2026-01-01Z'), (%s, %s, 'b', 'completed', '2026-02-01Z')",
        LEA, LEA_PARTNER, LEA, LEA_PARTNER,
    )  # fmt: skip
    assert partners.value("select completed_at = '2026-02-01Z' from partner_lms_enrollments where id = %s", LEA_PARTNER)


def test_an_upsert_counts_once(partners: Database) -> None:
    partners.rows("create unique index one_each on external_module_progress (partner_enrollment_id, module_id)")
    for progress in (10, 30):
        partners.changed(
            "insert into external_module_progress (user_id, partner_enrollment_id, module_id, progress_percentage) "
            "values (%s, %s, 'a', %s) on conflict (partner_enrollment_id, module_id) "
            "do update set progress_percentage = excluded.progress_percentage", LEA, LEA_PARTNER, progress,
        )  # fmt: skip
    assert shown(partners)["progress"] == 30


def test_ten_thousand_rows_in_one_statement(partners: Database) -> None:
    partners.changed("insert into partner_lms_enrollments (student_id) select %s from generate_series(1, 10000)", LEO)
    begun = time.monotonic()
    partners.changed(
        "insert into external_module_progress (user_id, partner_enrollment_id, module_id, progress_percentage) "
        "select student_id, id, 'm', 30 from partner_lms_enrollments where student_id = %s and course_id is null", LEO,
    )  # fmt: skip
    spread = time.monotonic() - begun
    begun = time.monotonic()
    partners.changed(
        "insert into external_module_progress (user_id, partner_enrollment_id, module_id, progress_percentage) "
        "select %s, %s, n::text, 70 from generate_series(1, 10000) n", LEA, LEA_PARTNER,
    )  # fmt: skip
    together = time.monotonic() - begun
    assert shown(partners)["progress"] == 70
    assert partners.value("select count(*) from partner_lms_enrollments where progress_percentage = 30") == 10000
    assert max(spread, together) < 10  # well under a second on a quiet machine


@pytest.mark.parametrize("status_type", ["check", "enum"])
def test_a_base_table_that_knows_other_words(supabase: str, status_type: str) -> None:
    with opened(supabase) as db:
        if status_type == "enum":
            db.rows("create type public.enrolment_state as enum ('pending', 'enrolled', 'finished')")
            db.rows("alter table partner_lms_enrollments drop constraint partner_lms_enrollments_status_check")
            db.rows("alter table partner_lms_enrollments alter column status drop default")
            db.rows("alter table partner_lms_enrollments alter column status type public.enrolment_state "
                    "using status::public.enrolment_state")  # fmt: skip
        apply(supabase)
        enrolment = db.value("select id::text from partner_lms_enrollments limit 1")
        db.changed(INSERT, "a0000000-0000-4000-8000-000000000003", enrolment, "m", 40, None)
        # 'in_progress' is refused by both: 'active' fits the check, and of the enumeration nothing does.
        assert shown(db, enrolment) == {
            "status": "active" if status_type == "check" else "pending", "progress": 40, "done": False,
        }  # fmt: skip
        db.changed("update external_module_progress set progress_percentage = 100")
        assert shown(db, enrolment) == {
            "status": "completed" if status_type == "check" else "pending", "progress": 100,
            "done": status_type == "check",
        }  # fmt: skip
