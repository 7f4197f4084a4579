"""ADL's cases of the data model and the API, call by call against the API object, without a server.

The visits of DMI run twice: the second round goes on with what the server's validation kept of the first.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fix_api import Play
from lxml import etree

from courseyard.datamodel import Model, finish, initial_data

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

LEARNER = {"id": "learner-1", "name": "Learner1, DMI"}
ADLCP = "{http://www.adlnet.org/xsd/adlcp_v1p3}"
# What the sequencing engine would say in these packages, as the scripts' authors intend it.
VALID = {"continue": False, "previous": False, "choice": ["activity_2"], "jump": ["activity_2"]}


@pytest.fixture(scope="session")
def compare(shared: Path) -> ModuleType:
    """The judge that comes with the cases."""
    spec = importlib.util.spec_from_file_location("adl_compare", shared / "adl" / "compare.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def items(manifest: Path) -> dict[str, dict[str, Any]]:
    """The facts of each item that its SCO can read."""
    found: dict[str, dict[str, Any]] = {}
    for node in etree.parse(manifest).iterfind(".//{*}item"):
        threshold = node.find(f"{ADLCP}completionThreshold")
        item: dict[str, Any] = {
            "launch_data": node.findtext(f"{ADLCP}dataFromLMS"),
            "time_limit_action": node.findtext(f"{ADLCP}timeLimitAction"),
            "shared_data": [
                {
                    "target": entry.get("targetID"),
                    "read": entry.get("readSharedData", "true") == "true",
                    "write": entry.get("writeSharedData", "true") == "true",
                }
                for entry in node.iterfind(f"{ADLCP}data/{ADLCP}map")
            ],
        }
        if threshold is not None:
            item["completion_threshold"] = {
                "completed_by_measure": threshold.get("completedByMeasure") == "true",
                "min_progress_measure": float(threshold.get("minProgressMeasure", 1)),
            }
        found[node.get("identifier", "").strip()] = item
    return found


def resolved(element: str, item: dict[str, Any]) -> str:
    """`adl.data.&id&.store` with the index of that id."""
    if "&" not in element:
        return element
    head, ident, tail = element.split("&")
    targets = [entry["target"] for entry in item["shared_data"]]
    return f"{head}{targets.index(ident)}{tail}"


def wanted(visit: dict[str, Any], answers: list[tuple[str, str]], compare: ModuleType) -> list[str]:
    problems = []
    for number, (command, (value, error)) in enumerate(zip(visit["commands"], answers, strict=True)):
        hard, soft = compare.judge(command, {"value": value, "error": error}, LEARNER)
        if hard or soft:
            args = [arg[:60] for arg in command["args"]]
            problems.append(f"{visit['visit']} #{number} {command['fn']}{args}: {hard or soft}")
    return problems


@pytest.mark.parametrize("case_id", ["API", "DMI"])
async def test_every_visit_answers_as_adl_expects(play: Play, shared: Path, compare: ModuleType, case_id: str) -> None:
    case = json.loads((shared / "adl" / "cases" / f"{case_id}.json").read_text("utf-8"))
    facts = items(shared / "adl" / "manifests" / f"{case_id}.xml")
    states: dict[str, dict[str, str]] = {}
    stores: dict[str, str] = {}
    problems: list[str] = []
    for visit in case["visits"]:
        item = facts[visit["item"]]
        stored = states.get(visit["item"])
        data = initial_data(
            "2004",
            learner_id=LEARNER["id"],
            learner_name=LEARNER["name"],
            item=item,
            entry="resume" if stored else "ab-initio",
            stored=stored,
            shared=stores,
        )
        calls = [
            [command["fn"], *(resolved(arg, item) if place == 0 else arg for place, arg in enumerate(command["args"]))]
            for command in visit["commands"]
        ]
        [played] = await play([{"options": {"standard": "2004", "data": data, "valid": VALID}, "calls": calls}])
        problems += wanted(visit, played.calls, compare)

        model = Model("2004", data)
        kept = model.apply([entry[1:] for entry in played.heard if entry[0] == "change"])
        assert not [p for p in kept.problems if p.kind == "refused"], "the server refuses what the browser accepted"
        states[visit["item"]] = finish("2004", model.state)
        for place, entry in enumerate(item["shared_data"]):
            stores[entry["target"]] = model.state.get(f"adl.data.{place}.store", stores.get(entry["target"], ""))
    assert not problems, "\n".join(problems[:40])
