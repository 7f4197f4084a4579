"""Prerequisites of a SCORM 1.2 course at work: which parts wait for others, and where a request then leads. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from courseyard.content.prerequisites import Expression, PrerequisitesError, holds, items_of, usable
from courseyard.runtime.courses import Course

Status = Mapping[str, Mapping[str, Any]]

_STEPS = {"start": 1, "continue": 1, "previous": -1}


@dataclass(frozen=True, slots=True)
class Way:
    """The request to run instead; ``refusal`` says why there is none."""

    name: str
    target: str | None = None
    refusal: str | None = None


def locked_items(course: Course, status: Status) -> frozenset[str]:
    """The items that wait for others. A block that waits keeps its parts waiting.

    Where every part would wait (they wait for one another), none does: nobody shall be locked out of a course.
    """
    locked: set[str] = set()
    stack = [(course.organization, False)]
    while stack:
        item, waits = stack.pop()
        expression = _expression(course, item)
        waits = waits or (expression is not None and not holds(expression, lambda name: lesson_status(status[name])))
        if waits:
            locked.add(item["identifier"])
        stack.extend((part, waits) for part in item.get("children", ()))
    opens = any(leaf["identifier"] not in locked for leaf in course.leaves)
    return frozenset(locked) if opens else frozenset()


def lesson_status(known: Mapping[str, Any]) -> str:
    """An activity's status in the words of SCORM 1.2."""
    if known["satisfied"] is not None:
        return "passed" if known["satisfied"] else "failed"
    if known["completion"]:
        return "completed"
    return "incomplete" if known["attempts"] else "not attempted"


def way_around(course: Course, locked: Collection[str], current: str | None, name: str, target: str | None) -> Way:
    """Where a request leads when locked parts are passed over: a choice of a locked one is refused."""
    if not locked:
        return Way(name, target)
    leaves = [leaf["identifier"] for leaf in course.leaves]
    if name == "choice" and target in course.items:
        inside = [leaf for leaf in leaves if leaf == target or leaf in _below(course.items[target])]
        found = next((leaf for leaf in inside if leaf not in locked), None)
        return Way(name, found) if found else Way(name, target, _told(course, target))
    if name not in _STEPS or (name != "start" and current not in leaves):
        return Way(name, target)
    rest = leaves if name == "start" else leaves[leaves.index(str(current)) + 1 :]
    if name == "previous":
        rest = leaves[: leaves.index(str(current))][::-1]
    found = next((leaf for leaf in rest if leaf not in locked), None)
    if found is None:
        return Way(name, target, _told(course, rest[0])) if rest else Way(name, target)
    return Way(name, target) if found == rest[0] else Way("choice", found)


def _expression(course: Course, item: Mapping[str, Any]) -> Expression | None:
    """What an item asks for; a script that means nothing asks for nothing (it was told when it was imported)."""
    try:
        return usable(item["prerequisites"], item["identifier"], course.items)
    except (KeyError, PrerequisitesError):
        return None


def _below(item: Mapping[str, Any]) -> set[str]:
    found, stack = set(), list(item.get("children", ()))
    while stack:
        part = stack.pop()
        found.add(part["identifier"])
        stack.extend(part.get("children", ()))
    return found


def _told(course: Course, target: str) -> str:
    """Why a part is locked, by the titles of what it waits for."""
    path, stack = [], [(course.organization, [course.organization])]
    while stack:
        item, above = stack.pop()
        if item["identifier"] == target:
            path = above
        stack.extend((part, [*above, part]) for part in item.get("children", ()))
    for item in path:
        if (expression := _expression(course, item)) is not None:
            titles = dict.fromkeys(course.items[name].get("title") or name for name in items_of(expression))
            title = course.items[target].get("title") or target
            return f"“{title}” opens later; it depends on: {', '.join(titles)}."
    return "This part opens later."
