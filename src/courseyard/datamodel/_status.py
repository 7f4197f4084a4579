"""What a SCO's state says about the learner: completion, success, score and time; and the rules at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._tables import table
from ._time import add_times, parse_time

# SCORM 1.2 has one word for two facts. `failed` says that the learner went through to a verdict.
_LESSON_STATUS: dict[str, tuple[str, str]] = {
    "passed": ("completed", "passed"),
    "failed": ("completed", "failed"),
    "completed": ("completed", "unknown"),
    "incomplete": ("incomplete", "unknown"),
    "browsed": ("incomplete", "unknown"),
    "not attempted": ("not attempted", "unknown"),
}


@dataclass(frozen=True, slots=True)
class Summary:
    """One SCO at a glance. Statuses use the words of SCORM 2004 for both standards; times are seconds.

    `scaled` is the score between -1 and 1: as reported, else worked out of raw, min and max; None where there is
    nothing to work it out of. `request` is the navigation request that the SCO left, "_none_" without one.
    """

    completion: str = "unknown"
    success: str = "unknown"
    raw: float | None = None
    min: float | None = None
    max: float | None = None
    scaled: float | None = None
    progress: float | None = None
    location: str = ""
    exit: str = ""
    request: str = "_none_"
    session_seconds: float | None = None
    total_seconds: float = 0.0


def judged(spec: Mapping[str, Any], state: Mapping[str, str]) -> str | None:
    """Status by threshold, computed at once (RTE 4.2.4.1 and 4.2.22.1 of SCORM 2004); None where none is in force."""
    rule = spec.get("judged")
    threshold = _number(state.get(rule["threshold"])) if rule else None
    if rule is None or threshold is None:
        return None
    measure = _number(state.get(rule["measure"]))
    if measure is None:
        return "unknown"
    return str(rule["reached"] if measure >= threshold else rule["below"])


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def summarise(standard: str, state: Mapping[str, str]) -> Summary:
    """Read a flat state. Never raises: what cannot be read counts as not given."""
    return _summarise12(state) if standard == "1.2" else _summarise2004(state)


def _summarise12(state: Mapping[str, str]) -> Summary:
    completion, success = _LESSON_STATUS.get(
        state.get("cmi.core.lesson_status", "not attempted"), ("unknown", "unknown")
    )
    raw, low, high = (_number(state.get(f"cmi.core.score.{part}")) for part in ("raw", "min", "max"))
    return Summary(
        completion=completion,
        success=success,
        raw=raw,
        min=low,
        max=high,
        scaled=_scaled(raw, 0.0 if low is None else low, 100.0 if high is None else high),
        location=state.get("cmi.core.lesson_location", ""),
        exit=state.get("cmi.core.exit", ""),
        session_seconds=parse_time(state.get("cmi.core.session_time", "")),
        total_seconds=parse_time(state.get("cmi.core.total_time", "")) or 0.0,
    )


def _summarise2004(state: Mapping[str, str]) -> Summary:
    elements = table("2004").elements
    raw, low, high = (_number(state.get(f"cmi.score.{part}")) for part in ("raw", "min", "max"))
    scaled = _number(state.get("cmi.score.scaled"))
    return Summary(
        completion=judged(elements["cmi.completion_status"], state) or state.get("cmi.completion_status", "unknown"),
        success=judged(elements["cmi.success_status"], state) or state.get("cmi.success_status", "unknown"),
        raw=raw,
        min=low,
        max=high,
        scaled=_scaled(raw, low, high) if scaled is None else scaled,
        progress=_number(state.get("cmi.progress_measure")),
        location=state.get("cmi.location", ""),
        exit=state.get("cmi.exit", ""),
        request=state.get("adl.nav.request", "_none_"),
        session_seconds=parse_time(state.get("cmi.session_time", "")),
        total_seconds=parse_time(state.get("cmi.total_time", "")) or 0.0,
    )


def _scaled(raw: float | None, low: float | None, high: float | None) -> float | None:
    """The place of raw between min and max, 0 to 1; None where it lies outside or the ends are no range."""
    if raw is None or low is None or high is None or not low <= raw <= high or low == high:
        return None
    return (raw - low) / (high - low)


def finish(standard: str, state: Mapping[str, str], facts: Mapping[str, str] | None = None) -> dict[str, str]:
    """The state after the end of a session: session time added to total time, statuses settled. A new dict.

    `facts` are read-only elements that the state may not hold (mastery score, credit, mode, thresholds): the
    initial data will do. Call it once per session: the session time is taken out of the state.
    """
    known = {**(facts or {}), **state}
    after = dict(state)
    prefix = "cmi.core." if standard == "1.2" else "cmi."
    if session := after.pop(f"{prefix}session_time", None):
        after[f"{prefix}total_time"] = add_times(standard, known.get(f"{prefix}total_time", ""), session)
    if standard == "1.2":
        after["cmi.core.lesson_status"] = _lesson_status(known)
    else:
        after |= _settled(known)
    return after


def _lesson_status(known: Mapping[str, str]) -> str:
    """cmi.core.lesson_status at LMSFinish (SCORM 1.2 RTE 3.4.4): the SCO's word, then the mastery score.

    A SCO that suspends in the middle is not judged: its score so far is no verdict, and a learner marked failed
    there would be locked out by content that only looks at the status. Who needs it: Storyline and Captivate,
    which report a score of 0 from the first page on.
    """
    status = known.get("cmi.core.lesson_status", "not attempted")
    if known.get("cmi.core.lesson_mode", "normal") == "browse":
        return "browsed" if status == "not attempted" else status
    suspended = known.get("cmi.core.exit", "") == "suspend"
    if suspended and status in ("not attempted", "incomplete"):
        return "incomplete"
    mastery = _number(known.get("cmi.student_data.mastery_score"))
    raw = _number(known.get("cmi.core.score.raw"))
    if mastery is not None and raw is not None and known.get("cmi.core.credit", "credit") == "credit":
        return "passed" if raw >= mastery else "failed"
    return "completed" if status == "not attempted" else status


def _settled(known: Mapping[str, str]) -> dict[str, str]:
    elements = table("2004").elements
    verdicts = {name: judged(elements[name], known) for name in ("cmi.completion_status", "cmi.success_status")}
    return {name: verdict for name, verdict in verdicts.items() if verdict is not None}
