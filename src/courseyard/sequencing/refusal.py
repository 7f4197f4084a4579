"""Why a request could not be had, in a learner's words, and what to do instead. Codes and processes are for staff."""

from __future__ import annotations

from courseyard.sequencing.tree import Activity, Condition, Rule, Tree
from courseyard.sequencing.values import Outcome, Step

_ELSEWHERE = "Choose another part in the table of contents."
_ONWARD = "Go on instead, or choose another part in the table of contents."
_BACK = ("You cannot go back from here.", _ONWARD)
_BEGINNING = ("This is where the course begins, there is nothing before it.", _ONWARD)
_KEPT = ("You cannot leave {here} by choosing another part.", "Finish it first, or use the buttons to move on.")
_IN_ORDER = ("{target} opens when you come to it in the course's own order.", "Go on from where you are.")
_SHUT = ("{shut} is not open to you now{because}.", _ELSEWHERE)
_UNKNOWN = ("That is not something this course can do.", "Use the buttons or the table of contents.")
_OTHERWISE = ("That is not possible now.", "Choose a part in the table of contents, or leave the course.")
# What happened, and what to do.
_WORDS = {
    "NB.2.1-1": ("The course is open already.", "Go on with it, or close it first."),
    "NB.2.1-2": ("The course is not open.", "Start it first."),
    "NB.2.1-3": ("There is no place that you left to come back to.", "Start the course instead."),
    "NB.2.1-4": ("There is no way straight on from here.", _ELSEWHERE),
    "NB.2.1-5": _BACK,
    "NB.2.1-6": _BEGINNING,
    "NB.2.1-7": _UNKNOWN,
    "NB.2.1-8": _KEPT,
    "NB.2.1-10": _IN_ORDER,
    "NB.2.1-11": ("The course has no such part.", _ELSEWHERE),
    "NB.2.1-12": ("{here} is closed already.", _ONWARD),
    "NB.2.1-13": _UNKNOWN,
    "SB.2.1-2": ("The section that comes next has nothing to open.", _ELSEWHERE),
    "SB.2.1-3": _BEGINNING,
    "SB.2.1-4": _BACK,
    "SB.2.2-1": ("What comes next has to be chosen.", "Choose a part in the table of contents."),
    "SB.2.2-2": _SHUT,
    "SB.2.4-1": ("You cannot pass {shut} yet{because}.", "Do that part first."),
    "SB.2.4-2": ("You cannot go back to {target}: this section only goes forward.", _ONWARD),
    "SB.2.7-2": ("There is no way straight on from here.", _ELSEWHERE),
    "SB.2.8-2": _BACK,
    "SB.2.9-2": ("{target} does not belong to your course this time.", _ELSEWHERE),
    "SB.2.9-3": _SHUT,
    "SB.2.9-4": _IN_ORDER,
    "SB.2.9-6": _IN_ORDER,
    "SB.2.9-7": _KEPT,
    "SB.2.9-8": ("{target} is too far from here.", "Choose a part next to this section, or finish this section first."),
    "SB.2.9-9": ("{target} has nothing to open now.", _ELSEWHERE),
    "SB.2.10-3": ("There is nothing left to try again here.", _ELSEWHERE),
    "DB.1.1-1": ("{target} is a heading.", "Choose one of its parts."),
    "DB.1.1-3": _SHUT,
}
_CONDITIONS = {
    "satisfied": ("has been passed", "has not been passed"),
    "objectiveStatusKnown": ("has a result", "has no result yet"),
    "objectiveMeasureKnown": ("has a score", "has no score yet"),
    "completed": ("is finished", "is not finished"),
    "activityProgressKnown": ("has begun", "has not begun"),
    "attempted": ("was opened before", "was not opened before"),
    "attemptLimitExceeded": ("was opened as often as it may be", "may still be opened"),
}


def refusal(outcome: Outcome, tree: Tree, target: str | None = None) -> str | None:
    """What to tell a learner whose request failed; None if it did not. ``target`` is what was chosen, if anything.

    Where a rule or a limit decided, the outcome's trace is needed to say so.
    """
    if outcome.ok or outcome.exception is None:
        return None
    happened, advice = _WORDS.get(outcome.exception, _OTHERWISE)
    chosen, here = _title(tree, target, "That part"), _title(tree, outcome.current, "This part")
    shut, because = chosen if target else "The part that comes next", ""
    decided = _last_decision(outcome, tree)
    if decided is not None:
        activity, step = decided
        shut, because = _title(tree, activity.id, ""), _because(activity, step)
    return f"{happened.format(target=chosen, here=here, shut=shut, because=because)} {advice}"


def _title(tree: Tree, name: str | None, otherwise: str) -> str:
    index = None if name is None else tree.by_id.get(name)
    return otherwise if index is None else f"“{tree.activities[index].title}”"


def _last_decision(outcome: Outcome, tree: Tree) -> tuple[Activity, Step] | None:
    """The rule or limit that was looked at last: nothing came after it."""
    for step in reversed(outcome.trace):
        if step.process in ("UP.1", "UP.2") and step.activity is not None:
            return tree.activities[tree.by_id[step.activity]], step
    return None


def _because(activity: Activity, step: Step) -> str:
    if step.process == "UP.1":
        times = "once" if step.detail == "1" else f"{step.detail} times"
        return f": it may be opened {times}"
    rule = next((r for r in activity.pre_rules if r.number == step.rule and r.action == step.finding), None)
    return "" if rule is None else _conditions(activity, rule)


def _conditions(activity: Activity, rule: Rule) -> str:
    words = [_condition(activity, condition) for condition in rule.conditions]
    if None in words:
        return ""  # "always", or what no learner can do anything about
    return ", because " + (" and " if rule.every else " or ").join(filter(None, words))


def _condition(activity: Activity, condition: Condition) -> str | None:
    named = activity.objectives[condition.objective].id if condition.objective > 0 else None
    subject = "it" if named is None else f"'{named}'"
    if condition.name in ("objectiveMeasureGreaterThan", "objectiveMeasureLessThan"):
        above = (condition.name == "objectiveMeasureGreaterThan") is not condition.negated
        return f"{subject} has a score {'above' if above else 'below'} {condition.measure:.0%}"
    words = _CONDITIONS.get(condition.name)
    return None if words is None else f"{subject} {words[condition.negated]}"
