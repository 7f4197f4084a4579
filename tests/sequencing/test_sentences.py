"""What staff and learners are told in words."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from courseyard.sequencing import explain, refusal, why_not_complete
from courseyard.sequencing.explain import _EXCEPTIONS
from courseyard.sequencing.refusal import _WORDS

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("courses", Path(__file__).with_name("courses.py"))
courses = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(courses)
Learner, cluster, course, leaf, rule = courses.Learner, courses.cluster, courses.course, courses.leaf, courses.rule

PRETEST = {"others": [{"id": "pretest", "maps": [{"target": "g"}]}]}
WRITES = {"others": [{"id": "result", "maps": [{"target": "g", "write_satisfied": True}]}]}


def titled(title, made):
    return made | {"title": title}


def told(learner, *requests):
    for request in requests:
        learner(*request.split(" ", 1))
    return refusal(learner.last, learner.tree, requests[-1].partition(" ")[2] or None)


def test_a_skipped_lesson_says_which_objective_let_it_be_skipped():
    skip = {"pre": [rule("skip", {"condition": "satisfied", "objective": "pretest"})]}
    learner = Learner(
        course(leaf("t", objectives=WRITES), titled("Lesson 3", leaf("l3", rules=skip, objectives=PRETEST)), leaf("l4"))
    )
    learner("start")
    assert learner("continue", objectives={"result": {"success": "passed"}}) == "l4"
    assert "Lesson 3 was skipped because its objective 'pretest' is satisfied (precondition rule 1)." in explain(
        learner.last, learner.tree
    )


def test_what_is_missing_for_completion():
    learner = Learner(course(leaf("a"), leaf("b"), titled("Quiz", leaf("q")), leaf("d")))
    learner("start")
    learner("continue", completion="completed")
    learner("continue", completion="completed")
    assert why_not_complete(learner.tree, learner.state, learner.globals) == [
        "The course is not complete: Quiz is incomplete, 2 of 4 required activities are done."
    ]


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (
            [{"action": "completed", "child_activity_set": "atLeastCount", "minimum_count": 2,
              "conditions": [{"condition": "satisfied"}]}],
            "The course is not complete: rollup rule 1 (at least 2 activities: is satisfied) is met by 1 of 3.",
        ),
        (
            [{"action": "incomplete", "conditions": [{"condition": "satisfied", "not": True}]}],
            "The course is not complete: its rollup rules never complete it.",
        ),
    ],
)  # fmt: skip
def test_what_a_rollup_rule_still_wants(rules, sentence):
    learner = Learner(course(leaf("a"), leaf("b"), leaf("c"), rollup={"rules": rules}))
    learner("start")
    learner("continue", completion="completed", success="passed")
    assert why_not_complete(learner.tree, learner.state, learner.globals) == [sentence]


def test_progress_is_told_as_part_of_what_is_needed():
    document = course(leaf("a"), leaf("b"))
    document["organizations"][0]["completion_threshold"] = {"completed_by_measure": True, "min_progress_measure": 0.8}
    learner = Learner(document)
    learner("start")
    learner("continue", progress_measure=1.0)
    assert why_not_complete(learner.tree, learner.state, learner.globals) == [
        "The course is not complete: its progress is 50% of the 80% that it needs."
    ]


def test_staff_read_what_failed_and_whether_anything_had_happened():
    learner = Learner(course(leaf("a"), leaf("b")))
    learner("start")
    learner("choice", "nowhere")
    assert explain(learner.last, learner.tree) == ["The request was refused: there is no such activity (NB.2.1-11)."]
    learner("previous")
    assert explain(learner.last, learner.tree)[-1] == (
        "The request led nowhere: there is nothing before this activity (SB.2.1-3)."
    )


def test_every_exception_code_has_words_for_staff():
    given = (ROOT / "docs/spec-map.md").read_text("utf-8").split("Codes that are never given:")[0]
    codes = re.findall(r"^\| ([A-Z.0-9]+-\d+) \|", given, re.MULTILINE)
    assert len(codes) > 45
    assert [code for code in codes if code not in _EXCEPTIONS] == []


def test_learners_read_no_jargon():
    jargon = re.compile(r"[A-Z]{2}\.\d|sequenc|rollup|activit|traversal|satisf|precondition|cluster|tree|session", re.I)
    assert [words for words in _WORDS.values() if jargon.search(" ".join(words))] == []


def test_a_refusal_says_why_and_what_to_do():
    limited = course(titled("Exam", leaf("a", limits={"attempt_limit": 1})), leaf("b"))
    assert told(Learner(limited), "start", "continue", "choice a") == (
        "“Exam” is not open to you now: it may be opened once. Choose another part in the table of contents."
    )
    stop = {"pre": [rule("stopForwardTraversal", {"condition": "completed", "not": True})]}
    waiting = course(titled("Lesson 1", leaf("a", rules=stop, delivery={"completion_set_by_content": True})), leaf("b"))
    learner = Learner(waiting)
    learner("start")
    learner("choice", "b", completion="incomplete")
    assert refusal(learner.last, learner.tree, "b") == (
        "You cannot pass “Lesson 1” yet, because it is not finished. Do that part first."
    )
    disabled = {"pre": [rule("disabled", {"condition": "satisfied", "objective": "pretest", "not": True})]}
    locked = Learner(
        course(leaf("t", objectives=WRITES), titled("Unit 2", leaf("u", rules=disabled, objectives=PRETEST)))
    )
    locked("start")
    locked("continue", objectives={"result": {"success": "failed"}})
    assert refusal(locked.last, locked.tree) == (
        "“Unit 2” is not open to you now, because 'pretest' has not been passed. "
        "Choose another part in the table of contents."
    )


@pytest.mark.parametrize(
    ("document", "requests", "sentence"),
    [
        (course(leaf("a"), leaf("b")), ["start", "previous"], "This is where the course begins"),
        (course(leaf("a"), leaf("b")), ["choice x"], "The course has no such part."),
        (course(leaf("a"), leaf("b"), control_mode={"flow": True, "choice": False}), ["start", "choice b"], "“b” opens when"),
        (course(leaf("a", control_mode={"choice_exit": False}), leaf("b")), ["start", "choice b"], "You cannot leave “a”"),
        (course(leaf("a"), leaf("b"), control_mode={"choice": True}), ["choice a", "continue"], "There is no way straight on"),
        (course(leaf("a"), leaf("b", rules={"pre": [rule("hiddenFromChoice", "always")]})), ["start", "choice b"],
         "“b” is not open to you now."),
    ],
)  # fmt: skip
def test_refusals_in_the_words_of_a_learner(document, requests, sentence):
    assert told(Learner(document), *requests).startswith(sentence)


def test_what_was_done_needs_no_excuse():
    learner = Learner(course(leaf("a"), leaf("b")))
    learner("start")
    assert refusal(learner.last, learner.tree) is None
