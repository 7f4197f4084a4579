"""The API object as a state machine: order of calls, arguments, what the page hears, and what happens when it fails."""

from __future__ import annotations

from typing import Any

import pytest
from fix_api import Play

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

NEW = {"standard": "2004", "data": {}}
OLD = {"standard": "1.2", "data": {}}


async def answers(play: Play, options: dict[str, Any], *calls: list[Any], **job: Any) -> list[tuple[str, str]]:
    [played] = await play([{"options": options, "calls": list(calls), **job}])
    return played.calls


async def test_each_standard_has_its_eight_functions(play: Play) -> None:
    new, old = await play([{"options": NEW, "calls": []}, {"options": OLD, "calls": []}])
    eight = ["Initialize", "Terminate", "GetValue", "SetValue", "Commit", "GetLastError", "GetErrorString"]
    eight.append("GetDiagnostic")
    assert new.functions == ["version", *eight]
    assert old.functions == ["version", *(f"LMS{'Finish' if name == 'Terminate' else name}" for name in eight)]


@pytest.mark.parametrize(
    ("call", "before", "after"),
    [
        (["Terminate", ""], ("false", "112"), ("false", "113")),
        (["GetValue", "cmi.mode"], ("", "122"), ("", "123")),
        (["SetValue", "cmi.location", "3"], ("false", "132"), ("false", "133")),
        (["Commit", ""], ("false", "142"), ("false", "143")),
    ],
)
async def test_calls_outside_a_session_of_2004(
    play: Play, call: list[Any], before: tuple[str, str], after: tuple[str, str]
) -> None:
    got = await answers(play, NEW, call, ["Initialize", ""], ["Terminate", ""], call, ["Initialize", ""])
    assert got == [before, ("true", "0"), ("true", "0"), after, ("false", "104")]


@pytest.mark.parametrize(
    ("call", "refused"),
    [
        (["LMSFinish", ""], "false"),
        (["LMSGetValue", "cmi.core.lesson_mode"], ""),
        (["LMSSetValue", "cmi.core.lesson_location", "3"], "false"),
        (["LMSCommit", ""], "false"),
    ],
)
async def test_calls_outside_a_session_of_12(play: Play, call: list[Any], refused: str) -> None:
    got = await answers(play, OLD, call, ["LMSInitialize", ""], ["LMSFinish", ""], call, ["LMSInitialize", ""])
    assert got == [(refused, "301"), ("true", "0"), ("true", "0"), (refused, "301"), ("false", "101")]


async def test_a_second_initialize_is_refused_and_the_session_goes_on(play: Play) -> None:
    got = await answers(play, NEW, ["Initialize", ""], ["Initialize", ""], ["GetValue", "cmi.mode"])
    assert got == [("true", "0"), ("false", "103"), ("normal", "0")]
    got = await answers(play, OLD, ["LMSInitialize", ""], ["LMSInitialize", ""], ["LMSGetValue", "cmi._version"])
    assert got == [("true", "0"), ("false", "101"), ("3.4", "0")]


@pytest.mark.parametrize("options", [NEW, OLD])
async def test_a_text_where_none_belongs_is_an_argument_error(play: Play, options: dict[str, Any]) -> None:
    prefix, end = ("", "Terminate") if options is NEW else ("LMS", "LMSFinish")
    got = await answers(
        play, options, [f"{prefix}Initialize", "x"], [f"{prefix}Initialize", ""], [f"{prefix}Commit", "x"], [end, "x"],
        [f"{prefix}Commit", ""],
    )  # fmt: skip
    assert got == [("false", "201"), ("true", "0"), ("false", "201"), ("false", "201"), ("true", "0")]


async def test_arguments_that_are_no_texts(play: Play) -> None:
    calls: list[list[Any]] = [["Initialize"], ["SetValue", "cmi.score.raw", 85], ["GetValue", "cmi.score.raw"]]
    calls += [["SetValue", "cmi.location", None], ["GetValue", "cmi.location"], ["GetValue", None], ["Commit", None]]
    got = await answers(play, NEW, *calls)
    values = [("true", "0"), ("true", "0"), ("85", "0"), ("true", "0"), ("", "0"), ("", "301"), ("true", "0")]
    assert got == values
    assert (await answers(play, {**NEW, "strict": True}, ["Initialize"]))[0] == ("false", "201")


