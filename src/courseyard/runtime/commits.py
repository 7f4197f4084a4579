"""Judging a commit before it is written: the data model's word on each element, and what follows from it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from courseyard.datamodel import Model, Problem, finish, summarise
from courseyard.limits import MAX_VALUE_CHARS
from courseyard.runtime.courses import Course
from courseyard.runtime.reporting import (
    Request,
    decides,
    primary_at_launch,
    report_of,
    request_of,
    status_words,
    stores_of,
    summary_of,
)
from courseyard.sequencing import report_status, state_from_json

_INDEX = re.compile(r"\.\d+(?=\.|$)")
_MAX_ELEMENT_CHARS = 250
_MAX_DETAIL_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class Judged:
    """A commit as it will be written. ``standing`` is None where nothing changed that the attempt depends on."""

    elements: list[tuple[str, str]]
    session_seconds: float | None
    stores: dict[str, str]
    findings: list[dict[str, str]]
    standing: Standing | None
    asks: Request | None


def judge(
    course: Course,
    stored: Mapping[str, str],
    elements: Sequence[tuple[str, str]],
    *,
    strict: bool,
    terminate: bool,
    rollup: Rollup | None,
    remarks: Sequence[tuple[str, str]] = (),
) -> Judged:
    """Apply a commit's elements in order to what is stored.

        What the data model refuses is left out and told as a finding: a browser's run-time that behaves has refused
    as well. ``rollup`` is given for the activity that is open. ``remarks``: what the browser's run-time noticed, as
        element and rule.
    """
    model = Model(course.standard, stored, strict=strict)
    short = [(e, v.replace("\0", "�")) for e, v in elements if len(v) <= MAX_VALUE_CHARS]
    problems = model.apply(short).problems
    state = dict(model.state)
    if terminate:
        settled = finish(course.standard, state, stored)
        state |= {name: value for name, value in settled.items() if name.endswith("_status")}
    # A store that the SCO emptied is gone from the state, but has to be written as empty.
    emptied = {e: "" for e, v in short if v == "" and e in stored and e not in state}
    changed = _changed(stored, state | emptied, short)
    too_long = [
        Problem(e, "refused", 0, "too-long", f"{e}: {len(v):,} characters are more than the server keeps")
        for e, v in elements
        if len(v) > MAX_VALUE_CHARS
    ]
    noticed = [Problem(element, "finding", 0, rule, f"{element}: {rule}") for element, rule in remarks]
    deciding = terminate or any(decides(element) for element, _ in changed)
    stores = stores_of(state) if any(e.startswith("adl.data.") for e, _ in changed) else {}
    return Judged(
        elements=changed,
        session_seconds=summarise(course.standard, state).session_seconds,
        stores=stores,
        findings=_findings([*problems, *too_long, *noticed]),
        standing=rollup.standing(course, state) if rollup and deciding else None,
        asks=request_of(course.standard, state) if terminate else None,
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand after a commit: the attempt's summary, and per activity that follows the SCO its status."""

    summary: dict[str, Any]
    marks: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Rollup:
    """Shows how the attempt would stand if the open SCO left now."""

    item: str
    sequencing: Mapping[str, Any]
    objectives: Mapping[str, Any]

    def standing(self, course: Course, state: Mapping[str, str]) -> Standing:
        """The attempt and the activities on the way to the SCO, with what the SCO has said so far."""
        engine = state_from_json(self.sequencing["state"])
        globals_ = {**self.objectives, **self.sequencing.get("objectives", {})}
        at_launch = primary_at_launch(course, self.item, engine, globals_)
        status = report_status(course.tree, engine, globals_, report_of(course.standard, state, at_launch=at_launch))
        path = (course.tree.activities[index].id for index in course.tree.path(course.tree.by_id[self.item]))
        return Standing(
            summary_of(course, status, (course.items[self.item], state)),
            {identifier: status_words(status[identifier]) for identifier in path},
        )


def _changed(
    before: Mapping[str, str], after: Mapping[str, str], order: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """What differs now, in the order in which it was last set; what the LMS settled comes last."""
    last = {element: place for place, (element, _) in enumerate(order)}
    names = [name for name, value in after.items() if before.get(name) != value]
    names.sort(key=lambda name: last.get(name, len(order)))
    return [(name, after[name]) for name in names]


def _findings(problems: Sequence[Problem]) -> list[dict[str, str]]:
    """One per rule and kind of element: the 250th interaction with the same flaw is the same finding."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for problem in problems:
        element = _INDEX.sub(".n", problem.element)[:_MAX_ELEMENT_CHARS]
        code = f"{problem.kind}:{problem.rule}"
        found.setdefault(
            (code, element),
            {"code": code, "element": element, "detail": problem.message[:_MAX_DETAIL_CHARS]},
        )
    return [{k: v.replace("\0", "�") for k, v in finding.items()} for finding in found.values()]
