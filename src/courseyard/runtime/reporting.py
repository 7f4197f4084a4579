"""What moves from a SCO's data to its activity, and how the attempt as a whole stands after it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from courseyard.datamodel import resumable, summarise
from courseyard.runtime.courses import Course, Item
from courseyard.sequencing import Globals, Report, initial_objectives
from courseyard.sequencing import State as EngineState

State = Mapping[str, str]

_OBJECTIVE_ID = re.compile(r"cmi\.objectives\.(\d+)\.id")
_OBJECTIVE_FIELDS = {
    "success_status": "success",
    "completion_status": "completion",
    "progress_measure": "progress",
    "score.scaled": "scaled",
    "score.raw": "raw",
    "score.min": "min",
    "score.max": "max",
}
_NUMBERS = frozenset({"progress", "scaled", "raw", "min", "max"})
_REQUEST = re.compile(r"\{target=(?P<target>[^{}]+)\}(?P<request>choice|jump)")
_PLAIN_REQUESTS = frozenset({"continue", "previous", "exit", "exitAll", "abandon", "abandonAll", "suspendAll"})

# Elements that may change how activity and attempt stand; only these cost a rollup at a commit.
_DECIDING = re.compile(
    r"cmi\.(core\.(lesson_status|score\..*)|completion_status|success_status|progress_measure|score\..*"
    r"|objectives\.\d+\.(id|success_status|completion_status|progress_measure|score\..*))"
)


@dataclass(frozen=True, slots=True)
class Request:
    """A navigation request that a SCO left."""

    name: str
    target: str | None = None


def decides(element: str) -> bool:
    """Whether an element can change how the activity stands."""
    return _DECIDING.fullmatch(element) is not None


def report_of(
    standard: str, state: State, *, suspending: bool = False, at_launch: Mapping[str, str] | None = None
) -> Report:
    """The transfer from a SCO's data to its activity (RTE 4.2): what it did not set is None.

    ``suspending``: the session is suspended, which counts more than what the SCO said of its exit. ``at_launch``: the
    primary objective as the LMS filled it in (``primary_at_launch``). Where its entry in cmi.objectives still says
    that, and the SCO has set cmi.success_status, the entry is no word of the SCO's: who failed, learns again and
    passes, has passed.

    A SCORM 1.2 SCO keeps its data as long as the attempt on the course lasts, so it never ends its activity's
    attempt: it is reported as suspended, whatever it said.
    """
    known = summarise(standard, state)
    if standard == "1.2":
        return Report(
            completion=known.completion if known.completion in {"completed", "incomplete"} else None,
            success=known.success if known.success != "unknown" else None,
            scaled=known.scaled,
            raw=known.raw,
            min=known.min,
            max=known.max,
            exit="suspend",
        )
    objectives = dict(_objectives(state))
    if at_launch and "success" in at_launch and "cmi.success_status" in state:
        primary = objectives.get(at_launch["id"], {})
        if primary.get("success") == at_launch["success"]:
            del primary["success"]
    return Report(
        completion=state.get("cmi.completion_status"),
        success=state.get("cmi.success_status"),
        scaled=_number(state.get("cmi.score.scaled")),
        raw=_number(state.get("cmi.score.raw")),
        min=_number(state.get("cmi.score.min")),
        max=_number(state.get("cmi.score.max")),
        progress_measure=known.progress,
        objectives=objectives,
        exit="suspend" if suspending else known.exit,
    )


def primary_at_launch(course: Course, item: str, engine: EngineState, globals_: Globals) -> Mapping[str, str] | None:
    """The entry of cmi.objectives that stands for an activity's primary objective, as its SCO found it."""
    primary = (course.items[item].get("sequencing", {}).get("objectives") or {}).get("primary") or {}
    entries = initial_objectives(course.tree, engine, globals_, item) if primary.get("id") else []
    return next((entry for entry in entries if entry["id"] == primary["id"]), None)


def request_of(standard: str, state: State) -> Request | None:
    """What the SCO asked for when it ended: a time-out or log-out ends the session, else adl.nav.request."""
    if summarise(standard, state).exit in {"time-out", "logout"}:
        return Request("exitAll")
    asked = state.get("adl.nav.request", "_none_") if standard == "2004" else "_none_"
    if asked in _PLAIN_REQUESTS:
        return Request(asked)
    targeted = _REQUEST.fullmatch(asked)
    return Request(targeted["request"], " ".join(targeted["target"].split())) if targeted else None


