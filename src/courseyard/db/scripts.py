"""The SQL files that make the schema, as shipped: in the order in which they run, and what they make."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

# The first files look whether everything is as the rest needs it, and change nothing: ``plan`` runs them too.
_CHECKS = re.compile(r"^migrations/000\d_")

# Names that the files make in schema courseyard, and triggers there and on public tables. Later files may drop earlier
# ones.
_MADE = re.compile(
    r"^(?P<verb>create|drop) (?:or replace )?(?P<kind>table|function|view|trigger) (?:if (?:not )?exists )?"
    r"(?:courseyard\.)?(?P<name>\w+)(?=[\s(;])",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Script:
    """One SQL file. ``repeatable`` ones hold functions: they are run again whenever their text changes."""

    name: str
    text: str
    repeatable: bool

    @property
    def checksum(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def only_checks(self) -> bool:
        """Whether it changes nothing and only refuses what would fail later."""
        return _CHECKS.match(self.name) is not None


@cache
def scripts() -> tuple[Script, ...]:
    """All files in the order in which they run: the migrations by number, then the functions."""
    root = resources.files("courseyard.db") / "sql"
    found = []
    for folder in ("migrations", "functions"):
        files = sorted((f for f in (root / folder).iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
        found += [Script(f"{folder}/{f.name}", f.read_text("utf-8"), repeatable=folder == "functions") for f in files]
    return tuple(found)


@cache
def ledger_script() -> str:
    """Makes the table that remembers which files were applied; harmless when it stands."""
    return (resources.files("courseyard.db") / "sql" / "ledger.sql").read_text("utf-8")


@cache
def engine_objects() -> frozenset[tuple[str, str]]:
    """Kind and name of the tables, views and functions in schema courseyard and of the triggers that the files make."""
    made: set[tuple[str, str]] = set()
    for script in scripts():
        for match in _MADE.finditer(script.text):
            if match["kind"] != "trigger" and "courseyard." not in match[0]:
                continue
            what = (match["kind"], match["name"])
            if match["verb"] == "create":
                made.add(what)
            else:
                made.discard(what)
    return frozenset(made)
