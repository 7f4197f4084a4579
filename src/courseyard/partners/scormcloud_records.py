"""SCORM Cloud's courses and registrations as our records. Pure.

A registration is an enrolment; the activities in it that have no children are its modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from courseyard.partners import reading
from courseyard.partners.records import DONE, Course, Enrolment, EnrolmentStatus, ModuleProgress, ModuleStatus, User


def course_of(found: Any) -> Course:
    """A course.

    Raises:
        ValueError: it has no identifier.
    """
    identifier = reading.key(reading.field(found, "id"))
    metadata = reading.field(found, "metadata")
    told = (reading.duration(reading.field(metadata, name)) for name in ("typicalTime", "duration"))
    seconds = next(filter(None, map(reading.whole, told)), None)
    return Course(
        external_id=identifier,
        title=reading.text(found.get("title")) or reading.text(reading.field(metadata, "title")) or identifier,
        description=reading.without_tags(reading.field(metadata, "description")),
        duration_hours=round(seconds / 3600, 2) if seconds else None,
        data_at=reading.moment(found.get("updated")) or reading.moment(found.get("created")),
        extra=reading.plain(
            version=found.get("version"),
            courseLearningStandard=found.get("courseLearningStandard"),
            registrationCount=found.get("registrationCount"),
            tags=_tags(found),
        ),
    )


def enrolment_of(found: Any) -> Enrolment:
    """A registration.

    Raises:
        ValueError: it has no identifier, or does not say whose it is, or of which course.
    """
    learner = reading.field(found, "learner")
    name = " ".join(filter(None, (reading.text(reading.field(learner, part)) for part in ("firstName", "lastName"))))
    try:
        user = User(
            external_id=reading.key(reading.field(learner, "id")),
            email=reading.text(reading.field(learner, "email")),
            name=name or None,
        )
        course = reading.key(reading.field(reading.field(found, "course"), "id"))
    except ValueError as error:
        raise ValueError("it does not say whose it is, or of which course") from error
    status = _status(found)
    amount = reading.number(found.get("registrationCompletionAmount"))
    return Enrolment(
        external_id=reading.key(found.get("id")),
        course=course,
        user=user,
        status=status,
        # A share from 0 to 1, unlike all other amounts.
        progress=100.0 if status == "completed" else None if amount is None else reading.percent(amount * 100),
        enrolled_at=reading.moment(found.get("createdDate")),
        completed_at=reading.moment(found.get("completedDate")),
        data_at=reading.moment(found.get("updated")),
        extra=reading.plain(
            score=reading.percent(_scaled(found.get("score"))),
            registrationCompletion=found.get("registrationCompletion"),
            registrationSuccess=found.get("registrationSuccess"),
            totalSecondsTracked=found.get("totalSecondsTracked"),
            instance=found.get("instance"),
            version=reading.field(found.get("course"), "version"),
            firstAccessDate=found.get("firstAccessDate"),
            lastAccessDate=found.get("lastAccessDate"),
            tags=_tags(found),
        ),
    )


def read(
    registrations: Iterable[Any], *, whole: bool = False
) -> tuple[list[Enrolment | ModuleProgress], list[tuple[Any, str]]]:
    """Each registration as an enrolment, with its activities where they are told; and those that are none, with why.

    ``whole``: the activities were asked for, so that one without children is all that there is, and no summary.
    """

    def understand(found: Any) -> list[Enrolment | ModuleProgress]:
        enrolment = enrolment_of(found)
        children = reading.items(reading.field(found.get("activityDetails"), "children"))
        return [enrolment, *(_modules(found, enrolment) if whole or children else ())]

    return reading.understood(registrations, understand, "a registration")


def _status(found: Any) -> EnrolmentStatus:
    match found.get("registrationCompletion"), found.get("registrationSuccess"):
        case "INCOMPLETE", _:
            # Also one that was failed: it goes on.
            return "active"
        case _, "FAILED":
            return "failed"
        case ("COMPLETED", _) | (_, "PASSED"):
            return "completed"
        case _:
            return "active"


def _modules(found: Any, enrolment: Enrolment) -> list[ModuleProgress]:
    """The activities that a learner does something in; what groups them sums up and would count twice."""
    leaves: dict[str, Any] = {}
    for activity in _leaves(found.get("activityDetails")):
        identifier = reading.text(reading.field(activity, "id"))
        if identifier:
            leaves.setdefault(identifier, activity)
    modules = [_module(identifier, activity, enrolment) for identifier, activity in leaves.items()]
    if len(modules) == 1 and modules[0].status != "not_started":
        # The times of the registration are those of its only activity.
        done = modules[0].status in DONE
        modules[0] = msgspec.structs.replace(
            modules[0],
            started_at=reading.moment(found.get("firstAccessDate")),
            completed_at=enrolment.completed_at if done else None,
            last_accessed_at=reading.moment(found.get("lastAccessDate")),
        )
    return modules


def _leaves(root: Any) -> Iterator[Any]:
    waiting = [root]
    while waiting:
        activity = waiting.pop()
        children = reading.items(reading.field(activity, "children"))
        if children:
            waiting += reversed(children)
        else:
            yield activity


def _module(identifier: str, activity: Any, enrolment: Enrolment) -> ModuleProgress:
    status = _module_status(activity)
    runtime = activity.get("runtime")
    return ModuleProgress(
        enrolment=enrolment.external_id,
        module_id=identifier,
        module_name=reading.text(activity.get("title")),
        status=status,
        progress=100.0 if status in DONE else reading.percent(_scaled(activity.get("completionAmount"))),
        score=reading.percent(_scaled(activity.get("score"))),
        time_spent_seconds=reading.whole(reading.duration(activity.get("timeTracked"))),
        data_at=enrolment.data_at,
        extra=reading.plain(
            attempts=activity.get("attempts"),
            activityCompletion=activity.get("activityCompletion"),
            activitySuccess=activity.get("activitySuccess"),
            raw=reading.number(reading.field(runtime, "scoreRaw")),
            min=reading.number(reading.field(runtime, "scoreMin")),
            max=reading.number(reading.field(runtime, "scoreMax")),
        ),
    )


def _module_status(activity: Any) -> ModuleStatus:
    match activity.get("activityCompletion"), activity.get("activitySuccess"):
        case _, "PASSED":
            return "passed"
        case _, "FAILED":
            return "failed"
        case "COMPLETED", _:
            return "completed"
        case _:
            begun = (reading.number(activity.get("attempts")) or 0) > 0 or reading.flag(activity.get("suspended"))
            return "in_progress" if begun else "not_started"


def _scaled(value: Any) -> Any:
    """A score or an amount as SCORM Cloud tells it: already in percent."""
    return reading.field(value, "scaled")


def _tags(found: Any) -> str:
    return ", ".join(filter(None, (reading.text(tag) for tag in reading.items(reading.field(found, "tags")))))