def entry_after(standard: str, state: State, *, suspended: bool) -> str:
    """``cmi.entry`` of the next session in the same attempt on the activity (RTE 4.2.10; SCORM 1.2 RTE 3.4.4)."""
    if suspended or resumable(standard, state):
        return "resume"
    return "" if standard == "1.2" else "ab-initio"


def stores_of(state: State) -> dict[str, str]:
    """The shared data that a SCO may write, by target; an emptied store is empty."""
    found = {}
    for element, target in state.items():
        if element.startswith("adl.data.") and element.endswith(".id"):
            place = element.removesuffix("id")
            if "w" in state.get(f"{place}_access", "rw"):
                found[target] = state.get(f"{place}store", "")
    return found


def objectives_for(objectives: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Objectives as the engine tells them, as elements below cmi.objectives.n."""
    names = {field: element for element, field in _OBJECTIVE_FIELDS.items()}
    made = []
    for objective in objectives:
        entry = {"id": str(objective["id"])}
        for field, value in objective.items():
            if field != "id" and value is not None and field in names:
                entry[names[field]] = _text(value)
        made.append(entry)
    return made


def summary_of(
    course: Course, status: Mapping[str, Mapping[str, Any]], current: tuple[Item, State] | None
) -> dict[str, Any]:
    """How the attempt stands: completion, success, score, progress in percent.

    ``status`` is the engine's view of each activity; ``current`` the SCO that has just reported, for the raw score
    of a course of one part.
    """
    summary = _summary12(course, status) if course.standard == "1.2" else _summary2004(course, status)
    summary["progress"] = round(100 * _progress(course, status), 4)
    leaves = list(course.leaves)
    if current is not None and len(leaves) == 1:
        known = summarise(course.standard, current[1])
        given = {"scaled": known.scaled, "raw": known.raw, "min": known.min, "max": known.max}
        summary |= {name: value for name, value in given.items() if value is not None}
    return summary


def status_words(known: Mapping[str, Any]) -> dict[str, str]:
    """What the engine knows of an activity, in the words of the table of contents."""
    return {
        "completion": _word(known["completion"], "completed", "incomplete"),
        "success": _word(known["satisfied"], "passed", "failed"),
    }


def is_done(standing: Mapping[str, Any]) -> bool:
    """Whether an attempt has come to a result, so that the next launch may begin another one."""
    if standing["completion"] == "completed" or standing["success"] == "passed":
        return True
    return bool(standing["success"] == "failed" and standing["completion"] != "incomplete")


def _summary2004(course: Course, status: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    root = status[course.organization["identifier"]]
    return {**status_words(root), "scaled": root["measure"]}


def _summary12(course: Course, status: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """SCORM 1.2 has no rollup: complete when all parts are, passed when all that judge have passed."""
    leaves = [(item, status[item["identifier"]]) for item in course.leaves]
    completed = [known["completion"] for _, known in leaves]
    verdicts = [known["satisfied"] for item, known in leaves if item.get("scorm_type") != "asset"]
    verdicts = [v for v in verdicts if v is not None]
    scores = [known["measure"] for _, known in leaves if known["measure"] is not None]
    is_complete = bool(completed) and all(completed)
    success = "unknown"
    if False in verdicts:
        success = "failed"
    elif verdicts and is_complete:
        success = "passed"
    begun = any(c is not None for c in completed)
    return {
        "completion": "completed" if is_complete else "incomplete" if begun else "unknown",
        "success": success,
        "scaled": sum(scores) / len(scores) if scores else None,
    }


def _progress(course: Course, status: Mapping[str, Mapping[str, Any]]) -> float:
    """The share of what is done: completed parts count whole, others by the progress that they report."""
    weights = total = 0.0
    for item in course.leaves:
        weight = float((item.get("completion_threshold") or {}).get("progress_weight", 1.0))
        known = status[item["identifier"]]
        share = 1.0 if known["completion"] else float(known.get("progress_measure") or 0.0)
        weights += weight
        total += weight * min(1.0, max(0.0, share))
    return total / weights if weights else 0.0


def _objectives(state: State) -> Iterator[tuple[str, dict[str, Any]]]:
    for element, name in state.items():
        if not _OBJECTIVE_ID.fullmatch(element):
            continue
        place = element.removesuffix("id")
        told: dict[str, Any] = {}
        for suffix, field in _OBJECTIVE_FIELDS.items():
            value = state.get(f"{place}{suffix}")
            if value is not None:
                told[field] = _number(value) if field in _NUMBERS else value
        yield name, told


def _word(known: bool | None, yes: str, no: str) -> str:
    return "unknown" if known is None else yes if known else no


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _text(value: Any) -> str:
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{value:.7f}".rstrip("0").rstrip(".")
    return str(value)
