"""The organisations of a manifest: items with everything that run-time and sequencing need of them.

An item that cannot be opened is told and kept, as the course around it can still run.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from courseyard.content.prerequisites import PrerequisitesError, usable
from courseyard.content.resources import Names, Resource, with_parameters
from courseyard.content.sequencing_xml import SharedSequencing, read_sequencing
from courseyard.content.xml import (
    Element,
    Notes,
    attribute,
    boolean,
    child,
    children,
    collapse,
    local,
    number,
    raw_text,
    text,
    word,
)

Document = dict[str, Any]

_HIDDEN = ("continue", "previous", "exit", "exitAll", "abandon", "abandonAll", "suspendAll")
_TIME_LIMIT_ACTIONS = ("exit,message", "exit,no message", "continue,message", "continue,no message")
_SHARING = {
    "objectivesGlobalToSystem": "objectives_global_to_system",
    "sharedDataGlobalToSystem": "shared_data_global_to_system",
}


@dataclass(slots=True)
class Context:
    """What reading an item needs to know of the rest of the manifest."""

    notes: Notes
    standard: str
    resources: dict[str, Resource]
    collection: SharedSequencing
    names: Names | None
    used: dict[str, None] = field(default_factory=dict)

    def untyped(self) -> str:
        """What a resource without a type is.

        Where none has one, the type was forgotten, and taking a SCO for an asset would lose its results.
        """
        typed = any(r.scorm_type for r in self.resources.values())
        return "asset" if typed and self.standard == "2004" else "sco"


def read_organizations(manifest: Element, context: Context) -> tuple[list[Document], str | None]:
    """All organisations, and the identifier of the one to be played; nothing if there is none that could be."""
    group = child(manifest, "organizations")
    elements = list(children(group, "organization")) if group is not None else []
    found = [_organization(element, context) for element in elements]
    if len(found) > 1:
        context.notes.add("several-organizations", f"There are {len(found)}.", group)
    if any(organization.get("children") for organization in found):
        return found, _default(group, found, context.notes)
    made = _made_up(context, found[0]["title"] if found else None)
    if made is None:
        return found, found[0]["identifier"] if found else None
    return [made], made["identifier"]


def opens_something(item: Document) -> bool:
    """Whether an item or one below it leads to a page that is there."""
    return bool(item.get("_opens")) or any(opens_something(part) for part in item.get("children", ()))


def _organization(element: Element, context: Context) -> Document:
    taken = _Taken()
    organization = _item(element, context, taken, depth=0)
    _check_prerequisites(element, context, taken.names)
    for name, key in _SHARING.items():
        value = boolean(element, name, context.notes)
        if value is not None:
            organization[key] = value
    return organization


def _default(group: Element, organizations: list[Document], notes: Notes) -> str:
    wanted = attribute(group, "default")
    chosen = next((o for o in organizations if o["identifier"] == wanted), None)
    if chosen is None and wanted:
        notes.add("unknown-default", f"It is {wanted!r}.", group)
    chosen = chosen or organizations[0]
    if not opens_something(chosen):
        other = next((o for o in organizations if opens_something(o)), None)
        if other is not None:
            notes.add("empty-default", f"Instead of {chosen['identifier']!r} it is {other['identifier']!r}.", group)
            chosen = other
    return str(chosen["identifier"])


def _made_up(context: Context, title: str | None) -> Document | None:
    """A course without parts: its first resource that can be opened is the only one."""
    candidates = [r for r in context.resources.values() if r.href]
    best = next((r for r in candidates if r.scorm_type == "sco"), candidates[0] if candidates else None)
    if best is None:
        return None
    context.notes.add("no-organization", f"The resource is {best.identifier!r}.", best.element)
    item: Document = {"identifier": best.identifier, "title": title or best.identifier}
    _add_resource(item, best, None, context)
    identifier = "organization" if best.identifier != "organization" else "course"
    return {"identifier": identifier, "title": title or "", "children": [item]}


class _Taken:
    """The identifiers of one organisation. A number behind a name that is taken makes it one's own."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._next: dict[str, int] = {}

    def make(self, identifier: str) -> str:
        """Take this identifier, or the first free one that begins with it."""
        unique = identifier
        while unique in self.names:
            number_ = self._next.get(identifier, 2)
            self._next[identifier] = number_ + 1
            unique = f"{identifier}-{number_}"
        self.names.add(unique)
        return unique


def _item(element: Element, context: Context, taken: _Taken, depth: int) -> Document:
    notes = context.notes
    identifier = _identifier(element, taken, notes)
    item: Document = {"identifier": identifier, "title": text(child(element, "title")) or ""}
    if not item["title"] and depth:
        notes.add("no-title", f"It is {identifier!r}.", element)
        item["title"] = identifier
    if boolean(element, "isvisible", notes) is False:
        item["visible"] = False
    parts = [_item(part, context, taken, depth + 1) for part in children(element, "item")]
    _add_run_time(item, element, notes)
    first = _add_reference(item, element, bool(parts), context, taken)
    if first is not None:
        parts.insert(0, first)
    elif not parts and depth and not attribute(element, "identifierref"):
        notes.add("empty-item", f"It is {identifier!r}.", element)
    sequencing = read_sequencing(element, context.collection, notes)
    if sequencing:
        item["sequencing"] = sequencing
    if parts:
        item["children"] = parts
    return item


