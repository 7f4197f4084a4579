"""Is this text a value of that type? Form, vocabulary, range, length (SCORM 2004 RTE 4.1.1, SCORM 1.2 RTE 3.4.2).

Lengths are counted in UTF-16 units, as JavaScript counts them: both sides must come to the same verdict.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ._tables import Table

_LANGUAGE_DELIMITER = re.compile(r"\{lang=([^}]*)\}")
_FLAG = re.compile(r"\{(case_matters|order_matters)=([^}]*)\}")
_DELIMITER = re.compile(r"\{(case_matters|lang)=([^}]*)\}")
_PRIVATE_LANGUAGE = re.compile(r"[ix]|q[a-t][a-z]")
_PAIR = "[.]"


class Verdict(NamedTuple):
    """`refused` is "type", "range" or ""; `rule` names what was broken, also where the value is kept."""

    refused: str = ""
    rule: str = ""


FINE = Verdict()
WRONG_TYPE = Verdict("type", "type")


def length(value: str) -> int:
    """Number of UTF-16 units of a text, which is what a browser calls its length."""
    return len(value) + sum(1 for c in value if c > "\uffff")


def _longer(value: str, limit: int) -> bool:
    return 2 * len(value) > limit and length(value) > limit


def check(table: Table, spec: Mapping[str, Any], value: str, *, strict: bool, interaction: str = "") -> Verdict:
    """Judge a value for the element `spec`; `interaction` is the interaction's type where responses depend on it."""
    if _longer(value, table.raw["cap"]):
        return Verdict("type", "cap")
    kind = table.types[spec["type"]]
    verdict = _KINDS[kind["kind"]](table, spec, value, strict, interaction)
    if verdict != FINE or "spm" not in spec or kind["kind"] == "localized" or not _longer(value, spec["spm"]):
        return verdict
    return _too_long(table, strict)


def _too_long(table: Table, strict: bool) -> Verdict:
    return Verdict("type" if strict and table.raw["over_length"] == "refuse" else "", "length")


def canonical(table: Table, spec: Mapping[str, Any], value: str, interaction: str) -> str:
    """A long-fill-in answer with its delimiters in one order and the default ones ({lang=en}, false) left out.

    ADL's cases read them back like this; every other value stays as the content wrote it.
    """
    kind = table.types[spec["type"]]
    if kind["kind"] != "response" or not table.responses.get(interaction, {}).get("canonical"):
        return value
    found: dict[str, str] = {}
    allowed = ("case_matters", "lang") if kind.get("pattern") else ("lang",)
    while (part := _DELIMITER.match(value)) and part[1] in allowed and part[1] not in found:
        found[part[1]] = "" if part[2] in ("en", "false") else part[0]
        value = value[part.end() :]
    return found.get("case_matters", "") + found.get("lang", "") + value


def _text(_table: Table, _spec: Mapping[str, Any], _value: str, _strict: bool, _interaction: str) -> Verdict:
    return FINE


def _vocabulary(table: Table, spec: Mapping[str, Any], value: str, strict: bool, _interaction: str) -> Verdict:
    kind = table.types[spec["type"]]
    if value in spec.get("values", kind.get("values", ())):
        return FINE
    return _formed(table, spec, value, strict, _interaction)


def _formed(table: Table, spec: Mapping[str, Any], value: str, strict: bool, _interaction: str) -> Verdict:
    rule = table.forms[spec["type"]].match(value, strict=strict)
    return WRONG_TYPE if rule is None else Verdict("", rule)


def _number(table: Table, spec: Mapping[str, Any], value: str, strict: bool, interaction: str) -> Verdict:
    kind = table.types[spec["type"]]
    if value == "" and kind.get("blank"):
        return FINE
    verdict = _formed(table, spec, value, strict, interaction)
    if verdict.refused:
        return verdict
    number = float(value)
    if not math.isfinite(number):
        return WRONG_TYPE
    low, high = spec.get("range", (None, None))
    if (low is None or number >= low) and (high is None or number <= high):
        return verdict
    if "beyond" in kind and not strict and number >= low:
        return Verdict("", kind["beyond"])
    return Verdict("range", "range")


