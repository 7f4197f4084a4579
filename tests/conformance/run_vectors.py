"""Run the sequencing vectors against the engine and print how many agree.

    .venv/bin/python tests/conformance/run_vectors.py [--show N] [--id dev-0001] [vectors.jsonl.gz]

A case counts in three groups, by how far its expectation is to be trusted: ``strict`` (every field), ``strict_status``
(navigation, attempts, statuses), ``strict_nav`` (navigation); the rest is compared for information.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from courseyard.content.manifest import read_manifest
from courseyard.sequencing import build_tree
from courseyard.sequencing.simulation import Simulation

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "sequencing" / "vectors_dev.jsonl.gz"
REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "sequencing-reference.md"
NAV = ("result", "ok", "delivered", "end_session", "current", "suspended_activity", "cmi_attempt")
STATUS = ("attempts", "active", "suspended", "completion", "satisfied")
GROUPS = ("strict", "strict_status", "strict_nav", "all")


def cases(path: Path = DEFAULT) -> Iterator[dict[str, Any]]:
    """The cases of a file of vectors."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def argued() -> set[str]:
    """The cases in which the reference is wrong by the book: those in the tables of docs/sequencing-reference.md."""
    return set(re.findall(r"^\| `([\w-]+)` \|", REFERENCE.read_text("utf-8"), re.MULTILINE))


def outcomes_of(case: dict[str, Any]) -> list[dict[str, Any]]:
    """What the engine answers to each navigation step of a case."""
    reading = read_manifest(case["manifest_xml"].encode())
    assert reading.document is not None, reading.findings
    simulation = Simulation(build_tree(reading.document))
    found = []
    for step in case["steps"]:
        if "report" in step:
            simulation.report(step["report"])
        else:
            found.append(simulation.outcome_as_json(simulation.navigate(step["nav"], step.get("target"))))
    return found


def differences(case: dict[str, Any], group: str, got: list[dict[str, Any]] | None = None) -> list[str]:
    """Where the engine's answer differs from what is expected, in the fields that count for a group."""
    found: list[str] = []
    for number, (want, have) in enumerate(zip(case["expected"], got or outcomes_of(case), strict=True)):
        place = f"{number} {want['nav']}"
        _compare(found, place, {k: want.get(k) for k in NAV}, {k: have.get(k) for k in NAV})
        if group == "strict_nav":
            continue
        for name, status in want["state"].items():
            fields = STATUS if group == "strict_status" else tuple(status)
            have_status = have["state"].get(name, {})
            _compare(found, f"{place} {name}", {k: status[k] for k in fields}, {k: have_status.get(k) for k in fields})
        if group in ("strict", "all"):
            valid = {k: v for k, v in want["valid"].items() if k != "choice_agrees"}
            if not want["valid"]["choice_agrees"]:
                del valid["choice"]
            _compare(found, f"{place} valid", valid, {k: have["valid"].get(k) for k in valid})
            _compare(found, f"{place} globals", want["globals"], have["globals"])
    return found


def _compare(found: list[str], place: str, want: dict[str, Any], have: dict[str, Any]) -> None:
    for key, value in want.items():
        if not _same(value, have.get(key)):
            found.append(f"{place} {key}: expected {value!r}, got {have.get(key)!r}")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(v, other[k]) for k, v in one.items())
    if isinstance(one, float | int) and isinstance(other, float | int) and not isinstance(one, bool):
        return abs(one - other) < 1e-6
    return bool(one == other)


def group_of(case: dict[str, Any]) -> str:
    """The widest group whose fields count for a case."""
    return next((name for name in GROUPS[:-1] if case[name]), "all")


def main() -> int:
    """Print the counts, and the first differences on demand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--show", type=int, default=0, help="how many cases that differ to show")
    parser.add_argument("--group", default=None, choices=GROUPS)
    parser.add_argument("--id", default=None)
    options = parser.parse_args()
    total: Counter[str] = Counter()
    good: Counter[str] = Counter()
    known, unargued, shown = argued(), set(), 0
    for case in cases(options.vectors):
        if options.id is not None and case["id"] != options.id:
            continue
        got = outcomes_of(case)
        for group in GROUPS:
            if group != "all" and not case[group]:
                continue
            total[group] += 1
            wrong = differences(case, group, got)
            good[group] += not wrong
            if wrong and group != "all" and case["id"] not in known:
                unargued.add(case["id"])
            if wrong and shown < options.show and (options.group in (None, group) or options.id):
                shown += 1
                print(case["id"], group, case.get("deviations", ""), case.get("ambiguous", ""))
                print("   " + "\n   ".join(wrong[:8]))
    for group in GROUPS:
        print(f"{group:14} {good[group]:5} of {total[group]:5} agree")
    print(
        "trusted cases that differ and are not argued in docs/sequencing-reference.md:", *sorted(unargued) or ["none"]
    )
    return 1 if unargued else 0


if __name__ == "__main__":
    sys.exit(main())
