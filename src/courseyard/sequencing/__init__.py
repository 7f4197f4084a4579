"""SCORM 2004 sequencing and navigation: value in, value out. No I/O, no clock, no randomness of its own.

One module per family of the book's processes, each process a function named for it, with its number
(``docs/spec-map.md`` lists them all). ``navigate`` carries a request out; ``look_ahead`` and ``toc`` say what would be
possible, with the same code. Nothing here raises for any request on any tree, and nothing that comes in is changed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from courseyard.sequencing.explain import explain, why_not_complete
from courseyard.sequencing.lookahead import table_of_contents, valid_requests
from courseyard.sequencing.overall_op import overall_sequencing_op_1
from courseyard.sequencing.refusal import refusal
from courseyard.sequencing.selection_sr import draw_first_orders
from courseyard.sequencing.status import activity_status, report_status
from courseyard.sequencing.transfer import initial_entries
from courseyard.sequencing.tree import Tree, build_tree
from courseyard.sequencing.values import (
    REQUESTS,
    Globals,
    Outcome,
    Report,
    State,
    Step,
    TocItem,
    Valid,
    state_from_json,
    state_to_json,
)
from courseyard.sequencing.work import Work

__all__ = [
    "REQUESTS",
    "Globals",
    "Outcome",
    "Report",
    "State",
    "Step",
    "TocItem",
    "Tree",
    "Valid",
    "activity_status",
    "build_tree",
    "explain",
    "initial_objectives",
    "launch_values",
    "look_ahead",
    "navigate",
    "new_state",
    "refusal",
    "report_status",
    "state_from_json",
    "state_to_json",
    "toc",
    "why_not_complete",
]


def new_state(tree: Tree, *, seed: int) -> State:
    """The state of somebody who never opened the course. ``seed`` decides selection and random order (SR.1, SR.2)."""
    work = Work(tree, State(seed), {})
    draw_first_orders(work)
    return work.state()


def navigate(
    tree: Tree,
    state: State,
    request: str,
    target: str | None = None,
    *,
    report: Report | None = None,
    now: datetime,  # noqa: ARG001  # time is an argument of every engine; no rule of the book that is kept needs it
    globals_: Globals,
    trace: bool = False,
) -> Outcome:
    """Carry out a navigation request (OP.1): one of ``REQUESTS``, choice and jump with the target's identifier.

    ``report``: what the current SCO said, transferred first whatever becomes of the request, except that abandoning
    drops it; None if it was an asset, or never initialised. ``globals_``: the learner's global objectives, which
    come back in the outcome. Never raises: what cannot be done is ``rejected`` or ``blocked``, with the book's code.
    """
    return overall_sequencing_op_1(Work(tree, state, globals_, trace=trace), request, target, report)


def look_ahead(tree: Tree, state: State, globals_: Globals, now: datetime) -> Valid:  # noqa: ARG001  # see navigate
    """Which requests would succeed now. Changes nothing."""
    return valid_requests(Work(tree, state, globals_))


def toc(tree: Tree, state: State, globals_: Globals, now: datetime) -> list[TocItem]:  # noqa: ARG001  # see navigate
    """The table of contents: what may be seen, and of that what may be chosen."""
    return table_of_contents(Work(tree, state, globals_))


def initial_objectives(tree: Tree, state: State, globals_: Globals, activity: str) -> list[dict[str, Any]]:
    """``cmi.objectives`` of a new run-time data set (RTE 4.2.17): all named objectives with what is known of them.

    Each has ``id`` and, where known, ``success``, ``scaled``, ``completion``, ``progress``, ``raw``, ``min``, ``max``.
    """
    return initial_entries(Work(tree, state, globals_), tree.by_id[activity])


def launch_values(tree: Tree, activity: str) -> dict[str, float | None]:
    """``scaled_passing_score`` and ``completion_threshold`` of an activity; None where none is in force."""
    definition = tree.activities[tree.by_id[activity]]
    primary = definition.objectives[0]
    return {
        "scaled_passing_score": primary.min_measure if primary.satisfied_by_measure else None,
        "completion_threshold": definition.completion_threshold,
    }
