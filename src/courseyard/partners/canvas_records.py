"""Canvas's courses, people and enrolments as our records. Pure.

A person in a course is one enrolment here (``course:user``), though Canvas has one a section.
"""

from __future__ import annotations

from typing import Any

from courseyard.errors import PartnerAnswerError
from courseyard.partners import reading
from courseyard.partners.live_events import ENDED
from courseyard.partners.records import Course, Enrolment, EnrolmentStatus, User

# The states of an enrolment, the one that is most alive first.
STATES = ("active", "invited", "completed", "inactive", "rejected")


def course_url(base_url: str, course: str) -> str:
    """The page of a course."""
    return f"{base_url}/courses/{reading.segment(course)}"


def course_of(row: Any, base_url: str) -> Course:
    """A course of an account's list.

    Raises:
        ValueError: it has no identifier.
    """
    identifier = reading.key(reading.field(row, "id"))
    state = reading.text(row.get("workflow_state"))
    account = reading.text(reading.field(row.get("account"), "name"))
    return Course(
        external_id=identifier,
        title=reading.text(row.get("name")) or reading.text(row.get("course_code")) or identifier,
        code=reading.text(row.get("course_code")),
        description=reading.without_tags(row.get("public_description")),
        category=account,
        url=course_url(base_url, identifier),
        active=state in ("available", None) and reading.flag(row.get("concluded")) is not True,
        extra=reading.plain(
            sis_course_id=row.get("sis_course_id"),
            term=reading.field(row.get("term"), "name"),
            account=account,
            start_at=row.get("start_at"),
            end_at=row.get("end_at"),
            workflow_state=state,
        ),
    )


def user_of(row: Any) -> User:
    """A person.

    Raises:
        ValueError: the row has no identifier.
    """
    login = reading.text(reading.field(row, "login_id"))
    return User(
        external_id=reading.key(reading.field(row, "id")),
        email=reading.text(reading.field(row, "email")) or (login if login and "@" in login else None),
        name=reading.text(reading.field(row, "name")),
        sis_id=reading.text(reading.field(row, "sis_user_id")),
    )


def account_of(row: Any) -> User:
    """A person who was asked for.

    Raises:
        PartnerAnswerError: Canvas tells no identifier.
    """
    try:
        return user_of(row)
    except ValueError as error:
        raise PartnerAnswerError("Canvas told an account without its id.") from error


def enrolment_that_counts(row: Any) -> Any:
    """Of a person's enrolments in the sections of a course the one that is most alive; None if there is none."""
    order = {state: place for place, state in enumerate(STATES)}
    ones = [e for e in reading.items(reading.field(row, "enrollments")) if isinstance(e, dict)]
    return min(ones, key=lambda e: order.get(str(e.get("enrollment_state")), len(order)), default=None)


def enrolment_facts(row: Any, one: Any) -> dict[str, Any]:
    """Further facts of a person in a course, out of the row of the roster and the enrolment that counts."""
    grades = reading.field(one, "grades")
    return reading.plain(
        state=reading.field(one, "enrollment_state"),
        login_id=reading.field(row, "login_id"),
        current_score=reading.field(grades, "current_score"),
        final_score=reading.field(grades, "final_score"),
        final_grade=reading.field(grades, "final_grade"),
        total_activity_time=reading.field(one, "total_activity_time"),
    )


def enrolment_of(course: str, row: Any, user: User | None = None) -> Enrolment:
    """What a row of the roster tells. How far somebody came is the business of progress, which knows more of the same
    moment: what is told here is older.

    Raises:
        ValueError: it does not say who it is, and no ``user`` is given.
    """
    user = user or user_of(row)
    one = enrolment_that_counts(row)
    state = reading.text(reading.field(one, "enrollment_state"))
    updated = reading.moment(reading.field(one, "updated_at"))
    latest = reading.latest(updated, reading.moment(reading.field(one, "last_activity_at")))
    status: EnrolmentStatus | None = "withdrawn" if state in ENDED else "pending" if state == "invited" else None
    return Enrolment(
        external_id=f"{course}:{user.external_id}",
        course=course,
        user=user,
        status=status,
        enrolled_at=reading.moment(reading.field(one, "created_at")),
        data_at=updated if status else reading.just_before(latest),
        extra=enrolment_facts(row, one),
    )
