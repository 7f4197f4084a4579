"""Values out of partners' JSON: whatever stands in it, a reader gives what the tables hold or refuses that one record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from math import inf, nan
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from partners.standins import canvas, moodle, scormcloud

from courseyard.partners import (
    canvas_progress,
    canvas_records,
    moodle_progress,
    moodle_records,
    oneroster,
    reading,
    scormcloud_records,
    statements,
)
from courseyard.partners.records import Course, Enrolment, ModuleProgress, Record, User, from_json, to_json

ANNA = User(external_id="11")


@pytest.mark.parametrize(
    "nothing", ["0001-01-01T00:00:00Z", "0001-01-01", "1753-01-01", "99999-01-01", 0, -1, 1e300, nan]
)
def test_a_date_that_systems_write_for_none_is_none(nothing: Any) -> None:
    assert reading.moment(nothing) is None
    assert reading.day(nothing) is None


def test_the_first_and_the_last_moments_that_are_read() -> None:
    assert reading.moment("1900-01-01") == datetime(1900, 1, 1, tzinfo=UTC)
    assert reading.moment("9999-12-31T23:59:59Z") == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert reading.moment("9999-12-31T23:59:59-12:00") is None


def test_nothing_is_before_the_calendar() -> None:
    assert reading.just_before(datetime(2026, 3, 1, tzinfo=UTC)) == datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
    assert reading.just_before(datetime.min.replace(tzinfo=UTC)) is not None
    assert reading.just_before(None) is None


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (754.5, 754), ("12", 12), (0, 0), (-1, 0), (2**31 - 1, 2**31 - 1), (2**31, 2**31 - 1), (1e300, 2**31 - 1),
        (10**400, None), (nan, None), (inf, None), ("much", None), (True, None), (None, None), ([], None),
    ],
)  # fmt: skip
def test_whole_numbers_stay_within_the_columns(told: Any, found: int | None) -> None:
    assert reading.whole(told) == found


def test_text_in_html_that_is_none() -> None:
    assert reading.without_tags("About <![if x]>fire<![what] ever]> <b>and</b> <![CDATA[smoke") == "About fire and"
    assert reading.without_tags("<![") is None


# Rows as partners send them, with some of their values spoiled.

SPOILED: list[Any] = [
    None, True, 0, -1, 1.5, -1e308, 1e308, 5e-324, 2**31, 2**63, 10**400, nan, inf, -inf, "", " ", "NaN", "-Infinity", "1e400", "9" * 5_000,
    "x" * 20_000, "\0", "\ud800", "<![x y]>", "P" + "9" * 90 + "Y", "99999:99:99", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00", "0000-00-00", "-1", [], [None], {}, {"id": {}}, [[[[]]]], {"scaled": inf},
]  # fmt: skip


def spoiled_once(value: Any) -> Iterator[Any]:
    """The value with each of its places, and it itself, spoiled in each way."""
    yield from SPOILED
    if isinstance(value, dict):
        yield from (value | {name: bad} for name, one in value.items() for bad in spoiled_once(one))
    if isinstance(value, list):
        yield from ([*value[:i], bad, *value[i + 1 :]] for i, one in enumerate(value) for bad in spoiled_once(one))


def spoiled(value: Any) -> st.SearchStrategy[Any]:
    """The value, or one with others in its places."""
    inner: st.SearchStrategy[Any]
    if isinstance(value, dict):
        inner = st.fixed_dictionaries({}, optional={name: spoiled(one) for name, one in value.items()})
    elif isinstance(value, list):
        inner = st.lists(st.one_of(*map(spoiled, value)), max_size=3) if value else st.just([])
    else:
        inner = st.just(value)
    return st.one_of(inner, inner, inner, st.sampled_from(SPOILED))


AT = "2026-03-01T10:00:00Z"
CANVAS_ROW = {
    "id": 11,
    "name": "Anna",
    "login_id": "anna",
    "enrollments": [canvas.enrolment(9, 21, 11, last_activity_at=AT)],
}
CANVAS_MODULE = canvas.module(1, "Light", canvas.item(101, "Quiz", "Assignment", 602, {"type": "min_score"})) | {
    "completed_at": AT
}
MOODLE_ROW = {
    "id": 11,
    "fullname": "Anna",
    "email": "a@x",
    "idnumber": "7",
    "lastcourseaccess": 5,
    "roles": [{"shortname": "x"}],
}
TRACKS = {"data": {"attempt": 1, "tracks": [
    {"element": name, "value": value}
    for name, value in {"status": "passed", "total_time": "00:10:30", "x.start.time": "5", "timemodified": "9", "cmi.progress_measure": "0.5"}.items()
]}}  # fmt: skip
STATEMENT = {
    "actor": {"mbox": "mailto:a@x", "name": "A"}, "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"}, "stored": AT, "timestamp": AT,
    "object": {"id": "http://x/1", "definition": {"name": {"en": "One"}, "type": "http://adlnet.gov/expapi/activities/module"}},
    "result": {"score": {"scaled": 0.5, "raw": 1, "min": 0, "max": 2}, "success": True, "duration": "PT1H",
               "extensions": {"https://w3id.org/xapi/cmi5/result/extensions/progress": 50}},
    "context": {"contextActivities": {"grouping": [{"id": "http://x/c"}]}},
}  # fmt: skip
REGISTRATION = {
    "id": "r", "updated": AT, "createdDate": AT, "learner": {"id": "a", "email": "a@x", "firstName": "A"}, "course": {"id": "c", "version": 1},
    "registrationCompletion": "COMPLETED", "registrationCompletionAmount": 0.5, "score": {"scaled": 5}, "totalSecondsTracked": 7,
    "firstAccessDate": AT, "tags": ["x"],
    "activityDetails": scormcloud.activity("ORG", children=[
        scormcloud.activity("s", attempts=1, timeTracked="0000:12:34.50", score={"scaled": 80}, runtime={"scoreRaw": "1", "scoreMin": "0"})]),
}  # fmt: skip
COURSE = {
    "id": "c", "title": "C", "updated": AT, "version": 1, "registrationCount": 3, "tags": ["x"],
    "metadata": {"title": "C", "description": "<p>C", "typicalTime": "PT1H"},
}  # fmt: skip
RESULT = {
    "score": 5,
    "textScore": "A",
    "scoreStatus": "fully graded",
    "scoreDate": AT,
    "dateLastModified": AT,
    "late": "true",
}
ITEM = {
    "title": "T",
    "resultValueMin": 0,
    "resultValueMax": 10,
    "dueDate": AT,
    "class": {"sourcedId": "m"},
    "category": {"sourcedId": "k"},
}
SCALE = {"title": "Marks", "scoreScaleValue": [{"itemValueLHS": "A", "itemValueRHS": "90-100 %"}]}


def canvas_progress_of(row: Any, module: Any, item: Any, submission: Any) -> Iterable[Record]:
    person = canvas_progress.to_ask(row, None, [])
    known = canvas_progress.by_item([submission])
    return canvas_progress.progress_of("21", person, [(module, item)], known) if person else ()


def moodle_progress_of(accessed: Any, activity: Any, completion: Any, grades: Any, tracks: Any) -> Iterable[Record]:
    known = {"101": package} if (package := moodle_progress.package_of([tracks, TRACKS])) else {}
    learner = moodle_progress.Learner(
        "21", ANNA, reading.moment(accessed), moodle_progress.grades_by_activity(grades), {}, known
    )
    return moodle_progress.progress_of(learner, [activity], completion)


def result_of(item: Any, result: Any, scale: Any) -> Iterable[Record]:
    known = oneroster.line_item(item) if isinstance(item, dict) else {}
    return [oneroster.module_of("m:u", "l", known, result, scale)]


def told(statement: Any) -> Iterable[Record]:
    return statements.translate([statement], known=()).records


# What is read row by row may refuse a row with a ValueError; all else must read what comes.
ROW_BY_ROW: list[tuple[Callable[..., Iterable[Record]], list[Any]]] = [
    (lambda row: [canvas_records.course_of(row, "https://x")], [canvas.course(21, "Light")]),
    (lambda row: [canvas_records.enrolment_of("21", row)], [CANVAS_ROW]),
    (lambda row: moodle_records.courses_of(row, {}, "https://x"), [moodle.course(21, "Light")]),
    (lambda row: moodle_records.enrolments_of("21", row, suspended=False), [MOODLE_ROW]),
    (lambda row: [scormcloud_records.course_of(row)], [COURSE]),
    (lambda row: [oneroster.course_of(row, COURSE, [ITEM])], [ITEM | {"sourcedId": "m"}]),
    (
        lambda row: [oneroster.enrolment_of(row, ANNA)],
        [{"class": {"sourcedId": "m"}, "user": {"sourcedId": "u"}, "beginDate": AT}],
    ),
]
AT_ONCE: list[tuple[Callable[..., Iterable[Record]], list[Any]]] = [
    (canvas_progress_of, [CANVAS_ROW, CANVAS_MODULE, CANVAS_MODULE["items"][0], canvas.submission(21, 11, 602, "graded", 5, AT)]),
    (moodle_progress_of, [5, moodle.status(101, 2, 5), {"completionstatus": {"completed": True, "completions": [{"timecompleted": 5}]}},
                          {"usergrades": [{"gradeitems": [moodle.grade(101, 5, 0, 10, 5), moodle.grade(None, 5, 0, 10)]}]}, TRACKS]),
    (lambda answer: moodle_records.badges_of(answer, ANNA, "https://x"),
     [{"badges": [{"uniquehash": "u", "name": "B", "dateissued": 5, "dateexpire": 6, "courseid": 21}]}]),
    (lambda registration: scormcloud_records.read([registration], whole=True)[0], [REGISTRATION]),
    (result_of, [ITEM, RESULT, SCALE]),
    (told, [STATEMENT]),
]  # fmt: skip


def check_sound(record: Record) -> None:
    """It goes to the database and back, and its numbers are within its columns."""
    plain = json.dumps(to_json(record), allow_nan=False)
    assert "\\u0000" not in plain and "\\ud800" not in plain
    assert from_json(json.loads(plain)) == record
    if isinstance(record, ModuleProgress):
        assert record.time_spent_seconds is None or 0 <= record.time_spent_seconds < 2**31
        assert record.score is None or 0 <= record.score <= 100
    if isinstance(record, ModuleProgress | Enrolment):
        assert record.progress is None or 0 <= record.progress <= 100
    if isinstance(record, Course):
        assert record.duration_hours is None or 0 <= record.duration_hours < 2**31


def check_read(read: Callable[..., Iterable[Record]], values: list[Any]) -> None:
    try:
        found = list(read(*values))
    except ValueError:
        assert any(read is one for one, _ in ROW_BY_ROW), values
        return
    for record in found:
        check_sound(record)


@pytest.mark.parametrize(("read", "sample"), ROW_BY_ROW + AT_ONCE)
def test_no_value_breaks_more_than_its_record(read: Callable[..., Iterable[Record]], sample: list[Any]) -> None:
    assert list(read(*sample)), "as it should be, it is understood"
    for place, one in enumerate(sample):
        for bad in spoiled_once(one):
            check_read(read, [*sample[:place], bad, *sample[place + 1 :]])


@pytest.mark.parametrize(("read", "sample"), ROW_BY_ROW + AT_ONCE)
def test_nor_do_several(read: Callable[..., Iterable[Record]], sample: list[Any]) -> None:
    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(values=st.tuples(*map(spoiled, sample)).map(list))
    def check(values: list[Any]) -> None:
        check_read(read, values)

    check()