async def test_the_three_support_functions_leave_the_error_as_it_is(play: Play) -> None:
    got = await answers(
        play,
        NEW,
        ["Initialize", ""],
        ["GetValue", "cmi.nothing"],
        ["GetLastError"],
        ["GetErrorString", "401"],
        ["GetErrorString", "0"],
        ["GetErrorString", ""],
        ["GetErrorString", "001"],
        ["GetErrorString", "toString"],
        ["GetDiagnostic", "401"],
        ["GetDiagnostic", ""],
        ["GetDiagnostic", "404"],
        ["GetDiagnostic", "unheard"],
        ["GetLastError"],
    )
    assert [error for _, error in got[1:]] == ["401"] * 12
    texts = [value for value, _ in got[3:12]]
    assert texts[:5] == ["Undefined data model element", "No error", "", "", ""]
    assert "cmi.nothing" in texts[5]
    assert texts[6] == texts[5]
    assert texts[7:] == ["Data model element is read only", ""]
    assert all(len(text) < 255 for text in texts)


async def test_a_diagnostic_about_a_very_long_name_stays_short(play: Play) -> None:
    got = await answers(play, NEW, ["Initialize", ""], ["GetValue", "@5000"], ["GetDiagnostic", ""])
    assert 0 < len(got[-1][0]) < 255


async def test_the_page_hears_changes_commits_and_the_end_in_order(play: Play) -> None:
    calls = [
        ["Initialize", ""],
        ["SetValue", "cmi.location", "3"],
        ["SetValue", "cmi.location", "3"],
        ["SetValue", "cmi.mode", "review"],
        ["SetValue", "cmi.exit", "suspend"],
        ["Commit", ""],
        ["SetValue", "adl.nav.request", "{target=b}choice"],
        ["Terminate", ""],
        ["SetValue", "cmi.location", "4"],
    ]
    [played] = await play([{"options": NEW, "calls": calls}])
    assert played.heard == [
        ["change", "cmi.location", "3"],
        ["change", "cmi.location", "3"],
        ["change", "cmi.exit", "suspend"],
        ["commit"],
        ["change", "adl.nav.request", "{target=b}choice"],
        ["terminate", {"request": "{target=b}choice", "exit": "suspend"}],
    ]


async def test_the_end_of_a_12_session(play: Play) -> None:
    calls = [["LMSInitialize", ""], ["LMSSetValue", "cmi.core.exit", "logout"], ["LMSFinish", ""]]
    [played] = await play([{"options": OLD, "calls": calls}])
    assert played.heard[-1] == ["terminate", {"request": "_none_", "exit": "logout"}]


async def test_comments_are_told_as_a_whole(play: Play) -> None:
    calls = [["LMSInitialize", ""], ["LMSSetValue", "cmi.comments", "a"], ["LMSSetValue", "cmi.comments", "b"]]
    [played] = await play([{"options": OLD, "calls": calls}])
    assert played.heard[-1] == ["change", "cmi.comments", "ab"]


@pytest.mark.parametrize("mode", ["browse", "review"])
async def test_browse_and_review_take_values_and_tell_nothing(play: Play, mode: str) -> None:
    calls = [["Initialize", ""], ["SetValue", "cmi.location", "3"], ["GetValue", "cmi.location"], ["Commit", ""]]
    calls += [["SetValue", "cmi.location.x", "3"], ["SetValue", "adl.nav.request", "continue"], ["Terminate", ""]]
    [played] = await play([{"options": {**NEW, "mode": mode}, "calls": calls}])
    assert played.calls[1:5] == [("true", "0"), ("3", "0"), ("true", "0"), ("false", "401")]
    assert played.heard == [["commit"], ["terminate", {"request": "continue", "exit": ""}]]