def is_language(table: Table, value: str) -> bool:
    """A language tag whose first part ISO 639-1 or 639-2 knows, or a registered or private one (i-, x-)."""
    if not table.forms["language"].own.fullmatch(value):
        return False
    first = value.split("-", 1)[0].lower()
    return first in table.languages or bool(_PRIVATE_LANGUAGE.fullmatch(first))


def _language(table: Table, _spec: Mapping[str, Any], value: str, _strict: bool, _interaction: str) -> Verdict:
    return FINE if value == "" or is_language(table, value) else WRONG_TYPE


def _localized(table: Table, spec: Mapping[str, Any], value: str, strict: bool, _interaction: str) -> Verdict:
    return _localized_text(table, value, spec.get("spm"), strict)


def _localized_text(table: Table, value: str, spm: int | None, strict: bool) -> Verdict:
    text = value
    if value.startswith("{lang="):
        delimiter = _LANGUAGE_DELIMITER.match(value)
        if not delimiter or not is_language(table, delimiter[1]):
            return WRONG_TYPE
        text = value[delimiter.end() :]
    return _too_long(table, strict) if spm and _longer(text, spm) else FINE


def _response(table: Table, spec: Mapping[str, Any], value: str, strict: bool, interaction: str) -> Verdict:
    rule = table.responses.get(interaction)
    if rule is None:  # SCORM 1.2 does not ask for the type first; without it any text may be an answer
        return FINE
    pattern = bool(table.types[spec["type"]].get("pattern"))
    if "values" in rule:
        return FINE if value in rule["values"] else WRONG_TYPE
    text = _without_flags(value, rule.get("flags", ())) if pattern else value
    if text is None:
        return WRONG_TYPE
    separator = rule.get("separator")
    if separator and text == "" and not rule.get("localized"):
        return FINE
    parts = text.split(separator) if separator else [text]
    if rule.get("distinct") and len(set(parts)) != len(parts):
        return WRONG_TYPE
    return _worst(
        [_part(table, rule, part, pattern, strict) for part in parts],
        "spm" in rule and len(parts) > rule["spm"],
    )


def _worst(verdicts: Sequence[Verdict], too_many: bool) -> Verdict:
    refused = next((v for v in verdicts if v.refused), None)
    found = next((v for v in verdicts if v.rule), None)
    return refused or found or (Verdict("", "length") if too_many else FINE)


def _without_flags(value: str, allowed: Sequence[str]) -> str | None:
    """The pattern after its leading {case_matters=…}{order_matters=…}; None where one is neither true nor false."""
    while (flag := _FLAG.match(value)) and flag[1] in allowed:
        if flag[2] not in ("true", "false"):
            return None
        value = value[flag.end() :]
    return value


def _part(table: Table, rule: Mapping[str, Any], part: str, pattern: bool, strict: bool) -> Verdict:
    if "pair" in rule:
        return _pair(table, rule, part, strict)
    if rule.get("localized"):
        return _localized_text(table, part, rule["item_spm"], strict)
    name = rule.get("pattern_item") if pattern else None
    name = name or rule.get("item")
    if name is None:
        return _too_long(table, strict) if "item_spm" in rule and _longer(part, rule["item_spm"]) else FINE
    return _item(table, name, part, strict)


def _item(table: Table, name: str, part: str, strict: bool) -> Verdict:
    rule = table.forms[f"item {name}"].match(part, strict=strict)
    if rule is None:
        return WRONG_TYPE
    if name == "range" and "[:]" in part:
        low, high = part.split("[:]")
        if low and high and float(low) > float(high):
            return WRONG_TYPE
    if rule:
        return Verdict("", rule)
    spm = table.items[name].get("spm")
    return _too_long(table, strict) if spm and _longer(part, spm) else FINE


def _pair(table: Table, rule: Mapping[str, Any], part: str, strict: bool) -> Verdict:
    """`both`: source and target are identifiers. `either`: one half may be empty and the second is free text."""
    halves = part.split(_PAIR)
    if len(halves) != 2 or halves == ["", ""]:
        return WRONG_TYPE
    if rule["pair"] == "both":
        return _worst([_item(table, rule["item"], half, strict) for half in halves], too_many=False)
    return _item(table, rule["item"], halves[0], strict) if halves[0] else FINE


_KINDS = {
    "text": _text,
    "vocabulary": _vocabulary,
    "form": _formed,
    "number": _number,
    "language": _language,
    "localized": _localized,
    "response": _response,
}
