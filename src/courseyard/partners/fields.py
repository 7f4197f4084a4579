"""The field mapping: which of the partner's own fields fills one of ours, where the usual one is not the right one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from courseyard.errors import InvalidInputError
from courseyard.partners.reading import number, text
from courseyard.partners.records import Course, Credential, Enrolment, ModuleProgress, Record

# What may be filled from a field of the partner: our name, and what people call it.
TARGETS: dict[str, str] = {
    "course.title": "Course: title",
    "course.code": "Course: code",
    "course.category": "Course: category",
    "course.description": "Course: description",
    "course.duration_hours": "Course: duration in hours",
    "user.sis_id": "Person: our own identifier",
    "user.email": "Person: e-mail",
    "user.name": "Person: name",
    "module.module_name": "Module: name",
    "credential.number": "Credential: number",
}

_KINDS: tuple[tuple[type[Record], str], ...] = (
    (Course, "course"),
    (Enrolment, "enrolment"),
    (ModuleProgress, "module"),
    (Credential, "credential"),
)


def checked(mapping: Mapping[str, str]) -> dict[str, str]:
    """The mapping without empty entries.

    Raises:
        InvalidInputError: it fills something that cannot be filled.
    """
    unknown = sorted(set(mapping) - set(TARGETS))
    if unknown:
        raise InvalidInputError(
            f"'{unknown[0]}' cannot be filled from a field.", hint=f"Choose of {', '.join(TARGETS)}."
        )
    return {target: source.strip() for target, source in mapping.items() if source.strip()}


def mapped(record: Record, mapping: Mapping[str, str]) -> Record:
    """The record with the mapped fields filled; a source that is absent or empty leaves what the connector read."""
    extra: dict[str, Any] = getattr(record, "extra", {})
    if not mapping or not extra:
        return record
    kind = next((name for class_, name in _KINDS if isinstance(record, class_)), "")
    own = _values(kind, mapping, extra)
    of_user = _values("user", mapping, extra) if isinstance(record, Enrolment | Credential) else {}
    if of_user and isinstance(record, Enrolment | Credential):
        own["user"] = msgspec.structs.replace(record.user, **of_user)
    return msgspec.structs.replace(record, **own) if own else record


def _values(kind: str, mapping: Mapping[str, str], extra: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for target, source in mapping.items():
        of, _, name = target.partition(".")
        if of != kind:
            continue
        value = number(extra.get(source)) if name == "duration_hours" else text(extra.get(source))
        if value is not None:
            found[name] = value
    return found
