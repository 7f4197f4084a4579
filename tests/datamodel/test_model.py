"""The server's side of a commit: apply what a browser says it accepted, refuse what it cannot have accepted."""

from __future__ import annotations

import json

import pytest

from courseyard.datamodel import Model, table_json, validate


def test_a_commit_is_applied_in_order() -> None:
    model = Model("2004", {"cmi.mode": "normal"})
    done = model.apply(
        [
            ["cmi.interactions.0.id", "q"],
            ["cmi.interactions.0.type", "choice"],
            ["cmi.interactions.0.learner_response", "a"],
            ["cmi.location", "1"],
            ["cmi.location", "2"],
        ]
    )
    assert done.problems == []
    assert len(done.changed) == 5
    assert model.state["cmi.location"] == "2"
    assert list(model.state)[:2] == ["cmi.mode", "cmi.interactions.0.id"]


def test_what_no_browser_could_accept_is_refused_and_the_rest_kept() -> None:
    model = Model("2004", {"cmi.learner_id": "anna"})
    done = model.apply(
        [
            ["cmi.learner_id", "somebody else"],
            ["cmi.completion_threshold", "0"],
            ["cmi.score.scaled", "7"],
            ["cmi.nothing", "x"],
            ["cmi.interactions.5.id", "q"],
            ["cmi.location", "2"],
        ]
    )
    assert done.changed == [("cmi.location", "2")]
    assert [problem.code for problem in done.problems] == [404, 404, 407, 401, 351]
    assert all(problem.element in problem.message for problem in done.problems)
    assert model.state == {"cmi.learner_id": "anna", "cmi.location": "2"}


def test_a_replayed_commit_changes_nothing() -> None:
    changes = [["cmi.comments", "ab"], ["cmi.suspend_data", "x"], ["cmi.objectives.0.id", "o"]]
    model = Model("1.2", {})
    model.apply(changes)
    once = dict(model.state)
    assert model.apply(changes).problems == []
    assert model.state == once
    assert once["cmi.comments"] == "ab"


def test_a_long_value_is_kept_in_full_and_told_with_the_limit() -> None:
    model = Model("1.2", {})
    done = model.apply([["cmi.suspend_data", "x" * 80_000]])
    assert model.state["cmi.suspend_data"] == "x" * 80_000
    [finding] = done.problems
    assert (finding.kind, finding.rule, finding.code) == ("finding", "length", 0)
    assert "4,096" in finding.message
    [refused] = Model("1.2", {}, strict=True).apply([["cmi.suspend_data", "x" * 4_097]]).problems
    assert (refused.kind, refused.code) == ("refused", 405)


def test_lengths_are_counted_as_a_browser_counts_them() -> None:
    assert validate("1.2", "cmi.core.lesson_location", "x" * 255, {}) is None
    assert validate("1.2", "cmi.core.lesson_location", "𝄞" * 127, {}) is None
    assert validate("1.2", "cmi.core.lesson_location", "𝄞" * 128, {}) is not None


def test_validate_leaves_the_state_alone() -> None:
    state = {"cmi.location": "1"}
    assert validate("2004", "cmi.location", "2", state) is None
    problem = validate("2004", "cmi.mode", "review", state)
    assert problem is not None
    assert problem.code == 404
    assert state == {"cmi.location": "1"}


def test_ten_thousand_changes_are_one_pass() -> None:
    changes = [
        [f"cmi.interactions.{n}.{name}", value]
        for n in range(2_500)
        for name, value in (("id", "q"), ("type", "choice"), ("learner_response", "a"), ("result", "correct"))
    ]
    model = Model("2004", {})
    assert model.apply(changes).problems == []
    assert model.get("cmi.interactions._count") == ("2500", 0)
    assert Model("2004", model.state).get("cmi.interactions.2499.result") == ("correct", 0)


@pytest.mark.parametrize("standard", ["1.2", "2004"])
def test_tables_name_only_what_they_define(standard: str) -> None:
    table = json.loads(table_json(standard))
    assert {spec["type"] for spec in table["elements"].values()} <= set(table["types"])
    assert {str(code) for code in table["codes"].values()} - {"0"} <= set(table["errors"])
    named = [name for kind in (*table["types"].values(), *table["items"].values()) for name in kind.get("lenient", ())]
    named += [kind["beyond"] for kind in table["types"].values() if "beyond" in kind]
    assert set(named) == set(table["leniencies"])
    assert all(len(text) < 255 for text in table["errors"].values())
    for pattern, collection in table["collections"].items():
        children = collection.get("children", [])
        below = {
            name.removeprefix(f"{pattern}.n.").split(".")[0]
            for name in table["elements"]
            if name.startswith(f"{pattern}.n.")
        }
        assert set(children) <= below | {"objectives", "correct_responses"}
        assert not children or below == set(children)
