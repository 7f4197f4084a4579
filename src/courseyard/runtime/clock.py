"""Time limits of activities (``cmi.max_time_allowed``, ``cmi.time_limit_action``; RTE 4.2.11 and 4.2.25). Pure.

What counts is the time that the server measured itself: a SCO may report what it likes, or nothing. A clock runs while
its activity is open and stands while the learner is elsewhere; a new attempt on the activity begins with none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from courseyard.datamodel import parse_time
from courseyard.limits import TIME_LIMIT_GRACE_SECONDS

_PREFIXES = {"1.2": "cmi.student_data.", "2004": "cmi."}


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """How many seconds an attempt on an activity may take, and what happens then."""

    seconds: float
    exits: bool
    tells: bool


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds used up in an attempt on an activity; ``since``: the attempt's measured time when it began to run."""

    activity_attempt: int
    used: float
    since: float | None = None

    def at(self, measured: float) -> float:
        """Seconds used up when the attempt's measured time is ``measured``."""
        return self.used if self.since is None else self.used + measured - self.since

    def as_json(self) -> list[Any]:
        """For the attempt's document."""
        return [self.activity_attempt, round(self.used, 3), self.since]


def limit_of(standard: str, data: Mapping[str, str]) -> TimeLimit | None:
    """The limit that a SCO's data tell; None where there is none, or nothing happens at its end."""
    prefix = _PREFIXES[standard]
    seconds = parse_time(data.get(f"{prefix}max_time_allowed", ""))
    what, _, message = data.get(f"{prefix}time_limit_action", "").partition(",")
    found = TimeLimit(seconds or 0.0, what == "exit", message == "message")
    return found if seconds is not None and (found.exits or found.tells) else None


def clocks_after(
    clocks: Mapping[str, Clock],
    measured: float,
    *,
    left: tuple[str, int] | None,
    delivered: tuple[str, int] | None,
    limited: bool,
) -> dict[str, Clock]:
    """The clocks when one activity was left and another delivered, which may be ``limited``."""
    after = dict(clocks)
    if left is not None and left[0] in after:
        after[left[0]] = Clock(left[1], after[left[0]].at(measured))
    if delivered is not None and limited:
        item, number = delivered
        known = after.get(item)
        used = known.used if known is not None and known.activity_attempt == number else 0.0
        after[item] = Clock(number, used, measured)
    return after


def is_over(limit: TimeLimit, clock: Clock, measured: float) -> bool:
    """Whether the time is used up; the page's own clock and the server's need not agree to the second."""
    return clock.at(measured) >= limit.seconds - TIME_LIMIT_GRACE_SECONDS


def is_late(standard: str, data: Mapping[str, str], kept: list[Any] | None, measured: float) -> bool:
    """Whether a SCO goes on after it had to be closed. ``kept``: its clock as the attempt's document has it."""
    limit = limit_of(standard, data) if kept else None
    if kept is None or limit is None or not limit.exits:
        return False
    return Clock(*kept).at(measured) > limit.seconds + TIME_LIMIT_GRACE_SECONDS


def told(limit: TimeLimit, title: str) -> str:
    """What the learner reads when the limit has closed a part."""
    minutes, seconds = divmod(round(limit.seconds), 60)
    parts = [f"{n} {word}{'s' * (n != 1)}" for n, word in ((minutes, "minute"), (seconds, "second")) if n]
    return f"The time for “{title}” is over ({' '.join(parts) or 'no time at all'}), so it was closed."
