"""One navigation request on an attempt: transfer, sequence, deliver, store. Runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from courseyard.datamodel import format_time, initial_data, resumable
from courseyard.db import Queries
from courseyard.limits import MAX_MEASURED_GAP_SECONDS, TRACES_KEPT_PER_ATTEMPT
from courseyard.runtime.attempt import Attempt, Who, load_attempt
from courseyard.runtime.clock import clocks_after, limit_of
from courseyard.runtime.courses import Courses
from courseyard.runtime.locks import Status, locked_items, way_around
from courseyard.runtime.reporting import (
    entry_after,
    is_done,
    objectives_for,
    primary_at_launch,
    report_of,
    stores_of,
    summary_of,
)
from courseyard.sequencing import (
    Outcome,
    Report,
    activity_status,
    initial_objectives,
    navigate,
    refusal,
    report_status,
)

_DROPPING = frozenset({"abandon", "abandonAll"})
_CLOSING = frozenset({"exitAll", "suspendAll", "abandonAll"})


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is shown now."""

    item: str
    activity_attempt: int
    entry: str
    data: dict[str, str]
    total_seconds: float

    def as_json(self) -> dict[str, Any]:
        """For the database."""
        return {
            "item": self.item,
            "activity_attempt": self.activity_attempt,
            "entry": self.entry,
            "data": self.data,
            "total_seconds": self.total_seconds,
        }


@dataclass(frozen=True, slots=True)
class Step:
    """What a request did: the attempt as it stands now, what is delivered, and why nothing is."""

    attempt: Attempt
    delivery: Delivery | None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class _Left:
    """The activity that was left, and what its SCO will be told if it goes on later."""

    item: str
    activity_attempt: int
    entry: str
    dropped: bool
    data: dict[str, str]
    total_seconds: float

    def as_json(self) -> dict[str, Any]:
        return {
            "item": self.item,
            "activity_attempt": self.activity_attempt,
            "entry": self.entry,
            "dropped": self.dropped,
        }


async def request(
    tx: Queries,
    courses: Courses,
    attempt: Attempt,
    who: Who,
    name: str,
    target: str | None = None,
    *,
    now: datetime,
    timed_out: bool = False,
) -> Step:
    """Run one navigation request and store what came of it. A refused one changes nothing but the transfer.

    ``timed_out``: the activity is closed because its time is used up, whatever its SCO said of its exit.
    """
    asked, name = name, _as_the_standard_means(attempt, name)
    report = _report(attempt, name)
    if timed_out and report is not None and attempt.course.standard == "2004":
        report = replace(report, exit="time-out")
    way = way_around(attempt.course, locked_now(attempt), attempt.delivered and attempt.delivered[0], name, target)
    if way.refusal:
        return Step(attempt, None, way.refusal)
    name, target = way.name, way.target
    if report is not None and name not in _DROPPING:
        attempt.stores = attempt.stores | stores_of(attempt.data)
    outcome = navigate(
        attempt.course.tree,
        attempt.state,
        name,
        target,
        report=report,
        now=now,
        globals_=attempt.objectives,
        trace=True,
    )
    if not attempt.course.shares_stores and _began_anew(attempt, outcome):
        attempt.stores = {}
    attempt.state, attempt.objectives = outcome.state, outcome.globals_
    status = activity_status(attempt.course.tree, outcome.state, outcome.globals_)
    left = _left(attempt, asked, outcome, status)
    delivery = await _deliver(tx, attempt, who, outcome, left)
    attempt.clocks = clocks_after(
        attempt.clocks,
        attempt.row["measured_seconds"],
        left=(left.item, left.activity_attempt) if left else None,
        delivered=(delivery.item, delivery.activity_attempt) if delivery else None,
        limited=delivery is not None and limit_of(attempt.course.standard, delivery.data) is not None,
    )
    is_open = not (outcome.end_session or name in _CLOSING)
    summary = _summary(attempt, status) if name not in _DROPPING else None
    await tx.one(
        "runtime.navigated",
        attempt_id=attempt.id,
        epoch=attempt.row["epoch"],
        sequencing=attempt.document(),
        session_open=is_open,
        suspended=outcome.state.suspended is not None,
        left=left.as_json() if left else None,
        delivery=delivery.as_json() if delivery else None,
        stays=left is None and delivery is None,
        summary=summary,
        objectives=attempt.objectives if attempt.shares_objectives and attempt.objectives else None,
        stores=attempt.stores if attempt.shares_stores and attempt.stores else None,
        trace={
            "request": name,
            "target": target,
            "outcome": _outcome_json(outcome),
            "steps": {"steps": [step.as_json() for step in outcome.trace]},
        },
        traces_kept=TRACES_KEPT_PER_ATTEMPT,
        max_gap=MAX_MEASURED_GAP_SECONDS,
    )
    message = None
    if not outcome.ok and name not in _CLOSING:
        message = refusal(outcome, attempt.course.tree, target)
    return Step(await load_attempt(tx, courses, attempt.id), delivery, message)


def _as_the_standard_means(attempt: Attempt, name: str) -> str:
    """SCORM 1.2 knows no attempts: leaving a course that is not done means coming back to the same place."""
    if attempt.course.standard != "1.2" or name != "exitAll" or attempt.delivered is None:
        return name
    going_on = resumable("1.2", attempt.data)
    return "suspendAll" if going_on or not is_done(standing_now(attempt)) else "exitAll"


