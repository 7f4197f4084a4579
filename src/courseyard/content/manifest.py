"""Reads ``imsmanifest.xml`` of SCORM 1.2 and SCORM 2004 (2nd to 4th Edition) into the course document.

Bytes in, value out. Untidy manifests are read as well as they can be, and what was odd is a finding; only a course
that cannot run is an error. ``docs/course-document.md`` describes the result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from courseyard.content.findings import Finding, has_errors
from courseyard.content.metadata import read_metadata
from courseyard.content.sequencing_xml import read_collection, read_sequencing
from courseyard.content.xml import (
    XML_BASE,
    Element,
    Notes,
    attribute,
    boolean,
    child,
    children,
    collapse,
    local,
    number,
    parse,
    raw_text,
    text,
)

Document = dict[str, Any]

_KNOWN_NAMESPACES = (
    "http://www.imsproject.org/xsd/imscp_rootv1p1p2",
    "http://www.imsglobal.org/xsd/imscp_v1p1",
)


@dataclass(slots=True)
class Reading:
    """What a manifest says (None if it cannot be used at all) and what was found."""

    document: Document | None
    findings: list[Finding] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether the course can run."""
        return self.document is not None and not has_errors(self.findings)


@dataclass(slots=True)
class _Resource:
    identifier: str
    href: str | None
    base: str
    scorm_type: str | None
    files: list[tuple[str, Element]]
    dependencies: list[str]
    element: Element


@dataclass(slots=True)
class _Context:
    notes: Notes
    standard: str
    resources: dict[str, _Resource]
    collection: dict[str, Element]
    identifiers: set[str] = field(default_factory=set)
    launchable: int = 0


def read_manifest(data: bytes, *, files: Collection[str] | None = None) -> Reading:
    """Read a manifest. ``files``: the names in the package; without them nothing is said of missing files."""
    notes = Notes()
    root = parse(data, notes)
    if root is None:
        return Reading(None, notes.findings)
    if local(root) != "manifest":
        notes.add("not-a-manifest", f"It is <{local(root)}>.", root)
        return Reading(None, notes.findings)
    _note_namespace(root, notes)
    standard, edition = _version(root, notes)
    resources = _resources(root, notes)
    context = _Context(notes, standard, resources, read_collection(root, notes))
    organizations = _organizations(root, context)
    if not organizations:
        organizations = _made_up(context, _title(root))
    document: Document = {
        "standard": standard,
        "edition": edition,
        "identifier": attribute(root, "identifier") or "",
        "title": organizations[0]["title"] if organizations else "",
        "organizations": organizations,
    }
    if organizations:
        default = _default(root, organizations, notes)
        document["default_organization"] = default["identifier"]
        document["title"] = default["title"]
    version = attribute(root, "version")
    if version:
        document["version"] = version
    metadata = read_metadata(root)
    if metadata:
        document["metadata"] = metadata
    if not context.launchable:
        notes.add("nothing-to-launch", at=root)
    if files is not None:
        _check_files(context, files)
    return Reading(document, notes.findings)


def _note_namespace(root: Element, notes: Notes) -> None:
    namespace = root.tag[1:].split("}")[0] if root.tag.startswith("{") else ""
    if namespace not in _KNOWN_NAMESPACES:
        notes.add("unusual-namespace", f"It is {namespace!r}." if namespace else "It has none.", root)
    if child(root, "manifest") is not None:
        notes.add("submanifest", at=child(root, "manifest"))


# -- which SCORM --------------------------------------------------------------------------------------------------


