"""Every element of both data models with good and bad values, in a real browser and in the server's validation.

`api_conformance.json` says what the specifications ask for; it is written by hand, not made from the tables.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from fix_api import CONFORMANCE as DATA
from fix_api import NAMES, PLAYER, Play, filled
from fix_api import conformance_options as options

from courseyard.datamodel import Model, table_json

pytestmark = pytest.mark.anyio

STANDARDS = ("1.2", "2004")
# Modules of this folder and the larger table, packed: the player as a whole has 20 kB.
MOST_BYTES = 11 * 1024


class Step(NamedTuple):
    """One call and what the specification wants back."""

    call: str
    element: str
    argument: str
    value: str
    code: int


def element_scripts(standard: str) -> Iterator[tuple[str, list[Step]]]:
    """For each element: its first value, every good value set and read back, every bad one refused without effect."""
    for element, row in DATA[standard]["elements"].items():
        steps = [Step("set", name, value, "true", 0) for name, value in row.get("before", ())]
        first, code = row["first"]
        steps.append(Step("get", element, "", first, code))
        current = (first, code)
        for value in row.get("good", ()):
            read = row.get("read", 0)
            current = ("" if read else value, read)
            steps += [Step("set", element, value, "true", 0), Step("get", element, "", *current)]
        for error, values in row["bad"].items():
            for value in values:
                steps += [Step("set", element, value, "false", int(error)), Step("get", element, "", *current)]
        yield element, steps


def written_scripts(standard: str) -> Iterator[tuple[str, list[Step]]]:
    """The scripts of the file: [call, element, value…]; a "set" with error 0 answers "true"."""
    for name, steps in DATA[standard]["scripts"].items():
        yield (
            name,
            [
                Step("get", step[1], "", step[2], step[3])
                if step[0] == "get"
                else Step("set", step[1], step[2], "false" if step[3] else "true", step[3])
                for step in steps
            ],
        )


def scripts(standard: str) -> list[tuple[str, list[Step]]]:
    return [*element_scripts(standard), *written_scripts(standard)]


def job(standard: str, steps: list[Step], **more: Any) -> dict[str, Any]:
    names = NAMES[standard]
    calls = [[names["start"], ""]]
    calls += [[names[s.call], s.element, *([s.argument] if s.call == "set" else [])] for s in steps]
    return {"options": options(standard, **more), "calls": calls}


def in_python(standard: str, steps: list[Step], *, strict: bool = False) -> list[tuple[str, int]]:
    """The same calls on the server's model."""
    model = Model(standard, DATA[standard]["data"], strict=strict, valid=DATA[standard]["valid"])
    answers = []
    for step in steps:
        if step.call == "get":
            answers.append(model.get(step.element))
            continue
        problem = model.set(step.element, filled(step.argument))
        refused = problem is not None and problem.kind == "refused"
        answers.append(("false", problem.code) if problem and refused else ("true", 0))
    return answers


def wrong(name: str, steps: list[Step], answers: list[tuple[str, int]]) -> list[str]:
    return [
        f"{name}: {s.call} {s.element!r} {s.argument[:40]!r} gave {value[:40]!r} {code}, expected {s.value!r} {s.code}"
        for s, (value, code) in zip(steps, answers, strict=True)
        if (value, code) != (filled(s.value), s.code)
    ]


@pytest.mark.parametrize("standard", STANDARDS)
def test_every_element_of_the_table_is_called(standard: str) -> None:
    called = {
        re.sub(r"\{target=[^}]*\}", "{target}", re.sub(r"\.[0-9]+(?=\.|$)", ".n", element))
        for element in DATA[standard]["elements"]
    }
    assert called == set(json.loads(table_json(standard))["elements"])


@pytest.mark.browser
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("standard", STANDARDS)
async def test_the_browser_answers_as_specified(play: Play, standard: str, strict: bool) -> None:
    cases = [c for c in scripts(standard) if not (strict and "length is kept" in c[0])]
    played = await play([job(standard, steps, strict=strict) for _, steps in cases])
    problems: list[str] = []
    for (name, steps), answers in zip(cases, played, strict=True):
        assert answers.calls[0] == ("true", "0")
        problems += wrong(name, steps, [(value, int(error)) for value, error in answers.calls[1:]])
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("standard", STANDARDS)
def test_the_server_answers_as_specified(standard: str, strict: bool) -> None:
    cases = [c for c in scripts(standard) if not (strict and "length is kept" in c[0])]
    problems = [p for name, steps in cases for p in wrong(name, steps, in_python(standard, steps, strict=strict))]
    assert not problems, "\n".join(problems)


@pytest.mark.browser
@pytest.mark.parametrize("standard", STANDARDS)
async def test_leniencies_are_kept_and_told_and_refused_when_strict(play: Play, standard: str) -> None:
    refused_with = {"1.2": "405", "2004": "406"}[standard]
    names = NAMES[standard]
    jobs = []
    rows = DATA[standard]["lenient"]
    for element, value, _ in rows:
        before = [] if element.endswith("s.0.id") else DATA[standard]["lenient_before"]
        calls = [[names["start"], ""], *([names["set"], *pair] for pair in before), [names["set"], element, value]]
        jobs += [{"options": options(standard, strict=strict), "calls": calls} for strict in (False, True)]
    played = await play(jobs)
    for place, (element, value, rule) in enumerate(rows):
        lenient, strict = played[2 * place], played[2 * place + 1]
        assert lenient.calls[-1] == ("true", "0"), (element, value)
        assert lenient.heard[-2:] == [["finding", element, rule], ["change", element, filled(value)]]
        assert strict.calls[-1] == ("false", refused_with), (element, value)
        model = Model(standard, dict([] if element.endswith("s.0.id") else DATA[standard]["lenient_before"]))
        problem = model.set(element, filled(value))
        assert problem is not None
        assert (problem.kind, problem.rule) == ("finding", rule), (element, value)


@pytest.mark.parametrize("standard", STANDARDS)
def test_every_leniency_of_the_table_has_a_case(standard: str) -> None:
    assert {rule for _, _, rule in DATA[standard]["lenient"]} - {"length"} == set(
        json.loads(table_json(standard))["leniencies"]
    )


@pytest.mark.parametrize("standard", STANDARDS)
def test_the_run_time_stays_small(standard: str) -> None:
    scripts_ = b"".join((PLAYER / name).read_bytes() for name in ("cmi-api.js", "cmi-model.js", "cmi-types.js"))
    packed = len(gzip.compress(scripts_, 9)) + len(gzip.compress(table_json(standard).encode(), 9))
    assert packed <= MOST_BYTES, f"{packed} bytes"
