"""What an attempt on a course has become: the tracking model (SN 4.2), as plain data that survives JSON.

States are never changed by a request: the engine works on a copy that shares what it does not touch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from courseyard.sequencing.tree import FIELDS, Tree

Json = dict[str, Any]
Globals = dict[str, Json]


class ObjectiveState:
    """What is known of a local objective; None is unknown.

    The primary objective also carries the activity's attempt completion (``completion``, ``progress``), which is how
    the 4th Edition's maps see it.
    """

    __slots__ = FIELDS

    def __init__(self) -> None:
        """Nothing is known."""
        self.satisfied: bool | None = None
        self.measure: float | None = None
        self.completion: bool | None = None
        self.progress: float | None = None
        self.raw: float | None = None
        self.min: float | None = None
        self.max: float | None = None

    def copy(self) -> ObjectiveState:
        """The same, separately."""
        made = ObjectiveState()
        for name in FIELDS:
            setattr(made, name, getattr(self, name))
        return made


class ActivityState:
    """What is known of one activity and of its current attempt."""

    __slots__ = ("active", "attempts", "by_content", "objectives", "order", "parent_attempt", "report", "suspended")

    def __init__(self, objectives: int) -> None:
        """Never attempted."""
        self.active = False
        self.suspended = False
        self.attempts = 0
        # The parent's attempt in which this activity's attempt began: older data is not "current" to rollup.
        self.parent_attempt = 0
        self.objectives: list[ObjectiveState] = [ObjectiveState() for _ in range(objectives)]
        # What the SCO said of itself in this attempt, an "unknown" included: it keeps the LMS from guessing (UP.4).
        self.by_content: frozenset[str] = frozenset()
        self.report: Json = {}
        # Selected and reordered children; None = as in the manifest.
        self.order: tuple[int, ...] | None = None

    def copy(self) -> ActivityState:
        """The same, separately."""
        made = ActivityState(0)
        made.active = self.active
        made.suspended = self.suspended
        made.attempts = self.attempts
        made.parent_attempt = self.parent_attempt
        made.objectives = [o.copy() for o in self.objectives]
        made.by_content = self.by_content
        made.report = self.report
        made.order = self.order
        return made


@dataclass(frozen=True, slots=True)
class State:
    """A whole attempt: one entry per activity, where the learner is, and what was suspended (indexes)."""

    activities: tuple[ActivityState, ...]
    current: int | None = None
    suspended: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a SCO has set in its run-time data when it ends; None where it did not set a value.

    ``objectives``: identifier to success, scaled, completion, progress, raw, min, max, each as the SCO wrote it.
    """

    completion: str | None = None
    success: str | None = None
    scaled: float | None = None
    raw: float | None = None
    min: float | None = None
    max: float | None = None
    progress_measure: float | None = None
    objectives: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    exit: str | None = None


def state_to_json(tree: Tree, state: State) -> Json:
    """The state as small plain data: what is as at the beginning is left out."""
    activities = {}
    for activity, known in zip(tree.activities, state.activities, strict=True):
        entry = _activity_to_json(tree, known)
        if entry:
            activities[activity.id] = entry
    made: Json = {"seed": state.seed, "activities": activities}
    if state.current is not None:
        made["current"] = tree.activities[state.current].id
    if state.suspended is not None:
        made["suspended"] = tree.activities[state.suspended].id
    return made


def state_from_json(tree: Tree, data: Mapping[str, Any]) -> State:
    """The state that ``state_to_json`` wrote; what names no activity of the tree is ignored."""
    entries = data.get("activities", {})
    activities = tuple(_activity_from_json(tree, a.index, entries.get(a.id, {})) for a in tree.activities)
    return State(
        activities,
        tree.by_id.get(data.get("current", "")),
        tree.by_id.get(data.get("suspended", "")),
        int(data.get("seed", 0)),
    )


def _activity_to_json(tree: Tree, known: ActivityState) -> Json:
    made: Json = {}
    if known.active:
        made["active"] = True
    if known.suspended:
        made["suspended"] = True
    if known.attempts:
        made["attempts"] = known.attempts
    if known.parent_attempt:
        made["parent_attempt"] = known.parent_attempt
    objectives = [{n: v for n in FIELDS if (v := getattr(o, n)) is not None} for o in known.objectives]
    if any(objectives):
        made["objectives"] = objectives
    if known.by_content:
        made["by_content"] = sorted(known.by_content)
    if known.report:
        made["report"] = known.report
    if known.order is not None:
        made["order"] = [tree.activities[i].id for i in known.order]
    return made


def _activity_from_json(tree: Tree, index: int, entry: Mapping[str, Any]) -> ActivityState:
    made = ActivityState(len(tree.activities[index].objectives))
    made.active = bool(entry.get("active", False))
    made.suspended = bool(entry.get("suspended", False))
    made.attempts = int(entry.get("attempts", 0))
    made.parent_attempt = int(entry.get("parent_attempt", 0))
    for objective, values in zip(made.objectives, entry.get("objectives", ()), strict=False):
        for name, value in values.items():
            setattr(objective, name, value)
    made.by_content = frozenset(entry.get("by_content", ()))
    made.report = dict(entry.get("report", {}))
    if "order" in entry:
        made.order = tuple(tree.by_id[i] for i in entry["order"] if i in tree.by_id)
    return made