def _version(root: Element, notes: Notes) -> tuple[str, str]:
    metadata = child(root, "metadata")
    stated = text(child(metadata, "schemaversion")) if metadata is not None else None
    spelled = (stated or "").lower().replace("cam ", "")
    if spelled in {"1.2", "scorm 1.2", "1.1"}:
        return "1.2", "1.2"
    for mark, edition in (("4th", "4th"), ("3rd", "3rd"), ("2nd", "2nd"), ("1.3", "2nd")):
        if mark in spelled:
            return "2004", edition
    if spelled.startswith("2004"):
        return "2004", "4th" if _uses(root, "adlcp:data") else "3rd"
    standard, edition = _concluded(root)
    notes.add(
        "unclear-version",
        f"It was read as {'SCORM 1.2' if standard == '1.2' else 'SCORM 2004 ' + edition + ' Edition'}.",
        metadata,
    )
    return standard, edition


def _concluded(root: Element) -> tuple[str, str]:
    spaces = {space for element in root.iter() if isinstance(element.tag, str) for space in element.nsmap.values()}
    if any("adlcp_rootv1p2" in s or "imscp_rootv1p1p2" in s for s in spaces if s):
        return "1.2", "1.2"
    if any("adlcp_v1p3" in s or "imsss" in s or "adlseq" in s for s in spaces if s):
        return "2004", "3rd"
    return "1.2", "1.2"


def _uses(root: Element, what: str) -> bool:
    name = what.split(":")[1]
    return any(local(element) == name for element in root.iter())


# -- resources ----------------------------------------------------------------------------------------------------


def _resources(root: Element, notes: Notes) -> dict[str, _Resource]:
    found: dict[str, _Resource] = {}
    base = root.get(XML_BASE, "")
    for group in children(root, "resources"):
        group_base = base + group.get(XML_BASE, "")
        for element in children(group, "resource"):
            identifier = attribute(element, "identifier")
            if not identifier:
                notes.add("no-identifier", "It is a resource.", element)
                continue
            own_base = group_base + element.get(XML_BASE, "")
            found.setdefault(
                identifier,
                _Resource(
                    identifier,
                    attribute(element, "href"),
                    own_base,
                    (attribute(element, "scormType") or "").lower() or None,
                    [(own_base + (attribute(f, "href") or ""), f) for f in children(element, "file")],
                    [attribute(d, "identifierref") or "" for d in children(element, "dependency")],
                    element,
                ),
            )
    return found


def _check_files(context: _Context, files: Collection[str]) -> None:
    """Compare what the manifest lists with what the package holds."""
    have = set(files)
    folded = {name.casefold(): name for name in files}
    launched = {path for path, _ in _launch_files(context)}
    for path, element in _launch_files(context):
        _check_file(path, element, "missing-launch-file", have, folded, context.notes)
    for resource in context.resources.values():
        for path, element in resource.files:
            clean = _path(path)
            if clean is not None and clean not in launched:
                _check_file(clean, element, "missing-file", have, folded, context.notes)
        for dependency in resource.dependencies:
            if dependency not in context.resources:
                context.notes.add("unknown-dependency", f"It is {dependency!r}.", resource.element)


def _launch_files(context: _Context) -> Iterator[tuple[str, Element]]:
    for resource in context.resources.values():
        if (
            resource.href
            and resource.identifier in context.identifiers
            and not _is_external(resource.base + resource.href)
        ):
            path = _path(resource.base + resource.href)
            if path:
                yield path, resource.element


def _check_file(path: str, element: Element, code: str, have: set[str], folded: dict[str, str], notes: Notes) -> None:
    if not path or path in have:
        return
    if path.casefold() in folded:
        notes.add("file-case", f"{path} is {folded[path.casefold()]}.", element)
    else:
        notes.add(code, f"It is {path}.", element)


def _path(href: str) -> str | None:
    """The file that an href names inside of the package; None for one on another server."""
    if _is_external(href):
        return None
    return unquote(urlsplit(href.replace("\\", "/")).path).removeprefix("./")


def _is_external(href: str) -> bool:
    return urlsplit(href).scheme in {"http", "https"} or href.startswith("//")


# -- organisations and items --------------------------------------------------------------------------------------


