"""Reading values out of a partner's JSON, which may hold anything: each function gives a value of one type or None."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from math import isfinite
from typing import Any, TypeVar
from urllib.parse import quote

_MAX_TEXT = 10_000
# What columns of whole numbers hold.
_MAX_WHOLE = 2**31 - 1
# Many systems write the first day of their calendar, mostly of the year 1, where there is no date.
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)

_Found = TypeVar("_Found")


def text(value: Any) -> str | None:
    """A text without the spaces around it, at most 10,000 characters; numbers as they print; None for nothing."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        return None
    # Half a surrogate pair is valid in JSON and nowhere else.
    return value.replace("\0", "").encode("utf-8", "replace").decode().strip()[:_MAX_TEXT] or None


def without_tags(value: Any) -> str | None:
    """The words of a text in HTML."""
    html = text(value)
    if html is None:
        return None
    parser = _Words()
    # Browsers pass over <![…>; Python's parser stops at one that it does not know.
    parser.feed(_MARKED.sub(" ", html))
    parser.close()
    return " ".join(" ".join(parser.words).split()) or None


def key(value: Any) -> str:
    """An identifier.

    Raises:
        ValueError: there is none; a record without one cannot be kept apart from others.
    """
    found = text(value)
    if found is None:
        raise ValueError("it has no identifier")
    return found


def field(value: Any, name: str) -> Any:
    """A field of an object; None where there is no object or no such field."""
    return value.get(name) if isinstance(value, dict) else None


def items(value: Any) -> list[Any]:
    """The members of a list; none where there is no list."""
    return value if isinstance(value, list) else []


def understood(
    rows: Iterable[Any], read: Callable[[Any], Iterable[_Found]], what: str
) -> tuple[list[_Found], list[tuple[Any, str]]]:
    """What ``read`` makes of each row; and the rows that it refuses with a ValueError, with the reason in words.

    ``what``: what a row should be, as in "This is not a course".
    """
    found: list[_Found] = []
    rejected: list[tuple[Any, str]] = []
    for row in rows:
        try:
            found += read(row)
        except ValueError as error:
            rejected.append((row, f"This is not {what}: {error}."))
    return found, rejected


def latest(*moments: datetime | None) -> datetime | None:
    """The latest of those that are told."""
    return max((m for m in moments if m), default=None)


def just_before(at: datetime | None) -> datetime | None:
    """A second earlier: the time of what gives way to anything else that is told of the same moment."""
    return max(at, _EARLIEST) - timedelta(seconds=1) if at else None


def iso(at: datetime | None) -> str | None:
    """A moment as the ISO 8601 text that ``moment`` reads back."""
    return at.isoformat() if at else None


def plain(**values: Any) -> dict[str, Any]:
    """What goes into ``extra``: texts, finite numbers, truth values; nothing else, and nothing empty."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        found = value if isinstance(value, bool) else number(value) if isinstance(value, int | float) else text(value)
        if found is not None:
            kept[name] = int(found) if isinstance(found, float) and found.is_integer() else found
    return kept


def segment(identifier: str) -> str:
    """An identifier as one segment of an address's path, whatever is in it: ``..`` too leads nowhere else."""
    return quote(identifier, safe="").replace(".", "%2E")


def number(value: Any) -> float | None:
    """A finite number; texts that are one count."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found == found and abs(found) != float("inf") else None


def whole(value: Any) -> int | None:
    """A whole number from 0 to what the columns hold, as seconds and counts are; fractions are cut off."""
    found = number(value)
    return None if found is None else int(min(max(found, 0.0), _MAX_WHOLE))


def percent(value: Any) -> float | None:
    """A number from 0 to 100; what lies outside is brought to the nearest end."""
    found = number(value)
    return None if found is None else min(max(found, 0.0), 100.0)


def share(part: Any, lowest: Any, highest: Any) -> float | None:
    """Where a number lies between two others, in percent; None where they do not say."""
    value, low, high = number(part), number(lowest) or 0.0, number(highest)
    if value is None or high is None or high <= low:
        return None
    return percent((value - low) / (high - low) * 100)


def moment(value: Any) -> datetime | None:
    """A moment, from ISO 8601 text (UTC where no zone is told) or seconds since 1970; 0 is none, and so is a year
    before 1900.
    """
    if isinstance(value, str) and value.strip():
        found_at = _from_iso(value.strip())
        return found_at if found_at and found_at >= _EARLIEST else None
    found = number(value)
    if not found or found <= 0:
        return None
    try:
        return datetime.fromtimestamp(found, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def day(value: Any) -> date | None:
    """A day, from ISO 8601 text or a moment (UTC)."""
    found = moment(value)
    return found.date() if found else None


def flag(value: Any) -> bool | None:
    """True or false, also as 1, 0, "true", "false"; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(
        str(value).strip().lower()
    )


def url(value: Any) -> str | None:
    """A web address that begins with http:// or https://; anything else could run as a script where it is shown."""
    found = text(value)
    if found is None or len(found) > 2_000 or any(c.isspace() for c in found):
        return None
    return found if found.lower().startswith(("http://", "https://")) else None


def duration(value: Any) -> float | None:
    """Seconds of an ISO 8601 duration, a year counting 365 days and a month 30; or of SCORM's ``0000:00:00.00``."""
    clock = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) and len(value) < 100 else None
    if clock:
        return number(sum(float(n) * s for n, s in zip(clock.groups(), _SECONDS[-3:], strict=True)))
    found = _DURATION.fullmatch(value.strip().upper()) if isinstance(value, str) and len(value) < 100 else None
    if found is None or not any(found.groups()):
        return None
    return number(sum(float(n.replace(",", ".")) * s for n, s in zip(found.groups(), _SECONDS, strict=True) if n))


_MARKED = re.compile(r"<!\[[^>]*>?")
_N = r"(?:(\d+(?:[.,]\d+)?){})?"
_DURATION = re.compile(
    "P" + "".join(_N.format(c) for c in "YMWD") + "(?:T" + "".join(_N.format(c) for c in "HMS") + ")?"
)
_CLOCK = re.compile(r"(\d{1,5}):(\d\d):(\d\d(?:\.\d+)?)")
_SECONDS = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)


def storable(value: Any) -> Any:
    """Anything out of JSON, without what the database cannot hold: NUL, half surrogate pairs, numbers that are none.

    What lies more than fifty levels deep is cut off.
    """
    return _storable(value, 50)


def _storable(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, dict):
        return {_storable(str(k), 0): _storable(v, depth - 1) for k, v in value.items()} if depth else "…"
    if isinstance(value, list):
        return [_storable(entry, depth - 1) for entry in value] if depth else "…"
    return value


def _from_iso(value: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)