def _identifier(element: Element, taken: _Taken, notes: Notes) -> str:
    stated = attribute(element, "identifier")
    if not stated:
        notes.add("no-identifier", f"It is {'an item' if local(element) == 'item' else 'the organisation'}.", element)
    identifier = taken.make(stated or f"{local(element)}-{len(taken.names) + 1}")
    if stated and identifier != stated:
        notes.add("duplicate-identifier", f"{stated!r} became {identifier!r}.", element)
    return identifier


def _add_reference(
    item: Document, element: Element, has_parts: bool, context: Context, taken: _Taken
) -> Document | None:
    """Give the item what it opens; of a SCORM 1.2 item with parts that becomes a part of its own, which is returned."""
    reference = attribute(element, "identifierref")
    if not reference:
        return None
    resource = context.resources.get(reference)
    if resource is None:
        context.notes.add("unknown-resource", f"It is {reference!r}.", element)
        return None
    parameters = attribute(element, "parameters")
    if not has_parts:
        _add_resource(item, resource, parameters, context)
        return None
    context.notes.add("item-with-children-and-resource", f"It is {item['identifier']!r}.", element)
    if context.standard == "2004":
        return None
    part: Document = {"identifier": taken.make(item["identifier"]), "title": item["title"]}
    for key in _RUN_TIME:
        if key in item:
            part[key] = item.pop(key)
    _add_resource(part, resource, parameters, context)
    return part


def _add_resource(item: Document, resource: Resource, parameters: str | None, context: Context) -> None:
    item["resource"] = resource.identifier
    if resource.scorm_type is None and resource.identifier not in context.used:
        context.notes.add(
            "no-scorm-type", f"{resource.identifier!r} was taken as {context.untyped()}.", resource.element
        )
    context.used[resource.identifier] = None
    launch = resource.launch(context.names, context.notes)
    if launch is None:
        return
    item["scorm_type"] = resource.scorm_type or context.untyped()
    item["href"] = with_parameters(launch.href, parameters)
    if parameters:
        item["parameters"] = parameters
    if launch.opens:
        item["_opens"] = True


# -- what the run-time needs of an item ---------------------------------------------------------------------------

_RUN_TIME = {
    "prerequisites": ("prerequisites",),
    "max_time_allowed": ("maxtimeallowed",),
    "time_limit_action": ("timeLimitAction", "timelimitaction"),
    "launch_data": ("dataFromLMS", "datafromlms"),
    "mastery_score": ("masteryscore",),
}


def _add_run_time(item: Document, element: Element, notes: Notes) -> None:
    for key, spellings in _RUN_TIME.items():
        found = next((e for name in spellings for e in children(element, name)), None)
        value = raw_text(found) if key == "launch_data" else text(found)
        if value:
            item[key] = value
    _check_run_time(item, element, notes)
    _add_threshold(item, element, notes)
    hidden = [
        known
        for presentation in children(element, "presentation")
        for hide in presentation.iter()
        if local(hide) == "hideLMSUI" and (known := word(text(hide), _HIDDEN, "hideLMSUI", hide, notes))
    ]
    if hidden:
        item["hide_lms_ui"] = list(dict.fromkeys(hidden))
    shared = [_shared(m, notes) for data in children(element, "data") for m in children(data, "map")]
    if any(shared):
        item["shared_data"] = [one for one in shared if one]


def _check_run_time(item: Document, element: Element, notes: Notes) -> None:
    if "time_limit_action" in item:
        stated = ",".join(collapse(part) for part in item.pop("time_limit_action").split(","))
        action = word(stated, _TIME_LIMIT_ACTIONS, "timeLimitAction", element, notes)
        if action:
            item["time_limit_action"] = action
    mastery = item.get("mastery_score")
    if mastery and number(mastery, "masteryscore", element, notes, low=0, high=100) is None:
        del item["mastery_score"]


def _check_prerequisites(organization: Element, context: Context, known: Collection[str]) -> None:
    for element in organization.iter():
        if not isinstance(element.tag, str) or local(element) != "prerequisites" or not text(element):
            continue
        owner = element.getparent()
        name = (owner is not None and attribute(owner, "identifier")) or ""
        told = f"{name!r}: {text(element)}"
        try:
            usable(text(element) or "", name, known)
        except PrerequisitesError as error:
            context.notes.add("bad-prerequisites", f"{told[:200]} ({error}).", element)
        else:
            enforced = context.standard == "1.2"
            context.notes.add("prerequisites" if enforced else "ignored-prerequisites", f"{told[:200]}.", element)


def _shared(element: Element, notes: Notes) -> Document | None:
    target = attribute(element, "targetID")
    if not target:
        notes.add("bad-value", "A map of shared data has no targetID.", element)
        return None
    made: Document = {"target": target}
    for name, key in (("readSharedData", "read"), ("writeSharedData", "write")):
        value = boolean(element, name, notes)
        if value is not None:
            made[key] = value
    return made


def _add_threshold(item: Document, element: Element, notes: Notes) -> None:
    found = child(element, "completionThreshold")
    if found is None:
        return
    by_measure = boolean(found, "completedByMeasure", notes)
    minimum = number(attribute(found, "minProgressMeasure"), "minProgressMeasure", found, notes, low=0)
    weight = number(attribute(found, "progressWeight"), "progressWeight", found, notes, low=0)
    # Before the 4th Edition the threshold is the element's text, and stating it switches it on.
    stated = number((found.text or "").strip() or None, "completionThreshold", found, notes, low=0)
    if stated is not None and minimum is None:
        minimum = stated
        by_measure = True if by_measure is None else by_measure
    values = {"completed_by_measure": by_measure, "min_progress_measure": minimum, "progress_weight": weight}
    item["completion_threshold"] = {key: value for key, value in values.items() if value is not None}
