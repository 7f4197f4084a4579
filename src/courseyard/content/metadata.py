"""Title, description, language, keywords and typical learning time from a manifest's metadata (LOM)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from courseyard.content.findings import Finding, finding
from courseyard.content.xml import Element, Notes, child, local, parse, text

_DURATION = re.compile(r"^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?$")
_CLOCK = re.compile(r"^(\d{1,4}):(\d{2})(?::(\d{2}))?")

# Metadata is shown on a page; a novel in the description helps nobody.
_MAX_CHARS = 4_000


def read_metadata(manifest: Element) -> dict[str, Any]:
    """What the manifest's own metadata tells; empty where it tells nothing."""
    metadata = child(manifest, "metadata")
    return {} if metadata is None else _described(metadata)


def metadata_file(manifest: Element) -> str | None:
    """The file of the package that holds the description, where the manifest only names one."""
    metadata = child(manifest, "metadata")
    location = text(child(metadata, "location")) if metadata is not None else None
    return unquote(location) if location else None


def read_metadata_file(data: bytes, file: str) -> tuple[dict[str, Any], list[Finding]]:
    """What a description outside of the manifest tells, and what was found."""
    notes = Notes(file=file)
    root = parse(data, notes)
    if root is None:
        return {}, [finding("bad-metadata-file", notes.findings[-1].message, file=file)]
    return _described(root), []


def _described(metadata: Element) -> dict[str, Any]:
    general = _first(metadata, "general")
    found: dict[str, Any] = {}
    if general is not None:
        for key in ("title", "description"):
            value = _wording(child(general, key))
            if value:
                found[key] = value[:_MAX_CHARS]
        language = text(child(general, "language"))
        if language:
            found["language"] = language[:40]
        keywords = [w for e in general if local(e) == "keyword" and (w := _wording(e))]
        if keywords:
            found["keywords"] = keywords[:50]
    minutes = _minutes(text(_first(metadata, "typicallearningtime")))
    if minutes:
        found["duration_minutes"] = minutes
    return found


def _first(element: Element, name: str) -> Element | None:
    return next((e for e in element.iter() if local(e).lower() == name), None)


def _wording(element: Element | None) -> str | None:
    """The first language string of a LOM text; SCORM 1.2 calls it langstring, 2004 string."""
    if element is None:
        return None
    strings = [e for e in element.iter() if local(e).lower() in {"string", "langstring"}]
    return text(strings[0] if strings else element)


def _minutes(value: str | None) -> int | None:
    """Whole minutes of a duration, rounded up; 24 days at the most, so that a typing error shows nothing."""
    if value is None:
        return None
    seconds = 0
    if match := _DURATION.match(value):
        days, hours, minutes, rest = (int(g or 0) for g in match.groups())
        seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    elif match := _CLOCK.match(value):
        hours, minutes, rest = (int(g or 0) for g in match.groups())
        seconds = (hours * 60 + minutes) * 60 + rest
    whole = -(-seconds // 60)
    return whole if 0 < whole <= 24 * 24 * 60 else None
