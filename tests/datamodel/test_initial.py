"""What a SCO finds at its launch."""

from __future__ import annotations

from typing import Any

import pytest

from courseyard.datamodel import Model, initial_data, resumable


def launch(standard: str, item: dict[str, Any] | None = None, **more: Any) -> dict[str, str]:
    return initial_data(standard, learner_id="anna", learner_name="Miller, Anna", item=item or {}, **more)


def test_a_first_launch_of_12() -> None:
    item = {
        "launch_data": "a=1",
        "mastery_score": "80",
        "max_time_allowed": "01:00:00",
        "time_limit_action": "exit,message",
    }
    assert launch("1.2", item) == {
        "cmi.core.student_id": "anna",
        "cmi.core.student_name": "Miller, Anna",
        "cmi.core.lesson_mode": "normal",
        "cmi.core.credit": "credit",
        "cmi.core.entry": "ab-initio",
        "cmi.launch_data": "a=1",
        "cmi.student_data.mastery_score": "80",
        "cmi.student_data.max_time_allowed": "01:00:00",
        "cmi.student_data.time_limit_action": "exit,message",
    }


def test_a_first_launch_of_2004() -> None:
    assert launch("2004", {"launch_data": ""}) == {
        "cmi.learner_id": "anna",
        "cmi.learner_name": "Miller, Anna",
        "cmi.mode": "normal",
        "cmi.credit": "credit",
        "cmi.entry": "ab-initio",
    }


@pytest.mark.parametrize(
    ("item", "element", "value"),
    [
        (
            {"completion_threshold": {"completed_by_measure": True, "min_progress_measure": 0.8}},
            "cmi.completion_threshold",
            "0.8",
        ),
        ({"completion_threshold": {"completed_by_measure": True}}, "cmi.completion_threshold", "1"),
        ({"completion_threshold": {"min_progress_measure": 0.8}}, "cmi.completion_threshold", None),
        (
            {
                "sequencing": {
                    "objectives": {"primary": {"satisfied_by_measure": True, "min_normalized_measure": -0.25}}
                }
            },
            "cmi.scaled_passing_score",
            "-0.25",
        ),
        ({"sequencing": {"objectives": {"primary": {"satisfied_by_measure": True}}}}, "cmi.scaled_passing_score", "1"),
        (
            {"sequencing": {"objectives": {"primary": {"min_normalized_measure": 0.5}}}},
            "cmi.scaled_passing_score",
            None,
        ),
        ({"sequencing": {"limits": {"attempt_absolute_duration": "PT1H"}}}, "cmi.max_time_allowed", "PT1H"),
        ({"time_limit_action": "exit,message"}, "cmi.time_limit_action", "exit,message"),
    ],
)
def test_facts_of_the_item(item: dict[str, Any], element: str, value: str | None) -> None:
    assert launch("2004", item).get(element) == value


@pytest.mark.parametrize("standard", ["1.2", "2004"])
def test_browse_and_review_give_no_credit(standard: str) -> None:
    data = launch(standard, mode="review")
    assert {value for name, value in data.items() if name.endswith(("credit", "mode"))} == {"review", "no-credit"}


def test_a_resumption_keeps_the_data_and_drops_the_session() -> None:
    stored = {
        "cmi.suspend_data": "x" * 80_000,
        "cmi.exit": "suspend",
        "cmi.session_time": "PT1M",
        "cmi.total_time": "PT9M",
        "adl.nav.request": "continue",
        "cmi.entry": "ab-initio",
        "cmi.learner_name": "Old Name",
    }
    data = launch("2004", entry="resume", stored=stored)
    assert data["cmi.suspend_data"] == stored["cmi.suspend_data"]
    assert data["cmi.total_time"] == "PT9M"
    assert data["cmi.entry"] == "resume"
    assert data["cmi.learner_name"] == "Miller, Anna"
    assert not {"cmi.exit", "cmi.session_time", "adl.nav.request"} & set(data)


def test_objectives_are_prefilled_in_order_and_updated_by_id() -> None:
    stored = {"cmi.objectives.0.id": "b", "cmi.objectives.0.success_status": "unknown"}
    objectives = [{"id": "a", "score.scaled": "0.5"}, {"id": "b", "success_status": "passed"}]
    model = Model("2004", launch("2004", stored=stored, objectives=objectives))
    assert model.get("cmi.objectives._count") == ("2", 0)
    assert model.get("cmi.objectives.0.id") == ("b", 0)
    assert model.get("cmi.objectives.0.success_status") == ("passed", 0)
    assert model.get("cmi.objectives.1.score.scaled") == ("0.5", 0)
    assert model.set("cmi.objectives.2.id", "a") is not None, "prefilled ids are taken"


def test_shared_data_has_its_order_its_values_and_its_rights() -> None:
    item = {"shared_data": [{"target": "x"}, {"target": "y", "write": False}, {"target": "z", "read": False}]}
    model = Model(
        "2004", launch("2004", item, shared={"x": "1", "y": "2", "other": "3"}, stored={"adl.data.9.id": "old"})
    )
    assert model.get("adl.data._count") == ("3", 0)
    assert [model.get(f"adl.data.{n}.store") for n in range(3)] == [("1", 0), ("2", 0), ("", 405)]
    refused = model.set("adl.data.1.store", "new")
    assert refused is not None
    assert refused.code == 404
    assert model.set("adl.data.2.store", "new") is None


def test_who_is_resumable() -> None:
    assert resumable("2004", {"cmi.exit": "suspend"})
    assert resumable("1.2", {"cmi.core.exit": "suspend"})
    assert not resumable("2004", {"cmi.core.exit": "suspend"})
    assert not resumable("1.2", {"cmi.core.exit": ""})
