"""The events that one Courseyard sends to another, as records. ``docs/partners/events.md`` describes them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, get_args

from courseyard.partners import reading
from courseyard.partners.reading import field
from courseyard.partners.records import (
    Course,
    Credential,
    Enrolment,
    EnrolmentStatus,
    Gone,
    ModuleProgress,
    ModuleStatus,
    Record,
    User,
)


def read_event(event: Any, received_at: datetime) -> list[Record]:
    """The records that an event tells; none for an event of another type.

    ``received_at`` stands in for a missing time.

    Raises:
        ValueError: it lacks what its type requires; the message says what.
    """
    kind = reading.text(field(event, "type"))
    if kind is None:
        raise ValueError("the event has no type")
    make = _TYPES.get(kind)
    if make is None:
        return []
    data = field(event, "data")
    if not isinstance(data, dict):
        raise ValueError("the event has no data")
    return make(data, reading.moment(field(event, "timestamp")) or received_at)


def _enrolment(data: Any, at: datetime) -> list[Record]:
    course = field(data, "course")
    key = _need(data, "enrollment_id")
    identifier = _need(course, "id", "course.id")
    records: list[Record] = [
        Course(external_id=identifier, title=title, code=reading.text(field(course, "code")), data_at=at)
        for title in [reading.text(field(course, "title"))]
        if title
    ]
    records.append(
        Enrolment(
            external_id=key,
            course=identifier,
            user=_learner(data),
            status=_one_of(data, get_args(EnrolmentStatus), "status"),
            progress=reading.percent(field(data, "progress_percentage")),
            enrolled_at=reading.moment(field(data, "enrolled_at")),
            completed_at=reading.moment(field(data, "completed_at")),
            data_at=at,
            extra=reading.plain(score=reading.percent(field(data, "score")), started_at=field(data, "started_at")),
        )
    )
    records += [_module(key, module, at) for module in reading.items(field(data, "modules"))]
    return records


def _module(enrolment: str, module: Any, at: datetime) -> ModuleProgress:
    spent = reading.number(field(module, "time_spent_seconds"))
    return ModuleProgress(
        enrolment=enrolment,
        module_id=_need(module, "id", "modules.id"),
        module_name=reading.text(field(module, "title")),
        status=_one_of(module, get_args(ModuleStatus), "modules.status"),
        progress=reading.percent(field(module, "progress_percentage")),
        score=reading.percent(field(module, "score")),
        time_spent_seconds=round(spent) if spent is not None and 0 <= spent < 2**31 else None,
        started_at=reading.moment(field(module, "started_at")),
        completed_at=reading.moment(field(module, "completed_at")),
        last_accessed_at=reading.moment(field(module, "last_accessed_at")),
        data_at=at,
    )


def _course(data: Any, at: datetime) -> list[Record]:
    course = field(data, "course")
    hours = reading.number(field(course, "duration_hours"))
    return [
        Course(
            external_id=_need(course, "id", "course.id"),
            title=_need(course, "title", "course.title"),
            code=reading.text(field(course, "code")),
            description=reading.text(field(course, "description")),
            category=reading.text(field(course, "category")),
            duration_hours=hours if hours is not None and hours >= 0 else None,
            url=reading.url(field(course, "url")),
            active=reading.flag(field(course, "active")) is not False,
            data_at=at,
        )
    ]


def _credential(data: Any, at: datetime) -> list[Record]:
    return [
        Credential(
            external_id=_need(data, "credential_id"),
            user=_learner(data),
            name=_need(data, "name"),
            type=reading.text(field(data, "type")),
            number=reading.text(field(data, "number")),
            enrolment=reading.text(field(data, "enrollment_id")),
            issued=reading.day(field(data, "issued_date")),
            expires=reading.day(field(data, "expiration_date")),
            verification_url=reading.url(field(data, "verification_url")),
            certificate_url=reading.url(field(data, "certificate_url")),
            data_at=at,
        )
    ]


def _learner(data: Any) -> User:
    learner = field(data, "learner")
    return User(
        external_id=_need(learner, "id", "learner.id"),
        email=reading.text(field(learner, "email")),
        name=reading.text(field(learner, "name")),
    )


def _need(data: Any, name: str, path: str = "") -> str:
    found = reading.text(field(data, name))
    if found is None:
        raise ValueError(f"the event has no {path or name}")
    return found


def _one_of(data: Any, known: tuple[str, ...], path: str) -> Any:
    found = field(data, path.rsplit(".", maxsplit=1)[-1])
    if found not in known:
        raise ValueError(f"the event's {path} is none of {', '.join(known)}")
    return found


_TYPES: dict[str, Callable[[Any, datetime], list[Record]]] = {
    "enrollment.created": _enrolment,
    "enrollment.updated": _enrolment,
    "enrollment.completed": _enrolment,
    "enrollment.withdrawn": _enrolment,
    "enrollment.deleted": lambda data, at: [
        Gone(kind="enrolment", external_id=_need(data, "enrollment_id"), data_at=at)
    ],
    "course.updated": _course,
    "course.removed": lambda data, at: [
        Gone(kind="course", external_id=_need(field(data, "course"), "id", "course.id"), data_at=at)
    ],
    "credential.issued": _credential,
    "credential.updated": _credential,
    "credential.revoked": lambda data, at: [
        Gone(kind="credential", external_id=_need(data, "credential_id"), data_at=at)
    ],
}
