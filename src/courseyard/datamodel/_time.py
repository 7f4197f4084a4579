"""Durations and timestamps of both models, as numbers and back.

A year counts 365.25 days and a month a twelfth of it, because a duration has no calendar to look into. Leading
zeros are legal (`P0Y029DT0H` is 29 days). Written durations carry hundredths of a second at most.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_DAY = 86_400.0
_YEAR = 365.25 * _DAY
_ISO_UNITS = (_YEAR, _YEAR / 12, _DAY, 3_600.0, 60.0, 1.0)
_ISO = re.compile(
    r"P(?=[0-9T])(?:([0-9]+)Y)?(?:([0-9]+)M)?(?:([0-9]+)D)?"
    r"(?:T(?=[0-9])(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?"
)
_CLOCK = re.compile(r"([0-9]{1,6}):([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]+)?)")
_STAMP = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:T([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(\.[0-9]+)?)?)?"
    r"(?:(Z)|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?)?)?"
)
# CMITimespan has four digits of hours.
_LONGEST_CLOCK = 9_999 * 360_000 + 59 * 6_000 + 59 * 100 + 99
# No one learns for more than a century in one SCO; a longer figure is a slip of the content.
_LONGEST_SECONDS = 100 * _YEAR


def parse_time(text: str) -> float | None:
    """Seconds of a duration: `PT1H30M` (timeinterval) or `0001:30:00.00` (CMITimespan). None when it is neither."""
    if found := _ISO.fullmatch(text):
        seconds = sum(float(part) * unit for part, unit in zip(found.groups("0"), _ISO_UNITS, strict=True))
    elif found := _CLOCK.fullmatch(text):
        seconds = float(found[1]) * 3_600 + float(found[2]) * 60 + float(found[3])
    else:
        return None
    return min(seconds, _LONGEST_SECONDS)


def format_time(standard: str, seconds: float) -> str:
    """A duration as the standard writes it, to hundredths: `P1DT2H0.55S`, `PT0S`, or `0026:00:00.55`."""
    hundredths = max(0, int(seconds * 100 + 0.5))
    return _clock(min(hundredths, _LONGEST_CLOCK)) if standard == "1.2" else _iso(hundredths)


def _clock(hundredths: int) -> str:
    seconds, part = divmod(hundredths, 100)
    return f"{seconds // 3600:04}:{seconds // 60 % 60:02}:{seconds % 60:02}.{part:02}"


def _iso(hundredths: int) -> str:
    seconds, part = divmod(hundredths, 100)
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    rest = f"{seconds % 60}.{part:02}".rstrip("0").rstrip(".") if part else str(seconds % 60)
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + (f"{rest}S" if rest != "0" else "")
    date = f"P{days}D" if days else "P"
    if clock:
        return f"{date}T{clock}"
    return date if days else "PT0S"


def add_times(standard: str, *durations: str) -> str:
    """The sum of durations in the form of the standard; what cannot be read counts as nothing."""
    return format_time(standard, sum(parse_time(text) or 0.0 for text in durations))


def parse_timestamp(text: str) -> datetime | None:
    """A moment of `time(second,10,0)`. Missing parts are the earliest, a missing zone is UTC; None when unreadable."""
    found = _STAMP.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, zone_hours, zone_minutes = found.groups()
    zone = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    try:
        return datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int(float(fraction or 0) * 1_000_000),
            tzinfo=timezone(-zone if sign == "-" else zone) if sign else UTC,
        )
    except ValueError:
        return None
