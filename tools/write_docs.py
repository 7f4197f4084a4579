"""Write the pages that are made from the code: docs/settings.md and docs/errors.md."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from courseyard import errors
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
    return [base, *(found for child in base.__subclasses__() for found in error_classes(child))]


def errors_page() -> str:
    """One row per error code."""
    rows = [f"| `{e.code}` | {e.status} | {e.__doc__ and e.__doc__.splitlines()[0]} | {e.hint} |" for e in error_classes()]
    return "\n".join(
        [
            "# Errors",
            "",
            "The REST interface answers with `application/problem+json` (RFC 9457): `type` ends in the code, `title` and",
            "`detail` say what happened, `hint` what to do. The command line prints detail and hint and exits non-zero.",
            "",
            "| code | status | what happened | what to do |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


PAGES = {"settings.md": settings_page, "errors.md": errors_page}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
