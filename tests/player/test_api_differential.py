"""Whatever is called: the browser's model and the server's come to the same answers and the same data."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fix_api import CONFORMANCE as DATA
from fix_api import NAMES, Answers, Play, filled
from fix_api import conformance_options as options
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from courseyard.datamodel import Model, table_json

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

SCRIPTS = 300
# Pieces that the forms of the data model are made of; joined at random they lie just inside or outside of them.
PIECES = [
    *["{lang=en}", "{lang=", "}", "{case_matters=true}", "{order_matters=no}", "[,]", "[.]", "[:]", "urn:", "a", "b c"],
    *["P", "T", "1", "Y", "D", "0", ".", "5", "S", "-", "+", "e", ":", "2026-02-28", "T10:00:00", "Z", "\n", "é", "𝄞"],
    *["{target=x}", "choice", "true", "@1001", " ", "\u2028", "[", "\\", '"', "_children"],
]


def names(standard: str) -> st.SearchStrategy[str]:
    """Every element of the table with small indexes, keywords beside them, and now and then a name that is wrong."""
    table = json.loads(table_json(standard))
    paths = [*table["elements"], *table["collections"], *table["groups"]]
    index = st.sampled_from(["0", "0", "0", "1", "1", "2", "01", "7"])

    def indexed(path: str, first: str, second: str) -> str:
        return (
            path.replace(".n.", f".{first}.", 1).replace(".n.", f".{second}.", 1).replace("{target}", "{target=item.1}")
        )

    usual = st.builds(indexed, st.sampled_from(paths), index, index)
    keyword = st.builds(lambda path, word: f"{path}.{word}", usual, st.sampled_from(["_count", "_children", "x"]))
    return st.one_of(usual, usual, usual, usual, keyword)


def values(standard: str) -> st.SearchStrategy[str]:
    """The good and bad values of the conformance table, and random joints of pieces."""
    rows = DATA[standard]["elements"].values()
    known = {value for row in rows for value in row.get("good", ())}
    known |= {value for row in rows for bad in row["bad"].values() for value in bad}
    return st.one_of(
        st.sampled_from(sorted(known)), st.lists(st.sampled_from(PIECES), max_size=5).map("".join), st.text(max_size=8)
    )


def calls(standard: str) -> st.SearchStrategy[list[list[str]]]:
    """A session; it often opens with the calls that let interactions and objectives be filled."""
    types = list(json.loads(table_json(standard))["responses"])
    opening = st.builds(
        lambda kind: [
            ["set", "cmi.interactions.0.id", "q"],
            ["set", "cmi.interactions.0.type", kind],
            ["set", "cmi.objectives.0.id", "o"],
        ],
        st.sampled_from(types),
    )
    answer = st.sampled_from(
        [
            "cmi.interactions.0.correct_responses.0.pattern",
            "cmi.interactions.0.correct_responses.1.pattern",
            "cmi.interactions.0.learner_response" if standard == "2004" else "cmi.interactions.0.student_response",
        ]
    )
    set_ = st.tuples(st.just("set"), st.one_of(names(standard), answer), values(standard)).map(list)
    get = st.tuples(st.just("get"), names(standard)).map(list)
    return st.builds(
        lambda start, rest: start + rest, st.one_of(st.just([]), opening, opening), st.lists(set_ | get, max_size=25)
    )


def sessions(standard: str) -> list[tuple[bool, list[list[str]]]]:
    found: list[tuple[bool, list[list[str]]]] = []

    @settings(
        max_examples=SCRIPTS,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(st.booleans(), calls(standard))
    def collect(strict: bool, session: list[list[str]]) -> None:
        found.append((strict, session))

    collect()
    return found


def on_the_server(
    standard: str, strict: bool, session: list[list[str]]
) -> tuple[Model, list[tuple[str, str]], list[Any]]:
    model = Model(standard, DATA[standard]["data"], strict=strict, valid=DATA[standard]["valid"])
    answers, heard = [], []
    for call, element, *argument in session:
        if call == "get":
            value, code = model.get(element)
            answers.append((value, str(code)))
            continue
        problem = model.set(element, filled(argument[0]))
        if problem and problem.kind == "refused":
            answers.append(("false", str(problem.code)))
            continue
        if problem:
            heard.append(["finding", element, problem.rule])
        heard.append(["change", element, model.state.get(element, "")])
        answers.append(("true", "0"))
    return model, answers, heard


def in_the_browser(standard: str, strict: bool, session: list[list[str]]) -> dict[str, Any]:
    names_ = NAMES[standard]
    return {
        "options": options(standard, strict=strict),
        "calls": [[names_["start"], ""], *([names_[call], *rest] for call, *rest in session)],
    }


@pytest.mark.parametrize("standard", ["1.2", "2004"])
async def test_browser_and_server_agree(play: Play, standard: str) -> None:
    found = sessions(standard)
    assert len(found) > SCRIPTS / 2
    played: list[Answers] = await play([in_the_browser(standard, strict, session) for strict, session in found])
    for (strict, session), browser in zip(found, played, strict=True):
        model, answers, heard = on_the_server(standard, strict, session)
        for call, ours, theirs in zip(session, answers, browser.calls[1:], strict=True):
            assert ours == theirs, f"{call} after {session[: session.index(call)]} (strict: {strict})"
        assert heard == browser.heard
        changes = [entry[1:] for entry in browser.heard if entry[0] == "change"]
        replayed = Model(standard, DATA[standard]["data"], strict=strict)
        assert [p for p in replayed.apply(changes).problems if p.kind == "refused"] == []
        assert replayed.state == model.state, "a commit replays to the same data"
