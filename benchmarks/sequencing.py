"""How fast the sequencing engine is: requests over the vectors (transfer and JSON state included), trees, look-ahead.

.venv/bin/python benchmarks/sequencing.py
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from courseyard.content.manifest import read_manifest
from courseyard.sequencing import build_tree, look_ahead, navigate, new_state, state_from_json, state_to_json, toc
from courseyard.sequencing.simulation import Simulation

VECTORS = Path(__file__).resolve().parents[2] / "shared" / "sequencing" / "vectors_dev.jsonl.gz"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Print the figures."""
    if VECTORS.exists():
        _requests()
    for size in (200, 2000):
        _course(f"{size} activities", _document(size))
    _course("2000 activities, 12 deep", _deep_document(2000, 12))


def _requests() -> None:
    with gzip.open(VECTORS, "rt", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    documents = [read_manifest(c["manifest_xml"].encode()).document or {} for c in cases]
    begin = time.perf_counter()
    trees = [build_tree(document) for document in documents]
    print(f"vectors: {len(trees) / (time.perf_counter() - begin):,.0f} trees/s")
    count, begin = 0, time.perf_counter()
    for case, tree in zip(cases, trees, strict=True):
        simulation = Simulation(tree)
        stored = json.dumps(state_to_json(simulation.state))
        for step in case["steps"]:
            if "report" in step:
                simulation.report(step["report"])
                continue
            simulation.state = state_from_json(json.loads(stored))
            simulation.navigate(step["nav"], step.get("target"))
            stored = json.dumps(state_to_json(simulation.state))
            count += 1
    print(f"vectors: {count / (time.perf_counter() - begin):,.0f} requests/s with transfer and JSON state")


def _course(name: str, document: dict[str, Any]) -> None:
    tree = build_tree(document)
    state = navigate(tree, new_state(tree, seed=1), "start", now=NOW, globals_={}).state
    _time(f"{name}: tree", lambda: build_tree(document))
    _time(f"{name}: continue", lambda: navigate(tree, state, "continue", now=NOW, globals_={}))
    _time(f"{name}: look-ahead", lambda: look_ahead(tree, state, {}, NOW))
    _time(f"{name}: table of contents", lambda: toc(tree, state, {}, NOW))


def _document(size: int) -> dict[str, Any]:
    flow = {"control_mode": {"flow": True}}
    parts = [
        {
            "identifier": f"m{n}",
            "title": f"Module {n}",
            "sequencing": flow,
            "children": [{"identifier": f"m{n}l{k}", "title": f"Lesson {k}", "href": "a.html"} for k in range(19)],
        }
        for n in range(size // 20)
    ]
    root = {"identifier": "root", "title": "Course", "sequencing": flow, "children": parts}
    return {"edition": "4th", "default_organization": "root", "organizations": [root]}


def _deep_document(size: int, depth: int) -> dict[str, Any]:
    """Chains of clusters, each ending in two lessons."""
    flow = {"control_mode": {"flow": True}}
    parts: list[dict[str, Any]] = []
    for n in range(size // (depth + 1)):
        lessons = [{"identifier": f"c{n}l{k}", "title": f"Lesson {k}", "href": "a.html"} for k in range(2)]
        part: dict[str, Any] = {"identifier": f"c{n}d{depth}", "title": "Unit", "sequencing": flow, "children": lessons}
        for level in range(depth - 1, 1, -1):
            part = {"identifier": f"c{n}d{level}", "title": "Unit", "sequencing": flow, "children": [part]}
        parts.append(part)
    root = {"identifier": "root", "title": "Course", "sequencing": flow, "children": parts}
    return {"edition": "4th", "default_organization": "root", "organizations": [root]}


def _time(name: str, work: Callable[[], Any]) -> None:
    rounds, begin = 5, time.perf_counter()
    for _ in range(rounds):
        work()
    print(f"{name}: {(time.perf_counter() - begin) / rounds * 1000:,.2f} ms")


if __name__ == "__main__":
    main()
