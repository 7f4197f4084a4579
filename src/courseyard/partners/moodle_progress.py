"""How far somebody is in the activities of a Moodle course, out of what Moodle's functions answer. Pure.

A course's activities with completion tracking are its modules; where it tracks nothing, those that are graded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from courseyard.partners import reading
from courseyard.partners.records import DONE, Enrolment, ModuleProgress, ModuleStatus, Record, User

# Moodle's completion states; 4 is a failure whose grade is hidden. Moodle counts a failed activity as not done.
_STATES: dict[int, ModuleStatus] = {1: "completed", 2: "passed", 3: "failed", 4: "failed"}
# The key of the grade of the whole course among the grades by activity.
_WHOLE = ""
# Of a package with many SCOs these are looked at, a call each.
_SCOS_A_PACKAGE = 10


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

    course: str
    user: User
    accessed: datetime | None
    grades: Mapping[str, Any]
    names: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    packages: Mapping[str, Package] = field(default_factory=dict)

    @property
    def enrolment(self) -> str:
        """The external id of the enrolment."""
        return f"{self.course}:{self.user.external_id}"


def progress_of(learner: Learner, activities: Iterable[Any], completion: Any) -> list[Record]:
    """A person's enrolment in a course and their modules.

    ``activities``: as core_completion_get_activities_completion_status tells. ``completion``: what
    core_completion_get_course_completion_status answers, None where it does not: then the activities alone tell.
    """
    modules = [_tracked(learner, activity) for activity in activities if _is_tracked(activity)]
    share = 100 * sum(m.status in DONE for m in modules) / len(modules) if modules else None
    if not modules:
        modules = [_graded(learner, cmid, grade) for cmid, grade in learner.grades.items() if cmid != _WHOLE]
    done, done_at = _completion(completion)
    whole = learner.grades.get(_WHOLE)
    return [
        Enrolment(
            external_id=learner.enrolment,
            course=learner.course,
            user=learner.user,
            status="completed" if done else "active",
            progress=100.0 if done else None if share is None else round(share, 2),
            completed_at=done_at,
            data_at=reading.latest(learner.accessed, done_at, *(m.data_at for m in modules)),
            extra={"suspended": False} | _points(whole) | reading.plain(percent=_percent(whole)),
        ),
        *modules,
    ]


def grades_by_activity(answer: Any) -> dict[str, Any]:
    """Grade items by course module id, that of the whole course under ``_WHOLE``."""
    found: dict[str, Any] = {}
    for grades in reading.items(reading.field(answer, "usergrades")):
        for item in reading.items(reading.field(grades, "gradeitems")):
            if reading.field(item, "itemtype") == "course":
                found[_WHOLE] = item
            elif (cmid := reading.text(reading.field(item, "cmid"))) and _is_main(item, found.get(cmid)):
                found[cmid] = item
    return found


def names_by_activity(sections: Any) -> dict[str, tuple[str, str | None]]:
    """Name and section of each activity that core_course_get_contents tells of, by course module id."""
    found: dict[str, tuple[str, str | None]] = {}
    for section in reading.items(sections):
        for module in reading.items(reading.field(section, "modules")):
            cmid, name = (reading.text(reading.field(module, field)) for field in ("id", "name"))
            if cmid and name:
                found[cmid] = (name, reading.text(reading.field(section, "name")))
    return found


def packages_of(activities: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Course module id and instance of each SCORM package among activities."""
    for activity in activities:
        cmid, instance = (reading.text(reading.field(activity, name)) for name in ("cmid", "instance"))
        if reading.field(activity, "modname") == "scorm" and cmid and instance:
            yield cmid, instance


def scos_of(answer: Any) -> list[str]:
    """The SCOs of a package, of what Moodle lists of it: organisations and assets are tracked too, but tell nothing."""
    rows = reading.items(reading.field(answer, "scoes"))
    found = [reading.text(reading.field(row, "id")) for row in rows if reading.field(row, "scormtype") == "sco"]
    return [sco for sco in found if sco][:_SCOS_A_PACKAGE]


def package_of(answers: list[Any]) -> Package | None:
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


def _is_tracked(activity: Any) -> bool:
    """Whether an activity of the completion report has completion tracking."""
    return reading.text(reading.field(activity, "cmid")) is not None and reading.number(activity.get("tracking")) != 0


def _completion(answer: Any) -> tuple[bool, datetime | None]:
    """Whether the course is completed, and since when."""
    status = reading.field(answer, "completionstatus")
    if reading.flag(reading.field(status, "completed")) is not True:
        return False, None
    met = reading.items(reading.field(status, "completions"))
    return True, reading.latest(*(reading.moment(reading.field(one, "timecompleted")) for one in met))


def _percent(grade: Any) -> float | None:
    """A grade in percent of what lies between its lowest and its highest."""
    found = reading.share(*(reading.field(grade, name) for name in ("graderaw", "grademin", "grademax")))
    return None if found is None else round(found, 2)


def _points(grade: Any) -> dict[str, Any]:
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
    if status == "not_started" and (_percent(learner.grades.get(cmid)) is not None or cmid in learner.packages):
        status = "in_progress"
    changed = reading.moment(activity.get("timecompleted"))
    return _module(learner, cmid, status, changed, modname=activity.get("modname"), tracking=activity.get("tracking"))


def _graded(learner: Learner, cmid: str, grade: Any) -> ModuleProgress:
    status: ModuleStatus = "completed" if _percent(grade) is not None else "not_started"
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
        score=_percent(grade),
        time_spent_seconds=reading.whole(known.seconds),
        started_at=known.started,
        completed_at=changed if status in DONE else None,
        last_accessed_at=known.last,
        # What is told now was true at the last access at the earliest, also where a teacher took a completion back.
        data_at=reading.latest(learner.accessed, changed, graded, known.last),
        extra=_points(grade)
        | reading.plain(modname=modname, section=section, tracking=tracking, attempt=known.attempt),
    )
