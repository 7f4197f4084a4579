"""The working copy on which one request runs: tracking values with their maps, and the trace.

Everything that reads or writes an objective goes through here, so that maps to global objectives (SN 3.10.3) are
honoured in one place. A track is copied when it is first written to; the state that came in is never changed.
"""

from __future__ import annotations

from typing import Any

from courseyard.sequencing.tree import Activity, Tree
from courseyard.sequencing.values import Globals, ObjectiveTrack, State, Step, Track

_UNTOUCHED = Track()
_NOTHING: dict[str, Any] = {}


class SequencingError(Exception):
    """A process ended with one of the book's exception codes; the overall process (OP.1) catches it."""

    def __init__(self, code: str) -> None:
        """Keep the code."""
        super().__init__(code)
        self.code = code


class Work:
    """A state that may be changed. ``current`` and ``suspended`` are activity numbers."""

    __slots__ = (
        "_given",
        "_own",
        "_own_globals",
        "activities",
        "current",
        "globals",
        "seed",
        "suspended",
        "trace",
        "tracks",
        "tree",
    )

    def __init__(self, tree: Tree, state: State, globals_: Globals, *, trace: bool = False) -> None:
        """Begin with a state and the learner's global objectives; neither is changed."""
        self.tree = tree
        self.activities = tree.activities
        tracks = state.tracks
        self.tracks: list[Track] = [tracks.get(a.id, _UNTOUCHED) for a in tree.activities]
        self.current = None if state.current is None else tree.by_id.get(state.current)
        self.suspended = None if state.suspended is None else tree.by_id.get(state.suspended)
        self.seed = state.seed
        self._given = globals_
        self.globals: dict[str, Any] = dict(globals_ if tree.objectives_global_to_system else state.course_globals)
        self.trace: list[Step] | None = [] if trace else None
        self._own: set[int] = set()
        self._own_globals: set[str] = set()

    def fork(self) -> Work:
        """A copy to try something on, without a trace. Neither may change what both share."""
        made = Work.__new__(Work)
        made.tree, made.activities, made.seed = self.tree, self.activities, self.seed
        made._given = self._given
        made.tracks, made.globals = self.tracks.copy(), self.globals.copy()
        made.current, made.suspended, made.trace = self.current, self.suspended, None
        made._own, made._own_globals = set(), set()
        self._own, self._own_globals = set(), set()
        return made

    def state(self) -> State:
        """The state as it is now; afterwards nothing in it is ours to change."""
        self._own, self._own_globals = set(), set()
        return State(
            self.seed,
            None if self.current is None else self.activities[self.current].id,
            None if self.suspended is None else self.activities[self.suspended].id,
            {a.id: t for a, t in zip(self.activities, self.tracks, strict=True) if t is not _UNTOUCHED},
            {} if self.tree.objectives_global_to_system else self.globals,
        )

    def learner_globals(self) -> Globals:
        """The learner's global objectives as they are now; a course that keeps its own to itself changes none."""
        return self.globals if self.tree.objectives_global_to_system else self._given

    def note(
        self, process: str, index: int | None, finding: str, rule: int | None = None, detail: str | None = None
    ) -> None:
        """Add a line to the trace, if one is wanted."""
        if self.trace is not None:
            name = None if index is None else self.activities[index].id
            self.trace.append(Step(process, name, finding, rule, detail))

    # -- the tree as this attempt sees it ---------------------------------------------------------------------

    def definition(self, index: int) -> Activity:
        """What the manifest says of an activity."""
        return self.activities[index]

    def children(self, index: int) -> tuple[int, ...]:
        """The available children: selected, in this attempt's order."""
        order = self.tracks[index].order
        children = self.activities[index].children
        return children if order is None else tuple(children[n] for n in order)

    def position(self, index: int) -> int:
        """The place among the available siblings; -1 if it was not selected. The root stands alone."""
        activity = self.activities[index]
        if activity.parent < 0:
            return 0
        order = self.tracks[activity.parent].order
        if order is None:
            return activity.position
        return order.index(activity.position) if activity.position in order else -1

    def sibling(self, index: int, step: int) -> int | None:
        """The available sibling that many places further; None past either end."""
        siblings = self.children(self.activities[index].parent)
        place = self.position(index) + step
        return siblings[place] if 0 <= place < len(siblings) else None

    def is_available(self, index: int) -> bool:
        """Whether the activity itself was selected (SN 3.13)."""
        return self.position(index) >= 0

    def is_before(self, one: int, other: int) -> bool:
        """Whether an activity comes before another in a preorder walk over the available activities."""
        if one == other:
            return False
        common = self.tree.common_ancestor(one, other)
        if common in (one, other):
            return common == one
        return self.position(self.tree.below(common, one)) < self.position(self.tree.below(common, other))

    def writable(self, index: int) -> Track:
        """The activity's track, ours to change."""
        if index in self._own:
            return self.tracks[index]
        self._own.add(index)
        made = self.tracks[index] = self.tracks[index].copy()
        return made

    # -- objectives -------------------------------------------------------------------------------------------

    def value(self, index: int, objective: int, field: str) -> Any:
        """A field of an objective, from the global objective that it reads, if it reads one; nothing if untracked."""
        if not self.activities[index].tracked:
            return None
        target = self.activities[index].objectives[objective].reads.get(field)
        if target is not None:
            found = self.globals.get(target, _NOTHING).get(field)
            # Satisfaction and measure follow the global objective even where it is unknown; the rest falls back.
            if found is not None or field in ("satisfied", "measure"):
                return found
        own = self.tracks[index].objectives.get(objective)
        return None if own is None else getattr(own, field)

    def set_value(self, index: int, objective: int, field: str, value: Any) -> None:
        """Set a field of an objective, and of the global objectives that it writes."""
        own = self.tracks[index].objectives.get(objective)
        if value is not None if own is None else getattr(own, field) != value:
            objectives = self.writable(index).objectives
            if own is None:
                own = objectives[objective] = ObjectiveTrack()
            else:
                own = objectives[objective]
            setattr(own, field, value)
        definition = self.activities[index].objectives[objective]
        if definition.writes:
            self._write(index, objective, field, value)

    def forget_value(self, index: int, objective: int, field: str) -> None:
        """Make a field of an objective unknown. Global objectives keep what was written: unknown is no value."""
        own = self.tracks[index].objectives.get(objective)
        if own is not None and getattr(own, field) is not None:
            setattr(self.writable(index).objectives[objective], field, None)

    def _write(self, index: int, objective: int, field: str, value: Any) -> None:
        activity = self.activities[index]
        definition = activity.objectives[objective]
        if not (field == "satisfied" and definition.satisfied_by_measure):
            for target in definition.writes.get(field, ()):
                self.set_global(target, field, value)
        if field == "measure" and definition.satisfied_by_measure:
            reached = None if value is None else value >= definition.min_measure
            for target in definition.writes.get("satisfied", ()):
                self.set_global(target, "satisfied", reached)
        if field == "progress" and objective == 0 and activity.completed_by_measure:
            reached = None if value is None else value >= activity.min_progress
            for target in definition.writes.get("completion", ()):
                self.set_global(target, "completion", reached)

    def set_global(self, target: str, field: str, value: Any) -> None:
        """Set a field of a global objective; None takes it away."""
        known = self.globals.get(target, _NOTHING)
        if known.get(field) == value and (value is None or field in known):
            return
        if target not in self._own_globals:
            self._own_globals.add(target)
            known = self.globals[target] = dict(known)
        if value is None:
            known.pop(field, None)
        else:
            known[field] = value

    def satisfied(self, index: int, objective: int = 0) -> bool | None:
        """Whether an objective is satisfied; decided by its measure where the manifest says so."""
        activity = self.activities[index]
        definition = activity.objectives[objective]
        if definition.satisfied_by_measure:
            if not activity.measure_satisfaction_if_active and self.tracks[index].active:
                return None
            measure = self.value(index, objective, "measure")
            return None if measure is None else bool(measure >= definition.min_measure)
        found: bool | None = self.value(index, objective, "satisfied")
        return found

    def measure(self, index: int, objective: int = 0) -> float | None:
        """The normalised measure of an objective, -1 to 1."""
        found: float | None = self.value(index, objective, "measure")
        return found

    def completed(self, index: int, objective: int = 0) -> bool | None:
        """Whether the attempt (or another objective) is complete; by its progress where the manifest says so."""
        activity = self.activities[index]
        if objective == 0 and activity.completed_by_measure:
            progress = self.value(index, 0, "progress")
            if progress is not None and self.tracks[index].old_progress:
                progress = 0.0  # nothing of it was done in the parent's present attempt
            return None if progress is None else bool(progress >= activity.min_progress)
        found: bool | None = self.value(index, objective, "completion")
        return found

    def progress(self, index: int, objective: int = 0) -> float | None:
        """The attempt completion amount, 0 to 1."""
        if objective == 0 and self.tracks[index].old_progress:
            return None
        found: float | None = self.value(index, objective, "progress")
        return found

    # -- attempts ---------------------------------------------------------------------------------------------

    def begin_attempt(self, index: int) -> None:
        """Count a new attempt and forget what the last one left (DB.2 step 5); its children's data are old now."""
        track = self.writable(index)
        track.attempts += 1
        track.objectives = {}
        track.completion_set = track.success_set = False
        track.old_objectives = track.old_progress = False
        self._grow_old(index)

    def _grow_old(self, index: int) -> None:
        """What is below a new attempt was recorded before it, as far as the clusters on the way care."""
        stack = [(index, True, True)]
        while stack:
            at, objectives, progress = stack.pop()
            activity = self.activities[at]
            objectives = objectives and activity.current_objective_info
            progress = progress and activity.current_progress_info
            if not objectives and not progress:
                continue
            for child in activity.children:
                known = self.tracks[child]
                if known is _UNTOUCHED:
                    continue
                if (objectives and not known.old_objectives) or (progress and not known.old_progress):
                    known = self.writable(child)
                    known.old_objectives = known.old_objectives or objectives
                    known.old_progress = known.old_progress or progress
                if self.activities[child].children:
                    stack.append((child, objectives, progress))

    def forget_course_globals(self) -> None:
        """Objectives that the course keeps to itself end with its attempt (CAM 3.4.1.4, objectivesGlobalToSystem)."""
        if not self.tree.objectives_global_to_system and self.globals:
            self.globals = {}
            self._own_globals = set()
