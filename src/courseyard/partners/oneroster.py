"""OneRoster's things as our records, the same for the REST service and for CSV files.

A row is a JSON object as the REST service tells it, references as objects with a ``sourcedId``. The class is the course
that people are in; OneRoster's course, the entry of a catalogue, tells its code and subject. Since results name a class
and a student but no enrolment, an enrolment's external id is ``class:student``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from courseyard.partners import reading
from courseyard.partners.records import Course, Enrolment, Gone, ModuleProgress, ModuleStatus, User

# Spellings differ (``fully graded``, ``fullyGraded``); the enumeration may be extended.
_STATUSES: dict[str, ModuleStatus] = {
    "exempt": "completed",
    "fullygraded": "completed",
    "partiallygraded": "in_progress",
    "submitted": "in_progress",
    "inprogress": "in_progress",
    "incomplete": "in_progress",
    "notsubmitted": "not_started",
    "missing": "not_started",
    "withdrawal": "not_started",
}
_NAMES = (
    ("preferredFirstName", "preferredGivenName", "givenName"),
    ("preferredLastName", "preferredFamilyName", "familyName"),
)
_NUMBER = r"(\d+(?:\.\d+)?)\s*%?"
_BAND = re.compile(rf"\s*{_NUMBER}\s*(?:(?:-|–|to|\.\.)\s*{_NUMBER})?\s*")


def key_of(row: Any) -> str:
    """The row's sourcedId.

    Raises:
        ValueError: it has none.
    """
    return reading.key(reading.field(row, "sourcedId"))


def ref(row: Any, name: str) -> str | None:
    """The sourcedId that a reference leads to."""
    return reading.text(reading.field(reading.field(row, name), "sourcedId"))


def is_deleted(row: Any) -> bool:
    """Whether the partner says that this is no more."""
    return _word(reading.field(row, "status")) == "tobedeleted"


def changed_at(row: Any) -> datetime | None:
    """When the row last changed."""
    return reading.moment(reading.field(row, "dateLastModified"))


def user_of(identifier: str, row: Any) -> User:
    """A person; only the identifier where nothing is known."""
    told = (_first(row, *choices) for choices in _NAMES)
    return User(
        external_id=identifier,
        email=reading.text(reading.field(row, "email")),
        name=" ".join(filter(None, told)) or None,
        sis_id=_first(row, "identifier", "userMasterIdentifier"),
    )


def course_of(row: Any, course: Any, sessions: Sequence[Any]) -> Course | Gone:
    """A class, with what its OneRoster course and its terms tell.

    Raises:
        ValueError: it has no identifier.
    """
    identifier = key_of(row)
    if is_deleted(row):
        return Gone(kind="course", external_id=identifier, data_at=changed_at(row))
    subjects = _list(reading.field(row, "subjects")) or _list(reading.field(course, "subjects"))
    course_title = reading.text(reading.field(course, "title"))
    return Course(
        external_id=identifier,
        title=reading.text(row.get("title")) or course_title or identifier,
        code=reading.text(row.get("classCode")) or reading.text(reading.field(course, "courseCode")),
        category=subjects[0] if subjects else None,
        active=_word(row.get("status")) in ("active", ""),
        data_at=reading.latest(changed_at(row), changed_at(course)),
        extra=reading.plain(
            course=ref(row, "course"),
            courseTitle=course_title,
            courseCode=reading.field(course, "courseCode"),
            term=", ".join(filter(None, (reading.text(reading.field(s, "title")) for s in sessions))),
            startDate=min(filter(None, (reading.text(reading.field(s, "startDate")) for s in sessions)), default=None),
            endDate=max(filter(None, (reading.text(reading.field(s, "endDate")) for s in sessions)), default=None),
            school=ref(row, "school"),
            classType=row.get("classType"),
            location=row.get("location"),
            grades=", ".join(_list(row.get("grades"))),
            subjects=", ".join(subjects),
        ),
    )


def is_student(row: Any) -> bool:
    """Whether an enrolment is a learner's, as teachers have them too; a deleted one may tell no role."""
    role = _word(reading.field(row, "role"))
    return role == "student" or (not role and is_deleted(row))


def enrolment_key(row: Any) -> str:
    """The external id of an enrolment.

    Raises:
        ValueError: class or person are missing.
    """
    course, user = ref(row, "class"), ref(row, "user")
    if not course or not user:
        raise ValueError("it does not say who is in which class")
    return f"{course}:{user}"


