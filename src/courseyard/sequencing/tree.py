"""The activity tree of a course: what the manifest says, with the schema's defaults, never changed afterwards.

Activities are numbered in preorder; 0 is the organisation. Everything else in this package speaks of these numbers.
Control mode, rules, limits, rollup, objectives: SCORM 2004 Sequencing and Navigation, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]

# The fields of a shared global objective, and of a local one.
FIELDS = ("satisfied", "measure", "completion", "progress", "raw", "min", "max")
_IMS_FIELDS = ("satisfied", "measure")
# What rollup looks at in a child.
_ROLLED_UP = ("satisfied", "measure", "completion", "progress")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule; ``objective`` is the index of the activity's objective that it looks at."""

    name: str
    negated: bool
    objective: int
    measure: float


@dataclass(frozen=True, slots=True)
class Rule:
    """A sequencing rule: when the conditions hold, the action is taken."""

    number: int
    action: str
    every: bool
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class RollupRule:
    """A rollup rule of a cluster over its children."""

    number: int
    action: str
    children: str
    minimum_count: int
    minimum_percent: float
    every: bool
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Objective:
    """A local objective: ``reads`` and ``writes`` say per field which global objectives it is mapped to."""

    id: str | None
    satisfied_by_measure: bool
    min_measure: float
    reads: Mapping[str, str]
    writes: Mapping[str, tuple[str, ...]]
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Activity:
    """One node of the tree with all of its definition.

    ``position`` is its place among its siblings in the manifest; ``end`` the number after its last descendant.
    """

    index: int
    id: str
    title: str
    parent: int
    depth: int
    children: tuple[int, ...]
    position: int
    end: int
    is_leaf: bool
    resource: bool
    visible: bool
    # control modes
    choice: bool
    choice_exit: bool
    flow: bool
    forward_only: bool
    current_objective_info: bool
    current_progress_info: bool
    prevent_activation: bool
    constrain_choice: bool
    # rules and limits
    pre_rules: tuple[Rule, ...]
    skip_rules: tuple[Rule, ...]
    disabled_rules: tuple[Rule, ...]
    hidden_rules: tuple[Rule, ...]
    stop_rules: tuple[Rule, ...]
    exit_rules: tuple[Rule, ...]
    post_rules: tuple[Rule, ...]
    attempt_limit: int | None
    # rollup
    rollup_rules: tuple[RollupRule, ...]
    rollup_satisfied: bool
    rollup_completion: bool
    measure_weight: float
    progress_weight: float
    required_for: Mapping[str, str]
    measure_satisfaction_if_active: bool
    # objectives, completion, delivery
    objectives: tuple[Objective, ...]
    completed_by_measure: bool
    completion_threshold: float | None
    min_progress: float
    tracked: bool
    completion_set_by_content: bool
    objective_set_by_content: bool
    # selection and randomisation
    selection_timing: str
    select_count: int | None
    randomization_timing: str
    reorder_children: bool
    arranged: bool


@dataclass(frozen=True, slots=True)
class Tree:
    """A course as activities in preorder. ``targets``: every global objective that one of them maps to.

    ``readers``: per global objective the clusters that have a child whose primary objective reads it, so that their
    rollup depends on it.
    """

    activities: tuple[Activity, ...]
    by_id: Mapping[str, int]
    edition: str
    objectives_global_to_system: bool
    targets: tuple[str, ...]
    readers: Mapping[str, tuple[int, ...]]

    def path(self, index: int) -> list[int]:
        """From the root to an activity, both included."""
        found = []
        at = index
        while at >= 0:
            found.append(at)
            at = self.activities[at].parent
        found.reverse()
        return found

    def below(self, ancestor: int, index: int) -> int:
        """The child of an ancestor on the way down to an activity (which is below it)."""
        at = index
        while self.activities[at].parent != ancestor:
            at = self.activities[at].parent
        return at

    def common_ancestor(self, one: int, other: int) -> int:
        """The deepest activity that is above (or equal to) both."""
        activities = self.activities
        at = one
        while not at <= other < activities[at].end:
            at = activities[at].parent
        return at