def _organizations(root: Element, context: _Context) -> list[Document]:
    group = child(root, "organizations")
    found = []
    for element in children(group, "organization") if group is not None else ():
        organization = _item(element, context, depth=0)
        for name, key in (
            ("objectivesGlobalToSystem", "objectives_global_to_system"),
            ("sharedDataGlobalToSystem", "shared_data_global_to_system"),
        ):
            value = boolean(element, name, context.notes)
            if value is not None:
                organization[key] = value
        found.append(organization)
    if len(found) > 1:
        context.notes.add("several-organizations", f"There are {len(found)}.", group)
    return found


def _default(root: Element, organizations: list[Document], notes: Notes) -> Document:
    group = child(root, "organizations")
    wanted = attribute(group, "default") if group is not None else None
    chosen = next((o for o in organizations if o["identifier"] == wanted), None)
    if chosen is None and wanted:
        notes.add("unknown-default", f"It is {wanted!r}.", group)
    return chosen or organizations[0]


def _made_up(context: _Context, title: str) -> list[Document]:
    """A course without an organisation: its first resource that can be opened is the only part."""
    candidates = [r for r in context.resources.values() if r.href]
    best = next((r for r in candidates if r.scorm_type == "sco"), candidates[0] if candidates else None)
    if best is None:
        return []
    context.notes.add("no-organization")
    item: Document = {"identifier": best.identifier, "title": title or best.identifier, "resource": best.identifier}
    _add_resource(item, best.element, context, parameters=None)
    return [{"identifier": "organization", "title": title or best.identifier, "children": [item]}]


def _title(root: Element) -> str:
    return next((text(e) or "" for e in root.iter() if local(e) == "title" and text(e)), "")


def _item(element: Element, context: _Context, depth: int) -> Document:
    notes = context.notes
    identifier = attribute(element, "identifier")
    if not identifier:
        identifier = f"item-{len(context.identifiers) + 1}"
        notes.add("no-identifier", at=element)
    key = f"item:{identifier}"
    if key in context.identifiers:
        notes.add("duplicate-identifier", f"It is {identifier!r}.", element)
    context.identifiers.add(key)
    title = text(child(element, "title"))
    if title is None:
        notes.add("no-title", f"It is {identifier!r}.", element)
    item: Document = {"identifier": identifier, "title": title or identifier}
    if boolean(element, "isvisible", notes) is False:
        item["visible"] = False
    parts = [_item(part, context, depth + 1) for part in children(element, "item")]
    _add_run_time(item, element, context)
    reference = attribute(element, "identifierref")
    if reference:
        _add_reference(item, element, reference, bool(parts), context)
    elif not parts and depth:
        notes.add("empty-item", f"It is {identifier!r}.", element)
    sequencing = read_sequencing(element, context.collection, notes)
    if sequencing:
        item["sequencing"] = sequencing
    if parts:
        item["children"] = parts
    return item


def _add_reference(item: Document, element: Element, reference: str, has_parts: bool, context: _Context) -> None:
    if reference not in context.resources:
        context.notes.add("unknown-resource", f"It is {reference!r}.", element)
        return
    if has_parts:
        context.notes.add("item-with-children-and-resource", f"It is {item['identifier']!r}.", element)
        return
    item["resource"] = reference
    _add_resource(item, element, context, attribute(element, "parameters"))


