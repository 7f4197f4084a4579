"""Reads ``<imsss:sequencing>`` into the course document, as it stands: absent means the schema's default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from courseyard.content.xml import (
    Element,
    Notes,
    attribute,
    boolean,
    child,
    children,
    count,
    local,
    number,
    objective_id,
    word,
)
from courseyard.limits import MAX_SHARED_ELEMENTS

Document = dict[str, Any]

# The vocabularies of the IMS Simple Sequencing schema and ADL's extensions.
_CONDITIONS = (
    "satisfied",
    "objectiveStatusKnown",
    "objectiveMeasureKnown",
    "objectiveMeasureGreaterThan",
    "objectiveMeasureLessThan",
    "completed",
    "activityProgressKnown",
    "attempted",
    "attemptLimitExceeded",
    "timeLimitExceeded",
    "outsideAvailableTimeRange",
    "always",
)
_ROLLUP_CONDITIONS = (
    "satisfied",
    "objectiveStatusKnown",
    "objectiveMeasureKnown",
    "completed",
    "activityProgressKnown",
    "attempted",
    "attemptLimitExceeded",
    "timeLimitExceeded",
    "outsideAvailableTimeRange",
)
_RULES = {
    "preConditionRule": ("pre", ("skip", "disabled", "hiddenFromChoice", "stopForwardTraversal")),
    "exitConditionRule": ("exit", ("exit",)),
    "postConditionRule": ("post", ("exitParent", "exitAll", "retry", "retryAll", "continue", "previous")),
}
_ROLLUP_ACTIONS = ("satisfied", "notSatisfied", "completed", "incomplete")
_CHILD_SETS = ("all", "any", "none", "atLeastCount", "atLeastPercent")
_REQUIRED = ("always", "ifAttempted", "ifNotSkipped", "ifNotSuspended")
_TIMINGS = ("never", "once", "onEachNewAttempt")
_CONTROL_MODE = {
    "choice": "choice",
    "choiceExit": "choice_exit",
    "flow": "flow",
    "forwardOnly": "forward_only",
    "useCurrentAttemptObjectiveInfo": "use_current_attempt_objective_info",
    "useCurrentAttemptProgressInfo": "use_current_attempt_progress_info",
}
_CONSTRAINED = {"preventActivation": "prevent_activation", "constrainChoice": "constrain_choice"}
_DELIVERY = {
    "tracked": "tracked",
    "completionSetByContent": "completion_set_by_content",
    "objectiveSetByContent": "objective_set_by_content",
}
_CONSIDERATIONS = {
    "requiredForSatisfied": "required_for_satisfied",
    "requiredForNotSatisfied": "required_for_not_satisfied",
    "requiredForCompleted": "required_for_completed",
    "requiredForIncomplete": "required_for_incomplete",
}
_DURATIONS = {
    "attemptAbsoluteDurationLimit": "attempt_absolute_duration",
    "attemptExperiencedDurationLimit": "attempt_experienced_duration",
    "activityAbsoluteDurationLimit": "activity_absolute_duration",
    "activityExperiencedDurationLimit": "activity_experienced_duration",
    "beginTimeLimit": "begin_time",
    "endTimeLimit": "end_time",
}
_MAPS = {
    "readSatisfiedStatus": "read_satisfied",
    "readNormalizedMeasure": "read_measure",
    "writeSatisfiedStatus": "write_satisfied",
    "writeNormalizedMeasure": "write_measure",
}
_ADL_MAPS = {
    "readRawScore": "read_raw",
    "readMinScore": "read_min",
    "readMaxScore": "read_max",
    "readCompletionStatus": "read_completion",
    "readProgressMeasure": "read_progress",
    "writeRawScore": "write_raw",
    "writeMinScore": "write_min",
    "writeMaxScore": "write_max",
    "writeCompletionStatus": "write_completion",
    "writeProgressMeasure": "write_progress",
}


@dataclass(slots=True)
class SharedSequencing:
    """The ``<sequencing>`` entries of the collection by ID, and how many of their elements may still be copied.

    Items name an entry in a few letters, so a small manifest could ask for a document without end.
    """

    entries: dict[str, Element]
    left: int = MAX_SHARED_ELEMENTS


def read_collection(manifest: Element) -> SharedSequencing:
    """The shared ``<sequencing>`` entries."""
    found: dict[str, Element] = {}
    for collection in children(manifest, "sequencingCollection"):
        for entry in children(collection, "sequencing"):
            identifier = attribute(entry, "ID")
            if identifier:
                found.setdefault(identifier, entry)
    return SharedSequencing(found)


def read_sequencing(item: Element, collection: SharedSequencing, notes: Notes) -> Document | None:
    """The sequencing of an item: each element of its own, else of the collection entry that it names."""
    own = child(item, "sequencing")
    if own is None:
        return None
    parts = _shared_parts(own, collection, notes) | _parts(own)
    return {key: value for key, value in _read(parts, notes).items() if value}


def _shared_parts(own: Element, collection: SharedSequencing, notes: Notes) -> dict[str, Element]:
    reference = attribute(own, "IDRef")
    if reference is None:
        return {}
    entry = collection.entries.get(reference)
    if entry is None:
        notes.add("unknown-sequencing", f"It is {reference!r}.", own)
        return {}
    if collection.left >= 0:
        collection.left -= sum(1 for _ in entry.iter())
        if collection.left < 0:
            notes.add("too-large", "Its items ask for the sequencing collection too often.", own)
    return _parts(entry) if collection.left >= 0 else {}


def _parts(sequencing: Element) -> dict[str, Element]:
    """The elements of a sequencing by what they are; the ADL objectives stand beside the IMS ones."""
    found: dict[str, Element] = {}
    for part in sequencing:
        name = local(part)
        if name == "objectives" and "adlseq" in (part.tag or ""):
            name = "adl_objectives"
        if name:
            found.setdefault(name, part)
    return found


def _read(parts: dict[str, Element], notes: Notes) -> Document:
    readers: dict[str, Callable[[Element, Notes], Document]] = {
        "controlMode": lambda e, n: _flags(e, _CONTROL_MODE, n),
        "constrainedChoiceConsiderations": lambda e, n: _flags(e, _CONSTRAINED, n),
        "sequencingRules": _rules,
        "limitConditions": _limits,
        "rollupRules": _rollup,
        "rollupConsiderations": _considerations,
        "randomizationControls": _randomization,
        "deliveryControls": lambda e, n: _flags(e, _DELIVERY, n),
    }
    keys = {
        "controlMode": "control_mode",
        "constrainedChoiceConsiderations": "constrained_choice",
        "sequencingRules": "rules",
        "limitConditions": "limits",
        "rollupRules": "rollup",
        "rollupConsiderations": "rollup_considerations",
        "randomizationControls": "randomization",
        "deliveryControls": "delivery",
    }
    found = {keys[name]: readers[name](part, notes) for name, part in parts.items() if name in keys}
    if "objectives" in parts or "adl_objectives" in parts:
        found["objectives"] = _objectives(parts.get("objectives"), parts.get("adl_objectives"), notes)
    if "auxiliaryResources" in parts:
        notes.add("auxiliary-resources", at=parts["auxiliaryResources"])
    return found


def _flags(element: Element, names: dict[str, str], notes: Notes) -> Document:
    values = {key: boolean(element, name, notes) for name, key in names.items()}
    return {key: value for key, value in values.items() if value is not None}


def _rules(element: Element, notes: Notes) -> Document:
    found: Document = {}
    for rule in element:
        if local(rule) in _RULES:
            kind, actions = _RULES[local(rule)]
            made = _rule(rule, "rule", _CONDITIONS, actions, _condition, notes)
            if made is not None:
                found.setdefault(kind, []).append(made)
    return found


def _rule(
    rule: Element,
    prefix: str,
    words: tuple[str, ...],
    actions: tuple[str, ...],
    read_condition: Callable[[Element, str, Notes], Document],
    notes: Notes,
) -> Document | None:
    """Conditions and action of a sequencing or rollup rule; None with a finding if it says nothing that holds.

    A rule is read whole or not at all: without one of its conditions it would mean something else.
    """
    holder, action = child(rule, f"{prefix}Conditions"), child(rule, f"{prefix}Action")
    conditions: list[Document] = []
    for element in children(holder, f"{prefix}Condition") if holder is not None else ():
        name = word(attribute(element, "condition"), words, "condition", element, notes)
        if name is None:
            notes.add("incomplete-rule", at=rule)
            return None
        conditions.append(read_condition(element, name, notes))
    done = word(attribute(action, "action"), actions, "action", action, notes) if action is not None else None
    if not conditions or done is None:
        notes.add("incomplete-rule", at=rule)
        return None
    made: Document = {"conditions": conditions, "action": done}
    combination = word(attribute(holder, "conditionCombination"), ("all", "any"), "conditionCombination", holder, notes)
    return made | ({"combination": combination} if combination else {})


def _condition(element: Element, name: str, notes: Notes) -> Document:
    made = _rollup_condition(element, name, notes)
    objective = objective_id(attribute(element, "referencedObjective"))
    if objective:
        made["objective"] = objective
    measure = number(attribute(element, "measureThreshold"), "measureThreshold", element, notes)
    if measure is not None:
        made["measure"] = measure
    return made


def _rollup_condition(element: Element, name: str, notes: Notes) -> Document:
    operator = word(attribute(element, "operator"), ("noOp", "not"), "operator", element, notes)
    return {"condition": name} | ({"not": True} if operator == "not" else {})


def _limits(element: Element, notes: Notes) -> Document:
    made: Document = {}
    attempts = count(attribute(element, "attemptLimit"), "attemptLimit", element, notes)
    if attempts is not None:
        made["attempt_limit"] = attempts
    for name, key in _DURATIONS.items():
        value = attribute(element, name)
        if value:
            made[key] = value
    return made


def _rollup(element: Element, notes: Notes) -> Document:
    made: Document = _flags(
        element,
        {"rollupObjectiveSatisfied": "objective_satisfied", "rollupProgressCompletion": "progress_completion"},
        notes,
    )
    weight = number(attribute(element, "objectiveMeasureWeight"), "objectiveMeasureWeight", element, notes, low=0)
    if weight is not None:
        made["objective_measure_weight"] = weight
    rules = [read for rule in children(element, "rollupRule") if (read := _rollup_rule(rule, notes)) is not None]
    if rules:
        made["rules"] = rules
    return made


def _rollup_rule(rule: Element, notes: Notes) -> Document | None:
    made = _rule(rule, "rollup", _ROLLUP_CONDITIONS, _ROLLUP_ACTIONS, _rollup_condition, notes)
    if made is None:
        return None
    values = {
        "child_activity_set": word(attribute(rule, "childActivitySet"), _CHILD_SETS, "childActivitySet", rule, notes),
        "minimum_count": count(attribute(rule, "minimumCount"), "minimumCount", rule, notes),
        "minimum_percent": number(attribute(rule, "minimumPercent"), "minimumPercent", rule, notes, low=0),
    }
    return made | {key: value for key, value in values.items() if value is not None}


def _considerations(element: Element, notes: Notes) -> Document:
    values = {
        key: word(attribute(element, name), _REQUIRED, name, element, notes) for name, key in _CONSIDERATIONS.items()
    }
    made: Document = {key: value for key, value in values.items() if value}
    return made | _flags(element, {"measureSatisfactionIfActive": "measure_satisfaction_if_active"}, notes)


def _randomization(element: Element, notes: Notes) -> Document:
    values: Document = {
        "randomization_timing": word(
            attribute(element, "randomizationTiming"), _TIMINGS, "randomizationTiming", element, notes
        ),
        "selection_timing": word(attribute(element, "selectionTiming"), _TIMINGS, "selectionTiming", element, notes),
        "select_count": count(attribute(element, "selectCount"), "selectCount", element, notes),
        "reorder_children": boolean(element, "reorderChildren", notes),
    }
    return {key: value for key, value in values.items() if value is not None}


def _objectives(ims: Element | None, adl: Element | None, notes: Notes) -> Document:
    made: Document = {}
    others: list[Document] = []
    for element in ims if ims is not None else ():
        if local(element) == "primaryObjective":
            made["primary"] = _objective(element, notes)
        elif local(element) == "objective":
            others.append(_objective(element, notes))
    if adl is not None:
        _add_adl_maps(adl, made, others, notes)
    if others:
        made["others"] = others
    return made


def _objective(element: Element, notes: Notes) -> Document:
    made: Document = _flags(element, {"satisfiedByMeasure": "satisfied_by_measure"}, notes)
    identifier = objective_id(attribute(element, "objectiveID"))
    if identifier:
        made["id"] = identifier
    minimum = child(element, "minNormalizedMeasure")
    if minimum is not None:
        value = number((minimum.text or "").strip() or None, "minNormalizedMeasure", minimum, notes)
        if value is not None:
            made["min_normalized_measure"] = value
    maps = [_map(m, _MAPS, notes) for m in children(element, "mapInfo") if _has_target(m, notes)]
    if maps:
        made["maps"] = maps
    return made


def _has_target(element: Element, notes: Notes) -> bool:
    if attribute(element, "targetObjectiveID"):
        return True
    notes.add("bad-value", "A map has no targetObjectiveID.", element)
    return False


def _map(element: Element, names: dict[str, str], notes: Notes) -> Document:
    return {"target": objective_id(attribute(element, "targetObjectiveID")), **_flags(element, names, notes)}


def _add_adl_maps(adl: Element, made: Document, others: list[Document], notes: Notes) -> None:
    """Fourth Edition maps belong to the objective of the same identifier, in the map of the same target."""
    owners: dict[str | None, Document] = {}
    for objective in ([made["primary"]] if "primary" in made else []) + others:
        owners.setdefault(objective.get("id"), objective)
    for element in children(adl, "objective"):
        identifier = objective_id(attribute(element, "objectiveID"))
        owner = owners.get(identifier)
        if owner is None:
            notes.add("unknown-objective", f"It is {identifier!r}.", element)
            continue
        maps = owner.get("maps", [])
        known = {m["target"]: m for m in reversed(maps)}
        for info in children(element, "mapInfo"):
            if not _has_target(info, notes):
                continue
            read = _map(info, _ADL_MAPS, notes)
            if read["target"] not in known:
                # No IMS map for this target: the ADL one neither reads nor writes status and measure.
                known[read["target"]] = {"target": read["target"], "read_satisfied": False, "read_measure": False}
                maps.append(known[read["target"]])
            known[read["target"]].update(read, adlseq=True)
        if maps:
            owner["maps"] = maps
