"""How far somebody is in a Canvas course, out of its module items and what was handed in. Pure.

A course's modules are the module items that have a completion requirement; of a course without any, the assignments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from courseyard.partners import reading
from courseyard.partners.canvas_records import enrolment_facts, enrolment_that_counts, user_of
from courseyard.partners.records import DONE, Enrolment, EnrolmentStatus, ModuleProgress, ModuleStatus, Record, User

_GRADED = {"graded", "complete"}
_BY_SCORE = ("min_score", "min_percentage")

# By the kind and the id of the module item that they belong to.
Submissions = Mapping[tuple[str, str], Any]


def to_ask(row: Any, since: datetime | None, anyway: Collection[str]) -> dict[str, Any] | None:
    """What the roster tells of a person who is to be asked about, as ``progress_of`` wants it, in plain JSON.

    None where the person did not move since, and is not among those, by their ids, who are to be asked about anyway.
    """
    if reading.text(reading.field(row, "id")) is None:
        return None
    one = enrolment_that_counts(row)
    user = user_of(row)
    updated, activity = (reading.moment(reading.field(one, name)) for name in ("updated_at", "last_activity_at"))
    moved = reading.latest(updated, activity)
    if since is not None and moved is not None and moved < since and user.external_id not in anyway:
        return None
    return {
        "user": msgspec.to_builtins(user),
        "state": reading.text(reading.field(one, "enrollment_state")),
        "activity": reading.iso(activity),
        "updated": reading.iso(updated),
        "created": reading.text(reading.field(one, "created_at")),
        "extra": enrolment_facts(row, one),
    }


def by_item(rows: Iterable[Any]) -> dict[tuple[str, str], Any]:
    """Submissions by the kind and id of the module items that may show their assignment."""
    found: dict[tuple[str, str], Any] = {}
    for row in rows:
        assignment = reading.field(row, "assignment")
        for kind, identifier in (
            ("Assignment", reading.field(row, "assignment_id")),
            ("Quiz", reading.field(assignment, "quiz_id")),
            ("Discussion", reading.field(reading.field(assignment, "discussion_topic"), "id")),
        ):
            if identity := reading.text(identifier):
                found[kind, identity] = row
    return found


def progress_of(
    course: str, person: Mapping[str, Any], items: Iterable[tuple[Any, Any]], submissions: Submissions
) -> list[Record]:
    """A person's enrolment in a course and their modules.

    ``person``: as ``to_ask`` gives it. ``items``: module and item, as this person sees them.
    """
    user = msgspec.convert(person["user"], User)
    accessed, updated = reading.moment(person["activity"]), reading.moment(person["updated"])
    enrolment = f"{course}:{user.external_id}"
    required = [pair for pair in items if isinstance(reading.field(pair[1], "completion_requirement"), dict)]
    modules = _required(enrolment, required, submissions, accessed)
    if not modules:
        modules = [_of_submission(enrolment, s, accessed) for s in _that_count(submissions)]

    status = _status(modules if required else None, ended=person["state"] == "completed")
    latest = reading.latest(*(m.completed_at for m in modules))
    share = 100 * sum(m.status in DONE for m in modules) / len(modules) if modules else None
    return [
        Enrolment(
            external_id=enrolment,
            course=course,
            user=user,
            status=status,
            progress=100.0 if status == "completed" else None if share is None else round(share, 2),
            enrolled_at=reading.moment(person["created"]),
            completed_at=(latest or updated) if status == "completed" else None,
            data_at=reading.latest(accessed, updated, *(m.data_at for m in modules)),
            extra=person["extra"],
        ),
        *modules,
    ]


def _status(required: Sequence[ModuleProgress] | None, *, ended: bool) -> EnrolmentStatus:
    """``required``: the modules with a requirement, None where the course has none. ``ended``: it was concluded."""
    if required is None:
        return "completed" if ended else "active"
    if all(m.status in DONE for m in required):
        return "completed"
    # Concluded with something left to do.
    return "withdrawn" if ended else "active"


def _required(
    enrolment: str, pairs: Iterable[tuple[Any, Any]], submissions: Submissions, accessed: datetime | None
) -> list[ModuleProgress]:
    """The items with a requirement; of a module of which one item is enough, the module."""
    found: dict[str, ModuleProgress] = {}
    for module, item in pairs:
        one = _of_item(enrolment, module, item, submissions, accessed)
        if reading.field(module, "requirement_type") == "one":
            one = _of_module(one, module)
            known = found.get(one.module_id)
            one = known if known and known.status != "not_started" else one
        found[one.module_id] = one
    return list(found.values())


def _of_module(item: ModuleProgress, module: Any) -> ModuleProgress:
    """A module of which one item is enough, with what is known of the item that was chosen."""
    completed = reading.text(reading.field(module, "state")) == "completed"
    return msgspec.structs.replace(
        item,
        module_id=f"module:{reading.text(reading.field(module, 'id')) or '?'}",
        module_name=reading.text(reading.field(module, "name")) or item.module_name,
        status="completed" if completed else "in_progress" if item.status != "not_started" else "not_started",
        progress=100.0 if completed else 0.0,
        completed_at=reading.moment(reading.field(module, "completed_at")) if completed else None,
    )


def _of_item(
    enrolment: str, module: Any, item: Any, submissions: Submissions, accessed: datetime | None
) -> ModuleProgress:
    requirement = item["completion_requirement"]
    kind = reading.text(item.get("type")) or ""
    submission = submissions.get((kind, reading.text(item.get("content_id")) or ""))
    required = reading.text(requirement.get("type"))
    finished = reading.moment(reading.field(module, "completed_at"))
    score, handed_in = _score(submission), reading.moment(reading.field(submission, "submitted_at"))
    status: ModuleStatus = "not_started"
    if reading.flag(requirement.get("completed")) is True:
        status = "passed" if required in _BY_SCORE else "completed"
    elif required in _BY_SCORE and _is_graded(submission) and score is not None:
        status = "failed"
    elif handed_in or _is_graded(submission):
        status = "in_progress"
    done = status in DONE
    graded = reading.moment(reading.field(submission, "graded_at"))
    return ModuleProgress(
        enrolment=enrolment,
        module_id=_module_id(item, submission),
        module_name=reading.text(item.get("title")) or kind or "Item",
        status=status,
        progress=100.0 if done else 0.0,
        score=score,
        completed_at=(graded if status == "passed" else handed_in) or finished if done else None,
        data_at=reading.latest(accessed, finished, handed_in, graded),
        extra=_points(submission)
        | reading.plain(
            module=reading.field(module, "name"),
            type=kind,
            requirement=required,
            min_score=requirement.get("min_score"),
        ),
    )


def _of_submission(enrolment: str, submission: Any, accessed: datetime | None) -> ModuleProgress:
    assignment = reading.field(submission, "assignment")
    handed_in, graded = (reading.moment(reading.field(submission, n)) for n in ("submitted_at", "graded_at"))
    done = _is_graded(submission)
    return ModuleProgress(
        enrolment=enrolment,
        module_id=_module_id(None, submission),
        module_name=reading.text(reading.field(assignment, "name")),
        status="completed" if done else "in_progress" if handed_in else "not_started",
        progress=100.0 if done else 0.0,
        score=_score(submission),
        completed_at=(handed_in or graded) if done else None,
        data_at=reading.latest(accessed, handed_in, graded),
        extra=_points(submission) | {"type": "Assignment"},
    )


def _module_id(item: Any, submission: Any) -> str:
    """Work that is graded goes by its assignment, which events name too; all else by its place in the module."""
    assignment = reading.text(reading.field(submission, "assignment_id"))
    if assignment is None and reading.field(item, "type") == "Assignment":
        assignment = reading.text(reading.field(item, "content_id"))
    return f"assignment:{assignment}" if assignment else f"item:{reading.text(reading.field(item, 'id')) or '?'}"


def _that_count(submissions: Submissions) -> list[Any]:
    """The submissions to assignments that students see and that count, each once."""
    return [
        row
        for (kind, _), row in submissions.items()
        if kind == "Assignment"
        and reading.flag(reading.field(reading.field(row, "assignment"), "published")) is not False
        and reading.field(reading.field(row, "assignment"), "grading_type") != "not_graded"
    ]


def _is_graded(submission: Any) -> bool:
    if reading.flag(reading.field(submission, "excused")) is True:
        return True
    return reading.text(reading.field(submission, "workflow_state")) in _GRADED


def _score(submission: Any) -> float | None:
    possible = reading.field(reading.field(submission, "assignment"), "points_possible")
    found = reading.share(reading.field(submission, "score"), 0, possible)
    return None if found is None else round(found, 2)


def _points(submission: Any) -> dict[str, Any]:
    raw = reading.number(reading.field(submission, "score"))
    possible = reading.number(reading.field(reading.field(submission, "assignment"), "points_possible"))
    told = {name: reading.field(submission, name) for name in ("grade", "late", "excused", "attempt")}
    return reading.plain(raw=raw, min=None if raw is None else 0, max=possible, **told)
