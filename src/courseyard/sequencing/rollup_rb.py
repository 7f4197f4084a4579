"""Rollup: RB.1.1 to RB.1.5 (SN 4.6)."""

from __future__ import annotations

from courseyard.sequencing import conditions
from courseyard.sequencing.tree import RollupRule
from courseyard.sequencing.work import Work

_DEFAULT_RULES: dict[str, RollupRule] = {
    "satisfied": RollupRule(0, "satisfied", "all", 0, 0.0, False, conditions.plain("satisfied")),
    "notSatisfied": RollupRule(0, "notSatisfied", "all", 0, 0.0, False, conditions.plain("objectiveStatusKnown")),
    "completed": RollupRule(0, "completed", "all", 0, 0.0, False, conditions.plain("completed")),
    "incomplete": RollupRule(0, "incomplete", "all", 0, 0.0, False, conditions.plain("activityProgressKnown")),
}


def overall_rollup_rb_1_5(work: Work, index: int) -> None:
    """RB.1.5: from an activity up to the root, let each cluster follow its children, the deepest first.

    What the activities on the way write to global objectives may be read by others: the clusters those are in, and all
    above, follow too.
    """
    for at in _rollup_set(work, index):
        activity = work.definition(at)
        if activity.children and activity.tracked:
            measure_rollup_rb_1_1_a(work, at)
            completion_measure_rollup_rb_1_1_b(work, at)
            objective_rollup_rb_1_2(work, at)
            activity_progress_rollup_rb_1_3(work, at)


def _rollup_set(work: Work, index: int) -> list[int]:
    path = work.tree.path(index)
    readers = work.tree.readers
    if not readers:
        return path[::-1]
    found = set(path)
    for objective in (o for at in path for o in work.activities[at].objectives if o.writes):
        for target in {t for targets in objective.writes.values() for t in targets}:
            for cluster in readers.get(target, ()):
                at = cluster
                while at not in found:
                    found.add(at)
                    at = work.activities[at].parent
    return sorted(found, key=lambda at: (-work.activities[at].depth, at))


def measure_rollup_rb_1_1_a(work: Work, index: int) -> None:
    """RB.1.1 a: the weighted mean of the children's measures; unknown without any of some weight."""
    total = counted = 0.0
    known = False
    for child in work.children(index):
        definition = work.definition(child)
        if not definition.tracked:
            continue
        counted += definition.measure_weight
        measure = work.measure(child)
        if measure is not None and definition.measure_weight > 0:
            known = True
            total += measure * definition.measure_weight
    if known and counted > 0:
        work.set_value(index, 0, "measure", total / counted)
    else:
        work.forget_value(index, 0, "measure")


def completion_measure_rollup_rb_1_1_b(work: Work, index: int) -> None:
    """RB.1.1 b: the weighted mean of the children's progress (4th Edition)."""
    if work.tree.edition != "4th":
        return
    total = counted = 0.0
    known = False
    for child in work.children(index):
        definition = work.definition(child)
        if not definition.tracked:
            continue
        counted += definition.progress_weight
        progress = work.progress(child)
        if progress is not None and definition.progress_weight > 0:
            known = True
            total += progress * definition.progress_weight
    if known and counted > 0:
        work.set_value(index, 0, "progress", total / counted)
    else:
        work.forget_value(index, 0, "progress")


def objective_rollup_rb_1_2(work: Work, index: int) -> None:
    """RB.1.2: satisfaction of a cluster, by its measure (RB.1.2 a) or by rules (RB.1.2 b)."""
    if work.definition(index).objectives[0].satisfied_by_measure:
        return  # RB.1.2 a: ``Work.satisfied`` derives it from the measure whenever it is asked for.
    _follow_rules(work, index, "satisfied", {"satisfied": True, "notSatisfied": False})


def activity_progress_rollup_rb_1_3(work: Work, index: int) -> None:
    """RB.1.3: completion of a cluster, by its progress (RB.1.3 a) or by rules (RB.1.3 b)."""
    if work.definition(index).completed_by_measure:
        return  # RB.1.3 a: ``Work.completed`` derives it.
    _follow_rules(work, index, "completion", {"completed": True, "incomplete": False})


def _follow_rules(work: Work, index: int, field: str, actions: dict[str, bool]) -> None:
    """The good action wins over the bad one; where neither applies the status stays as it is."""
    rules = work.definition(index).rollup_rules
    own = any(r.action in actions for r in rules)
    for action, value in actions.items():
        applicable = [r for r in rules if r.action == action] if own else [_DEFAULT_RULES[action]]
        rule = rollup_rule_check_rb_1_4(work, index, action, applicable)
        if rule is not None:
            if work.value(index, 0, field) is not value:
                work.note("RB.1.4", index, action, rule.number or None)
            work.set_value(index, 0, field, value)
            return


def rollup_rule_check_rb_1_4(work: Work, index: int, action: str, rules: list[RollupRule]) -> RollupRule | None:
    """RB.1.4: the first of the rules for an action that applies to the children."""
    for rule in rules:
        values = [
            evaluate_rollup_conditions_rb_1_4_1(work, child, rule)
            for child in work.children(index)
            if work.definition(child).tracked and check_child_for_rollup_rb_1_4_2(work, child, action)
        ]
        if _applies(rule, values):
            return rule
    return None


def _applies(rule: RollupRule, values: list[bool | None]) -> bool:
    if not values:
        # No child counts: nothing to conclude from, but for an author's own rule over "all" or "none", which hold then.
        # ADL's conformance suite asks for it: docs/adl-cases.md.
        return rule.number > 0 and rule.children in ("all", "none")
    if rule.children == "all":
        return all(v is True for v in values)
    if rule.children == "any":
        return True in values
    if rule.children == "none":
        return all(v is False for v in values)
    true = values.count(True)
    if rule.children == "atLeastCount":
        return true >= rule.minimum_count
    if rule.children == "atLeastPercent":
        return true / len(values) >= rule.minimum_percent
    return False


def evaluate_rollup_conditions_rb_1_4_1(work: Work, child: int, rule: RollupRule) -> bool | None:
    """RB.1.4.1: whether a child fulfils a rollup rule's conditions; None when that is unknown."""
    values = []
    for condition in rule.conditions:
        value = conditions.rollup_condition(work, child, condition.name)
        values.append(None if value is None else value is not condition.negated)
    return conditions.combined(values, every=rule.every)


def check_child_for_rollup_rb_1_4_2(work: Work, child: int, action: str) -> bool:
    """RB.1.4.2: whether a child counts for an action."""
    definition, known = work.definition(child), work.tracks[child]
    counts = definition.rollup_satisfied if action in {"satisfied", "notSatisfied"} else definition.rollup_completion
    if not counts:
        return False
    required = definition.required_for[action]
    if required == "ifNotSuspended":
        return known.attempts > 0 and not known.suspended
    if required == "ifAttempted":
        return known.attempts > 0
    if required == "ifNotSkipped":
        return not conditions.is_skipped(work, child)
    return True
