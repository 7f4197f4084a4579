"""The working copy on which one request runs: tracking values with their maps, and the trace.

Everything that reads or writes an objective goes through here, so that maps to global objectives (SN 3.10.3) are
honoured in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from courseyard.sequencing.state import ActivityState, Globals, ObjectiveState, State
from courseyard.sequencing.tree import Activity, Tree


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a trace: the process by its number, the activity, what came out, and the rule that decided."""

    process: str
    activity: str | None
    outcome: str
    rule: int | None = None
    detail: str | None = None


class SequencingError(Exception):
    """A process ended with one of the book's exception codes; caught where the book says."""

    def __init__(self, code: str) -> None:
        """Keep the code."""
        super().__init__(code)
        self.code = code


class Work:
    """A state that may be changed: activities are copied when first written to."""

    __slots__ = ("_own", "activities", "current", "globals", "seed", "suspended", "trace", "tree")

    def __init__(self, tree: Tree, state: State, globals_: Globals, *, trace: bool = False) -> None:
        """Begin with a state and the learner's global objectives; neither is changed."""
        self.tree = tree
        self.activities: list[ActivityState] = list(state.activities)
        self.current = state.current
        self.suspended = state.suspended
        self.seed = state.seed
        self.globals: Globals = {target: dict(values) for target, values in globals_.items()}
        self.trace: list[Step] | None = [] if trace else None
        self._own: set[int] = set()

    def fork(self) -> Work:
        """A copy to try something on, without a trace."""
        made = Work(self.tree, self.state(), self.globals)
        return made

    def state(self) -> State:
        """The state as it is now."""
        # Whoever gets this state shares the activities with us: from now on they are not ours to change.
        self._own.clear()
        return State(tuple(self.activities), self.current, self.suspended, self.seed)

    def note(
        self, process: str, index: int | None, outcome: str, rule: int | None = None, detail: str | None = None
    ) -> None:
        """Add a line to the trace, if one is wanted."""
        if self.trace is not None:
            name = None if index is None else self.tree.activities[index].id
            self.trace.append(Step(process, name, outcome, rule, detail))

    # -- the tree as this attempt sees it ---------------------------------------------------------------------

    def definition(self, index: int) -> Activity:
        """What the manifest says of an activity."""
        return self.tree.activities[index]

    def children(self, index: int) -> tuple[int, ...]:
        """The available children: selected, in this attempt's order."""
        order = self.activities[index].order
        return self.tree.activities[index].children if order is None else order

    def writable(self, index: int) -> ActivityState:
        """The activity's state, ours to change."""
        if index not in self._own:
            self.activities[index] = self.activities[index].copy()
            self._own.add(index)
        return self.activities[index]

    # -- objectives -------------------------------------------------------------------------------------------

    def value(self, index: int, objective: int, field: str) -> Any:
        """A field of an objective, from the global objective that it reads, if it reads one."""
        definition = self.tree.activities[index].objectives[objective]
        target = definition.reads.get(field)
        if target is not None:
            return self.globals.get(target, {}).get(field)
        return getattr(self.activities[index].objectives[objective], field)

    def set_value(self, index: int, objective: int, field: str, value: Any) -> None:
        """Set a field of an objective, and of the global objectives that it writes."""
        setattr(self.writable(index).objectives[objective], field, value)
        definition = self.tree.activities[index].objectives[objective]
        if field == "satisfied" and definition.satisfied_by_measure:
            return
        for target in definition.writes.get(field, ()):
            self.globals.setdefault(target, {})[field] = value
        if field == "measure" and definition.satisfied_by_measure:
            derived = None if value is None else value >= definition.min_measure
            for target in definition.writes.get("satisfied", ()):
                self.globals.setdefault(target, {})["satisfied"] = derived
        if field == "progress" and objective == 0 and self.tree.activities[index].completed_by_measure:
            derived = None if value is None else value >= self.tree.activities[index].min_progress
            for target in definition.writes.get("completion", ()):
                self.globals.setdefault(target, {})["completion"] = derived

    def satisfied(self, index: int, objective: int = 0) -> bool | None:
        """Whether an objective is satisfied; decided by its measure where the manifest says so."""
        activity = self.tree.activities[index]
        definition = activity.objectives[objective]
        if definition.satisfied_by_measure:
            if self.activities[index].active and not activity.measure_satisfaction_if_active:
                return None
            measure = self.value(index, objective, "measure")
            return None if measure is None else bool(measure >= definition.min_measure)
        found = self.value(index, objective, "satisfied")
        return None if found is None else bool(found)

    def measure(self, index: int, objective: int = 0) -> float | None:
        """The normalised measure of an objective, -1 to 1."""
        found = self.value(index, objective, "measure")
        return None if found is None else float(found)

    def completed(self, index: int) -> bool | None:
        """Whether the activity's attempt is complete; decided by its progress where the manifest says so."""
        activity = self.tree.activities[index]
        if activity.completed_by_measure:
            progress = self.progress(index)
            return None if progress is None else progress >= activity.min_progress
        found = self.value(index, 0, "completion")
        return None if found is None else bool(found)

    def progress(self, index: int) -> float | None:
        """The attempt completion amount, 0 to 1."""
        found = self.value(index, 0, "progress")
        return None if found is None else float(found)

    # -- attempts ---------------------------------------------------------------------------------------------

    def begin_attempt(self, index: int) -> None:
        """Forget what the last attempt left in the activity itself and count the new one (DB.2 step 5)."""
        known = self.writable(index)
        known.attempts += 1
        parent = self.tree.activities[index].parent
        known.parent_attempt = self.activities[parent].attempts if parent >= 0 else 0
        known.objectives = [ObjectiveState() for _ in known.objectives]
        known.by_content = frozenset()
        known.report = {}

    def is_current_data(self, index: int) -> bool:
        """Whether what is known of an activity belongs to its parent's current attempt."""
        parent = self.tree.activities[index].parent
        return parent < 0 or self.activities[index].parent_attempt == self.activities[parent].attempts
