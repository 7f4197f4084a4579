"""What a manifest may define (SN 3), each by what a learner or an author notices of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from courseyard.sequencing import activity_status, look_ahead, toc

_spec = importlib.util.spec_from_file_location("courses", Path(__file__).with_name("courses.py"))
courses = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(courses)
Learner, cluster, course, leaf, rule, NOW = (
    courses.Learner, courses.cluster, courses.course, courses.leaf, courses.rule, courses.NOW,
)  # fmt: skip

FLOW = {"choice": True, "flow": True}


def status(learner):
    return activity_status(learner.tree, learner.state, learner.globals)


def objectives(**primary):
    return {"primary": {"id": "p"} | primary}


def test_control_modes():
    closed = Learner(course(leaf("a"), leaf("b"), control_mode={"choice": False, "flow": True}))
    closed("start")
    valid = look_ahead(closed.tree, closed.state, {}, NOW)
    assert (valid.continue_, valid.choice) == (True, ("root",))
    open_ = Learner(course(leaf("a"), leaf("b"), control_mode={"choice": True}))
    open_("choice", "a")
    valid = look_ahead(open_.tree, open_.state, {}, NOW)
    assert (valid.continue_, valid.previous) == (False, False)
    assert {"a", "b"} <= set(valid.choice)


@pytest.mark.parametrize(("uses", "satisfied"), [(True, None), (False, True)])
def test_use_current_attempt_objective_information(uses, satisfied):
    control = FLOW | {"use_current_attempt_objective_info": uses}
    learner = Learner(course(cluster("m", leaf("a"), leaf("b"), control_mode=control), leaf("c")))
    learner("start")
    learner("continue", completion="completed", success="passed")
    learner("continue", completion="completed", success="passed")
    # A new attempt on the cluster, in which only b is done again.
    learner("choice", "b")
    learner("continue", completion="completed", success="passed")
    assert status(learner)["m"]["satisfied"] is satisfied


@pytest.mark.parametrize(("uses", "completed"), [(True, None), (False, True)])
def test_use_current_attempt_progress_information(uses, completed):
    control = FLOW | {"use_current_attempt_progress_info": uses}
    learner = Learner(course(cluster("m", leaf("a"), leaf("b"), control_mode=control), leaf("c")))
    learner("start")
    learner("continue", completion="completed", success="passed")
    learner("continue", completion="completed", success="passed")
    learner("choice", "b")
    learner("continue", completion="completed", success="passed")
    assert status(learner)["m"]["completion"] is completed


@pytest.mark.parametrize(
    ("condition", "report", "applies"),
    [
        ("satisfied", {"success": "passed"}, True),
        ("satisfied", {"success": "failed"}, False),
        ("objectiveStatusKnown", {"success": "failed"}, True),
        ("objectiveStatusKnown", {"success": "unknown"}, False),
        ("objectiveMeasureKnown", {"scaled": 0.1}, True),
        ("objectiveMeasureKnown", {"completion": "completed"}, False),
        ("completed", {"completion": "completed"}, True),
        ("completed", {"completion": "incomplete"}, False),
        ("activityProgressKnown", {"completion": "incomplete"}, True),
        ("activityProgressKnown", {"completion": "unknown"}, False),
        ("attempted", {"completion": "unknown"}, True),
        ("attemptLimitExceeded", {"completion": "unknown"}, True),
        ("always", {"completion": "unknown"}, True),
        ({"condition": "objectiveMeasureGreaterThan", "measure": 0.5}, {"scaled": 0.6}, True),
        ({"condition": "objectiveMeasureGreaterThan", "measure": 0.5}, {"scaled": 0.5}, False),
        ({"condition": "objectiveMeasureLessThan", "measure": 0.5}, {"scaled": 0.4}, True),
        ({"condition": "objectiveMeasureLessThan", "measure": 0.5}, {"scaled": 0.5}, False),
        ({"condition": "satisfied", "not": True}, {"success": "failed"}, True),
        # What is unknown stays so when it is turned round.
        ({"condition": "satisfied", "not": True}, {"success": "unknown"}, False),
        ({"condition": "satisfied", "objective": "second"}, {"objectives": {"second": {"success": "passed"}}}, True),
        ({"condition": "satisfied", "objective": "nowhere"}, {"success": "passed"}, False),
    ],
)
def test_rule_conditions(condition, report, applies):
    # Where the rule applies b leads back to a, else on to c.
    made = leaf(
        "b",
        rules={"post": [rule("previous", condition)]},
        limits={"attempt_limit": 1},
        objectives={"primary": {}, "others": [{"id": "second"}]},
    )
    learner = Learner(course(leaf("a"), made, leaf("c")))
    learner("start")
    learner("continue")
    assert learner("continue", **report) == ("a" if applies else "c")


@pytest.mark.parametrize(("combination", "result"), [("all", "b"), ("any", "c")])
def test_condition_combination(combination, result):
    made = rule("skip", "always", "attempted", combination=combination)
    learner = Learner(course(leaf("a"), leaf("b", rules={"pre": [made]}), leaf("c")))
    learner("start")
    assert learner("continue") == result


@pytest.mark.parametrize(
    ("required", "during", "after"),
    [
        ("always", None, None),
        ("ifAttempted", True, True),
        ("ifNotSuspended", True, True),
        ("ifNotSkipped", True, True),
    ],
)
def test_rollup_considerations(required, during, after):
    considered = {"required_for_satisfied": required, "required_for_completed": required}
    skip = {"pre": [rule("skip", "always")]}
    learner = Learner(course(leaf("a"), leaf("b", rules=skip, rollup_considerations=considered), leaf("c")))
    learner("start")
    learner("continue", completion="completed", success="passed")
    assert status(learner)["root"]["completion"] is None
    learner("exitAll", completion="completed", success="passed")
    assert (status(learner)["root"]["completion"], status(learner)["root"]["satisfied"]) == (during, after)


@pytest.mark.parametrize("action", ["satisfied", "notSatisfied", "completed", "incomplete"])
def test_each_action_has_a_consideration_of_its_own(action):
    key = "required_for_" + {"notSatisfied": "not_satisfied"}.get(action, action)
    made = {"action": action, "conditions": [{"condition": "attempted"}]}

    def after(considered):
        child = leaf("b", rollup_considerations={key: "ifAttempted"} if considered else {})
        learner = Learner(course(leaf("a"), child, rollup={"rules": [made]}))
        learner("start")
        learner("exitAll", completion="unknown", success="unknown")
        root = status(learner)["root"]
        return root["satisfied"] if "atisfied" in action else root["completion"]

    assert after(considered=False) is None
    assert after(considered=True) is (action in ("satisfied", "completed"))


@pytest.mark.parametrize(
    ("condition", "report", "fires"),
    [
        ("satisfied", {"success": "passed"}, True),
        ("satisfied", {"success": "failed"}, False),
        ("objectiveStatusKnown", {"success": "failed"}, True),
        ("objectiveMeasureKnown", {"scaled": 0.5}, True),
        ("objectiveMeasureKnown", {"success": "failed"}, False),
        ("completed", {"completion": "completed"}, True),
        ("completed", {"completion": "incomplete"}, False),
        ("activityProgressKnown", {"completion": "incomplete"}, True),
        ("attempted", {"completion": "unknown"}, True),
        ("attemptLimitExceeded", {"completion": "unknown"}, True),
        ({"condition": "satisfied", "not": True}, {"success": "failed"}, True),
        ({"condition": "satisfied", "not": True}, {"success": "unknown"}, False),
        ("timeLimitExceeded", {"success": "passed"}, False),
        ("outsideAvailableTimeRange", {"success": "passed"}, False),
    ],
)
def test_rollup_conditions(condition, report, fires):
    condition = condition if isinstance(condition, dict) else {"condition": condition}
    made = {"action": "completed", "conditions": [condition]}
    learner = Learner(course(leaf("a", limits={"attempt_limit": 1}), rollup={"rules": [made]}, control_mode=FLOW))
    learner("start")
    learner("exitAll", **({"completion": "unknown", "success": "unknown"} | report))
    assert status(learner)["root"]["completion"] is (True if fires else None)


def test_rollup_actions():
    def after(*actions):
        rules = [{"action": a, "conditions": [{"condition": "attempted"}]} for a in actions]
        learner = Learner(course(leaf("a"), rollup={"rules": rules}, control_mode=FLOW))
        learner("start")
        learner("exitAll", completion="unknown", success="unknown")
        return status(learner)["root"]["satisfied"], status(learner)["root"]["completion"]

    assert after("notSatisfied") == (False, None)
    assert after("incomplete") == (None, False)
    # Where both apply the better one wins.
    assert after("satisfied", "notSatisfied", "incomplete", "completed") == (True, True)


def test_a_suspended_child_need_not_count():
    considered = {"required_for_completed": "ifNotSuspended"}
    learner = Learner(course(leaf("a"), leaf("b", rollup_considerations=considered)))
    learner("start")
    learner("continue", completion="completed")
    learner("choice", "a", completion="incomplete", exit="suspend")
    learner("exit", completion="completed")
    assert status(learner)["root"]["completion"] is True


@pytest.mark.parametrize(("if_active", "satisfied"), [(True, True), (False, None)])
def test_measure_satisfaction_if_active(if_active, satisfied):
    learner = Learner(
        course(
            cluster(
                "m",
                leaf("a"),
                leaf("b"),
                objectives=objectives(satisfied_by_measure=True, min_normalized_measure=0.4),
                rollup_considerations={"measure_satisfaction_if_active": if_active},
            ),
            leaf("c"),
        )
    )
    learner("start")
    learner("continue", scaled=1.0)
    assert status(learner)["m"]["active"]
    assert status(learner)["m"]["satisfied"] is satisfied
    learner("choice", "c", scaled=1.0)
    assert status(learner)["m"]["satisfied"] is True


def test_rollup_controls():
    learner = Learner(
        course(
            leaf("a"),
            leaf(
                "b",
                rollup={"objective_satisfied": False, "progress_completion": False, "objective_measure_weight": 0.0},
            ),
        )
    )
    learner("start")
    learner("exitAll", completion="completed", success="passed", scaled=0.5)
    root = status(learner)["root"]
    assert (root["completion"], root["satisfied"], root["measure"]) == (True, True, 0.5)


def test_fourth_edition_maps_carry_scores_completion_and_progress():
    fields = ("raw", "min", "max", "completion", "progress")
    write = {"target": "g", "adlseq": True} | {f"write_{f}": True for f in fields}
    read = {"target": "g", "adlseq": True}
    told = {"success": "passed", "completion": "completed", "progress": 0.75, "raw": 7.0, "min": 0.0, "max": 10.0}

    def carried(edition):
        learner = Learner(
            course(
                leaf("a", objectives={"others": [{"id": "w", "maps": [write]}]}),
                leaf("b", objectives={"others": [{"id": "r", "maps": [read]}]}),
                edition=edition,
            )
        )
        learner("start")
        learner("continue", objectives={"w": told})
        return learner.globals

    assert carried("4th") == {"g": {"completion": True, "progress": 0.75, "raw": 7.0, "min": 0.0, "max": 10.0}}
    assert carried("3rd") == {}


def test_completion_by_measure_is_of_the_4th_edition():
    def completion(edition):
        made = leaf("a", item={"completion_threshold": {"completed_by_measure": True, "min_progress_measure": 0.5}})
        learner = Learner(course(made, leaf("b"), edition=edition))
        learner("start")
        learner("continue", completion="incomplete", progress_measure=0.6)
        return status(learner)["a"]["completion"]

    assert completion("4th") is True
    assert completion("3rd") is False


def test_delivery_controls():
    untracked = Learner(course(leaf("a", delivery={"tracked": False}), leaf("b")))
    untracked("start")
    untracked("continue", completion="completed", success="passed", scaled=1.0)
    assert status(untracked)["a"]["completion"] is None
    assert status(untracked)["a"]["attempts"] == 0
    own_word = {"completion_set_by_content": True, "objective_set_by_content": True}
    silent = Learner(course(leaf("a", delivery=own_word), leaf("b")))
    silent("start")
    silent("continue")
    assert (status(silent)["a"]["completion"], status(silent)["a"]["satisfied"]) == (None, None)


@pytest.mark.parametrize(("timing", "changes"), [("never", False), ("once", False), ("onEachNewAttempt", True)])
def test_randomization_timing(timing, changes):
    arranged = {"randomization_timing": timing, "reorder_children": True}
    learner = Learner(course(*(leaf(f"l{n}") for n in range(9)), randomization=arranged))
    orders = []
    for _ in range(3):
        learner("start")
        orders.append([i.id for i in toc(learner.tree, learner.state, {}, NOW)])
        learner("exitAll")
    assert (len({tuple(o) for o in orders}) > 1) is changes
    assert (orders[0] == ["root", *(f"l{n}" for n in range(9))]) is (timing == "never")


def test_selection_and_order_are_the_same_after_a_suspension():
    arranged = {
        "selection_timing": "onEachNewAttempt",
        "select_count": 4,
        "randomization_timing": "onEachNewAttempt",
        "reorder_children": True,
    }
    learner = Learner(course(*(leaf(f"l{n}") for n in range(9)), randomization=arranged), seed=5)
    learner("start")
    before = [i.id for i in toc(learner.tree, learner.state, {}, NOW)]
    learner("suspendAll", exit="suspend")
    learner("resumeAll")
    assert [i.id for i in toc(learner.tree, learner.state, {}, NOW)] == before
    assert len(before) == 5


def test_constrain_choice_controls():
    learner = Learner(
        course(
            cluster("m", leaf("a"), leaf("b"), constrained_choice={"constrain_choice": True}),
            cluster("n", leaf("c"), leaf("d"), constrained_choice={"prevent_activation": True}),
            cluster("o", leaf("e")),
        )
    )
    learner("start")
    assert look_ahead(learner.tree, learner.state, {}, NOW).choice == ("root", "m", "a", "b", "n")


def test_hidden_items_are_not_listed_but_their_parts_are():
    hidden = cluster("m", leaf("a"), item={"visible": False})
    learner = Learner(course(hidden, leaf("b")))
    learner("start")
    assert [(i.id, i.depth) for i in toc(learner.tree, learner.state, {}, NOW)] == [("root", 0), ("a", 1), ("b", 1)]
