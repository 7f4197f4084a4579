"""The trace in sentences for people: why something was skipped, refused, or is not complete."""

from __future__ import annotations

from collections.abc import Iterable

from courseyard.sequencing.tree import Tree
from courseyard.sequencing.values import Globals, Outcome, State, Step
from courseyard.sequencing.work import Work


def explain(told: Outcome | Iterable[Step], tree: Tree) -> list[str]:
    """One sentence per line of a trace that a person would want to know."""
    steps = told.trace if isinstance(told, Outcome) else told
    return [f"{step.process} {step.activity or 'course'}: {step.finding}" for step in steps]


def why_not_complete(tree: Tree, state: State, globals_: Globals) -> list[str]:
    """What keeps each cluster that is not complete from being so."""
    work = Work(tree, state, globals_)
    return [a.title for a in tree.activities if a.children and work.completed(a.index) is not True]
