"""Reads ``imsmanifest.xml`` of SCORM 1.2 and SCORM 2004 (2nd to 4th Edition) into the course document.

Bytes in, value out. Untidy manifests are read as well as they can be, and what was odd is a finding; only a course
that cannot run is an error. ``docs/course-document.md`` describes the result.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from courseyard.content.findings import Finding, condensed, has_errors
from courseyard.content.metadata import metadata_file, read_metadata
from courseyard.content.organizations import Context, opens_something, read_organizations
from courseyard.content.resources import Names, read_resources, with_parameters
from courseyard.content.sequencing_xml import read_collection
from courseyard.content.xml import Element, Notes, attribute, child, local, parse, text

__all__ = ["Reading", "read_manifest", "with_parameters"]

Document = dict[str, Any]

_STATED = (
    (re.compile(r"^(scorm )?1\.[12](\.0)?$"), "1.2"),
    (re.compile(r"4th"), "4th"),
    (re.compile(r"3rd"), "3rd"),
    (re.compile(r"2nd|^(cam )?1\.3"), "2nd"),
)
_SCORM12 = ("adlcp_rootv1p2", "imscp_rootv1p1p2")
_SCORM2004 = ("adlcp_v1p3", "adlseq_v1p3", "adlnav_v1p3", "imsss")
_KNOWN_NAMESPACES = (
    "http://www.imsproject.org/xsd/imscp_rootv1p1p2",
    "http://www.imsglobal.org/xsd/imscp_v1p1",
    "http://www.adlnet.org/xsd/adlcp_rootv1p2",
    "http://www.adlnet.org/xsd/adlcp_v1p3",
    "http://www.adlnet.org/xsd/adlseq_v1p3",
    "http://www.adlnet.org/xsd/adlnav_v1p3",
    "http://www.imsglobal.org/xsd/imsss",
    "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2001/XMLSchema-instance",
)
_FOURTH_EDITION = {"data", "map", "objectives", "constrainedChoiceConsiderations"}


@dataclass(slots=True)
class Reading:
    """What a manifest says (None if it cannot be used at all) and what was found.

    ``metadata_file`` names the file of the package that describes the course, where the manifest does not do it itself.
    """

    document: Document | None
    findings: list[Finding] = field(default_factory=list)
    metadata_file: str | None = None

    @property
    def usable(self) -> bool:
        """Whether the course can run."""
        return self.document is not None and not has_errors(self.findings)


def read_manifest(data: bytes, *, files: Collection[str] | None = None) -> Reading:
    """Read a manifest. ``files``: the names in the package; without them nothing is said of missing files."""
    notes = Notes()
    root = parse(data, notes)
    if root is not None and local(root) != "manifest":
        notes.add("not-a-manifest", f"It is <{local(root)}>.", root)
        root = None
    if root is None:
        return Reading(None, notes.findings)
    _note_other_standard(root, notes)
    _note_namespaces(root, notes)
    document, location = _document(root, None if files is None else Names(files), notes)
    return Reading(document, condensed(notes.findings), location)


def _document(root: Element, names: Names | None, notes: Notes) -> tuple[Document, str | None]:
    standard, edition = _version(root, notes)
    resources = read_resources(root, notes)
    context = Context(notes, standard, resources, read_collection(root), names)
    organizations, default = read_organizations(root, context)
    played = next((o for o in organizations if o["identifier"] == default), None)
    if played is None or not opens_something(played):
        notes.add("nothing-to-launch", at=root)
    for organization in organizations:
        _strip_marks(organization)
    metadata = read_metadata(root)
    title = (played["title"] if played else "") or metadata.get("title") or attribute(root, "identifier") or ""
    if played is not None:
        played["title"] = title
    for resource in resources.values():
        if names is not None:
            resource.check_files(names, notes)
        for dependency in resource.dependencies:
            if dependency not in resources:
                notes.add("unknown-dependency", f"It is {dependency!r}.", resource.element)
    document: Document = {
        "standard": standard,
        "edition": edition,
        "identifier": attribute(root, "identifier") or "",
        "title": title,
        "organizations": organizations,
    }
    optional = {"default_organization": default, "version": attribute(root, "version"), "metadata": metadata}
    document |= {key: value for key, value in optional.items() if value}
    return document, None if metadata else metadata_file(root)


def _strip_marks(item: Document) -> None:
    item.pop("_opens", None)
    for part in item.get("children", ()):
        _strip_marks(part)


# -- which SCORM --------------------------------------------------------------------------------------------------


def _note_other_standard(root: Element, notes: Notes) -> None:
    metadata = child(root, "metadata")
    schema = (text(child(metadata, "schema")) or "") if metadata is not None else ""
    if "common cartridge" in schema.lower():
        notes.add("other-standard", "It is an IMS Common Cartridge.", metadata)


def _note_namespaces(root: Element, notes: Notes) -> None:
    """Tell each namespace that SCORM does not know; descriptions may use any."""
    seen: dict[str, Element] = {}
    stack = [root]
    while stack:
        element = stack.pop()
        name = local(element)
        if not name or name == "metadata":
            continue
        for key in (element.tag, *element.attrib):
            namespace = key[1:].partition("}")[0] if key.startswith("{") else ""
            if namespace or key == root.tag:
                seen.setdefault(namespace, element)
        stack.extend(reversed(element))
    for namespace, element in list(seen.items())[:20]:
        if namespace not in _KNOWN_NAMESPACES:
            notes.add("unusual-namespace", f"It is {namespace!r}." if namespace else "It has none.", element)
    submanifest = child(root, "manifest")
    if submanifest is not None:
        notes.add("submanifest", at=submanifest)


def _version(root: Element, notes: Notes) -> tuple[str, str]:
    metadata = child(root, "metadata")
    stated = (text(child(metadata, "schemaversion")) or "").lower() if metadata is not None else ""
    edition = next((edition for pattern, edition in _STATED if pattern.search(stated)), None)
    concluded = _concluded(root, "2004" in stated)
    if edition is None:
        notes.add(
            "unclear-version",
            f"It was read as SCORM {concluded if concluded == '1.2' else f'2004 {concluded} Edition'}.",
            metadata,
        )
        edition = concluded
    elif (edition == "1.2") != (concluded == "1.2") and _says_version(root):
        written = "SCORM 1.2" if concluded == "1.2" else "SCORM 2004"
        notes.add("contradicting-version", f"It states {stated!r} and is written as {written}.", metadata)
    return ("1.2" if edition == "1.2" else "2004"), edition


def _used_namespaces(root: Element) -> str:
    """The namespaces that elements and attributes are in, not those that are only declared."""
    used: set[str] = set()
    for element in root.iter():
        if isinstance(element.tag, str):
            used.update(key.partition("}")[0] for key in (element.tag, *element.attrib) if key.startswith("{"))
    return " ".join(used)


def _says_version(root: Element) -> bool:
    """Whether only one of the two generations is used, so that there is no doubt which."""
    used = _used_namespaces(root)
    return any(mark in used for mark in _SCORM12) != any(mark in used for mark in _SCORM2004)


def _concluded(root: Element, is_2004: bool) -> str:
    used = _used_namespaces(root)
    if not is_2004 and (any(m in used for m in _SCORM12) or not any(m in used for m in _SCORM2004)):
        return "1.2"
    fourth = any(local(e) in _FOURTH_EDITION and "adl" in str(e.tag) for e in root.iter())
    return "4th" if fourth else "3rd"
