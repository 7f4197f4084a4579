"""What the player page is told: what to show, which requests are possible, the table of contents, the result. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from courseyard.runtime.attempt import Attempt
from courseyard.runtime.navigation import locked_now
from courseyard.sequencing import Step, activity_status, explain, look_ahead, toc, why_not_complete

View = dict[str, Any]

_REQUESTS = (
    "start", "resumeAll", "continue", "previous", "exit", "exitAll", "abandon", "abandonAll", "suspendAll",
)  # fmt: skip


def view_of(
    attempt: Attempt, content_prefix: str, now: datetime, *, message: str | None = None, unchanged: bool = False
) -> View:
    """The page's picture of an attempt.

    ``unchanged``: the activity that was open before this request still is; a page that has kept its frame need
    not load it again.
    """
    is_open = bool(attempt.row["session_open"])
    locked = locked_now(attempt) if is_open else frozenset()
    shown = is_open and attempt.delivered is not None
    return {
        "state": "running" if shown else "idle" if is_open else "ended",
        "delivery": _delivery(attempt, content_prefix, again=unchanged) if shown else None,
        "unchanged": unchanged,
        "valid": _valid(attempt, locked, now) if is_open else _nothing_valid(),
        "toc": _contents(attempt, locked, now, is_open=is_open),
        "message": message,
        "result": None if is_open else result_of(attempt.row),
    }


def result_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """How an attempt stands. ``score`` is in percent where there is one; ``seconds``: as reported, else as measured."""
    scaled = row["score_scaled"]
    raw = row["score_raw"]
    return {
        "completion": row["completion"],
        "success": row["success"],
        "score": round(100 * scaled, 2) if scaled is not None else raw,
        "progress": row["progress"],
        "seconds": row["reported_seconds"] or row["measured_seconds"],
        "suspended": row["suspended"],
    }


def content_url(content_prefix: str, href: str) -> str:
    """The address of a file of the package; an address elsewhere is left as it is."""
    if href.startswith(("http://", "https://", "//")):
        return href
    cut = min((at for at in (href.find("?"), href.find("#")) if at >= 0), default=len(href))
    # What is percent-encoded already stays; what no address may hold is encoded.
    return f"/content/{content_prefix}/{quote(href[:cut], safe=_PATH)}{quote(href[cut:], safe=_QUERY)}"


_PATH = "/%:@!$&'()*+,;=~-._"
_QUERY = f"{_PATH}?#[]"


def why_of(attempt: Attempt, traces: list[dict[str, Any]]) -> dict[str, Any]:
    """Tree, status of every activity, what keeps the course from being complete, and what the last requests did."""
    tree = attempt.course.tree
    status = activity_status(tree, attempt.state, attempt.objectives)
    activities = [
        {"item": a.id, "title": a.title, "depth": a.depth} | status[a.id] | {"objectives": _named(status[a.id])}
        for a in tree.activities
    ]
    requests = [
        {
            "request": t["request"],
            "target": t["target"],
            "outcome": t["outcome"],
            "sentences": explain([Step(**step) for step in t["trace"]["steps"]], tree),
        }
        for t in traces
    ]
    return {
        "tree": activities,
        "sentences": why_not_complete(tree, attempt.state, attempt.objectives),
        "requests": requests,
    }


def _named(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"id": name, **known} for name, known in status["objectives"].items()]


def _delivery(attempt: Attempt, content_prefix: str, *, again: bool) -> dict[str, Any]:
    item, activity_attempt = attempt.delivered or ("", 0)
    definition = attempt.course.items[item]
    data = attempt.data
    if again and attempt.row["initialized"]:
        # A page that took the frame away before it asked loads the SCO once more: it goes on.
        data |= {"cmi.core.entry" if attempt.course.standard == "1.2" else "cmi.entry": "resume"}
    return {
        "item": item,
        "title": definition.get("title") or item,
        "url": content_url(content_prefix, definition.get("href") or ""),
        "scorm_type": definition.get("scorm_type") or "sco",
        "data": data,
        "activity_attempt": activity_attempt,
        "hide": definition.get("hide_lms_ui") or [],
        "time_limit": _time_limit(attempt),
    }


def _time_limit(attempt: Attempt) -> dict[str, Any] | None:
    if attempt.time_limit is None:
        return None
    limit, clock = attempt.time_limit
    left = max(0.0, limit.seconds - clock.at(attempt.row["measured_seconds"]))
    return {"seconds_left": round(left, 1), "exits": limit.exits, "tells": limit.tells}


def _valid(attempt: Attempt, locked: frozenset[str], now: datetime) -> dict[str, Any]:
    """What the engine would do, but the way out is always open: a learner is never locked in."""
    found = look_ahead(attempt.course.tree, attempt.state, attempt.objectives, now).as_json()
    found["choice"] = [item for item in found["choice"] if item not in locked]
    return found | {"exitAll": True, "suspendAll": True}


def _nothing_valid() -> dict[str, Any]:
    return dict.fromkeys(_REQUESTS, False) | {"choice": [], "jump": []}


def _contents(attempt: Attempt, locked: frozenset[str], now: datetime, *, is_open: bool) -> list[dict[str, Any]]:
    return [
        {
            "item": entry.id,
            "title": entry.title,
            "depth": entry.depth,
            "enabled": is_open and entry.enabled and entry.selectable and entry.id not in locked,
            "visible": entry.visible,
            "current": is_open and entry.current,
            "completion": entry.completion,
            "success": entry.success,
        }
        for entry in toc(attempt.course.tree, attempt.state, attempt.objectives, now)
    ]
