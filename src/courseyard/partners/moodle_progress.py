"""How far somebody is in the activities of a Moodle course, out of what Moodle's functions answer. Pure.

A course's activities with completion tracking are its modules; where it tracks nothing, those that are graded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from courseyard.partners import reading
from courseyard.partners.records import ModuleProgress, ModuleStatus

# Moodle's completion states; 4 is a failure whose grade is hidden. Moodle counts a failed activity as not done.
_STATES: dict[int, ModuleStatus] = {1: "completed", 2: "passed", 3: "failed", 4: "failed"}
DONE = ("completed", "passed")
# The key of the grade of the whole course among the grades by activity.
WHOLE = ""


@dataclass(frozen=True, slots=True)
class Package:
    """The last attempt at a SCORM package: seconds and moments as Moodle tracked them, and SCOs that are done."""

    seconds: float | None = None
    started: datetime | None = None
    last: datetime | None = None
    attempt: int | None = None
    progress: float | None = None


@dataclass(frozen=True, slots=True)
class Learner:
    """What is known of a person in a course: grade items and packages by course module id, names and sections too."""

    enrolment: str
    accessed: datetime | None
    grades: Mapping[str, Any]
    names: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    packages: Mapping[str, Package] = field(default_factory=dict)


def is_tracked(activity: Any) -> bool:
    """Whether an activity of the completion report has completion tracking."""
    return reading.text(reading.field(activity, "cmid")) is not None and reading.number(activity.get("tracking")) != 0


def modules(learner: Learner, activities: Iterable[Any]) -> list[ModuleProgress]:
    """The records of a person's modules; ``activities`` as core_completion_get_activities_completion_status tells."""
    tracked = [_tracked(learner, activity) for activity in activities if is_tracked(activity)]
    return tracked or [_graded(learner, cmid, grade) for cmid, grade in learner.grades.items() if cmid != WHOLE]


def grades_by_activity(answer: Any) -> dict[str, Any]:
    """Grade items by course module id, that of the whole course under ``WHOLE``."""
    found: dict[str, Any] = {}
    for grades in reading.items(reading.field(answer, "usergrades")):
        for item in reading.items(reading.field(grades, "gradeitems")):
            if reading.field(item, "itemtype") == "course":
                found[WHOLE] = item
            elif (cmid := reading.text(reading.field(item, "cmid"))) and _is_main(item, found.get(cmid)):
                found[cmid] = item
    return found


def package(answers: list[Any]) -> Package | None:
    """A package out of the tracks of its SCOs' last attempt; None if there was none."""
    tracks = [_tracks(answer) for answer in answers]
    touched = [track for track in tracks if track]
    if not touched:
        return None
    times = [reading.duration(track.get("total_time")) for track in touched]
    done = sum(track.get("status") in DONE for track in touched)
    measure = reading.number(touched[0].get("cmi.progress_measure")) if len(tracks) == 1 else None
    attempts = [reading.number(reading.field(reading.field(a, "data"), "attempt")) for a in answers]
    attempt = max((int(a) for a in attempts if a is not None and 0 < a < 1e6), default=None)
    return Package(
        seconds=sum(t for t in times if t is not None) if any(t is not None for t in times) else None,
        started=min((m for t in touched if (m := _moment(t.get("x.start.time")))), default=None),
        last=reading.latest(*(_moment(t.get("timemodified")) for t in touched)),
        attempt=attempt,
        progress=reading.percent(measure * 100) if measure is not None else reading.share(done, 0, len(tracks)),
    )


def percent(grade: Any) -> float | None:
    """A grade in percent of what lies between its lowest and its highest."""
    found = reading.share(*(reading.field(grade, name) for name in ("graderaw", "grademin", "grademax")))
    return None if found is None else round(found, 2)


def points(grade: Any) -> dict[str, Any]:
    """A grade in Moodle's own numbers."""
    raw, low, high = (reading.number(reading.field(grade, name)) for name in ("graderaw", "grademin", "grademax"))
    return {} if raw is None else reading.plain(raw=raw, min=low, max=high)


def _tracks(answer: Any) -> dict[str, Any]:
    rows = reading.items(reading.field(reading.field(answer, "data"), "tracks"))
    return {key: reading.field(row, "value") for row in rows if (key := reading.text(reading.field(row, "element")))}


def _moment(seconds: Any) -> datetime | None:
    """Values of tracks are texts, also those that are seconds since 1970."""
    return reading.moment(reading.number(seconds))


def _is_main(item: Any, known: Any) -> bool:
    """An activity may have several grade items; number 0 is its own, others are outcomes and parts."""
    number = reading.number(reading.field(item, "itemnumber")) or 0
    return known is None or number < (reading.number(reading.field(known, "itemnumber")) or 0)


def _tracked(learner: Learner, activity: Any) -> ModuleProgress:
    cmid = reading.key(activity.get("cmid"))
    state = reading.number(activity.get("state"))
    status = _STATES.get(int(state), "not_started") if state is not None else "not_started"
    if status == "not_started" and (percent(learner.grades.get(cmid)) is not None or cmid in learner.packages):
        status = "in_progress"
    changed = reading.moment(activity.get("timecompleted"))
    return _module(learner, cmid, status, changed, modname=activity.get("modname"), tracking=activity.get("tracking"))


def _graded(learner: Learner, cmid: str, grade: Any) -> ModuleProgress:
    status: ModuleStatus = "completed" if percent(grade) is not None else "not_started"
    at = reading.moment(reading.field(grade, "gradedategraded"))
    return _module(learner, cmid, status, at, modname=reading.field(grade, "itemmodule"), tracking=0)


def _module(
    learner: Learner, cmid: str, status: ModuleStatus, changed: datetime | None, *, modname: Any, tracking: Any
) -> ModuleProgress:
    grade = learner.grades.get(cmid)
    known = learner.packages.get(cmid, Package())
    name, section = learner.names.get(cmid, (reading.text(reading.field(grade, "itemname")), None))
    graded = reading.moment(reading.field(grade, "gradedategraded"))
    return ModuleProgress(
        enrolment=learner.enrolment,
        module_id=cmid,
        module_name=name or f"{reading.text(modname) or 'activity'} {cmid}",
        status=status,
        progress=100.0 if status in DONE else known.progress or 0.0,
        score=percent(grade),
        # Within what the column holds.
        time_spent_seconds=None if known.seconds is None else int(min(known.seconds, 2**31 - 1)),
        started_at=known.started,
        completed_at=changed if status in DONE else None,
        last_accessed_at=known.last,
        # What is told now was true at the last access at the earliest, also where a teacher took a completion back.
        data_at=reading.latest(learner.accessed, changed, graded, known.last),
        extra=points(grade) | reading.plain(modname=modname, section=section, tracking=tracking, attempt=known.attempt),
    )