def _add_resource(item: Document, element: Element, context: _Context, parameters: str | None) -> None:
    resource = context.resources[item["resource"]]
    context.identifiers.add(resource.identifier)
    if not resource.href:
        context.notes.add("no-href", f"It is {resource.identifier!r}.", resource.element)
        return
    href = with_parameters(_joined(resource.base, resource.href), parameters)
    path = _path(href)
    if _is_external(href):
        context.notes.add("external-launch", f"It is {href}.", element)
    elif path is None or path.startswith("/") or ".." in path.split("/") or urlsplit(href).scheme:
        context.notes.add("unsafe-href", f"It is {href!r}.", resource.element)
        return
    if resource.scorm_type not in {"sco", "asset"}:
        context.notes.add("no-scorm-type", f"It is {resource.identifier!r}.", resource.element)
    # SCORM 1.2 content without a type is a SCO more often than not; taking it for one costs nothing.
    item["scorm_type"] = (
        resource.scorm_type
        if resource.scorm_type in {"sco", "asset"}
        else ("sco" if context.standard == "1.2" else "asset")
    )
    item["href"] = href
    if parameters:
        item["parameters"] = parameters
    context.launchable += 1


def _joined(base: str, href: str) -> str:
    href = href.replace("\\", "/")
    if _is_external(href) or not base:
        return href.removeprefix("./")
    if _is_external(base):
        return urljoin(base, href)
    return (base.replace("\\", "/").removeprefix("./") + href).removeprefix("./")


def with_parameters(href: str, parameters: str | None) -> str:
    """Append an item's parameters to the address of its resource (SCORM 2004 CAM 3.4.1.5; also used for 1.2)."""
    if not parameters:
        return href
    rest = parameters
    while rest[:1] in {"?", "&"}:
        rest = rest[1:]
    if not rest:
        return href
    if rest.startswith("#"):
        return href if "#" in href else href + rest
    plain, mark, fragment = href.partition("#")
    joined = f"{plain}{'&' if '?' in plain else '?'}{rest}"
    return f"{joined}{mark}{fragment}" if "#" not in rest else joined


# -- what the run-time needs of an item ---------------------------------------------------------------------------


def _add_run_time(item: Document, element: Element, context: _Context) -> None:
    names = {
        "prerequisites": ("prerequisites",),
        "max_time_allowed": ("maxtimeallowed",),
        "time_limit_action": ("timeLimitAction", "timelimitaction"),
        "launch_data": ("dataFromLMS", "datafromlms"),
        "mastery_score": ("masteryscore",),
    }
    for key, spellings in names.items():
        found = next((e for name in spellings for e in children(element, name)), None)
        value = raw_text(found) if key == "launch_data" else text(found)
        if value:
            item[key] = value
    _add_threshold(item, element, context.notes)
    hidden = [
        text(hide) or ""
        for presentation in children(element, "presentation")
        for hide in presentation.iter()
        if local(hide) == "hideLMSUI" and text(hide)
    ]
    if hidden:
        item["hide_lms_ui"] = [collapse(h) for h in hidden]
    shared = [
        _shared(m, context.notes)
        for data in children(element, "data")
        for m in children(data, "map")
        if attribute(m, "targetID")
    ]
    if shared:
        item["shared_data"] = shared


def _shared(element: Element, notes: Notes) -> Document:
    made: Document = {"target": attribute(element, "targetID")}
    for name, key in (("readSharedData", "read"), ("writeSharedData", "write")):
        value = boolean(element, name, notes)
        if value is not None:
            made[key] = value
    return made


def _add_threshold(item: Document, element: Element, notes: Notes) -> None:
    found = child(element, "completionThreshold")
    if found is None:
        return
    made: Document = {}
    by_measure = boolean(found, "completedByMeasure", notes)
    minimum = number(attribute(found, "minProgressMeasure"), "minProgressMeasure", found, notes)
    weight = number(attribute(found, "progressWeight"), "progressWeight", found, notes)
    # Before the 4th Edition the threshold is the element's text, and stating it switches it on.
    stated = number((found.text or "").strip() or None, "completionThreshold", found, notes)
    if stated is not None and minimum is None:
        minimum = stated
        by_measure = True if by_measure is None else by_measure
    for key, value in (
        ("completed_by_measure", by_measure),
        ("min_progress_measure", minimum),
        ("progress_weight", weight),
    ):
        if value is not None:
            made[key] = value
    item["completion_threshold"] = made
