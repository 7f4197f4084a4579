"""One attempt on a course as a request finds it: the row under its lock, the course, and what the engine knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from courseyard.db import Queries
from courseyard.errors import NotFoundError
from courseyard.runtime.clock import Clock, TimeLimit, is_over, limit_of
from courseyard.runtime.courses import Course, Courses
from courseyard.sequencing import Globals, State, state_from_json, state_to_json

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Who:
    """Whose attempt it is, and how the package wants to be played."""

    learner_id: str
    learner_name: str
    profile_id: str | None
    window: str
    strict: bool
    title: str


@dataclass(slots=True)
class Attempt:
    """An attempt that a request works on.

    ``objectives`` and ``stores`` are the learner's own where the course shares them and the attempt counts;
    else they belong to the attempt and are kept in its row.
    """

    row: Row
    course: Course
    state: State
    objectives: Globals
    stores: dict[str, str] = field(default_factory=dict)
    clocks: dict[str, Clock] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The attempt's key."""
        return str(self.row["id"])

    @property
    def counts(self) -> bool:
        """Whether it is a learner's own attempt, none of those that are thrown away."""
        return bool(self.row["kind"] == "normal")

    @property
    def shares_objectives(self) -> bool:
        """Whether its global objectives are the learner's."""
        return self.counts and self.course.shares_objectives

    @property
    def shares_stores(self) -> bool:
        """Whether its shared data are the learner's."""
        return self.counts and self.course.shares_stores

    @property
    def delivered(self) -> tuple[str, int] | None:
        """The activity that is open, and which attempt on it."""
        item = self.row["delivered_item"]
        return None if item is None else (item, self.row["delivered_activity_attempt"])

    @property
    def data(self) -> dict[str, str]:
        """What the open SCO has set so far."""
        return dict(self.row["data"] or {})

    @property
    def time_limit(self) -> tuple[TimeLimit, Clock] | None:
        """The limit of the activity that is open, and how much of it is used; None where there is none."""
        clock = self.clocks.get(self.delivered[0]) if self.delivered else None
        limit = limit_of(self.course.standard, self.data) if clock else None
        return (limit, clock) if limit and clock else None

    @property
    def is_over_time(self) -> bool:
        """Whether the open activity must be closed because its time is used up."""
        limited = self.time_limit
        return limited is not None and limited[0].exits and is_over(*limited, self.row["measured_seconds"])

    def document(self) -> dict[str, Any]:
        """What the row keeps of it."""
        kept: dict[str, Any] = {"state": state_to_json(self.state)}
        if not self.shares_objectives:
            kept["objectives"] = self.objectives
        if not self.shares_stores:
            kept["stores"] = self.stores
        if self.clocks:
            kept["clocks"] = {item: clock.as_json() for item, clock in self.clocks.items()}
        return kept


async def load_attempt(tx: Queries, courses: Courses, attempt_id: str) -> Attempt:
    """Read an attempt and lock it until the transaction's end.

    Raises:
        NotFoundError: there is none.
    """
    row = await tx.one("runtime.locked_attempt", attempt_id=attempt_id)
    if row is None:
        raise NotFoundError("This attempt was deleted.")
    course = await courses.get(row["version_id"], tx)
    kept = row["sequencing"]
    found = Attempt(
        row=row,
        course=course,
        state=state_from_json(kept["state"]),
        objectives=kept.get("objectives", {}),
        stores=kept.get("stores", {}),
        clocks={item: Clock(*clock) for item, clock in kept.get("clocks", {}).items()},
    )
    if found.shares_objectives:
        found.objectives = await learner_objectives(tx, row["profile_id"])
    if found.shares_stores:
        found.stores = await learner_stores(tx, row["profile_id"], course)
    return found


async def learner_objectives(tx: Queries, profile_id: str | None) -> Globals:
    """The learner's global objectives, across courses."""
    if profile_id is None:
        return {}
    rows = await tx.all("runtime.learner_objectives", profile_id=profile_id)
    return {row["objective"]: row["data"] for row in rows}


async def learner_stores(tx: Queries, profile_id: str | None, course: Course) -> dict[str, str]:
    """The learner's shared data that this course refers to."""
    targets = course.store_targets()
    if profile_id is None or not targets:
        return {}
    rows = await tx.all("runtime.learner_stores", profile_id=profile_id, stores=targets)
    return {row["store"]: row["value"] for row in rows}
