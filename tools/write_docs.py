"""Write the pages that are made from the code: docs/settings.md, errors.md and packages.md."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from courseyard import errors
from courseyard.content.findings import CODES
from courseyard.settings import Settings, variable

DOCS = Path(__file__).resolve().parent.parent / "docs"


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


PAGES = {"settings.md": settings_page, "errors.md": errors_page, "packages.md": packages_page}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
