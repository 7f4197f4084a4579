"""What an enrolment shows of the attempts that Courseyard's own player makes."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import LEA_SAFETY, SAFETY, Database


@pytest.fixture
def played(cast: Database) -> Database:
    """Safety as a package of three activities that Courseyard plays; Lea has not begun."""
    cast.rows("delete from scorm_tracking")
    cast.rows("delete from courseyard.tracking_facts")
    cast.rows("update scorm_enrollments set status = 'not_attempted', attempts = 0, started_at = null, cmi_data = '{}'")
    cast.changed(
        "insert into courseyard.package_versions (package_id, number, standard, edition, document, file_name, sha256, "
        "file_count, total_bytes, activity_count) values (%s, 1, '2004', '4th', '{}', 'f', 's', 1, 1, 3)", SAFETY,
    )  # fmt: skip
    return cast


def attempt(db: Database, number: int, **figures: object) -> dict[str, Any]:
    """Set the figures of an attempt as the engine does, and write a row as the engine does; the enrolment then."""
    with db.connection.transaction():
        db.changed(
            "insert into courseyard.attempts (enrollment_id, version_id, number) select %s, id, %s "
            "from courseyard.package_versions on conflict do nothing", LEA_SAFETY, number,
        )  # fmt: skip
        for name, value in figures.items():
            db.changed(f"update courseyard.attempts set {name} = %s where number = %s", value, number)
        db.rows("select set_config('courseyard.engine', 'on', true)")
        db.changed(
            "insert into scorm_tracking (scorm_enrollment_id, element, value) values (%s, 'cmi.completion_status', 'completed')",
            LEA_SAFETY,
        )
    return db.row(
        "select status, progress_percentage::float as progress, score::float as score, attempts, time_spent_seconds as time, "
        "completed_at is not null as done from scorm_enrollments where id = %s", LEA_SAFETY,
    )  # fmt: skip


def test_one_part_of_several_does_not_complete_the_course(played: Database) -> None:
    assert attempt(played, 1, completion="incomplete", progress=33) == {
        "status": "incomplete", "progress": 33, "score": None, "attempts": 1, "time": 0, "done": False,
    }  # fmt: skip
    assert attempt(played, 1, completion="completed", success="passed", score_scaled="0.8", reported_seconds=61) == {
        "status": "passed", "progress": 100, "score": 80, "attempts": 1, "time": 61, "done": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("completion", "success", "status", "done"),
    [
        ("unknown", "unknown", "incomplete", False), ("incomplete", "unknown", "incomplete", False),
        ("completed", "unknown", "completed", True), ("completed", "passed", "passed", True),
        ("completed", "failed", "failed", True), ("unknown", "passed", "passed", True),
        ("unknown", "failed", "failed", False), ("incomplete", "passed", "incomplete", False),
    ],
)  # fmt: skip
def test_status_of_the_rolled_up_figures(
    played: Database, completion: str, success: str, status: str, done: bool
) -> None:
    shown = attempt(played, 1, completion=completion, success=success)
    assert (shown["status"], shown["done"]) == (status, done)
    assert (
        played.value("select cmi_data ->> 'success_status' from scorm_enrollments where id = %s", LEA_SAFETY) == success
    )


def test_another_attempt_never_takes_a_result_away(played: Database) -> None:
    attempt(played, 1, completion="completed", success="passed", score_scaled="0.8", measured_seconds=60)
    shown = attempt(played, 2, completion="incomplete", progress=10, score_scaled="0.2", measured_seconds=30)
    assert shown == {"status": "passed", "progress": 100, "score": 80, "attempts": 2, "time": 90, "done": True}
    shown = attempt(played, 2, completion="completed", success="passed", score_scaled="0.95")
    assert (shown["score"], shown["status"]) == (95, "passed")


def test_a_better_attempt_replaces_a_failed_one(played: Database) -> None:
    attempt(played, 1, completion="completed", success="failed", score_scaled="0.3")
    shown = attempt(played, 2, completion="completed", success="passed", score_scaled="0.7")
    assert (shown["status"], shown["score"]) == ("passed", 70)


def test_within_an_attempt_the_later_score_counts_and_completion_stays(played: Database) -> None:
    attempt(played, 1, completion="completed", score_scaled="0.9")
    assert attempt(played, 1, score_scaled="0.6")["score"] == 60
    shown = attempt(played, 1, completion="incomplete", progress=50)
    assert (shown["status"], shown["progress"], shown["done"]) == ("completed", 100, True)


def test_setting_an_enrolment_back_discounts_its_attempts(played: Database) -> None:
    attempt(played, 1, completion="completed", success="passed", score_scaled="0.9")
    played.changed("update scorm_enrollments set status = 'not_attempted', completed_at = null, score = null, "
                   "progress_percentage = 0 where id = %s", LEA_SAFETY)  # fmt: skip
    shown = attempt(played, 2, completion="incomplete", progress=20)
    assert (shown["status"], shown["progress"], shown["score"], shown["done"]) == ("incomplete", 20, None, False)


def test_suspend_data_of_several_parts_is_kept_by_part(played: Database) -> None:
    attempt(played, 1, completion="incomplete")
    for item, data in (("one", "a"), ("two", "b")):
        with played.connection.transaction():
            played.changed(
                "insert into courseyard.sco_states (attempt_id, item, data) "
                "select id, %s, jsonb_build_object('cmi.suspend_data', %s::text) from courseyard.attempts", item, data,
            )  # fmt: skip
            played.rows("select set_config('courseyard.engine', 'on', true)")
            played.changed("insert into scorm_tracking (scorm_enrollment_id, element, value) values (%s, 'cmi.suspend_data', %s)",
                           LEA_SAFETY, data)  # fmt: skip
    kept = played.value("select suspend_data from scorm_enrollments where id = %s", LEA_SAFETY)
    assert kept == {"value": "b", "items": {"one": "a", "two": "b"}}


def test_throw_away_attempts_show_nowhere(played: Database) -> None:
    attempt(played, 1, completion="incomplete")
    played.changed(
        "insert into courseyard.attempts (enrollment_id, version_id, kind, completion, success) "
        "select %s, id, 'browse', 'completed', 'passed' from courseyard.package_versions", LEA_SAFETY,
    )  # fmt: skip
    assert attempt(played, 1)["status"] == "incomplete"
