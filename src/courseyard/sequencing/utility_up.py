"""The utility processes UP.1 to UP.5 (SN 4.9)."""

from __future__ import annotations

from courseyard.sequencing.conditions import rule_applies
from courseyard.sequencing.rollup_rb import overall_rollup_rb_1_5
from courseyard.sequencing.selection_sr import draw_next_order
from courseyard.sequencing.tree import Rule
from courseyard.sequencing.work import Work


def limit_conditions_check_up_1(work: Work, index: int) -> bool:
    """UP.1: whether a limit keeps the activity from a new attempt. Time limits are optional in SCORM and not kept."""
    activity, track = work.activities[index], work.tracks[index]
    if activity.attempt_limit is None or not activity.tracked or track.active or track.suspended:
        return False
    violated = track.attempts >= activity.attempt_limit
    if violated:
        work.note("UP.1", index, "attempt limit reached", detail=str(activity.attempt_limit))
    return violated


def sequencing_rules_check_up_2(work: Work, index: int, rules: tuple[Rule, ...]) -> str | None:
    """UP.2: the action of the first of these rules that applies."""
    for rule in rules:
        if sequencing_rule_check_up_2_1(work, index, rule):
            work.note("UP.2", index, rule.action, rule.number)
            return rule.action
    return None


def sequencing_rule_check_up_2_1(work: Work, index: int, rule: Rule) -> bool:
    """UP.2.1: whether a rule's conditions hold. What is unknown does not hold."""
    return rule_applies(work, index, rule)


def terminate_descendent_attempts_up_3(work: Work, index: int) -> None:
    """UP.3: end the attempts between the current activity and its common ancestor with another, both excluded."""
    if work.current is None:
        return
    common = work.tree.common_ancestor(work.current, index)
    at = work.current
    if at == common:
        return
    at = work.activities[at].parent
    while at != common:
        end_attempt_up_4(work, at)
        at = work.activities[at].parent


def end_attempt_up_4(work: Work, index: int) -> None:
    """UP.4: end an attempt, with what the LMS concludes where the content said nothing, then roll up."""
    activity, track = work.activities[index], work.writable(index)
    if activity.is_leaf:
        if activity.tracked and not track.suspended:
            _conclude(work, index)
    else:
        track.suspended = any(work.tracks[c].suspended for c in work.children(index))
    track.active = False
    work.note("UP.4", index, "suspended" if track.suspended else "ended")
    overall_rollup_rb_1_5(work, index)
    draw_next_order(work, index)


def _conclude(work: Work, index: int) -> None:
    activity, track = work.activities[index], work.tracks[index]
    own = track.objectives.get(0)
    if not activity.completion_set_by_content and not track.completion_set and (own is None or own.completion is None):
        work.set_value(index, 0, "completion", True)
        work.note("UP.4", index, "completed by the LMS")
    if not activity.objective_set_by_content and not track.success_set and (own is None or own.satisfied is None):
        work.set_value(index, 0, "satisfied", True)
        work.note("UP.4", index, "satisfied by the LMS")


def check_activity_up_5(work: Work, index: int) -> bool:
    """UP.5: whether the activity must not be delivered (disabled, or at a limit)."""
    rules = work.activities[index].disabled_rules
    if rules and sequencing_rules_check_up_2(work, index, rules) is not None:
        return True
    return limit_conditions_check_up_1(work, index)
