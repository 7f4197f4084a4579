"""How the activities and global objectives stand, for people and programs outside."""

from __future__ import annotations

from typing import Any

from courseyard.sequencing.rollup_rb import overall_rollup_rb_1_5
from courseyard.sequencing.transfer import transfer
from courseyard.sequencing.tree import Tree
from courseyard.sequencing.values import Globals, Report, State
from courseyard.sequencing.work import Work


def activity_status(tree: Tree, state: State, globals_: Globals) -> dict[str, dict[str, Any]]:
    """Per activity: attempts, active, suspended, completion, satisfied, measure, progress_measure, objectives.

    Completion and satisfaction are True, False or None (unknown). ``objectives`` are the named ones besides the
    primary, each with satisfied, measure, completion, progress_measure.
    """
    return statuses(Work(tree, state, globals_))


def report_status(tree: Tree, state: State, globals_: Globals, report: Report) -> dict[str, dict[str, Any]]:
    """The same as if the current SCO ended now with that report and its attempt were rolled up. Changes nothing."""
    work = Work(tree, state, globals_)
    transfer(work, report)
    if work.current is not None:
        overall_rollup_rb_1_5(work, work.current)
    return statuses(work)


def statuses(work: Work) -> dict[str, dict[str, Any]]:
    """``activity_status`` of a working copy."""
    return {a.id: _status(work, a.index) for a in work.activities}


def _status(work: Work, index: int) -> dict[str, Any]:
    track = work.tracks[index]
    return {
        "attempts": track.attempts,
        "active": track.active,
        "suspended": track.suspended,
        "completion": work.completed(index),
        "satisfied": work.satisfied(index),
        "measure": work.measure(index),
        "progress_measure": work.progress(index),
        "objectives": {
            definition.id: {
                "satisfied": work.satisfied(index, number),
                "measure": work.measure(index, number),
                "completion": work.completed(index, number),
                "progress_measure": work.progress(index, number),
            }
            for number, definition in enumerate(work.activities[index].objectives)
            if number and definition.id is not None
        },
    }
