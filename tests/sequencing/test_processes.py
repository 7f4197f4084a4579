"""Each process of the book by what it does to a small course."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from courseyard.sequencing import activity_status, explain, initial_objectives, look_ahead, toc, why_not_complete

_spec = importlib.util.spec_from_file_location("courses", Path(__file__).with_name("courses.py"))
courses = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(courses)
Learner, cluster, course, leaf, rule, NOW = (
    courses.Learner, courses.cluster, courses.course, courses.leaf, courses.rule, courses.NOW,
)  # fmt: skip


def status(learner):
    return activity_status(learner.tree, learner.state, learner.globals)


def simple():
    return Learner(course(leaf("a"), leaf("b"), leaf("c")))


@pytest.mark.parametrize(
    ("request_", "target", "code"),
    [
        ("continue", None, "NB.2.1-2"),
        ("previous", None, "NB.2.1-2"),
        ("resumeAll", None, "NB.2.1-3"),
        ("exit", None, "NB.2.1-2"),
        ("exitAll", None, "NB.2.1-2"),
        ("suspendAll", None, "NB.2.1-2"),
        ("jump", "a", "NB.2.1-2"),
        ("choice", "nowhere", "NB.2.1-11"),
        ("dance", None, "NB.2.1-13"),
    ],
)
def test_nb_2_1_refuses_without_a_session(request_, target, code):
    learner = simple()
    assert learner(request_, target) == code
    assert learner.last.result == "rejected"


def test_nb_2_1_refuses_within_a_session():
    learner = simple()
    learner("start")
    assert learner("start") == "NB.2.1-1"
    learner("exit")
    assert learner("exit") == "NB.2.1-12"
    no_flow = Learner(course(leaf("a"), leaf("b"), control_mode={"choice": True}))
    no_flow("choice", "a")
    assert no_flow("continue") == "NB.2.1-4"
    assert no_flow("previous") == "NB.2.1-5"
    no_choice = Learner(course(leaf("a"), leaf("b"), control_mode={"choice": False, "flow": True}))
    no_choice("start")
    assert no_choice("choice", "b") == "NB.2.1-10"
    kept = Learner(course(leaf("a", control_mode={"choice_exit": False}), leaf("b")))
    kept("start")
    assert kept("choice", "b") == "NB.2.1-8"
    assert kept("continue") == "b"


def test_jump_is_of_the_4th_edition_only():
    assert Learner(course(leaf("a"), edition="3rd"))("jump", "a") == "NB.2.1-13"
    learner = Learner(course(leaf("a"), leaf("b"), control_mode={"choice": False, "flow": True}))
    learner("start")
    assert learner("jump", "b") == "b"


def test_op_1_walks_through_and_off_the_course():
    learner = simple()
    assert [learner(r) for r in ("start", "continue", "continue", "previous", "continue")] == ["a", "b", "c", "b", "c"]
    assert learner("continue") == "ended"
    assert learner.state.current is None
    assert not any(s["active"] for s in status(learner).values())


def test_sb_2_1_goes_only_forward_where_told():
    learner = Learner(
        course(
            leaf("x"),
            cluster("m", leaf("a"), leaf("b"), control_mode={"choice": True, "flow": True, "forward_only": True}),
        )
    )
    learner("start")
    learner("continue")
    learner("continue")
    assert learner("previous") == "NB.2.1-5"
    entered = Learner(
        course(cluster("m", leaf("a"), leaf("b"), control_mode={"flow": True, "forward_only": True}), leaf("z"))
    )
    entered("choice", "z")
    assert entered("previous") == "a"


def test_sb_2_2_skips_and_stops_at_what_is_disabled():
    skipping = Learner(course(leaf("a"), leaf("b", rules={"pre": [rule("skip", "always")]}), leaf("c")))
    skipping("start")
    assert skipping("continue") == "c"
    assert "b was skipped because the rule always applies (precondition rule 1)." in explain(
        skipping.last, skipping.tree
    )
    disabled = Learner(course(leaf("a"), leaf("b", rules={"pre": [rule("disabled", "always")]})))
    disabled("start")
    assert disabled("continue") == "SB.2.2-2"
    assert disabled.last.result == "blocked"
    shut = Learner(course(leaf("a"), cluster("m", leaf("b"), control_mode={"choice": True})))
    shut("start")
    assert shut("continue") == "SB.2.2-1"


def test_sb_2_4_and_2_9_keep_a_choice_from_passing():
    stop = Learner(course(leaf("a", rules={"pre": [rule("stopForwardTraversal", "always")]}), leaf("b")))
    stop("start")
    assert stop("choice", "b") == "SB.2.4-1"
    back = Learner(course(leaf("a"), leaf("b"), control_mode={"choice": True, "flow": True, "forward_only": True}))
    back("start")
    back("continue")
    assert back("choice", "a") == "SB.2.4-2"
    hidden = Learner(course(leaf("a"), cluster("m", leaf("b"), rules={"pre": [rule("hiddenFromChoice", "always")]})))
    hidden("start")
    assert hidden("choice", "b") == "SB.2.9-3"
    assert [i.id for i in toc(hidden.tree, hidden.state, {}, NOW)] == ["root", "a"]


def test_sb_2_9_prevents_activation_and_constrains():
    prevented = Learner(course(leaf("a"), cluster("m", leaf("b"), constrained_choice={"prevent_activation": True})))
    prevented("start")
    assert prevented("choice", "b") == "SB.2.9-6"
    held = {"constrain_choice": True}
    far = Learner(
        course(cluster("m", leaf("a"), constrained_choice=held), cluster("n", leaf("b")), cluster("o", leaf("c")))
    )
    far("start")
    assert far("choice", "c") == "SB.2.9-8"
    assert far("choice", "b") == "b"
    inner = cluster("n", leaf("a", constrained_choice=held), leaf("b"))
    unheld = Learner(course(cluster("m", inner, leaf("c"))))
    unheld("start")
    assert unheld("choice", "c") == "c", "constrainChoice on a leaf keeps nobody"


def test_sb_2_9_a_cluster_with_nothing_to_show():
    learner = Learner(course(leaf("a"), cluster("m", leaf("b", rules={"pre": [rule("disabled", "always")]}))))
    learner("start")
    assert learner("choice", "m") == "SB.2.9-9"
    assert learner.state.current == "m"
    fresh = Learner(course(leaf("a"), cluster("m", leaf("b"), control_mode={"choice": True})))
    assert fresh("choice", "m") == "SB.2.9-9"
    assert fresh.state.current is None


def test_tb_2_1_exit_rules_leave_the_highest_ancestor():
    learner = Learner(
        course(cluster("m", leaf("a"), leaf("b"), rules={"exit": [rule("exit", "attempted")]}), leaf("c"))
    )
    learner("start")
    assert learner("continue") == "c"
    assert not status(learner)["m"]["active"]


@pytest.mark.parametrize(
    ("action", "request_", "result"),
    [
        ("retry", "continue", "b"),
        ("continue", "exit", "c"),
        ("previous", "exit", "a"),
        ("exitParent", "continue", "d"),
        ("exitAll", "continue", "ended"),
        ("retryAll", "continue", "a"),
    ],
)
def test_tb_2_2_post_condition_rules(action, request_, result):
    learner = Learner(
        course(cluster("m", leaf("a"), leaf("b", rules={"post": [rule(action, "always")]}), leaf("c")), leaf("d"))
    )
    learner("start")
    learner("continue")
    assert learner(request_) == result


def test_tb_2_3_suspend_all_and_resume():
    learner = simple()
    learner("start")
    learner("continue")
    assert learner("suspendAll", exit="suspend") == "ended"
    assert learner.state.suspended == "b"
    assert learner("resumeAll") == "b"
    assert learner.last.resumed
    assert learner.last.cmi_attempt == 1


def test_tb_2_3_abandoning_keeps_nothing():
    learner = simple()
    learner("start")
    assert learner("abandon", completion="completed") == "none"
    assert status(learner)["a"]["completion"] is None
    assert learner("abandonAll") == "ended"


def test_tb_2_3_an_exit_keeps_the_session_open():
    learner = simple()
    learner("start")
    assert learner("exit") == "none"
    assert learner("choice", "c") == "c"


def test_rb_1_1_measures_are_weighted():
    document = course(leaf("a", rollup={"objective_measure_weight": 3.0}), leaf("b"))
    learner = Learner(document)
    learner("start")
    learner("continue", scaled=1.0, progress_measure=0.5)
    assert status(learner)["root"]["measure"] == pytest.approx(0.75)
    assert status(learner)["root"]["progress_measure"] == pytest.approx(0.25)


def test_rb_1_2_and_1_3_by_measure():
    document = course(
        leaf("a"), leaf("b"), objectives={"primary": {"satisfied_by_measure": True, "min_normalized_measure": 0.4}}
    )
    document["organizations"][0]["completion_threshold"] = {"completed_by_measure": True, "min_progress_measure": 0.5}
    learner = Learner(document)
    learner("start")
    learner("continue", scaled=1.0, progress_measure=1.0)
    assert status(learner)["root"]["satisfied"] is True
    assert status(learner)["root"]["completion"] is True


def test_rb_1_2_and_1_3_by_default_rules():
    learner = Learner(course(leaf("a"), leaf("b")))
    learner("start")
    learner("continue", completion="completed", success="passed")
    assert status(learner)["root"]["completion"] is None
    assert why_not_complete(learner.tree, learner.state, {}) == [
        "The course is not complete: b is incomplete, 1 of 2 required activities are done."
    ]
    learner("exitAll", completion="incomplete", success="failed")
    assert status(learner)["root"]["completion"] is False
    assert status(learner)["root"]["satisfied"] is False


def test_rb_1_5_reaches_the_clusters_that_read_what_was_written():
    write = {"primary": {"id": "p", "maps": [{"target": "g", "write_satisfied": True, "write_measure": True}]}}
    read = {"primary": {"id": "q", "maps": [{"target": "g"}]}}
    document = course(leaf("a", objectives=write), leaf("c"), cluster("m", cluster("n", leaf("b", objectives=read))))
    learner = Learner(document)
    learner("start")
    learner("continue", success="passed", scaled=0.5)
    assert (status(learner)["n"]["satisfied"], status(learner)["m"]["satisfied"]) == (True, True)
    assert status(learner)["m"]["measure"] == pytest.approx(0.5)


def test_rb_1_1_a_cluster_without_a_measure_takes_none_away():
    maps = [{"target": "g", "read_satisfied": False, "read_measure": False, "write_measure": True}]
    learner = Learner(course(cluster("m", leaf("a"), objectives={"primary": {"id": "p", "maps": maps}}), leaf("c")))
    learner("start")
    learner("continue", scaled=0.5)
    learner("choice", "a")
    learner("continue", completion="completed")
    assert status(learner)["m"]["measure"] is None
    assert learner.globals == {"g": {"measure": 0.5}}


def test_rb_1_4_1_conditions_stop_at_the_first_that_is_not_true():
    def satisfied_after(*conditions):
        made = {"action": "satisfied", "child_activity_set": "none", "combination": "all"}
        made["conditions"] = [{"condition": c} for c in conditions]
        learner = Learner(course(leaf("a"), rollup={"rules": [made]}, control_mode={"flow": True}))
        learner("start")
        learner("exitAll", completion="unknown", success="unknown")
        return status(learner)["root"]["satisfied"]

    assert satisfied_after("objectiveMeasureKnown", "satisfied") is True
    assert satisfied_after("satisfied", "objectiveMeasureKnown") is None


@pytest.mark.parametrize(
    ("children", "extra", "fires"),
    [
        ("any", {}, True),
        ("all", {}, False),
        ("none", {}, False),
        ("atLeastCount", {"minimum_count": 1}, True),
        ("atLeastCount", {"minimum_count": 2}, False),
        ("atLeastPercent", {"minimum_percent": 0.5}, True),
        ("atLeastPercent", {"minimum_percent": 0.51}, False),
    ],
)
def test_rb_1_4_child_activity_sets(children, extra, fires):
    made = {"action": "completed", "child_activity_set": children, "conditions": [{"condition": "attempted"}]} | extra
    learner = Learner(course(leaf("a"), leaf("b"), rollup={"rules": [made]}))
    learner("start")
    learner("exitAll", completion="incomplete")
    assert status(learner)["root"]["completion"] is (True if fires else None)


@pytest.mark.parametrize(("children", "holds"), [("all", True), ("none", True), ("any", None), ("atLeastCount", None)])
def test_rb_1_4_an_authors_rule_over_no_children(children, holds):
    own = {"action": "completed", "child_activity_set": children, "conditions": [{"condition": "satisfied"}]}
    untracked = leaf("a", delivery={"tracked": False})
    learner = Learner(course(untracked, rollup={"rules": [own]}))
    learner("start")
    learner("exitAll", completion="completed")
    assert status(learner)["root"]["completion"] is holds
    assert status(learner)["root"]["satisfied"] is None, "the default rules conclude nothing from nothing"


def test_rb_1_4_2_children_that_do_not_count():
    optional = {"required_for_completed": "ifAttempted", "required_for_incomplete": "ifAttempted"}
    learner = Learner(
        course(leaf("a"), leaf("b", rollup_considerations=optional), leaf("u", delivery={"tracked": False}))
    )
    learner("start")
    learner("exitAll", completion="completed")
    assert status(learner)["root"]["completion"] is True


def test_sr_selection_and_order_survive_and_differ_by_seed():
    arranged = {
        "selection_timing": "once",
        "select_count": 3,
        "randomization_timing": "onEachNewAttempt",
        "reorder_children": True,
    }
    document = course(*(leaf(f"l{n}") for n in range(8)), randomization=arranged)

    def walk(seed):
        learner, found = Learner(document, seed=seed), []
        at = learner("start")
        while at.startswith("l"):
            found.append(at)
            at = learner("continue")
        return found

    assert walk(1) == walk(1)
    assert len(walk(1)) == 3
    assert len({tuple(walk(seed)) for seed in range(8)}) > 1


def test_up_1_attempt_limit():
    learner = Learner(course(leaf("a", limits={"attempt_limit": 1}), leaf("b")))
    learner("start")
    learner("continue")
    assert learner("choice", "a") == "DB.1.1-3"


def test_up_4_concludes_where_the_content_is_silent():
    learner = simple()
    learner("start")
    learner("continue")
    assert (status(learner)["a"]["completion"], status(learner)["a"]["satisfied"]) == (True, True)
    learner("continue", completion="unknown", success="unknown")
    assert (status(learner)["b"]["completion"], status(learner)["b"]["satisfied"]) == (None, None)


def test_db_2_new_and_resumed_attempts():
    learner = simple()
    learner("start")
    assert learner("choice", "a", exit="suspend") == "a"
    assert (learner.last.cmi_attempt, learner.last.resumed) == (1, True)
    assert learner("choice", "a", exit="normal") == "a"
    assert (learner.last.cmi_attempt, learner.last.resumed) == (2, False)


def test_db_2_1_another_start_gives_up_what_was_suspended():
    learner = simple()
    learner("start")
    learner("continue")
    learner("suspendAll", exit="suspend")
    assert learner("start") == "a"
    assert learner.state.suspended is None
    assert not status(learner)["b"]["suspended"]


def test_global_objectives_travel_and_course_scoped_ones_stay():
    write = {"primary": {"id": "p", "maps": [{"target": "g", "write_satisfied": True, "write_measure": True}]}}
    read = {"primary": {"id": "q", "maps": [{"target": "g"}]}}
    learner = Learner(course(leaf("a", objectives=write), leaf("b", objectives=read)))
    learner("start")
    learner("continue", success="passed", scaled=0.5)
    assert learner.globals == {"g": {"satisfied": True, "measure": 0.5}}
    told = initial_objectives(learner.tree, learner.state, learner.globals, "b")
    assert told == [{"id": "q", "success": "passed", "scaled": 0.5}]
    own = Learner(course(leaf("a", objectives=write), leaf("b", objectives=read), system=False))
    own("start")
    own("continue", success="passed")
    assert status(own)["b"]["satisfied"] is True
    assert own.globals == {}
    own("exitAll")
    assert own.state.course_globals == {}
    own.globals = {"g": {"satisfied": False}}
    own("start")
    own("continue")
    assert status(own)["b"]["satisfied"] is not False
    assert own.globals == {"g": {"satisfied": False}}


def test_an_untracked_activity_finds_the_global_objectives_that_it_reads():
    write = {"primary": {"id": "p", "maps": [{"target": "g", "write_satisfied": True, "write_measure": True}]}}
    read = {"primary": {}, "others": [{"id": "q", "maps": [{"target": "g"}]}, {"id": "r"}]}
    learner = Learner(course(leaf("a", objectives=write), leaf("b", objectives=read, delivery={"tracked": False})))
    learner("start")
    learner("continue", success="failed", scaled=0.25)
    told = initial_objectives(learner.tree, learner.state, learner.globals, "b")
    assert told == [{"id": "q", "success": "failed", "scaled": 0.25}, {"id": "r"}]


def test_scorm_1_2_is_open_both_ways():
    document = course(leaf("a"), cluster("m", leaf("b")), edition="1.2")
    for item in (document["organizations"][0], document["organizations"][0]["children"][1]):
        item["sequencing"] = {}
    learner = Learner(document)
    assert [learner("start"), learner("continue"), learner("choice", "a")] == ["a", "b", "a"]


def test_a_course_of_one_activity_just_opens():
    learner = Learner(course(leaf("a"), control_mode={}))
    assert learner("start") == "a"
    assert not look_ahead(learner.tree, learner.state, {}, NOW).choice[1:]
    shown = toc(learner.tree, learner.state, {}, NOW)
    assert [(t.id, t.selectable) for t in shown] == [("root", False), ("a", False)], "nothing to choose while it runs"
    learner("exit")
    assert [t.selectable for t in toc(learner.tree, learner.state, {}, NOW)] == [True, False], "but it can be reopened"


def test_look_ahead_says_what_the_player_shows():
    learner = simple()
    learner("start")
    valid = look_ahead(learner.tree, learner.state, {}, NOW).as_json()
    assert (valid["continue"], valid["previous"], valid["choice"]) == (True, False, ["root", "a", "b", "c"])
    learner("choice", "c")
    assert look_ahead(learner.tree, learner.state, {}, NOW).continue_
