"""Conditions of sequencing rules and rollup rules: values that may be unknown (SN 3.4 and 3.7)."""

from __future__ import annotations

from courseyard.sequencing.tree import Condition, Rule
from courseyard.sequencing.work import Work


def plain(name: str) -> tuple[Condition, ...]:
    """One condition, as it stands."""
    return (Condition(name, negated=False, objective=0, measure=0.0),)


def combined(values: list[bool | None], *, every: bool) -> bool | None:
    """All or any of values that may be unknown (None); nothing to combine is unknown.

    ``every`` looks at them in order and stops at the first that is not true: an unknown one before a false one leaves
    the whole unknown, which the child activity set "none" does not count.
    """
    if not values:
        return None
    if every:
        return next((value for value in values if value is not True), True)
    return True if True in values else None if None in values else False


def rule_applies(work: Work, index: int, rule: Rule) -> bool:
    """Whether a sequencing rule's conditions hold. What is unknown does not hold."""
    values = []
    for condition in rule.conditions:
        value = _rule_condition(work, index, condition)
        values.append(None if value is None else value is not condition.negated)
    return combined(values, every=rule.every) is True


def is_skipped(work: Work, index: int) -> bool:
    """Whether a skip rule applies to an activity now."""
    return any(rule_applies(work, index, r) for r in work.definition(index).skip_rules)


def rollup_condition(work: Work, child: int, name: str) -> bool | None:
    """A rollup condition on a child. Data of an earlier attempt on the parent counts only if the parent says so."""
    track, primary = work.tracks[child], work.definition(child).objectives[0]
    if name in {"satisfied", "objectiveStatusKnown"}:
        field = "measure" if primary.satisfied_by_measure else "satisfied"
        old = track.old_objectives and field not in primary.reads
        satisfied = None if old else work.satisfied(child)
        return satisfied is not None if name == "objectiveStatusKnown" else satisfied
    if name == "objectiveMeasureKnown":
        old = track.old_objectives and "measure" not in primary.reads
        return not old and work.measure(child) is not None
    if name in {"completed", "activityProgressKnown"}:
        completed = None if track.old_progress else work.completed(child)
        return completed is not None if name == "activityProgressKnown" else completed
    return _activity_condition(work, child, name)


def _rule_condition(work: Work, index: int, condition: Condition) -> bool | None:
    name, objective = condition.name, condition.objective
    if name in {"satisfied", "objectiveStatusKnown"}:
        satisfied = work.satisfied(index, objective) if objective >= 0 else None
        return satisfied is not None if name == "objectiveStatusKnown" else satisfied
    if name in {"objectiveMeasureKnown", "objectiveMeasureGreaterThan", "objectiveMeasureLessThan"}:
        measure = work.measure(index, objective) if objective >= 0 else None
        if name == "objectiveMeasureKnown":
            return measure is not None
        if measure is None:
            return None
        return measure > condition.measure if name == "objectiveMeasureGreaterThan" else measure < condition.measure
    if name in {"completed", "activityProgressKnown"} and objective:
        completed = work.completed(index, objective) if objective > 0 else None
        return completed is not None if name == "activityProgressKnown" else completed
    return _activity_condition(work, index, name)


def _activity_condition(work: Work, index: int, name: str) -> bool | None:
    activity, known = work.definition(index), work.tracks[index]
    if name == "always":
        return True
    if name == "completed":
        return work.completed(index)
    if name == "activityProgressKnown":
        return work.completed(index) is not None
    if name == "attempted":
        return known.attempts > 0
    if name == "attemptLimitExceeded":
        return None if activity.attempt_limit is None else known.attempts >= activity.attempt_limit
    # timeLimitExceeded and outsideAvailableTimeRange are optional in the book (UP.1): unknown here.
    return False if name == "never" else None
