"""The trace in sentences for people: why something was skipped, refused, or is not complete."""

from __future__ import annotations

from collections.abc import Iterable

from courseyard.sequencing.tree import Activity, Condition, Rule, Tree
from courseyard.sequencing.values import Globals, Outcome, State, Step
from courseyard.sequencing.work import Work

_EXCEPTIONS = {
    "NB.2.1-1": "a session is already running",
    "NB.2.1-2": "no session is running",
    "NB.2.1-3": "nothing was suspended",
    "NB.2.1-4": "the course does not let the learner go on from here",
    "NB.2.1-5": "the course does not let the learner go back from here",
    "NB.2.1-6": "there is nothing before the course itself",
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
    "SB.2.9-2": "the activity was not selected for this attempt",
    "SB.2.9-3": "the activity is hidden from choice",
    "SB.2.9-4": "this part may not be chosen",
    "SB.2.9-6": "its part of the course must not be entered by choice",
    "SB.2.9-7": "the current activity must not be left by choosing another one",
    "SB.2.9-8": "only neighbouring parts may be chosen from here",
    "SB.2.9-9": "there is nothing to show in it",
    "SB.2.10-2": "the activity has not ended, so it cannot be tried again",
    "DB.1.1-1": "it is a part of the course, not something that can be opened",
    "DB.1.1-3": "it is disabled or at its attempt limit",
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
    steps = list(told.trace if isinstance(told, Outcome) else told)
    found: list[str] = []
    for number, step in enumerate(steps):
        following = steps[number + 1] if number + 1 < len(steps) else None
        if following is not None and _is_overruled(step, following):
            continue
        sentence = _sentence(step, tree)
        if sentence is not None and sentence not in found:
            found.append(sentence)
    return found


def _is_overruled(step: Step, following: Step) -> bool:
    """Satisfied and completed win over the opposite, which is looked at first (RB.1.2 b, RB.1.3 b)."""
    overruling = {"notSatisfied": "satisfied", "incomplete": "completed"}.get(step.finding)
    return (
        step.process == following.process == "RB.1.4"
        and step.activity == following.activity
        and (following.finding == overruling)
    )


def _sentence(step: Step, tree: Tree) -> str | None:
    activity = None if step.activity is None else tree.activities[tree.by_id[step.activity]]
    name = "The course" if activity is None else activity.title
    if step.process == "UP.2" and activity is not None:
        return _by_rule(activity, step)
    if step.process == "UP.1":
        return f"{name} is at its limit of {step.detail} attempts."
    if step.process in ("NB.2.1", "OP.1") and step.detail is not None:
        return f"The request was refused: {_EXCEPTIONS.get(step.detail, 'it is not possible now')} ({step.detail})."
    if step.process == "OP.1":
        return "The session is over."
    if step.process == "UP.4":
        return f"{name}: {_UP_4.get(step.finding, step.finding)}."
    if step.process == "RB.1.4":
        by = "the default rollup rule" if step.rule is None else f"rollup rule {step.rule}"
        return f"{name} became {_ROLLED_UP.get(step.finding, step.finding)} by {by}."
    if step.process == "DB.2":
        return f"{name} was {step.finding}."
    return None


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
    return [
        _why(work, a, is_root=a.parent < 0)
        for a in tree.activities
        if a.children and work.completed(a.index) is not True
    ]


def _why(work: Work, activity: Activity, *, is_root: bool) -> str:
    name = "The course" if is_root else activity.title
    if activity.completed_by_measure:
        progress = work.progress(activity.index)
        have = "unknown" if progress is None else f"{progress:.0%}"
        return f"{name} is not complete: its progress is {have} of the {activity.min_progress:.0%} that it needs."
    counting = [work.activities[c] for c in work.children(activity.index)]
    counting = [c for c in counting if c.tracked and c.rollup_completion]
    done = sum(work.completed(c.index) is True for c in counting)
    missing = [c.title for c in counting if work.completed(c.index) is not True]
    first = f"{missing[0]} is incomplete, " if missing else ""
    return f"{name} is not complete: {first}{done} of {len(counting)} required activities are done."
