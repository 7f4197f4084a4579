"""The two data models as tables, read from JSON once and with their forms compiled.

The same JSON goes to the browser: what is accepted there is accepted here. All regular expressions are
written in the part of the syntax that Python and JavaScript share; `form` always means the whole value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal

Standard = Literal["1.2", "2004"]

_FILES: dict[str, str] = {"1.2": "scorm12.json", "2004": "scorm2004.json"}


@dataclass(frozen=True, slots=True)
class Form:
    """A lexical form: the specification's own, and the named leniencies that widen it."""

    own: re.Pattern[str]
    lenient: tuple[tuple[str, re.Pattern[str]], ...] = ()

    def match(self, value: str, *, strict: bool) -> str | None:
        """None when the value does not fit, "" when it fits, else the name of the leniency that let it in."""
        if self.own.fullmatch(value):
            return ""
        if strict:
            return None
        return next((name for name, form in self.lenient if form.fullmatch(value)), None)


@dataclass(frozen=True, slots=True)
class Table:
    """One data model: what `tables/*.json` says, ready for use."""

    standard: str
    raw: Mapping[str, Any]
    codes: Mapping[str, int]
    errors: Mapping[str, str]
    elements: Mapping[str, Mapping[str, Any]]
    collections: Mapping[str, Mapping[str, Any]]
    groups: Mapping[str, list[str] | None]
    types: Mapping[str, Mapping[str, Any]]
    responses: Mapping[str, Mapping[str, Any]]
    items: Mapping[str, Mapping[str, Any]]
    forms: Mapping[str, Form]
    languages: frozenset[str] = field(default_factory=frozenset)


def _form(spec: Mapping[str, Any], leniencies: Mapping[str, Mapping[str, Any]]) -> Form:
    names = [name for name in spec.get("lenient", ()) if "form" in leniencies[name]]
    return Form(re.compile(spec["form"]), tuple((name, re.compile(leniencies[name]["form"])) for name in names))


def _languages(codes: Mapping[str, list[str]]) -> Iterator[str]:
    """The codes of ISO 639-2 and 639-1; the table groups them by first letter: {"a": ["arbce", "abe"]}."""
    for first, (twos, ones) in codes.items():
        yield from (first + twos[at : at + 2] for at in range(0, len(twos), 2))
        yield from (first + one for one in ones)


def _read(file: str) -> Table:
    raw = json.loads(resources.files(__package__).joinpath("tables", file).read_text("utf-8"))
    items: dict[str, dict[str, Any]] = raw["items"]
    forms = {f"item {name}": _form(spec, raw["leniencies"]) for name, spec in items.items()}
    forms |= {name: _form({"form": "(?!)", **spec}, raw["leniencies"]) for name, spec in raw["types"].items()}
    return Table(
        standard=raw["standard"],
        raw=raw,
        codes=raw["codes"],
        errors=raw["errors"],
        elements=raw["elements"],
        collections=raw["collections"],
        groups=raw["groups"],
        types=raw["types"],
        responses=raw["responses"],
        items=items,
        forms=forms,
        languages=frozenset(_languages(raw.get("languages", {}))),
    )


_TABLES: dict[str, Table] = {standard: _read(file) for standard, file in _FILES.items()}


def table(standard: str) -> Table:
    """The table of a standard. Raises KeyError for any other word than "1.2" and "2004"."""
    return _TABLES[standard]


def table_json(standard: str) -> str:
    """The table for the browser: JSON without spare white space and without what only people read."""
    raw = _TABLES[standard].raw
    forms = {
        name: {key: value for key, value in entry.items() if key == "form"} for name, entry in raw["leniencies"].items()
    }
    return json.dumps({**raw, "leniencies": forms}, separators=(",", ":"), ensure_ascii=True)