def enrolment_of(row: Any, user: User) -> Enrolment:
    """An enrolment. OneRoster knows no completion of a class, so that it says only that the person is in it.

    Raises:
        ValueError: class or person are missing.
    """
    return Enrolment(
        external_id=enrolment_key(row),
        course=ref(row, "class") or "",
        user=user,
        status=None,
        enrolled_at=reading.moment(row.get("beginDate")),
        data_at=changed_at(row),
        extra=reading.plain(
            sourcedId=row.get("sourcedId"),
            role=row.get("role"),
            primary=reading.flag(row.get("primary")),
            endDate=row.get("endDate"),
            school=ref(row, "school"),
        ),
    )


def line_item(row: Any) -> dict[str, Any]:
    """Of a line item what ``module_of`` reads, and no more, so that it can be carried along."""
    kept = {name: reading.text(row.get(name)) for name in ("title", "dueDate", "resultValueMin", "resultValueMax")}
    kept |= {name: ref(row, name) for name in ("scoreScale", "category")}
    return {name: value for name, value in kept.items() if value}


def module_of(enrolment: str, identifier: str, item: Mapping[str, Any], result: Any, scale: Any) -> ModuleProgress:
    """A line item as a module of an enrolment, with its result; None where there is none yet.

    ``item``: as ``line_item`` gives it. ``scale``: the score scale of the result or the line item, if any.
    """
    low, high = item.get("resultValueMin"), item.get("resultValueMax")
    raw = reading.number(reading.field(result, "score"))
    words = reading.text(reading.field(result, "textScore"))
    status = _status(result, graded=raw is not None or words is not None)
    graded_at = reading.moment(reading.field(result, "scoreDate"))
    return ModuleProgress(
        enrolment=enrolment,
        module_id=identifier,
        module_name=item.get("title"),
        status=status,
        progress={"completed": 100.0, "not_started": 0.0}.get(status),
        score=reading.share(raw, low, high) if raw is not None else _by_scale(words, scale),
        completed_at=graded_at if status == "completed" else None,
        data_at=changed_at(result),
        extra=reading.plain(
            scoreStatus=reading.field(result, "scoreStatus"),
            textScore=words,
            raw=raw,
            min=reading.number(low),
            max=reading.number(high),
            scoreScale=reading.text(reading.field(scale, "title")),
            late=reading.flag(reading.field(result, "late")) or None,
            category=item.get("category"),
            dueDate=item.get("dueDate"),
        ),
    )


def _status(result: Any, *, graded: bool) -> ModuleStatus:
    if result is None:
        return "not_started"
    told = _STATUSES.get(_word(reading.field(result, "scoreStatus")))
    if told == "completed":
        return told
    # 1.2 says beside the status what holds a result back.
    for name in ("incomplete", "inProgress"):
        if reading.flag(reading.field(result, name)):
            return "in_progress"
    return told or ("completed" if graded else "not_started")


def _by_scale(words: str | None, scale: Any) -> float | None:
    """The middle of the band that the scale gives these words (``A`` is ``90-100``), in percent of its highest."""
    bands: dict[str, tuple[float, float]] = {}
    percent = False
    for value in reading.items(reading.field(scale, "scoreScaleValue")):
        name, told = (reading.text(reading.field(value, f"itemValue{side}")) for side in ("LHS", "RHS"))
        found = _BAND.fullmatch(told) if told and len(told) < 50 else None
        if name and found:
            low = float(found[1])
            bands[name.casefold()] = (low, float(found[2]) if found[2] else low)
            percent = percent or "%" in (told or "")
    band = bands.get(words.casefold()) if words else None
    if band is None:
        return None
    highest = 100.0 if percent else max(high for _, high in bands.values())
    return reading.share((band[0] + band[1]) / 2, 0, highest)


def _word(value: Any) -> str:
    """A value of an enumeration without its spaces, dashes and capitals."""
    return re.sub(r"[^a-z]", "", value.lower()) if isinstance(value, str) else ""


def _first(row: Any, *names: str) -> str | None:
    return next(filter(None, (reading.text(reading.field(row, name)) for name in names)), None)


def _list(value: Any) -> list[str]:
    return list(filter(None, map(reading.text, reading.items(value))))
