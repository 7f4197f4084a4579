"""What trigger_update_scorm_progress makes of tracking rows that a player or a person wrote by hand."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import LEA_SAFETY, LEO_SAFETY, Database, opened

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
INSERT = 'insert into scorm_tracking (scorm_enrollment_id, element, value, "timestamp") values (%s, %s, %s, %s)'


@pytest.fixture
def played(cast: Database) -> Database:
    """The cast, with Lea's enrolment untouched so far."""
    cast.rows("delete from scorm_tracking")
    cast.rows("update scorm_enrollments set status = 'not_attempted'")
    cast.rows("update scorm_enrollments set attempts = 0, started_at = null, last_accessed_at = null, cmi_data = '{}'")
    return cast


def tell(db: Database, *reports: tuple[str, str | None], at: datetime | None = NINE, step: int = 1) -> dict[str, Any]:
    """Insert reports one by one, ``step`` seconds apart; the enrolment afterwards."""
    for number, (element, value) in enumerate(reports):
        db.changed(INSERT, LEA_SAFETY, element, value, at and at + timedelta(seconds=number * step))
    return enrolment(db)


def enrolment(db: Database) -> dict[str, Any]:
    """Lea's enrolment in Safety."""
    return db.row("select * from scorm_enrollments where id = %s", LEA_SAFETY)


def outcome(row: dict[str, Any]) -> tuple[object, ...]:
    """Status, progress, score and whether a completion time stands."""
    score = row["score"] if row["score"] is None else float(row["score"])
    return row["status"], float(row["progress_percentage"]), score, row["completed_at"] is not None


STATUS, RAW, LOW, HIGH = (f"cmi.core.{name}" for name in ("lesson_status", "score.raw", "score.min", "score.max"))
DONE, PASS, SCALED, MEASURE = "cmi.completion_status", "cmi.success_status", "cmi.score.scaled", "cmi.progress_measure"


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        # SCORM 1.2
        ([(STATUS, "not attempted")], ("not_attempted", 0, None, False)),
        ([(STATUS, "incomplete")], ("incomplete", 0, None, False)),
        ([(STATUS, "browsed")], ("incomplete", 0, None, False)),
        ([(STATUS, "completed")], ("completed", 100, None, True)),
        ([(STATUS, "passed")], ("passed", 100, None, True)),
        ([(STATUS, "failed")], ("failed", 0, None, False)),
        ([(STATUS, " Completed ")], ("completed", 100, None, True)),
        ([(STATUS, "failed"), (STATUS, "incomplete")], ("incomplete", 0, None, False)),
        ([(STATUS, "failed"), (STATUS, "passed")], ("passed", 100, None, True)),
        ([(STATUS, "failed"), (STATUS, "completed")], ("completed", 100, None, True)),
        ([(STATUS, "completed"), (STATUS, "failed")], ("failed", 100, None, True)),
        # Nothing falls back from completed.
        ([(STATUS, "completed"), (STATUS, "incomplete")], ("completed", 100, None, True)),
        ([(STATUS, "passed"), (STATUS, "incomplete")], ("passed", 100, None, True)),
        ([(STATUS, "passed"), (STATUS, "failed")], ("passed", 100, None, True)),
        ([(STATUS, "passed"), (STATUS, "completed")], ("passed", 100, None, True)),
        ([(STATUS, "completed"), (STATUS, "not attempted")], ("completed", 100, None, True)),
        # SCORM 2004
        ([(DONE, "incomplete")], ("incomplete", 0, None, False)),
        ([(DONE, "unknown")], ("incomplete", 0, None, False)),
        ([(DONE, "completed")], ("completed", 100, None, True)),
        ([(PASS, "passed")], ("passed", 100, None, True)),
        ([(PASS, "failed")], ("failed", 0, None, False)),
        ([(DONE, "completed"), (PASS, "failed")], ("failed", 100, None, True)),
        ([(PASS, "failed"), (DONE, "completed")], ("failed", 100, None, True)),
        ([(DONE, "completed"), (PASS, "passed")], ("passed", 100, None, True)),
        ([(PASS, "failed"), (PASS, "unknown")], ("incomplete", 0, None, False)),
        ([(DONE, "completed"), (DONE, "incomplete")], ("completed", 100, None, True)),
        # Scores
        ([(RAW, "85")], ("incomplete", 0, 85, False)),
        ([(RAW, "85.555")], ("incomplete", 0, 85.56, False)),
        ([(RAW, "8"), (LOW, "0"), (HIGH, "10")], ("incomplete", 0, 80, False)),
        ([(HIGH, "10"), (RAW, "8")], ("incomplete", 0, 80, False)),
        ([(RAW, "15"), (LOW, "10"), (HIGH, "20")], ("incomplete", 0, 50, False)),
        ([("cmi.score.raw", "450"), ("cmi.score.min", "0"), ("cmi.score.max", "900")], ("incomplete", 0, 50, False)),
        ([(SCALED, "0.83")], ("incomplete", 0, 83, False)),
        ([(SCALED, "-0.5")], ("incomplete", 0, 0, False)),
        ([(SCALED, "0.5"), ("cmi.score.raw", "90")], ("incomplete", 0, 50, False)),
        ([(RAW, "90"), (RAW, "70")], ("incomplete", 0, 70, False)),
        ([(STATUS, "completed"), (RAW, "70"), (RAW, "60")], ("completed", 100, 60, True)),
        # Progress is progress and never a score.
        ([(MEASURE, "0.4")], ("incomplete", 40, None, False)),
        ([(MEASURE, "0.6"), (MEASURE, "0.4")], ("incomplete", 40, None, False)),
        ([(MEASURE, "1")], ("incomplete", 100, None, False)),
        ([(RAW, "100")], ("incomplete", 0, 100, False)),
        ([(STATUS, "completed"), (MEASURE, "0.4")], ("completed", 100, None, True)),
        # Everything else shows that somebody is at work.
        ([("cmi.core.lesson_location", "page 3")], ("incomplete", 0, None, False)),
        ([("cmi.interactions.0.id", "q1")], ("incomplete", 0, None, False)),
        ([("cmi.suspend_data", "")], ("incomplete", 0, None, False)),
        ([("adl.nav.request", "continue")], ("incomplete", 0, None, False)),
    ],
)
def test_what_reports_mean(played: Database, reports: list[tuple[str, str]], expected: tuple[object, ...]) -> None:
    assert outcome(tell(played, *reports)) == expected


