"""How values are worded for people: times, durations, sizes, states."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(?P<zone>Z|[+-]\d\d(:?\d\d)?)?")
# A value that somebody else wrote is shown so far.
_TEXT_SHOWN = 200
_PARTS_SHOWN = 20

# What a page says after a form led to it. A fixed list: nobody can put words on a page by a link.
DONE = {
    "uploaded": "The package is imported. Look below at what was found in it.",
    "version": "The new version is imported. Attempts that are running stay on the old one.",
    "saved": "Saved.",
    "deleted": "The package and everything recorded for it is deleted.",
    "enrolled": "Enrolled: the course is in the learner's list. The name below leads to a sign-in link for them.",
    "password": "The new password is set. Other devices are signed out.",
    "role": "The role is changed.",
    "signed-out": "You are signed out.",
    "credential-added": "The credential is entered. A PDF of it can be uploaded here.",
    "credential-deleted": "The credential is deleted.",
    "file-kept": "The certificate is kept. Its person and staff can see it.",
    "address-checked": "The address was looked at; see below.",
    "tried-again": "It is being sent again.",
    "mapped": "Mapped. Enrolments and completions that it asks for follow within a minute.",
    "partner-enrolled": "Enrolled. The partner is told in the background; the list shows how far that is.",
    "partner-withdrawn": "The enrolment is being ended.",
    "course-entered": "The course is entered.",
    "cancelling": "The run stops after the records that are being written. What it wrote stays.",
    "undone": "The run is undone, and its partner is paused: go on with it on its page when the cause is mended.",
    "decided": "Decided.",
    "dropped": "The records are dropped.",
    "webhook-deleted": "The receiver is deleted.",
    "provider-added": "The partner is added. Test the connection next, then look at what it offers.",
    "provider-deleted": "The partner and all that came from it is deleted here. Nothing happened at the partner.",
    "connected": "The partner lets this server in. Test the connection next.",
    "checked": "The connection was tried; see below.",
    "run-started": "The run is on its way; its progress is below.",
    "paused": "Paused: nothing is fetched by itself, and what the partner pushes waits, until you go on.",
    "resumed": "The schedule goes on.",
    "courses-imported": "The courses are brought in. Map them to your own next.",
    "file-uploaded": "The file is kept. The next sync reads it.",
    "file-deleted": "The file is deleted. What was imported from it stays.",
    "columns-saved": "The columns are saved. The next sync reads the files with them.",
}


def time_element(when: datetime | None) -> Markup:
    """A moment in UTC that the browser shows in the viewer's own time zone; a dash for none."""
    if when is None:
        return Markup('<span class="dim">–</span>')
    when = when.astimezone(UTC) if when.tzinfo else when
    return Markup('<time datetime="{}">{}</time>').format(when.isoformat(), when.strftime("%Y-%m-%d %H:%M UTC"))


def day_element(day: date | None) -> Markup:
    """A day, which is the same everywhere; a dash for none."""
    if day is None:
        return Markup('<span class="dim">–</span>')
    return Markup('<time datetime="{0}" data-day>{0}</time>').format(day.isoformat())


def plain(value: Any) -> str:
    """Any value of a record as people read it, whether it comes from a column or from JSON; a dash for none."""
    if value is None or value in ("", {}, []):
        return "–"
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float() | Decimal():
            return number(value)
        case datetime():
            return time_element(value)
        case date():
            return day_element(value)
        case dict():
            inner = [Markup("{}: {}").format(label(str(name)), plain(told)) for name, told in value.items()]
            return _joined(inner, "; ")
        case list() | tuple():
            return _joined([plain(told) for told in value], ", ")
    return _text(str(value))


def _joined(parts: Sequence[str], between: str) -> Markup:
    more = len(parts) - _PARTS_SHOWN
    return escape(between).join([*parts[:_PARTS_SHOWN], *([f"and {more} more"] if more > 0 else [])])


def _text(text: str) -> str:
    try:
        if _DAY.fullmatch(text):
            return day_element(date.fromisoformat(text))
        if found := _MOMENT.fullmatch(text):
            when = datetime.fromisoformat(text)
            # Without a zone it is nobody's time in particular.
            return time_element(when) if found["zone"] else when.strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        pass
    return text if len(text) <= _TEXT_SHOWN else f"{text[:_TEXT_SHOWN]}…"


def label(name: str) -> str:
    """The name of a field, where nobody has given it a better one."""
    words = " ".join(name.replace("_", " ").split())
    return words[:1].upper() + words[1:]


def ago(when: datetime | None) -> str:
    """How long a moment lies back, in its largest unit."""
    if when is None:
        return "never"
    minutes = int((datetime.now(UTC) - when).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 120:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 2 * 1440 else f"{minutes // 1440} days ago"


def duration(seconds: float | Decimal | None) -> str:
    """A stretch of time in its two largest units."""
    whole = int(seconds or 0)
    if whole <= 0:
        return "–"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


def state(word: str | None) -> str:
    """A completion or success state as a word of its own; a dash where nothing is known."""
    return "–" if word in {None, "unknown", ""} else str(word).replace("_", " ").capitalize()


def size(count: int) -> str:
    """Bytes in the unit that gives a short number."""
    value = float(count)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def number(value: float | Decimal | None) -> str:
    """A number without needless zeros; a dash for none."""
    if value is None:
        return "–"
    return f"{value:.2f}".rstrip("0").rstrip(".")
