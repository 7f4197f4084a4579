"""From the run-time data of a SCO to its activity when it terminates (RTE 4.1, 4.2), and back at its launch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from courseyard.sequencing.values import Report
from courseyard.sequencing.work import Work

_COMPLETION = {"completed": True, "incomplete": False, "not attempted": False}
_SUCCESS = {"passed": True, "failed": False}
_SUSPENDING = frozenset({"suspend", "logout"})
_EMPTY: Mapping[str, Any] = {}


def transfer(work: Work, report: Report) -> None:
    """Bring what the current activity's SCO said into its tracking."""
    index = work.current
    if index is None or not work.tracks[index].active:
        return
    activity = work.activities[index]
    if activity.tracked:
        primary = activity.objectives[0]
        told = report.objectives.get(primary.id, _EMPTY) if primary.id is not None else _EMPTY
        _completion(work, index, report, told)
        _success(work, index, report, told)
        for field in ("raw", "min", "max"):
            value = getattr(report, field)
            value = told.get(field) if value is None else value
            if value is not None:
                work.set_value(index, 0, field, float(value))
        _other_objectives(work, index, report)
        work.writable(index).suspended = report.exit in _SUSPENDING


def _completion(work: Work, index: int, report: Report, told: Mapping[str, Any]) -> None:
    progress = report.progress_measure if report.progress_measure is not None else told.get("progress")
    word = report.completion if report.completion is not None else told.get("completion")
    if progress is not None:
        work.set_value(index, 0, "progress", float(progress))
    if work.activities[index].completed_by_measure:
        # The measure alone decides; ``Work.completed`` reads it.
        work.writable(index).completion_set = True
        return
    if word is not None:
        work.writable(index).completion_set = True
    work.set_value(index, 0, "completion", _COMPLETION.get(word or ""))


def _success(work: Work, index: int, report: Report, told: Mapping[str, Any]) -> None:
    measure = report.scaled if report.scaled is not None else told.get("scaled")
    if measure is not None:
        work.set_value(index, 0, "measure", float(measure))
    if work.activities[index].objectives[0].satisfied_by_measure:
        work.writable(index).success_set = True
        return
    word = told["success"] if told.get("success") is not None else report.success
    if word is not None:
        work.writable(index).success_set = True
        work.set_value(index, 0, "satisfied", _SUCCESS.get(word))


def _other_objectives(work: Work, index: int, report: Report) -> None:
    for number, definition in enumerate(work.activities[index].objectives[1:], 1):
        told = report.objectives.get(definition.id, _EMPTY) if definition.id is not None else _EMPTY
        if told.get("success") is not None:
            work.set_value(index, number, "satisfied", _SUCCESS.get(told["success"]))
        if told.get("completion") is not None:
            work.set_value(index, number, "completion", _COMPLETION.get(told["completion"]))
        for key, field in (
            ("scaled", "measure"),
            ("progress", "progress"),
            ("raw", "raw"),
            ("min", "min"),
            ("max", "max"),
        ):
            if told.get(key) is not None:
                work.set_value(index, number, field, float(told[key]))


def initial_entries(work: Work, index: int) -> list[dict[str, Any]]:
    """The named objectives of an activity with what is known of them, as ``cmi.objectives`` holds them at launch."""
    return [
        {"id": definition.id} | {key: value for key, value in _known(work, index, number).items() if value is not None}
        for number, definition in enumerate(work.activities[index].objectives)
        if definition.id is not None
    ]


def _known(work: Work, index: int, number: int) -> dict[str, Any]:
    if work.activities[index].tracked:
        satisfied, completed = work.satisfied(index, number), work.completed(index, number)
        values = {field: work.value(index, number, field) for field in ("measure", "raw", "min", "max")}
        values["progress"] = work.progress(index, number)
    else:
        # Nothing of its own is tracked, but what it may read of others it may read.
        reads = work.activities[index].objectives[number].reads
        values = {field: work.globals.get(target, _EMPTY).get(field) for field, target in reads.items()}
        satisfied, completed = values.get("satisfied"), values.get("completion")
    return {
        "success": None if satisfied is None else "passed" if satisfied else "failed",
        "scaled": values.get("measure"),
        "completion": None if completed is None else "completed" if completed else "incomplete",
        "progress": values.get("progress"),
        "raw": values.get("raw"),
        "min": values.get("min"),
        "max": values.get("max"),
    }