def _began_anew(attempt: Attempt, outcome: Outcome) -> bool:
    """Whether the request began an attempt on the course: shared data of its own end with the one before."""
    root = attempt.course.organization["identifier"]
    before, after = attempt.state.tracks.get(root), outcome.state.tracks.get(root)
    return after is not None and after.attempts > (before.attempts if before else 0)


def standing_now(attempt: Attempt) -> dict[str, Any]:
    """How the attempt would stand if the open SCO left now."""
    return _summary(attempt, _status_now(attempt))


def locked_now(attempt: Attempt) -> frozenset[str]:
    """The parts that wait for others, by what the open SCO has said so far. Who looks around finds all open."""
    if not attempt.course.has_prerequisites or attempt.row["kind"] in {"browse", "review"}:
        return frozenset()
    return locked_items(attempt.course, _status_now(attempt))


def _status_now(attempt: Attempt) -> Status:
    report = _report(attempt, "exitAll")
    if report is None:
        return activity_status(attempt.course.tree, attempt.state, attempt.objectives)
    return report_status(attempt.course.tree, attempt.state, attempt.objectives, report)


def _report(attempt: Attempt, name: str) -> Report | None:
    """What the open SCO said; None where none is open or it never spoke."""
    if attempt.delivered is None or not attempt.row["initialized"]:
        return None
    return report_of(
        attempt.course.standard,
        attempt.data,
        suspending=name == "suspendAll",
        at_launch=primary_at_launch(attempt.course, attempt.delivered[0], attempt.state, attempt.objectives),
    )


def _left(attempt: Attempt, name: str, outcome: Outcome, status: Mapping[str, Mapping[str, Any]]) -> _Left | None:
    """The activity that is open no more; None where none was, or where the request left it alone."""
    if attempt.delivered is None:
        return None
    item, activity_attempt = attempt.delivered
    if outcome.delivered is None and status[item]["active"]:
        return None
    if attempt.course.standard == "1.2":
        suspended = name == "suspendAll" or not attempt.row["terminated"]
    else:
        suspended = bool(status[item]["suspended"])
    return _Left(
        item=item,
        activity_attempt=activity_attempt,
        # A SCO that never spoke leaves things as they were.
        entry=entry_after(attempt.course.standard, attempt.data, suspended=suspended)
        if attempt.row["initialized"]
        else attempt.row["entry"],
        dropped=name in _DROPPING,
        data=attempt.data,
        total_seconds=(attempt.row["total_seconds"] or 0) + (attempt.row["session_seconds"] or 0),
    )


async def _deliver(tx: Queries, attempt: Attempt, who: Who, outcome: Outcome, left: _Left | None) -> Delivery | None:
    if outcome.delivered is None:
        return None
    item, number = outcome.delivered, int(outcome.cmi_attempt or 1)
    entry, kept, total = "ab-initio", None, 0.0
    if left is not None and (left.item, left.activity_attempt) == (item, number) and not left.dropped:
        entry, kept, total = left.entry, left.data, left.total_seconds
    elif found := await _found(tx, attempt, item, number):
        entry, kept = found["entry"], found["data"]
        total = found["total_seconds"] + found["session_seconds"]
    if attempt.course.standard == "2004" and entry == "ab-initio":
        kept, total = None, 0.0
    return Delivery(item, number, entry, _data(attempt, who, outcome, item, entry, kept, total), total)


async def _found(tx: Queries, attempt: Attempt, item: str, number: int) -> Mapping[str, Any] | None:
    """What was kept of this attempt on the activity; in a review, what the learner last left there."""
    own = await tx.one(
        "runtime.activity_state",
        attempt_id=attempt.id,
        item=item,
        activity_attempt=number,
        # Every attempt on a SCORM 1.2 course begins anew.
        inherit_from=attempt.row["enrollment_id"] if attempt.counts and attempt.course.standard == "2004" else None,
    )
    if own is not None or attempt.row["kind"] != "review":
        return own
    shown = await tx.one("runtime.latest_activity_state", item=item, enrollment_id=attempt.row["enrollment_id"])
    return dict(shown) | {"entry": "resume"} if shown else None


def _data(
    attempt: Attempt,
    who: Who,
    outcome: Outcome,
    item: str,
    entry: str,
    kept: Mapping[str, str] | None,
    total_seconds: float,
) -> dict[str, str]:
    """What the SCO finds (RTE 4.2). An asset has no data."""
    course = attempt.course
    definition = course.items[item]
    if definition.get("scorm_type") == "asset":
        return {}
    mode = attempt.row["kind"] if attempt.row["kind"] in {"browse", "review"} else "normal"
    objectives = (
        objectives_for(initial_objectives(course.tree, outcome.state, outcome.globals_, item))
        if course.standard == "2004"
        else []
    )
    data = initial_data(
        course.standard,
        learner_id=who.learner_id,
        learner_name=who.learner_name,
        item=definition,
        mode=mode,
        entry=entry,
        stored=kept,
        objectives=objectives,
        shared=attempt.stores,
    )
    total = "cmi.core.total_time" if course.standard == "1.2" else "cmi.total_time"
    return data | {total: format_time(course.standard, total_seconds)}


def _summary(attempt: Attempt, status: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    current = None
    if attempt.delivered is not None and attempt.row["initialized"]:
        current = (attempt.course.items[attempt.delivered[0]], attempt.data)
    return summary_of(attempt.course, status, current)


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "result": outcome.result,
        "delivered": outcome.delivered,
        "current": outcome.current,
        "suspended_activity": outcome.suspended_activity,
        "end_session": outcome.end_session,
        "exception": outcome.exception,
    }
