"""How a table's columns become records: a mapping per record kind, suggested from the headers, set right by a person.

Pure. A mapping is plain JSON that a provider's settings keep:

    {"enrolment": {"fields": {"course": {"column": "Course ID"},
                              "status": {"column": "State", "values": {"Erledigt": "completed"}},
                              "completed_at": {"column": "Done on", "format": "%d.%m.%Y", "zone": "Europe/Berlin"}},
                   "extra": ["Department"]}}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from courseyard.errors import PartnerAnswerError
from courseyard.partners import reading
from courseyard.partners.records import (
    Course,
    Credential,
    Enrolment,
    EnrolmentStatus,
    ModuleProgress,
    ModuleStatus,
    Record,
    User,
)
from courseyard.partners.tabular import BadRow, Row

TableKind = Literal["course", "enrolment", "module", "credential"]
Type = Literal["text", "url", "number", "percent", "status", "moment", "day", "flag", "seconds"]

_PERSON: dict[str, Type] = {"user_id": "text", "user_email": "text", "user_name": "text", "user_sis_id": "text"}

# Our fields per kind and what they hold.
FIELDS: dict[TableKind, dict[str, Type]] = {
    "course": {
        "external_id": "text",
        "title": "text",
        "code": "text",
        "description": "text",
        "category": "text",
        "duration_hours": "number",
        "url": "url",
        "active": "flag",
        "data_at": "moment",
    },
    "enrolment": {
        "external_id": "text",
        "course": "text",
        **_PERSON,
        "status": "status",
        "progress": "percent",
        "enrolled_at": "moment",
        "completed_at": "moment",
        "data_at": "moment",
    },
    "module": {
        "enrolment": "text",
        "course": "text",
        "user_id": "text",
        "user_email": "text",
        "module_id": "text",
        "module_name": "text",
        "status": "status",
        "progress": "percent",
        "score": "percent",
        "time_spent": "seconds",
        "started_at": "moment",
        "completed_at": "moment",
        "last_accessed_at": "moment",
        "data_at": "moment",
    },
    "credential": {
        "external_id": "text",
        **_PERSON,
        "name": "text",
        "type": "text",
        "number": "text",
        "enrolment": "text",
        "issued": "day",
        "expires": "day",
        "verification_url": "url",
        "certificate_url": "url",
        "data_at": "moment",
    },
}

# What must be mapped: of each group one at least. An enrolment without a key of its own is known by course and person.
REQUIRED: dict[TableKind, tuple[tuple[str, ...], ...]] = {
    "course": (("external_id",), ("title",)),
    "enrolment": (("course",), ("user_id", "user_email")),
    "module": (("enrolment", "course"), ("enrolment", "user_id", "user_email"), ("module_id",)),
    "credential": (("external_id",), ("user_id", "user_email"), ("name",)),
}


class Rule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where one field's value comes from: exactly one of ``column``, ``constant`` and ``template``.

    ``template``: text with names of columns in braces, ``{Course}:{E-mail}``; empty as soon as one of them is.
    ``values``: the partner's words to our status or flag; common words are known without. ``format``: of dates, as
    ``strptime`` takes it, or ``unix``, ``unix_ms``, ``excel``; without, ISO 8601. ``zone``: of times without one,
    UTC by default. ``scale``: how a percentage is told: from 0 to 100, as a fraction of 1, or as points between
    ``lowest`` and ``highest``, each a number or a column's name. ``unit`` of durations told as a number.
    """

    column: str = ""
    constant: str | int | float | bool | None = None
    template: str = ""
    values: dict[str, str] = {}
    format: str = ""
    zone: str = ""
    scale: Literal["percent", "fraction", "points"] = "percent"
    lowest: float | str = 0
    highest: float | str = 100
    unit: Literal["seconds", "minutes", "hours"] = "seconds"


