"""Moodle's categories, courses, people, enrolments and badges as our records. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from courseyard.partners import reading
from courseyard.partners.connector import Person
from courseyard.partners.records import Course, Credential, Enrolment, User

# People whose roles are all among these are staff, of whom Moodle keeps no progress.
_STAFF = {"manager", "coursecreator", "editingteacher", "teacher"}


def course_url(base_url: str, course: str) -> str:
    """The page of a course."""
    return f"{base_url}/course/view.php?id={quote(course)}"


def category_paths(rows: list[Any]) -> list[tuple[str, str, int]]:
    """Id, path by names ("Health / First aid") and number of courses, of the categories that have any."""
    names = {reading.text(reading.field(c, "id")): reading.text(reading.field(c, "name")) for c in rows}
    paths: list[tuple[str, str, int]] = []
    for category in rows:
        identifier, count = reading.text(reading.field(category, "id")), reading.field(category, "coursecount")
        # Where the number is not told, there may be some.
        courses = 1 if count is None else reading.whole(count)
        if identifier and courses:
            steps = (reading.text(reading.field(category, "path")) or f"/{identifier}").strip("/").split("/")
            path = " / ".join(name for step in steps if (name := names.get(step)))
            paths.append((identifier, path, courses))
    return paths


def courses_of(row: Any, paths: Mapping[str, str], base_url: str) -> list[Course]:
    """The course of a row; none where it is the front page, which is a course in Moodle's tables only.

    ``paths``: of categories, by their ids.

    Raises:
        ValueError: it has no identifier.
    """
    identifier = reading.key(reading.field(row, "id"))
    if row.get("format") == "site":
        return []
    custom = {
        f"customfield_{name}": reading.field(item, "value")
        for item in reading.items(row.get("customfields"))
        if (name := reading.text(reading.field(item, "shortname")))
    }
    course = Course(
        external_id=identifier,
        title=reading.text(row.get("fullname")) or reading.text(row.get("shortname")) or identifier,
        code=reading.text(row.get("shortname")),
        description=reading.without_tags(row.get("summary")),
        category=paths.get(str(row.get("categoryid"))) or reading.text(row.get("categoryname")),
        url=course_url(base_url, identifier),
        active=reading.flag(row.get("visible")) is not False,
        data_at=reading.moment(row.get("timemodified")),
        extra=reading.plain(
            idnumber=row.get("idnumber"),
            format=row.get("format"),
            lang=row.get("lang"),
            startdate=reading.iso(reading.moment(row.get("startdate"))),
            enddate=reading.iso(reading.moment(row.get("enddate"))),
            enablecompletion=reading.flag(row.get("enablecompletion")),
            **custom,
        ),
    )
    return [course]


def user_of(row: Any) -> User:
    """A person.

    Raises:
        ValueError: the row has no identifier.
    """
    return User(
        external_id=reading.key(reading.field(row, "id")),
        email=reading.text(reading.field(row, "email")),
        name=reading.text(reading.field(row, "fullname")),
        sis_id=reading.text(reading.field(row, "idnumber")),
    )


def new_account(person: Person, auth: str) -> dict[str, Any]:
    """The account to make for somebody who has an e-mail address; ``auth``: how they will sign in."""
    address = str(person.email)
    first, _, last = (person.name or address.partition("@")[0]).strip().rpartition(" ")
    account: dict[str, Any] = {
        # Moodle takes no other characters; leaving some out could make two people one.
        "username": address.lower() if re.fullmatch(r"[-.@_a-z0-9]+", address.lower()) else person.profile_id,
        "firstname": first or last,
        # Moodle wants both.
        "lastname": last if first else "-",
        "email": address,
        "idnumber": person.sis_id,
        "auth": auth,
    }
    # Moodle invents a password and mails it.
    return account | ({"createpassword": 1} if auth == "manual" else {})


def has_id(row: Any) -> bool:
    """Whether ``user_of`` knows who it is."""
    return reading.text(reading.field(row, "id")) is not None


def enrolments_of(course: str, row: Any, *, suspended: bool) -> list[Enrolment]:
    """The enrolment of a row of a roster; none of staff. How far they came is the business of progress, which knows
    more of the same moment: what is told here is older.

    Raises:
        ValueError: it does not say who it is.
    """
    user = user_of(row)
    if _is_staff(row):
        return []
    accessed = reading.moment(reading.field(row, "lastcourseaccess"))
    enrolment = Enrolment(
        external_id=f"{course}:{user.external_id}",
        course=course,
        user=user,
        status="withdrawn" if suspended else None,
        data_at=None if suspended else reading.just_before(accessed),
        extra={"suspended": suspended},
    )
    return [enrolment]


def moved(
    rows: Iterable[Any], since: float | None, anyway: Collection[str] = ()
) -> Iterator[tuple[dict[str, Any], float | None]]:
    """Who of a roster is to be asked about, with the time of the last access, all plain JSON; who never came is not
    asked about again. ``anyway``: ids of those who are, whether they moved or not.
    """
    for row in rows:
        if not has_id(row) or _is_staff(row):
            continue
        accessed = reading.number(reading.field(row, "lastcourseaccess"))
        # A site may hide the time; then everybody is asked about.
        user = user_of(row)
        if since is None or accessed is None or accessed >= since or user.external_id in anyway:
            yield msgspec.to_builtins(user), accessed


def badges_of(answer: Any, user: User, base_url: str) -> list[Credential]:
    """A person's badges, those of a course as earned in it."""
    badges = reading.items(reading.field(answer, "badges"))
    return [_badge(badge, user, base_url) for badge in badges if reading.text(reading.field(badge, "uniquehash"))]


def _badge(badge: Any, user: User, base_url: str) -> Credential:
    identifier = reading.key(badge.get("uniquehash"))
    course = reading.text(badge.get("courseid"))
    return Credential(
        external_id=identifier,
        user=user,
        name=reading.text(badge.get("name")) or "Badge",
        type="badge",
        enrolment=f"{course}:{user.external_id}" if course and course != "0" else None,
        issued=reading.day(badge.get("dateissued")),
        expires=reading.day(badge.get("dateexpire")),
        verification_url=f"{base_url}/badges/badge.php?hash={quote(identifier)}",
        data_at=reading.latest(reading.moment(badge.get("dateissued")), reading.moment(badge.get("timemodified"))),
        extra=reading.plain(
            issuername=badge.get("issuername"), description=badge.get("description"), courseid=badge.get("courseid")
        ),
    )


def _is_staff(row: Any) -> bool:
    roles = [reading.text(reading.field(r, "shortname")) for r in reading.items(reading.field(row, "roles"))]
    return bool(roles) and all(role in _STAFF for role in roles)
