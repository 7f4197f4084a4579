"""Small courses for the tests of the engine, as the course document tells them."""

from __future__ import annotations

from datetime import UTC, datetime

from courseyard.sequencing import Report, build_tree, navigate, new_state

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def leaf(identifier, **sequencing):
    extra = sequencing.pop("item", {})
    return {
        "identifier": identifier,
        "title": identifier,
        "href": "a.html",
        "scorm_type": "sco",
        "sequencing": sequencing,
    } | extra


def cluster(identifier, *children, **sequencing):
    extra = sequencing.pop("item", {})
    sequencing.setdefault("control_mode", {"choice": True, "flow": True})
    return {"identifier": identifier, "title": identifier, "children": list(children), "sequencing": sequencing} | extra


def course(*children, edition="4th", system=True, **sequencing):
    root = cluster("root", *children, **sequencing)
    root["objectives_global_to_system"] = system
    return {"standard": "2004", "edition": edition, "default_organization": "root", "organizations": [root]}


def rule(action, *conditions, combination="all"):
    return {
        "action": action,
        "combination": combination,
        "conditions": [c if isinstance(c, dict) else {"condition": c} for c in conditions],
    }


class Learner:
    """A learner on a course: requests in, the last outcome kept."""

    def __init__(self, document, seed=1):
        self.tree = build_tree(document)
        self.state = new_state(self.tree, seed=seed)
        self.globals = {}
        self.last = None

    def __call__(self, request, target=None, **report):
        told = Report(**report) if report else None
        self.last = navigate(
            self.tree, self.state, request, target, report=told, now=NOW, globals_=self.globals, trace=True
        )
        self.state, self.globals = self.last.state, self.last.globals_
        return self.last.delivered if self.last.result == "delivered" else self.last.exception or self.last.result
