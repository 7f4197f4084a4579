"""The trace in sentences for staff and authors: why something was skipped, failed, or is not complete.

What learners are told is in ``refusal``.
"""

from __future__ import annotations

from collections.abc import Iterable

from courseyard.sequencing.rollup_rb import check_child_for_rollup_rb_1_4_2, evaluate_rollup_conditions_rb_1_4_1
from courseyard.sequencing.tree import Activity, Condition, RollupRule, Rule, Tree
from courseyard.sequencing.values import Globals, Outcome, State, Step
from courseyard.sequencing.work import Work

_EXCEPTIONS = {
    "NB.2.1-1": "a session is already running",
    "NB.2.1-2": "no session is running",
    "NB.2.1-3": "nothing was suspended",
    "NB.2.1-4": "the course does not let the learner go on from here",
    "NB.2.1-5": "the course does not let the learner go back from here",
    "NB.2.1-6": "there is nothing before the course itself",
    "NB.2.1-7": "there is no such request",
    "NB.2.1-8": "the current activity must not be left by choosing another one",
    "NB.2.1-10": "this part may not be chosen",
    "NB.2.1-11": "there is no such activity",
    "NB.2.1-12": "the current activity has already ended",
    "NB.2.1-13": "there is no such request",
    "SB.2.1-2": "the part has no activities to show",
    "SB.2.1-3": "there is nothing before this activity",
    "SB.2.1-4": "this part of the course only goes forward",
    "SB.2.2-1": "this part of the course is not for going through",
    "SB.2.2-2": "the next activity is disabled or at its attempt limit",
    "SB.2.4-1": "an activity on the way stops the learner from going further",
    "SB.2.4-2": "this part of the course only goes forward",
    "SB.2.4-3": "there is nothing before the course itself",
    "SB.2.5-1": "a session is already running",
    "SB.2.6-1": "a session is already running",
    "SB.2.6-2": "nothing was suspended",
    "SB.2.7-1": "no session is running",
    "SB.2.7-2": "this part of the course is not for going through",
    "SB.2.8-1": "no session is running",
    "SB.2.8-2": "this part of the course is not for going through",
    "SB.2.9-1": "no activity was named",
    "SB.2.9-2": "the activity was not selected for this attempt",
    "SB.2.9-3": "the activity is hidden from choice",
    "SB.2.9-4": "this part may not be chosen",
    "SB.2.9-6": "its part of the course must not be entered by choice",
    "SB.2.9-7": "the current activity must not be left by choosing another one",
    "SB.2.9-8": "only neighbouring parts may be chosen from here",
    "SB.2.9-9": "there is nothing to show in it",
    "SB.2.10-1": "no session is running",
    "SB.2.10-2": "the activity has not ended, so it cannot be tried again",
    "SB.2.10-3": "there is nothing to show when it is tried again",
    "SB.2.11-1": "no session is running",
    "SB.2.11-2": "the current activity has not ended",
    "SB.2.12-1": "there is no such request",
    "SB.2.13-1": "no session is running",
    "DB.1.1-1": "it is a part of the course, not something that can be opened",
    "DB.1.1-3": "it, or a part that it is in, is disabled or at its attempt limit",
    "DB.2-1": "the current activity has not ended",
    "TB.2.3-1": "no session is running",
    "TB.2.3-2": "the current activity has already ended",
    "TB.2.3-3": "there is nothing to suspend",
    "TB.2.3-4": "there is nothing above the course",
    "TB.2.3-7": "there is no such request",
}
_ACTIONS = {
    "skip": "was skipped",
    "disabled": "is disabled",
    "hiddenFromChoice": "is hidden from choice",
    "stopForwardTraversal": "stops the learner from going further",
    "exit": "was left",
    "exitParent": "ended, and with it the part above",
    "exitAll": "ended the course",
    "retry": "is tried again",
    "retryAll": "lets the whole course be tried again",
    "continue": "goes on to the next activity",
    "previous": "goes back to the activity before",
}
_CONDITIONS = {
    "satisfied": ("is satisfied", "is not satisfied"),
    "objectiveStatusKnown": ("has a known status", "has no known status"),
    "objectiveMeasureKnown": ("has a known score", "has no known score"),
    "completed": ("is completed", "is not completed"),
    "activityProgressKnown": ("has known progress", "has no known progress"),
    "attempted": ("was attempted", "was not attempted"),
    "attemptLimitExceeded": ("is at its attempt limit", "is not at its attempt limit"),
}
_KINDS = {"pre": "precondition rule", "exit": "exit rule", "post": "postcondition rule"}


def explain(told: Outcome | Iterable[Step], tree: Tree) -> list[str]:
    """Sentences for what a person would want to know of a trace, in its order."""
    steps = told.trace if isinstance(told, Outcome) else told
    sentences = (_sentence(step, tree) for step in steps)
    return list(dict.fromkeys(sentence for sentence in sentences if sentence is not None))


