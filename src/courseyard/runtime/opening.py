"""Opening the player: which attempt goes on or begins, and what a window that was closed without a word left behind."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from courseyard.datamodel import resumable
from courseyard.db import Queries
from courseyard.errors import AttemptsUsedUpError, NotFoundError, PackageInactiveError, PackageNotPlayableError
from courseyard.limits import THROW_AWAY_LIFETIME
from courseyard.runtime.attempt import Attempt, Who, learner_objectives, learner_stores, load_attempt
from courseyard.runtime.courses import Course, Courses
from courseyard.runtime.first import require_first
from courseyard.runtime.navigation import Step, request, standing_now
from courseyard.runtime.reporting import is_done
from courseyard.runtime.tokens import LaunchLink
from courseyard.sequencing import activity_status, navigate, new_state, state_to_json


async def open_attempt(
    tx: Queries, courses: Courses, link: LaunchLink, user_agent: str, now: datetime
) -> tuple[Step, Who, int]:
    """Open what a link names, in a new window (epoch): the step that delivered something, the learner, the epoch.

    Raises:
        NotFoundError: the enrolment or package version is gone.
        PackageInactiveError: the package is closed.
        PrerequisiteOpenError: a course at a partner comes first.
        PackageNotPlayableError: it has no files here.
        AttemptsUsedUpError: the last attempt allowed is over.
    """
    row = await _owner(tx, link)
    who = Who(
        learner_id=row["learner_id"],
        learner_name=row["learner_name"],
        profile_id=row["profile_id"],
        window=row["window"],
        strict=row["strict"],
        title=row["title"],
    )
    if link.mode == "normal":
        attempt = await _own_attempt(tx, courses, row, who, now)
    else:
        attempt = await _throw_away(tx, courses, link, row, now)
    opened = await tx.one("runtime.open", attempt_id=attempt.id, user_agent=user_agent)
    epoch = int(opened["epoch"]) if opened else 0
    attempt = await load_attempt(tx, courses, attempt.id)
    begin = "resumeAll" if attempt.state.suspended is not None else "start"
    return await request(tx, courses, attempt, who, begin, now=now), who, epoch


async def _owner(tx: Queries, link: LaunchLink) -> dict[str, Any]:
    if link.mode == "preview":
        row = await tx.one("runtime.preview", version_id=link.version_id, profile_id=link.profile_id)
        if row is None:
            raise NotFoundError("This version of the package was deleted.")
        return row
    row = await tx.one("runtime.enrollment", enrollment_id=link.enrollment_id)
    if row is None:
        raise NotFoundError("This enrolment was deleted.")
    if row["is_active"] is False and link.mode != "review":
        raise PackageInactiveError(f"'{row['title']}' is not open at present.")
    if row["version_id"] is None:
        raise PackageNotPlayableError
    # Asked again: a link is good for a while, and what it was made on may have changed.
    await require_first(tx, row["id"], row["title"])
    return row


async def _own_attempt(tx: Queries, courses: Courses, row: dict[str, Any], who: Who, now: datetime) -> Attempt:
    """The learner's attempt that goes on, else a new one."""
    await tx.one("runtime.one_at_a_time", key=row["id"])
    found = await tx.one("runtime.last_attempt", enrollment_id=row["id"])
    if found is None:
        course = await courses.get(row["version_id"], tx)
        return await _new_attempt(tx, courses, row, course, 1, _fresh(course))
    last = await load_attempt(tx, courses, found["id"])
    if last.row["session_open"]:
        last = await _close_left_window(tx, courses, last, who, now)
    if not _is_over(last):
        return last
    number = last.row["number"] + 1
    if row["max_attempts"] is not None and number > row["max_attempts"]:
        raise AttemptsUsedUpError(f"All {row['max_attempts']} attempts at '{row['title']}' are used up.")
    course = await courses.get(row["version_id"], tx)
    # SCORM 2004: the next attempt begins on what is known (its rules may skip what was mastered before).
    goes_on = course.standard == last.course.standard == "2004"
    return await _new_attempt(tx, courses, row, course, number, last.document() if goes_on else _fresh(course))


async def _close_left_window(tx: Queries, courses: Courses, attempt: Attempt, who: Who, now: datetime) -> Attempt:
    """End the session of a window that was closed without a word: the learner shall stand where they were.

    Only a course that is done, whose SCO has said good-bye for good, is over.
    """
    if attempt.delivered is None and attempt.state.current is None:
        return attempt
    over = bool(attempt.row["terminated"]) and not resumable(attempt.course.standard, attempt.data)
    over = over and is_done(standing_now(attempt))
    return (await request(tx, courses, attempt, who, "exitAll" if over else "suspendAll", now=now)).attempt


def _is_over(attempt: Attempt) -> bool:
    """Whether the next launch begins another attempt: there is a result, and nothing that waits to be resumed."""
    if attempt.state.suspended is not None or not is_done(attempt.row):
        return False
    if attempt.course.standard == "1.2":
        return True
    status = activity_status(attempt.course.tree, attempt.state, attempt.objectives)
    return not any(status[item["identifier"]]["suspended"] for item in attempt.course.leaves)


async def _throw_away(tx: Queries, courses: Courses, link: LaunchLink, row: dict[str, Any], now: datetime) -> Attempt:
    """An attempt of which nothing will count; a review begins with a copy of where the learner stands."""
    await tx.run(
        "runtime.drop_throw_aways",
        age=THROW_AWAY_LIFETIME,
        enrollment_id=link.enrollment_id,
        profile_id=row["profile_id"],
    )
    course = await courses.get(row["version_id"], tx)
    document = _fresh(course)
    last = None
    if link.mode == "review":
        found = await tx.one("runtime.last_attempt", enrollment_id=link.enrollment_id)
        last = await load_attempt(tx, courses, found["id"]) if found else None
    if last is not None:
        course = last.course
        document = last.document() | {"objectives": last.objectives, "stores": last.stores}
        # Where a window is open, only what it has done so far is looked at.
        document["state"] = _ended(last, now)
    elif course.shares_objectives or course.shares_stores:
        document["objectives"] = await learner_objectives(tx, row["profile_id"])
        document["stores"] = await learner_stores(tx, row["profile_id"], course)
    return await _new_attempt(tx, courses, row, course, 0, document, link)


def _ended(attempt: Attempt, now: datetime) -> dict[str, Any]:
    state = attempt.state
    if state.current is not None:
        outcome = navigate(attempt.course.tree, state, "suspendAll", report=None, now=now, globals_=attempt.objectives)
        state = outcome.state
    return state_to_json(state)


def _fresh(course: Course) -> dict[str, Any]:
    return {"state": state_to_json(new_state(course.tree, seed=secrets.randbits(31)))}


async def _new_attempt(
    tx: Queries,
    courses: Courses,
    row: dict[str, Any],
    course: Course,
    number: int,
    document: dict[str, Any],
    link: LaunchLink | None = None,
) -> Attempt:
    preview = link is not None and link.mode == "preview"
    made = await tx.one(
        "runtime.new_attempt",
        kind=link.mode if link else "normal",
        enrollment_id=None if preview else row["id"],
        profile_id=row["profile_id"] if preview else None,
        version_id=course.version_id,
        number=number,
        sequencing=document,
    )
    return await load_attempt(tx, courses, made["id"] if made else "")