def build_tree(document: Document, organization: str | None = None) -> Tree:
    """Build the tree of a course document's organisation (the default one if none is named)."""
    wanted = organization or document.get("default_organization")
    organizations = document["organizations"]
    root = next((o for o in organizations if o["identifier"] == wanted), organizations[0])
    edition = str(document.get("edition", "4th"))
    # A stack instead of recursion: a tree may be deeper than Python's call stack.
    stack: list[tuple[Document, int, int, int]] = [(root, -1, 0, 0)]
    order: list[tuple[Document, int, int, int]] = []
    kids: list[list[int]] = []
    while stack:
        item, parent, depth, position = stack.pop()
        index = len(order)
        order.append((item, parent, depth, position))
        kids.append([])
        if parent >= 0:
            kids[parent].append(index)
        parts = item.get("children", ())
        stack.extend((parts[n], index, depth + 1, n) for n in range(len(parts) - 1, -1, -1))
    single = edition != "1.2" and _is_single(root)
    ends = list(range(1, len(order) + 1))
    for index in range(len(order) - 1, 0, -1):
        parent = order[index][1]
        ends[parent] = max(ends[parent], ends[index])
    activities = tuple(
        _activity(
            item, index, parent, depth, position, ends[index], tuple(kids[index]), edition, single=single and index == 0
        )
        for index, (item, parent, depth, position) in enumerate(order)
    )
    by_id: dict[str, int] = {}
    for activity in activities:
        by_id.setdefault(activity.id, activity.index)
    targets = {t for a in activities for o in a.objectives for t in (*o.reads.values(), *o.targets)}
    own_globals = not root.get("objectives_global_to_system", True)
    return Tree(activities, by_id, edition, not own_globals, tuple(sorted(targets)), _readers(activities))


def _readers(activities: tuple[Activity, ...]) -> dict[str, tuple[int, ...]]:
    found: dict[str, dict[int, None]] = {}
    for activity in activities:
        if activity.parent >= 0:
            for field, target in activity.objectives[0].reads.items():
                if field in _ROLLED_UP:
                    found.setdefault(target, {})[activity.parent] = None
    return {target: tuple(clusters) for target, clusters in found.items()}


def _is_single(root: Document) -> bool:
    """Whether a course of one activity is meant to just open: nobody wants to choose between one thing.

    With the default control modes (choice, no flow) Start could deliver nothing; ADL's reference does the same.
    """
    parts = root.get("children", ())
    control = root.get("sequencing", {}).get("control_mode", {})
    return len(parts) == 1 and not parts[0].get("children") and control.get("choice", True) and not control.get("flow")


def _activity(
    item: Document,
    index: int,
    parent: int,
    depth: int,
    position: int,
    end: int,
    children: tuple[int, ...],
    edition: str,
    *,
    single: bool = False,
) -> Activity:
    scorm12 = edition == "1.2"
    sequencing: Document = {} if scorm12 else item.get("sequencing", {})
    control = sequencing.get("control_mode", {})
    constrained = sequencing.get("constrained_choice", {})
    rules = sequencing.get("rules", {})
    rollup = sequencing.get("rollup", {})
    considerations = sequencing.get("rollup_considerations", {})
    delivery = sequencing.get("delivery", {})
    randomization = sequencing.get("randomization", {})
    threshold = item.get("completion_threshold", {})
    objectives = _objectives(sequencing.get("objectives", {}), edition)
    names = {o.id: i for i, o in reversed(list(enumerate(objectives))) if o.id}
    pre = _rules(rules.get("pre", ()), names)
    return Activity(
        index=index,
        id=item["identifier"],
        title=item.get("title", item["identifier"]),
        parent=parent,
        depth=depth,
        children=children,
        position=position,
        end=end,
        is_leaf=not children,
        resource=bool(item.get("href")),
        visible=bool(item.get("visible", True)),
        choice=bool(control.get("choice", True)) and not single,
        choice_exit=bool(control.get("choice_exit", True)),
        # SCORM 1.2 knows neither: its learners go where they like.
        flow=bool(control.get("flow", scorm12)) or single,
        forward_only=bool(control.get("forward_only", False)),
        current_objective_info=bool(control.get("use_current_attempt_objective_info", True)),
        current_progress_info=bool(control.get("use_current_attempt_progress_info", True)),
        prevent_activation=bool(constrained.get("prevent_activation", False)),
        constrain_choice=bool(constrained.get("constrain_choice", False)),
        pre_rules=pre,
        skip_rules=tuple(r for r in pre if r.action == "skip"),
        disabled_rules=tuple(r for r in pre if r.action == "disabled"),
        hidden_rules=tuple(r for r in pre if r.action == "hiddenFromChoice"),
        stop_rules=tuple(r for r in pre if r.action == "stopForwardTraversal"),
        exit_rules=_rules(rules.get("exit", ()), names),
        post_rules=_rules(rules.get("post", ()), names),
        attempt_limit=sequencing.get("limits", {}).get("attempt_limit"),
        rollup_rules=tuple(_rollup_rule(n, r) for n, r in enumerate(rollup.get("rules", ()), 1)),
        rollup_satisfied=bool(rollup.get("objective_satisfied", True)),
        rollup_completion=bool(rollup.get("progress_completion", True)),
        measure_weight=float(rollup.get("objective_measure_weight", 1.0)),
        progress_weight=float(threshold.get("progress_weight", 1.0)),
        required_for={
            "satisfied": considerations.get("required_for_satisfied", "always"),
            "notSatisfied": considerations.get("required_for_not_satisfied", "always"),
            "completed": considerations.get("required_for_completed", "always"),
            "incomplete": considerations.get("required_for_incomplete", "always"),
        },
        measure_satisfaction_if_active=bool(considerations.get("measure_satisfaction_if_active", True)),
        objectives=objectives,
        # Completion by measure is new in the 4th Edition; before, the threshold only speaks to the SCO.
        completed_by_measure=bool(threshold.get("completed_by_measure", False)) and edition == "4th",
        completion_threshold=_threshold(threshold, edition),
        min_progress=float(threshold.get("min_progress_measure", 1.0)),
        tracked=bool(delivery.get("tracked", True)),
        completion_set_by_content=bool(delivery.get("completion_set_by_content", False)),
        objective_set_by_content=bool(delivery.get("objective_set_by_content", False)),
        selection_timing=randomization.get("selection_timing", "never"),
        select_count=randomization.get("select_count"),
        randomization_timing=randomization.get("randomization_timing", "never"),
        reorder_children=bool(randomization.get("reorder_children", False)),
        # Whether selection or randomisation ever changes its children.
        arranged=bool(children)
        and (
            (
                randomization.get("selection_timing", "never") != "never"
                and randomization.get("select_count") is not None
            )
            or (
                randomization.get("randomization_timing", "never") != "never"
                and bool(randomization.get("reorder_children", False))
            )
        ),
    )