@pytest.mark.parametrize("how", ["throws", "refuses"])
async def test_what_the_page_cannot_keep_is_not_reported_as_kept(play: Play, how: str) -> None:
    start, value = ["Initialize", ""], ["SetValue", "cmi.location", "3"]
    assert (await answers(play, NEW, start, value, **{how: "change"}))[1] == ("false", "351")
    assert (await answers(play, NEW, start, value, ["Commit", ""], **{how: "commit"}))[2] == ("false", "391")
    got = await answers(play, NEW, start, ["Terminate", ""], value, ["Terminate", ""], **{how: "terminate"})
    assert got[1:] == [("false", "111"), ("true", "0"), ("false", "111")]
    old = [["LMSInitialize", ""], ["LMSSetValue", "cmi.suspend_data", "x"], ["LMSCommit", ""], ["LMSFinish", ""]]
    for name, place in (("change", 1), ("commit", 2), ("terminate", 3)):
        assert (await answers(play, OLD, *old, **{how: name}))[place] == ("false", "101")


async def test_the_log_has_every_call_with_result_error_and_time(play: Play) -> None:
    calls = [["Initialize", ""], ["GetValue", "cmi.nothing"], ["GetLastError"], ["SetValue", "cmi.score.raw", 5]]
    [played] = await play([{"options": NEW, "calls": calls, "log": True}])
    assert [entry for entry in played.heard if entry[0] == "call"] == [
        ["call", "Initialize", [""], "true", "0", 42],
        ["call", "GetValue", ["cmi.nothing"], "", "401", 42],
        ["call", "GetLastError", [], "401", "401", 42],
        ["call", "SetValue", ["cmi.score.raw", "5"], "true", "0", 42],
    ]


async def test_status_follows_its_threshold_at_once(play: Play) -> None:
    data = {"cmi.completion_threshold": "0.6", "cmi.scaled_passing_score": "0.5"}
    done, passed = ["GetValue", "cmi.completion_status"], ["GetValue", "cmi.success_status"]
    got = await answers(
        play,
        {**NEW, "data": data},
        ["Initialize", ""],
        ["SetValue", "cmi.completion_status", "completed"],
        ["SetValue", "cmi.success_status", "passed"],
        done, passed,
        ["SetValue", "cmi.progress_measure", "0.7"], ["SetValue", "cmi.score.scaled", "0.5"],
        done, passed,
        ["SetValue", "cmi.progress_measure", "0.5"], ["SetValue", "cmi.score.scaled", "-1"],
        done, passed,
    )  # fmt: skip
    assert [value for value, _ in got[3:5]] == ["unknown", "unknown"]
    assert [value for value, _ in got[7:9]] == ["completed", "passed"]
    assert [value for value, _ in got[11:13]] == ["incomplete", "failed"]


def answered(count: int) -> dict[str, Any]:
    """A SCO that reports `count` answered questions and reads each result back."""
    calls: list[list[str]] = [["Initialize", ""]]
    for n in range(count):
        at = f"cmi.interactions.{n}"
        calls += [["SetValue", f"{at}.id", f"q{n}"], ["SetValue", f"{at}.type", "choice"]]
        calls += [["SetValue", f"{at}.correct_responses.0.pattern", "a[,]b"], ["SetValue", f"{at}.result", "correct"]]
        calls += [["SetValue", f"{at}.objectives.0.id", f"o{n}"]]
    calls += [["GetValue", f"cmi.interactions.{n}.result"] for n in range(count)]
    return {"options": NEW, "calls": calls}


async def test_ten_thousand_calls_stay_quick(play: Play) -> None:
    """The time of a call must not grow with what is stored: ten times the calls, far from a hundred times the time."""
    _, few, many = await play([answered(200), answered(200), answered(2_000)])
    assert {value for value, _ in many.calls} == {"true", "correct"}
    assert many.took_ms < 2_000
    assert many.took_ms < 40 * max(few.took_ms, 5)