@pytest.mark.parametrize(
    ("element", "value"),
    [
        (RAW, "abc"), (RAW, ""), (RAW, None), (RAW, "NaN"), (RAW, "Infinity"), (RAW, "1e400"), (RAW, "9" * 5000),
        (RAW, "50%"), (RAW, "\u0665\u0660"), (RAW, "0x32"), (RAW, "5,5"), (RAW, "--5"), (RAW, "."), (SCALED, "1.1"),
        (SCALED, "-2"), (MEASURE, "1.5"), (MEASURE, "-0.1"), (MEASURE, "half"), (STATUS, "done"), (STATUS, ""),
        (STATUS, None), (STATUS, "passedx"), (DONE, "passed"), (PASS, "completed"), ("cmi.core.session_time", "long"),
        ("cmi.session_time", "P"), ("cmi.session_time", "PT"), ("cmi.session_time", "P1S"), ("", "x"),
        ("score", "50"), ("x" * 5000, "y"), ("CMI.CORE.SCORE.RAW", "50"),
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_recorded_and_changes_nothing(
    played: Database, element: str, value: str | None
) -> None:
    tell(played, (STATUS, "incomplete"), (RAW, "50"), (MEASURE, "0.5"))
    before = enrolment(played)
    tell(played, (element, value), at=NINE + timedelta(hours=1))
    assert {**enrolment(played), "updated_at": None} == {**before, "updated_at": None}
    assert played.value("select count(*) from scorm_tracking where element = %s and value is not distinct from %s",
                        element, value) == 1  # fmt: skip


def test_a_raw_score_beyond_its_bounds_waits_until_they_are_known(played: Database) -> None:
    assert tell(played, (RAW, "450"))["score"] is None
    assert float(tell(played, (HIGH, "900"), at=NINE + timedelta(seconds=9))["score"]) == 50


@given(
    element=st.sampled_from([
        STATUS, RAW, LOW, HIGH, DONE, PASS, SCALED, MEASURE, "cmi.core.session_time", "cmi.session_time",
        "cmi.suspend_data", "cmi.interactions.0.result", "cmi.core.lesson_location", "adl.nav.request",
    ]) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    value=st.none()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80)
    | st.from_regex(r"[-+]?[0-9]{0,400}([.,][0-9]{0,60})?([eE][-+]?[0-9]{1,5})?", fullmatch=True)
    | st.from_regex(r"P([0-9]{0,12}[YMD])?(T[0-9]{0,12}[HMS.])?[0-9.HMS]{0,12}", fullmatch=True)
    | st.from_regex(r"[0-9]{0,6}:[0-9]{0,3}:[0-9.]{0,12}", fullmatch=True),
    at=st.sampled_from(["now", "1900-01-01Z", "1970-01-01Z", "2999-01-01Z", "9998-12-31Z"]) | st.none(),
)  # fmt: skip
@settings(
    max_examples=200, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
def test_no_report_ever_fails(played: Database, element: str, value: str | None, at: str | None) -> None:
    with played.connection.transaction(force_rollback=True):
        played.changed(INSERT, LEA_SAFETY, element, value, at)
        row = enrolment(played)
        assert row["score"] is None or 0 <= row["score"] <= 100
        assert 0 <= row["progress_percentage"] <= 100
        assert row["time_spent_seconds"] >= 0
        assert row["status"] in {"not_attempted", "incomplete", "completed", "passed", "failed"}


# -- times -----------------------------------------------------------------------------------------------------


def test_times_of_an_enrolment_come_from_the_rows(played: Database) -> None:
    row = tell(played, (STATUS, "incomplete"), (RAW, "50"), (STATUS, "completed"), ("cmi.location", "end"), step=60)
    assert row["started_at"] == NINE
    assert row["completed_at"] == NINE + timedelta(minutes=2)
    assert row["last_accessed_at"] == NINE + timedelta(minutes=3)
    assert row["attempts"] == 1


def test_a_late_row_of_older_time_does_not_undo_a_newer_one(played: Database) -> None:
    tell(played, (STATUS, "failed"), (RAW, "80"), (MEASURE, "0.8"), ("cmi.suspend_data", "new"), at=NINE)
    before = enrolment(played)
    row = tell(played, (STATUS, "incomplete"), (RAW, "20"), (MEASURE, "0.2"), ("cmi.suspend_data", "old"),
               at=NINE - timedelta(hours=1))  # fmt: skip
    assert outcome(row) == outcome(before) == ("failed", 80, 80, False)
    assert row["suspend_data"] == {"value": "new"}
    assert row["cmi_data"] == before["cmi_data"]
    assert row["last_accessed_at"] == before["last_accessed_at"]
    assert row["started_at"] == NINE - timedelta(hours=1)


def test_order_within_a_statement_does_not_matter_but_time_does(played: Database) -> None:
    played.changed(
        'insert into scorm_tracking (scorm_enrollment_id, element, value, "timestamp") values '
        "(%s, %s, '80', %s), (%s, %s, '20', %s)",
        LEA_SAFETY, RAW, NINE, LEA_SAFETY, RAW, NINE - timedelta(seconds=1),
    )  # fmt: skip
    assert enrolment(played)["score"] == 80


def test_of_rows_of_one_time_the_last_counts(played: Database) -> None:
    with played.connection.transaction():
        insert = "insert into scorm_tracking (scorm_enrollment_id, element, value) values (%s, %s, %s)"
        for value in ("10", "30", "20"):
            played.changed(insert, LEA_SAFETY, RAW, value)
    assert enrolment(played)["score"] == 20
    played.changed(
        "insert into scorm_tracking (scorm_enrollment_id, element, value) values (%s, %s, '1'), (%s, %s, '3'), (%s, %s, '2')",
        *[LEA_SAFETY, RAW] * 3,
    )
    assert enrolment(played)["score"] == 2


def test_a_row_from_the_future_does_not_outrank_all_that_follow(played: Database) -> None:
    played.changed(INSERT, LEA_SAFETY, RAW, "10", "2999-01-01Z")
    assert tell(played, (RAW, "90"), at=None)["score"] == 90
    assert enrolment(played)["last_accessed_at"] < datetime.now(UTC) + timedelta(minutes=1)


@pytest.mark.parametrize("when", ["infinity", "-infinity", "0044-03-15 BC", "12026-01-01"])
def test_a_time_that_no_program_could_read_again_is_refused(played: Database, when: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="scorm_tracking_timestamp_check"):
        played.changed(INSERT, LEA_SAFETY, RAW, "10", when)


def test_session_times_add_up_as_sessions_not_as_reports(played: Database) -> None:
    assert (
        tell(played, ("cmi.core.session_time", "00:00:30.00"), ("cmi.core.session_time", "00:01:30"))[
            "time_spent_seconds"
        ]
        == 90
    )
    later = NINE + timedelta(hours=1)
    assert tell(played, ("cmi.core.session_time", "00:00:10"), at=later)["time_spent_seconds"] == 100
    assert tell(played, ("cmi.session_time", "PT1M5.4S"), at=later + timedelta(hours=1))["time_spent_seconds"] == 155
    assert tell(played, ("cmi.session_time", "P1DT1S"), at=later + timedelta(hours=2))["time_spent_seconds"] == 86491


# -- what is kept ----------------------------------------------------------------------------------------------


def test_suspend_data_and_the_latest_values_are_kept(played: Database) -> None:
    row = tell(played, ("cmi.suspend_data", 'a"b\nc'), ("cmi.core.lesson_location", "7"), (STATUS, "incomplete"),
               (DONE, "completed"), ("cmi.interactions.0.id", "q"))  # fmt: skip
    assert row["suspend_data"] == {"value": 'a"b\nc'}
    assert row["cmi_data"] == {
        "cmi.core.lesson_location": "7", STATUS: "incomplete", DONE: "completed",
        "completion_status": "completed", "success_status": "unknown",
    }  # fmt: skip


def test_what_other_programs_keep_in_cmi_data_stays(played: Database) -> None:
    for kept, expected in (('{"mine": 1}', {"mine": 1, RAW: "5"}), ("[1, 2]", [1, 2])):
        played.changed("update scorm_enrollments set cmi_data = %s where id = %s", kept, LEA_SAFETY)
        assert tell(played, (RAW, "5"), at=None)["cmi_data"] == expected


def test_a_correction_by_hand_stays_until_something_newer_is_told(played: Database) -> None:
    tell(played, (STATUS, "failed"), (RAW, "40"))
    played.changed(
        "update scorm_enrollments set score = 75, status = 'passed', completed_at = now() where id = %s", LEA_SAFETY
    )
    row = tell(played, ("cmi.core.lesson_location", "8"), (STATUS, "incomplete"), at=None)
    assert (row["score"], row["status"]) == (75, "passed")


def test_setting_an_enrolment_back_starts_afresh(played: Database) -> None:
    tell(played, (STATUS, "passed"), (SCALED, "0.9"))
    played.changed(
        "update scorm_enrollments set status = 'not_attempted', completed_at = null, score = null, "
        "progress_percentage = 0 where id = %s", LEA_SAFETY,
    )  # fmt: skip
    assert outcome(tell(played, (STATUS, "incomplete"), (RAW, "30"), at=None)) == ("incomplete", 0, 30, False)


def test_another_attempt_can_better_but_not_take_away(played: Database) -> None:
    tell(played, (STATUS, "passed"), (RAW, "80"))
    played.changed("update scorm_enrollments set attempts = 2 where id = %s", LEA_SAFETY)
    row = tell(played, (STATUS, "failed"), (RAW, "30"), at=None)
    assert outcome(row) == ("passed", 100, 80, True)
    assert row["attempts"] == 2
    assert tell(played, (RAW, "95"), at=None)["score"] == 95


def test_a_corrected_row_counts_anew(played: Database) -> None:
    tell(played, (RAW, "40"))
    played.changed("update scorm_tracking set value = '60' where element = %s", RAW)
    assert enrolment(played)["score"] == 60


# -- statements over many enrolments ---------------------------------------------------------------------------


def test_one_statement_serves_many_enrolments(played: Database) -> None:
    played.changed(
        "insert into scorm_tracking (scorm_enrollment_id, element, value) values "
        "(%s, %s, 'passed'), (%s, %s, '40'), (%s, %s, '90')",
        LEA_SAFETY, STATUS, LEO_SAFETY, RAW, LEA_SAFETY, RAW,
    )  # fmt: skip
    found = played.rows(
        "select status, score from scorm_enrollments where id in (%s, %s) order by id", LEA_SAFETY, LEO_SAFETY
    )
    assert found == [{"status": "passed", "score": 90}, {"status": "incomplete", "score": 40}]


def test_many_rows_in_one_statement_cost_as_many_times_one(played: Database) -> None:
    played.changed("insert into profiles (email) select n || '@example.org' from generate_series(1, 3000) n")
    played.changed("insert into scorm_enrollments (scorm_package_id, user_id) select k.id, p.id from profiles p, "
                   "scorm_packages k where k.title = 'Unused'")  # fmt: skip
    for _ in range(10):  # plans made for one row must not be kept for thousands
        tell(played, (RAW, "1"), at=None)
    begun = time.monotonic()
    rows = played.changed(
        "insert into scorm_tracking (scorm_enrollment_id, element, value) select e.id, x.element, x.value "
        "from scorm_enrollments e join scorm_packages k on k.id = e.scorm_package_id, "
        "(values (%s, 'passed'), (%s, '55'), ('cmi.suspend_data', 's')) as x (element, value) where k.title = 'Unused'",
        STATUS, RAW,
    )  # fmt: skip
    assert time.monotonic() - begun < 20  # about 1 s on a quiet machine, minutes if it were quadratic
    assert played.value("select count(*) from scorm_enrollments where status = 'passed' and score = 55") == rows / 3


def test_two_sessions_on_one_enrolment_wait_for_each_other(played: Database) -> None:
    failures: list[Exception] = []

    def report(number: int) -> None:
        try:
            with opened(played.url) as db:
                for step in range(20):
                    db.changed(
                        "insert into scorm_tracking (scorm_enrollment_id, element, value) select id, %s, %s "
                        "from scorm_enrollments order by id " + ("desc" if number else "asc"), RAW, str(step),
                    )  # fmt: skip
        except Exception as error:  # told to the test below
            failures.append(error)

    threads = [threading.Thread(target=report, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert enrolment(played)["score"] == 19