def _threshold(threshold: Document, edition: str) -> float | None:
    """What cmi.completion_threshold says: from the 4th Edition on only where completion is by measure."""
    if edition == "4th" and not threshold.get("completed_by_measure", False):
        return None
    value = threshold.get("min_progress_measure", 1.0 if edition == "4th" and threshold else None)
    return None if value is None else float(value)


def _rules(rules: Any, names: Mapping[str, int]) -> tuple[Rule, ...]:
    return tuple(
        Rule(n, rule["action"], rule.get("combination", "all") == "all", _conditions(rule, names))
        for n, rule in enumerate(rules, 1)
    )


def _conditions(rule: Document, names: Mapping[str, int]) -> tuple[Condition, ...]:
    return tuple(
        Condition(
            c["condition"],
            bool(c.get("not", False)),
            # An objective that the activity does not have is unknown for ever: index -1.
            names.get(c["objective"], -1) if c.get("objective") else 0,
            float(c.get("measure", 0.0)),
        )
        for c in rule.get("conditions", ())
    )


def _rollup_rule(number: int, rule: Document) -> RollupRule:
    return RollupRule(
        number,
        rule["action"],
        rule.get("child_activity_set", "all"),
        int(rule.get("minimum_count", 0)),
        float(rule.get("minimum_percent", 0.0)),
        rule.get("combination", "any") == "all",
        _conditions(rule, {}),
    )


def _objectives(objectives: Document, edition: str) -> tuple[Objective, ...]:
    """The primary objective first; an activity without one has an unnamed one (SN 3.10)."""
    primary = _objective(objectives.get("primary") or {}, edition)
    return (primary, *(_objective(o, edition) for o in objectives.get("others", ())))


def _objective(objective: Document, edition: str) -> Objective:
    reads: dict[str, str] = {}
    writes: dict[str, tuple[str, ...]] = {}
    for mapped in objective.get("maps", ()):
        fields = FIELDS if mapped.get("adlseq") and edition == "4th" else _IMS_FIELDS
        for field in fields:
            if mapped.get(f"read_{field}", True):
                reads.setdefault(field, mapped["target"])
            if mapped.get(f"write_{field}", False):
                writes[field] = (*writes.get(field, ()), mapped["target"])
    return Objective(
        objective.get("id"),
        bool(objective.get("satisfied_by_measure", False)),
        float(objective.get("min_normalized_measure", 1.0)),
        reads,
        writes,
        tuple(m["target"] for m in objective.get("maps", ())),
    )