class KindMapping(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How rows become records of one kind. ``path``: where in a JSON document the array lies. ``extra``: columns that
    are kept under their own names.
    """

    fields: dict[str, Rule]
    extra: list[str] = []
    path: str = ""


ColumnMapping = dict[TableKind, KindMapping]


@dataclass(frozen=True, slots=True)
class Previewed:
    """What a row would become, or the problem with it."""

    number: int
    record: Record | None
    problem: str = ""


def read_mapping(document: Any) -> ColumnMapping:
    """A mapping from its JSON, as text or parsed; nothing is an empty one.

    Raises:
        PartnerAnswerError: it is none; the message names what is wrong.
    """
    hint = "Set the columns right on the provider's page."
    try:
        if isinstance(document, str):
            found = msgspec.json.decode(document, type=ColumnMapping) if document.strip() else {}
        else:
            found = msgspec.convert(document or {}, ColumnMapping)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise PartnerAnswerError(f"The columns are not set up as they should be: {error}", hint=hint) from error
    problems = [f"{kind}: {problem}" for kind, mapping in found.items() for problem in _problems(kind, mapping)]
    if problems:
        raise PartnerAnswerError("The columns are not set up as they should be: " + "; ".join(problems), hint=hint)
    return found


def record_of(kind: TableKind, mapping: KindMapping, row: Mapping[str, Any], data_at: datetime | None = None) -> Record:
    """The record that a row tells. ``data_at`` stands where the row tells none.

    Raises:
        ValueError: a value is missing or cannot be read; the message says which, for people.
    """
    values: dict[str, Any] = {}
    extra: dict[str, Any] = {name: found for name in mapping.extra if (found := _plain(row.get(name))) is not None}
    for name, rule in mapping.fields.items():
        found = _value(rule, row)
        if found is None:
            continue
        try:
            values[name] = _READERS[FIELDS[kind][name]](found, rule, row, kind)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        if name == "score" and rule.scale == "points":
            low, high = _bound(rule.lowest, row), _bound(rule.highest, row)
            extra |= {"raw": _number(found), "min": low, "max": high}
    values.setdefault("data_at", data_at)
    record: Record = _MAKERS[kind](values, extra)
    return record


def meanings(kind: TableKind, field: str) -> tuple[str, ...]:
    """What the partner's words in a field can mean: our statuses, or yes and no; empty for fields without words."""
    of = FIELDS[kind][field]
    return _STATUSES[kind] if of == "status" else ("true", "false") if of == "flag" else ()


def understood(kind: TableKind, field: str, word: str) -> str | None:
    """What a word in a field means without being told; None where a person must say it."""
    try:
        found = _READERS[FIELDS[kind][field]](word, Rule(), {}, kind)
    except ValueError:
        return None
    return str(found).lower()


def preview(kind: TableKind, mapping: KindMapping, rows: Iterable[Row | BadRow], limit: int = 20) -> list[Previewed]:
    """What the first rows would become."""
    found = []
    for row in islice(rows, limit):
        if isinstance(row, BadRow):
            found.append(Previewed(row.number, None, row.reason))
            continue
        try:
            found.append(Previewed(row.number, record_of(kind, mapping, row.values)))
        except ValueError as error:
            found.append(Previewed(row.number, None, str(error)))
    return found


def _problems(kind: TableKind, mapping: KindMapping) -> list[str]:
    found = []
    for name, rule in mapping.fields.items():
        if name not in FIELDS[kind]:
            found.append(f"there is no field {name}")
            continue
        if bool(rule.column) + (rule.constant is not None) + bool(rule.template) != 1:
            found.append(f"{name} needs a column, a constant or a template, and only one of them")
        if FIELDS[kind][name] == "status" and (wrong := set(rule.values.values()) - set(_STATUSES[kind])):
            found.append(f"{name} knows no {', '.join(sorted(wrong))}; it is one of {', '.join(_STATUSES[kind])}")
        if rule.zone and _zone(rule.zone) is None:
            found.append(f"{name}: there is no time zone {rule.zone}")
    missing = (group for group in REQUIRED[kind] if not any(name in mapping.fields for name in group))
    return found + [f"{' or '.join(group)} is missing" for group in missing]


# From a row's value to a field's


def _value(rule: Rule, row: Mapping[str, Any]) -> Any:
    """The value as it stands in the row; None for nothing."""
    if rule.constant is not None:
        return rule.constant
    if rule.column:
        return _plain(row.get(rule.column))
    parts: list[str] = []
    for literal, name in _TEMPLATE.findall(rule.template):
        found = _plain(row.get(name)) if name else ""
        if found is None:
            return None
        parts.append(literal + (reading.text(found) or str(found)) if name else literal)
    return "".join(parts) or None


_TEMPLATE = re.compile(r"([^{}]*)(?:\{([^{}]+)\})?")


def _plain(value: Any) -> str | int | float | bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if reading.number(value) is not None else None
    return reading.text(value)


def _text(value: Any, _rule: Rule, _row: Mapping[str, Any], _kind: TableKind) -> str:
    found = reading.text(str(value).lower() if isinstance(value, bool) else value)
    if found is None:
        raise ValueError("it is no text")
    return found


def _url(value: Any, _rule: Rule, _row: Mapping[str, Any], _kind: TableKind) -> str:
    found = reading.url(value)
    if found is None:
        raise ValueError(f"{_shown(value)} is no web address")
    return found


def _number(value: Any) -> float:
    """A number as people write it: spaces or the other mark between thousands, comma or point before decimals, %."""
    if isinstance(value, str):
        plain = re.sub(r"[\s'%\u00a0\u202f]", "", value)
        if "," in plain and "." in plain:
            plain = plain.replace("." if plain.rfind(",") > plain.rfind(".") else ",", "")
        value = plain.replace(",", ".")
    found = reading.number(value)
    if found is None:
        raise ValueError(f"{_shown(value)} is no number")
    return found


def _amount(value: Any, _rule: Rule, _row: Mapping[str, Any], _kind: TableKind) -> float:
    found = _number(value)
    if found < 0:
        raise ValueError(f"{_shown(value)} is below zero")
    return found


def _percent(value: Any, rule: Rule, row: Mapping[str, Any], _kind: TableKind) -> float:
    found = _number(value)
    if rule.scale == "points":
        share = reading.share(found, _bound(rule.lowest, row), _bound(rule.highest, row))
        if share is None:
            raise ValueError("the highest number of points is missing, or not above the lowest")
        return share
    # "45 %" is told in percent, whatever the other rows hold.
    if rule.scale == "fraction" and not (isinstance(value, str) and "%" in value):
        found *= 100
    if not -1e-6 <= found <= 100.0001:
        raise ValueError(f"{_shown(value)} does not lie between 0 and 100 percent; is the scale right?")
    return min(max(round(found, 6), 0.0), 100.0)


def _bound(bound: float | str, row: Mapping[str, Any]) -> float | None:
    if not isinstance(bound, str):
        return bound
    value = _plain(row.get(bound))
    return None if value is None else _number(value)


def _status(value: Any, rule: Rule, _row: Mapping[str, Any], kind: TableKind) -> str:
    own = {_word(theirs): ours for theirs, ours in rule.values.items()}
    word = _word(str(value))
    found = own.get(word) or _STATUS_WORDS[kind].get(word)
    if found is None:
        raise ValueError(f"{_shown(value)} is no status that is known; say what it means")
    return found


def _flag(value: Any, rule: Rule, _row: Mapping[str, Any], _kind: TableKind) -> bool:
    own = {_word(theirs): ours for theirs, ours in rule.values.items()}
    word = _word(str(value))
    found = reading.flag(own.get(word, value))
    if found is None:
        found = {"active": True, "y": True, "open": True, "inactive": False, "n": False, "archived": False}.get(word)
    if found is None:
        raise ValueError(f"{_shown(value)} is neither yes nor no")
    return found


def _moment(value: Any, rule: Rule, _row: Mapping[str, Any], _kind: TableKind) -> datetime:
    try:
        found = _parsed(value, rule.format)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        expected = f"of the format {rule.format}" if rule.format else "as ISO 8601 has it; choose its format"
        raise ValueError(f"{_shown(value)} is no date {expected}")
    try:
        return (found if found.tzinfo else found.replace(tzinfo=_zone(rule.zone) or UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{_shown(value)} lies outside of all calendars") from error


def _parsed(value: Any, how: str) -> datetime | None:
    if how in {"unix", "unix_ms"}:
        return reading.moment(_number(value) / (1000 if how == "unix_ms" else 1))
    if how == "excel":
        return datetime(1899, 12, 30) + timedelta(days=_number(value))  # noqa: DTZ001  # the rule's zone follows
    return datetime.strptime(str(value), how) if how else datetime.fromisoformat(str(value))  # noqa: DTZ007


def _day(value: Any, rule: Rule, _row: Mapping[str, Any], kind: TableKind) -> date:
    if rule.format not in {"unix", "unix_ms"}:
        # A calendar day has no zone that could move it.
        try:
            found = _parsed(value, rule.format)
        except (ValueError, OverflowError):
            found = None
        if found is not None:
            return found.date()
    return _moment(value, rule, _row, kind).date()


def _seconds(value: Any, rule: Rule, _row: Mapping[str, Any], _kind: TableKind) -> int:
    found: float | None = None
    if isinstance(value, str) and ":" in value:
        parts = [_number(part) for part in value.split(":")]
        if len(parts) <= 3:
            found = sum(part * 60**place for place, part in enumerate(reversed(parts)))
            found *= 60 if len(parts) == 2 and rule.unit == "hours" else 1
    elif isinstance(value, str) and value.upper().startswith("P"):
        found = reading.duration(value)
    else:
        found = _number(value) * {"seconds": 1, "minutes": 60, "hours": 3600}[rule.unit]
    if found is None or not 0 <= found < 2**31:
        raise ValueError(f"{_shown(value)} is no duration")
    return round(found)


_READERS: dict[Type, Any] = {
    "text": _text,
    "url": _url,
    "number": _amount,
    "percent": _percent,
    "status": _status,
    "moment": _moment,
    "day": _day,
    "flag": _flag,
    "seconds": _seconds,
}


@cache
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return None


def _word(value: str) -> str:
    return re.sub(r"[\W_]+", " ", value).strip().casefold()


def _shown(value: Any) -> str:
    return f"'{str(value)[:60]}'"


_STATUSES: dict[TableKind, tuple[str, ...]] = {
    "course": (),
    "enrolment": get_args(EnrolmentStatus),
    "module": get_args(ModuleStatus),
    "credential": (),
}


def _words(**words: str) -> dict[str, str]:
    return {_word(word): ours for ours, listed in words.items() for word in [ours, *listed.split(",")]}


_STATUS_WORDS: dict[TableKind, dict[str, str]] = {
    "enrolment": _words(
        pending="invited,requested,waiting,waitlisted,awaiting approval",
        active="enrolled,registered,started,in progress,ongoing,incomplete,not started,not attempted,open,current",
        completed="complete,done,finished,passed,pass,satisfied",
        failed="fail,not passed",
        withdrawn="cancelled,canceled,dropped,unenrolled,deleted,removed,inactive,suspended,abandoned",
    ),
    "module": _words(
        not_started="not attempted,new,enrolled,registered,assigned,unopened",
        in_progress="started,incomplete,ongoing,active,attempted,open",
        completed="complete,done,finished,viewed",
        passed="pass,satisfied,successful",
        failed="fail,not passed,unsuccessful",
    ),
}


# From fields to a record


def _user(values: dict[str, Any]) -> User:
    email = values.get("user_email")
    found = values.get("user_id") or (email.lower() if email else None)
    if found is None:
        raise ValueError("it does not say whose it is")
    return User(external_id=found, email=email, name=values.get("user_name"), sis_id=values.get("user_sis_id"))


def _need(values: dict[str, Any], *names: str) -> None:
    for name in names:
        if values.get(name) is None:
            raise ValueError(f"{name} is empty")


def _rest(values: dict[str, Any], *left_out: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in left_out and value is not None}


def _course(values: dict[str, Any], extra: dict[str, Any]) -> Record:
    _need(values, "external_id", "title")
    return Course(**_rest(values), extra=extra)


def _enrolment(values: dict[str, Any], extra: dict[str, Any]) -> Record:
    _need(values, "course")
    user = _user(values)
    if values.get("status") is None and values.get("completed_at") is not None:
        values["status"] = "completed"
    key = values.get("external_id") or f"{values['course']}:{user.external_id}"
    return Enrolment(external_id=key, user=user, **_rest(values, "external_id", *_PERSON), extra=extra)


def _module(values: dict[str, Any], extra: dict[str, Any]) -> Record:
    _need(values, "module_id")
    key = values.get("enrolment")
    if key is None:
        _need(values, "course")
        key = f"{values['course']}:{_user(values).external_id}"
    if values.get("status") is None:
        done = values.get("completed_at") is not None or values.get("progress") == 100
        begun = values.get("started_at") is not None or (values.get("progress") or 0) > 0
        values["status"] = "completed" if done else "in_progress" if begun else "not_started"
    rest = _rest(values, "enrolment", "course", "time_spent", *_PERSON)
    return ModuleProgress(enrolment=key, time_spent_seconds=values.get("time_spent"), **rest, extra=extra)


def _credential(values: dict[str, Any], extra: dict[str, Any]) -> Record:
    _need(values, "external_id", "name")
    return Credential(user=_user(values), **_rest(values, *_PERSON), extra=extra)


_MAKERS: dict[TableKind, Any] = {
    "course": _course,
    "enrolment": _enrolment,
    "module": _module,
    "credential": _credential,
}
