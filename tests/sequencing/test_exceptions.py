"""Every exception code of the book, by a request that has it as its answer or, where the processes before never let
such a request through, by the process itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from courseyard.sequencing import build_tree, new_state
from courseyard.sequencing.choice_sb import choice_sb_2_9
from courseyard.sequencing.delivery_db import content_delivery_environment_db_2, delivery_request_db_1_1
from courseyard.sequencing.flow_sb import BACKWARD, choice_activity_traversal_sb_2_4, flow_tree_traversal_sb_2_1
from courseyard.sequencing.requests_sb import sequencing_request_sb_2_12
from courseyard.sequencing.termination_tb import termination_request_tb_2_3
from courseyard.sequencing.work import SequencingError, Work

_spec = importlib.util.spec_from_file_location("courses", Path(__file__).with_name("courses.py"))
courses = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(courses)
Learner, cluster, course, leaf, rule = courses.Learner, courses.cluster, courses.course, courses.leaf, courses.rule

FREE = {"choice": True}
FORWARD_ONLY = {"choice": True, "flow": True, "forward_only": True}


def pre(action):
    return {"pre": [rule(action, "always")]}


ABC = course(leaf("a"), leaf("b"), leaf("c"))
NO_FLOW = course(leaf("a"), leaf("b"), control_mode=FREE)
NO_CHOICE = course(leaf("a"), leaf("b"), control_mode={"choice": False, "flow": True})
DISABLED = course(leaf("a"), leaf("b", rules=pre("disabled")))
SHUT = course(leaf("a"), cluster("m", leaf("b"), control_mode=FREE))
BRANCHES = course(
    cluster("m", leaf("a"), constrained_choice={"constrain_choice": True}),
    cluster("n", leaf("b")),
    cluster("o", leaf("c")),
)
SELECTED = course(
    leaf("a"),
    leaf("b"),
    randomization={"selection_timing": "once", "select_count": 1},
)

ANSWERS = [
    ("NB.2.1-1", ABC, ["start", "start"]),
    ("NB.2.1-2", ABC, ["continue"]),
    ("NB.2.1-3", ABC, ["resumeAll"]),
    ("NB.2.1-4", NO_FLOW, ["choice a", "continue"]),
    ("NB.2.1-5", course(leaf("a"), leaf("b"), control_mode=FORWARD_ONLY), ["start", "continue", "previous"]),
    ("NB.2.1-6", course(leaf("a", rules={"pre": [rule("disabled", "attempted")]})), ["start", "choice root", "previous"]),
    ("NB.2.1-7", ABC, ["start", "forward"]),
    ("NB.2.1-8", course(leaf("a", control_mode={"choice_exit": False}), leaf("b")), ["start", "choice b"]),
    ("NB.2.1-10", NO_CHOICE, ["start", "choice b"]),
    ("NB.2.1-11", ABC, ["choice nowhere"]),
    ("NB.2.1-12", ABC, ["start", "exit", "exit"]),
    ("NB.2.1-13", ABC, ["dance"]),
    ("SB.2.1-2", course(leaf("a"), cluster("m", leaf("b"), randomization={"selection_timing": "once", "select_count": 0})),
     ["start", "continue"]),
    ("SB.2.1-3", ABC, ["start", "previous"]),
    ("SB.2.1-4", course(leaf("a"), cluster("m", leaf("b")), control_mode=FORWARD_ONLY), ["start", "continue", "previous"]),
    ("SB.2.2-1", SHUT, ["start", "continue"]),
    ("SB.2.2-2", DISABLED, ["start", "continue"]),
    ("SB.2.4-1", course(leaf("a", rules=pre("stopForwardTraversal")), leaf("b")), ["start", "choice b"]),
    ("SB.2.4-2", course(leaf("a"), leaf("b"), control_mode=FORWARD_ONLY), ["start", "continue", "choice a"]),
    ("SB.2.9-2", SELECTED, ["start", "choice a", "choice b"]),
    ("SB.2.9-3", course(leaf("a"), leaf("b", rules=pre("hiddenFromChoice"))), ["start", "choice b"]),
    ("SB.2.9-6", course(leaf("a"), cluster("m", leaf("b"), constrained_choice={"prevent_activation": True})),
     ["start", "choice b"]),
    ("SB.2.9-8", BRANCHES, ["start", "choice c"]),
    ("SB.2.9-9", SHUT, ["start", "choice m"]),
    ("DB.1.1-3", DISABLED, ["start", "choice b"]),
]  # fmt: skip


@pytest.mark.parametrize(("code", "document", "requests"), ANSWERS, ids=[a[0] for a in ANSWERS])
def test_requests_that_fail(code, document, requests):
    learner = Learner(document)
    given = {learner(*request.split(" ")) for request in requests}
    assert code in given
    assert not learner.last.ok


def working(document, *, current=None, active=(), suspended=()):
    tree = build_tree(document)
    work = Work(tree, new_state(tree, seed=1), {})
    work.current = None if current is None else tree.by_id[current]
    for name in active:
        work.writable(tree.by_id[name]).active = True
    for name in suspended:
        work.writable(tree.by_id[name]).suspended = True
    return work


INSIDE = [
    ("TB.2.3-1", {}, lambda w: termination_request_tb_2_3(w, "exit")),
    ("TB.2.3-2", {"current": "a"}, lambda w: termination_request_tb_2_3(w, "exit")),
    ("TB.2.3-3", {"current": "root"}, lambda w: termination_request_tb_2_3(w, "suspendAll")),
    ("TB.2.3-7", {"current": "a"}, lambda w: termination_request_tb_2_3(w, "dance")),
    ("SB.2.5-1", {"current": "a"}, lambda w: sequencing_request_sb_2_12(w, "start", None)),
    ("SB.2.6-1", {"current": "a"}, lambda w: sequencing_request_sb_2_12(w, "resumeAll", None)),
    ("SB.2.6-2", {}, lambda w: sequencing_request_sb_2_12(w, "resumeAll", None)),
    ("SB.2.7-1", {}, lambda w: sequencing_request_sb_2_12(w, "continue", None)),
    ("SB.2.8-1", {}, lambda w: sequencing_request_sb_2_12(w, "previous", None)),
    ("SB.2.9-1", {}, lambda w: choice_sb_2_9(w, None)),
    ("SB.2.10-1", {}, lambda w: sequencing_request_sb_2_12(w, "retry", None)),
    ("SB.2.10-2", {"current": "a", "active": ["a"]}, lambda w: sequencing_request_sb_2_12(w, "retry", None)),
    ("SB.2.11-1", {}, lambda w: sequencing_request_sb_2_12(w, "exit", None)),
    ("SB.2.11-2", {"current": "a", "active": ["a"]}, lambda w: sequencing_request_sb_2_12(w, "exit", None)),
    ("SB.2.12-1", {}, lambda w: sequencing_request_sb_2_12(w, "dance", None)),
    ("SB.2.13-1", {}, lambda w: sequencing_request_sb_2_12(w, "jump", 1)),
    ("DB.1.1-1", {}, lambda w: delivery_request_db_1_1(w, 0)),
    ("DB.2-1", {"current": "a", "active": ["a"]}, lambda w: content_delivery_environment_db_2(w, 2)),
]


@pytest.mark.parametrize(("code", "place", "process"), INSIDE, ids=[i[0] for i in INSIDE])
def test_processes_that_fail(code, place, process):
    with pytest.raises(SequencingError) as failed:
        process(working(ABC, **place))
    assert failed.value.code == code


def test_flow_that_is_not_allowed():
    for request, code in (("continue", "SB.2.7-2"), ("previous", "SB.2.8-2")):
        with pytest.raises(SequencingError) as failed:
            sequencing_request_sb_2_12(working(NO_FLOW, current="a"), request, None)
        assert failed.value.code == code
    with pytest.raises(SequencingError) as failed:
        choice_sb_2_9(working(NO_CHOICE, current="a"), 2)
    assert failed.value.code == "SB.2.9-4"


def test_choices_that_lead_out_of_what_keeps_the_learner():
    work = working(
        course(cluster("m", leaf("a"), control_mode={"choice_exit": False, "choice": True, "flow": True}), leaf("b")),
        current="a",
        active=["root", "m"],
    )
    with pytest.raises(SequencingError) as failed:
        choice_sb_2_9(work, work.tree.by_id["b"])
    assert failed.value.code == "SB.2.9-7"


def test_there_is_nothing_before_the_course():
    assert flow_tree_traversal_sb_2_1(working(ABC), 0, BACKWARD, consider_children=True).exception == "SB.2.1-3"
    assert choice_activity_traversal_sb_2_4(working(ABC), 0, BACKWARD) == "SB.2.4-3"


def test_a_retry_that_finds_nothing():
    with pytest.raises(SequencingError) as failed:
        sequencing_request_sb_2_12(working(SHUT, current="m"), "retry", None)
    assert failed.value.code == "SB.2.10-3"


def test_nothing_is_above_the_course_to_leave():
    leave = {"post": [rule("exitParent", "always")]}
    done = Learner(course(leaf("a", rules=leave), rules=leave))
    done("start")
    assert done("continue") == "ended"
    assert "TB.2.3-4" in {step.detail for step in done.last.trace}
