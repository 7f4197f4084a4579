"""What an attempt recorded, grouped for reading: an entry per activity, with interactions and objectives."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_MEMBER = re.compile(r"^cmi\.(interactions|objectives)\.(\d+)\.(.+)$")


def activities(attempt: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry per activity attempt, in the order of the course; what it no longer has comes last."""
    titles = dict(_titles(attempt["document"]))
    order = {item: place for place, item in enumerate(titles)}
    states = sorted(
        attempt["states"], key=lambda s: (order.get(s["item"], len(order)), s["item"], s["activity_attempt"])
    )
    return [_activity(state, titles, attempt["standard"]) for state in states]


def _activity(state: Mapping[str, Any], titles: Mapping[str, str], standard: str) -> dict[str, Any]:
    data: dict[str, Any] = state["data"]
    return {
        "item": state["item"],
        "title": titles.get(state["item"], state["item"]),
        "activity_attempt": state["activity_attempt"],
        **_statuses(data, standard),
        "seconds": state["total_seconds"] + state["session_seconds"],
        "interactions": collection(data, "interactions"),
        "objectives": collection(data, "objectives"),
        "data": data,
        "updated_at": state["updated_at"],
    }


def _statuses(data: Mapping[str, Any], standard: str) -> dict[str, Any]:
    if standard == "1.2":
        lesson = data.get("cmi.core.lesson_status", "not attempted")
        success = lesson if lesson in {"passed", "failed"} else "unknown"
        score, location = data.get("cmi.core.score.raw"), data.get("cmi.core.lesson_location")
        return {"completion": lesson, "success": success, "score": score, "location": location}
    return {
        "completion": data.get("cmi.completion_status", "unknown"),
        "success": data.get("cmi.success_status", "unknown"),
        "score": data.get("cmi.score.scaled", data.get("cmi.score.raw")),
        "location": data.get("cmi.location"),
    }


def collection(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """``cmi.interactions.3.result`` and its like as a list of members, by index."""
    members: dict[int, dict[str, Any]] = {}
    for element, value in data.items():
        match = _MEMBER.match(element)
        if match and match[1] == name:
            members.setdefault(int(match[2]), {})[match[3]] = value
    return [{"index": index, **members[index]} for index in sorted(members)]


def _titles(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for organization in document.get("organizations", []):
        yield from _item_titles(organization)


def _item_titles(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield item["identifier"], item.get("title") or item["identifier"]
    for child in item.get("children", []):
        yield from _item_titles(child)
