"""Write the pages that are made from the code: docs/settings.md, errors.md, packages.md and data-model.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from courseyard import errors
from courseyard.content.findings import CODES
from courseyard.settings import Settings, variable

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
TABLES = ROOT / "src" / "courseyard" / "datamodel" / "tables"
ACCESS = {"ro": "read", "wo": "write", "rw": "read, write"}


def settings_page() -> str:
    """One row per environment variable, in the order of the code."""
    rows = [
        f"| `{variable(f.name)}` | {f.metadata['doc']} |{' yes' if f.metadata.get('secret') else ''} |"
        for f in fields(Settings)
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "Environment variables, read once at the start. All are optional. Secrets are never written to a log.",
            "",
            "| variable | meaning | secret |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def error_classes(base: type[errors.CourseyardError] = errors.CourseyardError) -> list[type[errors.CourseyardError]]:
    """Every error class of the catalogue, parents before children."""
    below = (found for child in base.__subclasses__() for found in error_classes(child))
    return [e for e in (base, *below) if e.__module__ == errors.__name__]


def errors_page() -> str:
    """One row per error code."""
    rows = [
        f"| `{e.code}` | {e.status} | {e.__doc__ and e.__doc__.splitlines()[0]} | {e.hint} |" for e in error_classes()
    ]
    return "\n".join(
        [
            "# Errors",
            "",
            "The REST interface answers with `application/problem+json` (RFC 9457): `type` ends in the code, `title`",
            "and `detail` say what happened, `hint` what to do. The command line prints detail and hint and exits",
            "with 1.",
            "",
            "| code | status | what happened | what to do |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def packages_page() -> str:
    """What is read of a package, and one row per finding."""
    rows = [f"| `{code}` | {c.severity} | {c.title} | {c.hint} |" for code, c in CODES.items()]
    return "\n".join(
        [
            "# Packages",
            "",
            "SCORM 1.2 and SCORM 2004 (2nd, 3rd and 4th Edition) as a zip file with `imsmanifest.xml` at its top. A package is",
            "checked, read and stored all or nothing; `courseyard package check FILE` does the same without keeping anything.",
            "",
            "Real packages are untidy, so what cannot run is refused and what is merely odd is told. Each finding has a",
            "code, the file and line where it was found, and what to do. An **error** keeps the package out.",
            "",
            "What was read is kept as the [course document](course-document.md). A new version of a package leaves attempts that",
            "run on the version they began with. The limits and their reasons stand in `src/courseyard/limits.py`.",
            "",
            "| code | severity | what was found | what to do |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _limits(spec: Mapping[str, Any]) -> str:
    """Vocabulary, range and length of an element in words."""
    found = []
    if "values" in spec:
        found.append(", ".join(f"`{value}`" if value else "empty" for value in spec["values"]))
    if "range" in spec:
        low, high = spec["range"]
        found.append(f"{low} to {high}" if high is not None else f"from {low}")
    if "spm" in spec:
        found.append(f"{spec['spm']:,} characters")
    if "judged" in spec:
        found.append(f"worked out of `{spec['judged']['measure']}` where `{spec['judged']['threshold']}` is in force")
    notes = {"once": "set once", "unique": "no two alike", "append": "each call adds to what is there"}
    return "; ".join([*found, *(text for key, text in notes.items() if spec.get(key))])


def _model_section(standard: str, file: str) -> Iterator[str]:
    table = json.loads((TABLES / file).read_text("utf-8"))
    yield from (f"## SCORM {standard}", "", "| element | type | access | default | limits |", "|---|---|---|---|---|")
    for name, spec in table["elements"].items():
        default = f"`{spec['default']}`" if spec.get("default") else ""
        yield f"| `{name}` | {spec['type']} | {ACCESS[spec['access']]} | {default} | {_limits(spec)} |"
    yield from ("", f"### Leniencies for SCORM {standard}", "", "| name | who needs it | why |", "|---|---|---|")
    for name, entry in table["leniencies"].items():
        yield f"| `{name}` | {entry['who']} | {entry['why']} |"
    yield from ("", f"### Error numbers of SCORM {standard}", "", "| number | text |", "|---|---|")
    yield from (f"| {number} | {text} |" for number, text in table["errors"].items())
    yield ""


def data_model_page() -> str:
    """Elements, leniencies and error numbers of both data models."""
    return "\n".join(
        [
            "# Data models",
            "",
            "What a course can read and write through its API object. The tables in `src/courseyard/datamodel/tables/`",
            "are the one source: the run-time in the browser and the validation on the server read the same ones.",
            "",
            "`n` stands for an index. Collections also answer `_count`, groups of elements `_children`.",
            "",
            "**Lengths.** Real courses exceed the standard's limits. A longer value is kept in full, up to 1,048,576",
            "characters, and a finding is recorded. **Leniencies** are values that the standard refuses and real",
            "authoring tools send; they are kept, with a finding. A package marked *strict* gets the standard's answer:",
            "leniencies are refused, and in SCORM 1.2 so is a value that is too long (SCORM 2004 only says how much",
            "a system must take at least).",
            "",
            "Two choices where the books leave room: in SCORM 1.2 a SCO that suspends while its status is incomplete",
            "is not judged by the mastery score, because its score so far is no verdict; and a long fill-in answer",
            "reads back with its delimiters in one order and the default ones left out, as ADL's cases ask.",
            "",
            *_model_section("1.2", "scorm12.json"),
            *_model_section("2004", "scorm2004.json"),
        ]
    )


PAGES = {
    "settings.md": settings_page,
    "errors.md": errors_page,
    "packages.md": packages_page,
    "data-model.md": data_model_page,
}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