def _sentence(step: Step, tree: Tree) -> str | None:
    activity = None if step.activity is None else tree.activities[tree.by_id[step.activity]]
    name = "The course" if activity is None else activity.title
    if step.process == "UP.2" and activity is not None:
        return _by_rule(activity, step)
    if step.process == "UP.1":
        return f"{name} is at its limit of {step.detail} attempts."
    if step.process in _FAILING and step.detail is not None:
        return f"{_FAILING[step.process]}: {_EXCEPTIONS.get(step.detail, 'it is not possible now')} ({step.detail})."
    if step.process == "OP.1":
        return "The session is over."
    if step.process in ("TB.2.1", "TB.2.3"):
        return _ending(name, step)
    if step.process in ("SR.1", "SR.2"):
        return f"{name}: its activities were {step.finding}."
    if step.process == "UP.4":
        return f"{name}: {_UP_4.get(step.finding, step.finding)}."
    if step.process == "RB.1.4":
        by = "the default rollup rule" if step.rule is None else f"rollup rule {step.rule}"
        return f"{name} became {_ROLLED_UP.get(step.finding, step.finding)} by {by}."
    if step.process == "DB.2":
        return f"{name} was {step.finding}."
    return None


# By NB.2.1 nothing has happened; later the current attempt has ended.
_FAILING = {"NB.2.1": "The request was refused", "OP.1": "The request led nowhere"}


def _ending(name: str, step: Step) -> str | None:
    if step.process == "TB.2.1":
        return f"{name} was {step.finding}."
    if step.finding == "goes on with":
        return f"After {name} a {step.detail} follows, by the rule that was met."
    if step.detail is not None:
        return f"The session ends: {_EXCEPTIONS[step.detail]} to leave ({step.detail})."
    return f"{name} was {step.finding}."


_UP_4 = {
    "ended": "the attempt ended",
    "suspended": "the attempt was suspended",
    "completed by the LMS": "completed, because the content did not say otherwise",
    "satisfied by the LMS": "satisfied, because the content did not say otherwise",
}
_ROLLED_UP = {
    "satisfied": "satisfied",
    "notSatisfied": "not satisfied",
    "completed": "completed",
    "incomplete": "incomplete",
}


def _by_rule(activity: Activity, step: Step) -> str:
    what = _ACTIONS.get(step.finding, step.finding)
    for kind, rules in (("pre", activity.pre_rules), ("exit", activity.exit_rules), ("post", activity.post_rules)):
        for rule in rules:
            if rule.number == step.rule and rule.action == step.finding:
                return f"{activity.title} {what} because {_conditions(activity, rule)} ({_KINDS[kind]} {rule.number})."
    return f"{activity.title} {what}."


def _conditions(activity: Activity, rule: Rule) -> str:
    words = [_condition(activity, c) for c in rule.conditions]
    return (" and " if rule.every else " or ").join(words)


def _condition(activity: Activity, condition: Condition) -> str:
    if condition.name == "always":
        return "the rule always applies"
    subject = "it"
    if condition.objective > 0 or condition.name.startswith(("satisfied", "objective")):
        named = activity.objectives[condition.objective].id if condition.objective >= 0 else None
        subject = "its objective" if named is None else f"its objective '{named}'"
    if condition.name in ("objectiveMeasureGreaterThan", "objectiveMeasureLessThan"):
        above = (condition.name == "objectiveMeasureGreaterThan") is not condition.negated
        return f"{subject} has a score {'above' if above else 'below'} {condition.measure:g}"
    yes, no = _CONDITIONS.get(condition.name, (f"meets {condition.name}", f"does not meet {condition.name}"))
    return f"{subject} {no if condition.negated else yes}"


def why_not_complete(tree: Tree, state: State, globals_: Globals) -> list[str]:
    """What keeps each cluster that is not complete from being so, the course first."""
    work = Work(tree, state, globals_)
    open_clusters = (a for a in tree.activities if a.children and a.tracked and work.completed(a.index) is not True)
    return [f"{'The course' if a.parent < 0 else a.title} is not complete: {_why(work, a)}." for a in open_clusters]


def _why(work: Work, activity: Activity) -> str:
    if activity.completed_by_measure:
        progress = work.progress(activity.index)
        have = "unknown" if progress is None else f"{progress:.0%}"
        return f"its progress is {have} of the {activity.min_progress:.0%} that it needs"
    own = [rule for rule in activity.rollup_rules if rule.action in ("completed", "incomplete")]
    rules = [rule for rule in own if rule.action == "completed"]
    if own and not rules:
        return "its rollup rules never complete it"
    if rules:
        return ", or ".join(_needed(work, activity, rule) for rule in rules)
    counting = _counting(work, activity)
    missing = [c.title for c in counting if work.completed(c.index) is not True]
    first = f"{missing[0]} is incomplete, " if missing else ""
    return f"{first}{len(counting) - len(missing)} of {len(counting)} required activities are done"


def _counting(work: Work, activity: Activity) -> list[Activity]:
    children = (work.activities[c] for c in work.children(activity.index))
    return [c for c in children if c.tracked and check_child_for_rollup_rb_1_4_2(work, c.index, "completed")]


def _needed(work: Work, activity: Activity, rule: RollupRule) -> str:
    counting = _counting(work, activity)
    found = [c for c in counting if evaluate_rollup_conditions_rb_1_4_1(work, c.index, rule) is True]
    wanted = {
        "any": "any activity",
        "none": "no activity",
        "atLeastCount": f"at least {rule.minimum_count} activities",
        "atLeastPercent": f"at least {rule.minimum_percent:.0%} of the activities",
    }.get(rule.children, "every activity")
    what = (" and " if rule.every else " or ").join(_rolled_up(condition) for condition in rule.conditions)
    return f"rollup rule {rule.number} ({wanted}: {what}) is met by {len(found)} of {len(counting)}"


def _rolled_up(condition: Condition) -> str:
    yes, no = _CONDITIONS.get(condition.name, (f"meets {condition.name}", f"does not meet {condition.name}"))
    return no if condition.negated else yes
