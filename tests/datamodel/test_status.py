"""What a state says of the learner, and what the end of a session makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courseyard.datamodel import Summary, finish, summarise


@pytest.mark.parametrize(
    ("status", "completion", "success"),
    [
        ("passed", "completed", "passed"),
        ("failed", "completed", "failed"),
        ("completed", "completed", "unknown"),
        ("incomplete", "incomplete", "unknown"),
        ("browsed", "incomplete", "unknown"),
        ("not attempted", "not attempted", "unknown"),
        ("nonsense", "unknown", "unknown"),
    ],
)
def test_the_one_word_of_12_is_two_facts(status: str, completion: str, success: str) -> None:
    found = summarise("1.2", {"cmi.core.lesson_status": status})
    assert (found.completion, found.success) == (completion, success)


def test_an_untouched_state() -> None:
    assert summarise("1.2", {}).completion == "not attempted"
    assert summarise("2004", {}) == Summary()


@pytest.mark.parametrize(
    ("score", "scaled"),
    [
        ({"raw": "85"}, 0.85),
        ({"raw": "30", "min": "20", "max": "40"}, 0.5),
        ({"raw": "150", "max": "250"}, 0.6),
        ({"raw": "150"}, None),
        ({"raw": "", "max": "100"}, None),
        ({"raw": "5", "min": "5", "max": "5"}, None),
        ({}, None),
    ],
)
def test_a_score_of_12_between_0_and_1(score: dict[str, str], scaled: float | None) -> None:
    found = summarise("1.2", {f"cmi.core.score.{name}": value for name, value in score.items()})
    assert found.scaled == (scaled if scaled is None else pytest.approx(scaled))


def test_a_score_of_2004_is_taken_as_reported_else_worked_out() -> None:
    points = {"cmi.score.raw": "30", "cmi.score.min": "20", "cmi.score.max": "40"}
    assert summarise("2004", points).scaled == pytest.approx(0.5)
    assert summarise("2004", {**points, "cmi.score.scaled": "-0.25"}).scaled == -0.25
    assert summarise("2004", {"cmi.score.raw": "30"}).scaled is None


def test_a_2004_summary_names_what_the_sco_left() -> None:
    found = summarise(
        "2004",
        {
            "cmi.location": "7",
            "cmi.exit": "suspend",
            "adl.nav.request": "continue",
            "cmi.session_time": "PT90S",
            "cmi.total_time": "PT1H",
            "cmi.progress_measure": "0.5",
        },
    )
    assert (found.location, found.exit, found.request) == ("7", "suspend", "continue")
    assert (found.session_seconds, found.total_seconds, found.progress) == (90, 3_600, 0.5)


@pytest.mark.parametrize(
    ("measure", "expected"), [(None, "unknown"), ("0.6", "completed"), ("0.59", "incomplete"), ("1", "completed")]
)
def test_a_threshold_counts_more_than_the_word_of_the_sco(measure: str | None, expected: str) -> None:
    state = {"cmi.completion_threshold": "0.6", "cmi.completion_status": "completed"}
    if measure:
        state["cmi.progress_measure"] = measure
    assert summarise("2004", state).completion == expected
    assert finish("2004", state)["cmi.completion_status"] == expected


def test_without_a_threshold_the_word_of_the_sco_stands() -> None:
    state = {"cmi.completion_status": "completed", "cmi.progress_measure": "0.1", "cmi.success_status": "passed"}
    found = summarise("2004", state)
    assert (found.completion, found.success) == ("completed", "passed")
    assert finish("2004", state) == state


def test_the_passing_score_settles_success() -> None:
    state = {"cmi.score.scaled": "0.4", "cmi.success_status": "passed"}
    facts = {"cmi.scaled_passing_score": "0.5"}
    assert finish("2004", state, facts)["cmi.success_status"] == "failed"
    assert "cmi.scaled_passing_score" not in finish("2004", state, facts)


@pytest.mark.parametrize(
    ("said", "score", "facts", "expected"),
    [
        # nothing said: gone through is done
        (None, None, {}, "completed"),
        ("incomplete", None, {}, "incomplete"),
        # the mastery score decides where there is a score
        ("completed", "80", {"mastery": "80"}, "passed"),
        ("completed", "79.9", {"mastery": "80"}, "failed"),
        ("passed", "10", {"mastery": "80"}, "failed"),
        (None, "100", {"mastery": "80"}, "passed"),
        ("incomplete", "100", {"mastery": "80"}, "passed"),
        ("completed", None, {"mastery": "80"}, "completed"),
        ("completed", "", {"mastery": "80"}, "completed"),
        # no credit, no verdict
        ("completed", "10", {"mastery": "80", "credit": "no-credit"}, "completed"),
        # a learner in the middle is not judged
        ("incomplete", "0", {"mastery": "80", "exit": "suspend"}, "incomplete"),
        (None, "0", {"mastery": "80", "exit": "suspend"}, "incomplete"),
        ("completed", "0", {"mastery": "80", "exit": "suspend"}, "failed"),
        # browsing
        (None, None, {"mode": "browse", "credit": "no-credit"}, "browsed"),
        ("completed", None, {"mode": "browse", "credit": "no-credit"}, "completed"),
    ],
)
def test_the_lesson_status_at_the_end(
    said: str | None, score: str | None, facts: dict[str, str], expected: str
) -> None:
    state = {"cmi.core.exit": facts.get("exit", "")}
    if said is not None:
        state["cmi.core.lesson_status"] = said
    if score is not None:
        state["cmi.core.score.raw"] = score
    known = {"cmi.core.credit": facts.get("credit", "credit"), "cmi.core.lesson_mode": facts.get("mode", "normal")}
    if "mastery" in facts:
        known["cmi.student_data.mastery_score"] = facts["mastery"]
    assert finish("1.2", state, known)["cmi.core.lesson_status"] == expected


@pytest.mark.parametrize(("standard", "prefix"), [("1.2", "cmi.core."), ("2004", "cmi.")])
def test_session_time_is_counted_once(standard: str, prefix: str) -> None:
    state = {f"{prefix}session_time": "00:01:00" if standard == "1.2" else "PT1M"}
    once = finish(standard, state)
    assert summarise(standard, once).total_seconds == 60
    assert f"{prefix}session_time" not in once
    assert finish(standard, once) == once
    assert state == {f"{prefix}session_time": "00:01:00" if standard == "1.2" else "PT1M"}, "the argument is untouched"


@given(
    st.sampled_from(["1.2", "2004"]),
    st.dictionaries(
        st.sampled_from(
            [
                *["cmi.core.score.raw", "cmi.core.score.max", "cmi.core.session_time", "cmi.core.total_time"],
                *["cmi.score.raw", "cmi.score.scaled", "cmi.session_time", "cmi.total_time", "cmi.progress_measure"],
                *["cmi.completion_threshold", "cmi.scaled_passing_score", "cmi.student_data.mastery_score"],
                *["cmi.core.lesson_status", "cmi.completion_status", "cmi.core.exit"],
            ]
        ),
        st.text(max_size=12),
    ),
)
def test_no_stored_text_breaks_summary_or_end(standard: str, state: dict[str, str]) -> None:
    assert isinstance(summarise(standard, finish(standard, state)), Summary)
