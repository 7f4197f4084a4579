"""The data a SCO finds when it is launched (RTE 4.2 of SCORM 2004, 3.4.4 of SCORM 1.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Elements that belong to one session and are never handed to the next.
_SESSION_ONLY = frozenset({"cmi.exit", "cmi.session_time", "cmi.core.exit", "cmi.core.session_time", "adl.nav.request"})


def resumable(standard: str, state: Mapping[str, str]) -> bool:
    """Whether the SCO left with exit "suspend": its next launch in this attempt is a resumption."""
    return state.get("cmi.core.exit" if standard == "1.2" else "cmi.exit", "") == "suspend"


def initial_data(
    standard: str,
    *,
    learner_id: str,
    learner_name: str,
    item: Mapping[str, Any],
    mode: str = "normal",
    credit: str | None = None,
    entry: str = "ab-initio",
    stored: Mapping[str, str] | None = None,
    objectives: Sequence[Mapping[str, str]] = (),
    shared: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Flat initial data of a SCO.

    `item` is the item of the course document. `stored` is the state to go on with (session elements are left
    out; read-only ones are set anew). `objectives` are prefilled in order, each {"id": …, and element names below
    cmi.objectives.n such as "success_status", "score.scaled"}; one that `stored` has under the same id is updated
    in place. `shared` maps a target of the item's shared data to its value. `entry` is "ab-initio", "resume" or "".
    """
    credit = credit or ("credit" if mode == "normal" else "no-credit")
    kept = {name: value for name, value in (stored or {}).items() if name not in _SESSION_ONLY}
    if standard == "1.2":
        return kept | _learner12(learner_id, learner_name, mode, credit, entry) | _item12(item)
    kept = {name: value for name, value in kept.items() if not name.startswith("adl.data.")}
    fixed = {
        "cmi.learner_id": learner_id,
        "cmi.learner_name": learner_name,
        "cmi.mode": mode,
        "cmi.credit": credit,
        "cmi.entry": entry,
    }
    return _with_objectives(kept, objectives) | fixed | _item2004(item) | _shared(item, shared or {})


def _learner12(learner_id: str, learner_name: str, mode: str, credit: str, entry: str) -> dict[str, str]:
    return {
        "cmi.core.student_id": learner_id,
        "cmi.core.student_name": learner_name,
        "cmi.core.lesson_mode": mode,
        "cmi.core.credit": credit,
        "cmi.core.entry": entry,
    }


def _item12(item: Mapping[str, Any]) -> dict[str, str]:
    return _given(
        {
            "cmi.launch_data": item.get("launch_data"),
            "cmi.student_data.mastery_score": item.get("mastery_score"),
            "cmi.student_data.max_time_allowed": item.get("max_time_allowed"),
            "cmi.student_data.time_limit_action": item.get("time_limit_action"),
        }
    )


def _item2004(item: Mapping[str, Any]) -> dict[str, str]:
    sequencing = item.get("sequencing") or {}
    limits = sequencing.get("limits") or {}
    return _given(
        {
            "cmi.launch_data": item.get("launch_data"),
            "cmi.max_time_allowed": limits.get("attempt_absolute_duration"),
            "cmi.time_limit_action": item.get("time_limit_action"),
            "cmi.completion_threshold": _completion_threshold(item.get("completion_threshold") or {}),
            "cmi.scaled_passing_score": _passing_score((sequencing.get("objectives") or {}).get("primary") or {}),
        }
    )


def _completion_threshold(threshold: Mapping[str, Any]) -> str | None:
    return _decimal(threshold.get("min_progress_measure", 1.0)) if threshold.get("completed_by_measure") else None


def _passing_score(primary: Mapping[str, Any]) -> str | None:
    return _decimal(primary.get("min_normalized_measure", 1.0)) if primary.get("satisfied_by_measure") else None


def _decimal(number: Any) -> str:
    return f"{float(number):.7f}".rstrip("0").rstrip(".")


def _given(elements: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in elements.items() if value not in (None, "")}


def _with_objectives(kept: Mapping[str, str], objectives: Sequence[Mapping[str, str]]) -> dict[str, str]:
    data = dict(kept)
    places = {
        value: name for name, value in data.items() if name.startswith("cmi.objectives.") and name.endswith(".id")
    }
    for objective in objectives:
        place = places.setdefault(objective["id"], f"cmi.objectives.{len(places)}.id").removesuffix("id")
        data[f"{place}id"] = objective["id"]
        data |= {f"{place}{name}": value for name, value in objective.items() if name != "id"}
    return data


def _shared(item: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, str]:
    """adl.data in the order of the item's maps; `_access` tells the run-time what may be done (default: both)."""
    data: dict[str, str] = {}
    for index, entry in enumerate(item.get("shared_data") or ()):
        target = entry["target"]
        data[f"adl.data.{index}.id"] = target
        access = ("r" if entry.get("read", True) else "") + ("w" if entry.get("write", True) else "")
        if access != "rw":
            data[f"adl.data.{index}._access"] = access
        if values.get(target):
            data[f"adl.data.{index}.store"] = values[target]
    return data
