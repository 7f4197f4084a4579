"""The language of prerequisites: what it means, and that nothing written in it can do harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courseyard.content.prerequisites import (
    AtLeast,
    Expression,
    Not,
    PrerequisitesError,
    Status,
    holds,
    items_of,
    parse,
)

STATUSES = ("passed", "completed", "failed", "incomplete", "browsed", "not attempted")
ITEMS = ("A", "B", "lesson-1.2", "X_3")


@pytest.mark.parametrize(
    ("script", "met_by"),
    [
        ("A", [{"A": "passed"}, {"A": "completed"}]),
        ("~A", [{"A": "failed"}, {"A": "incomplete"}, {}]),
        ("A & B", [{"A": "passed", "B": "completed"}]),
        ("A|B", [{"A": "passed"}, {"B": "completed"}]),
        ("A | B & C", [{"A": "passed"}, {"B": "passed", "C": "passed"}]),
        ("(A | B) & C", [{"A": "passed", "C": "passed"}]),
        ('A = "passed"', [{"A": "passed"}]),
        ("A=not attempted", [{}]),
        ("A = n", [{}]),
        ("A <> failed", [{}, {"A": "passed"}]),
        ("~A = passed", [{"A": "completed"}]),
        ("2*{A, B, C}", [{"A": "passed", "C": "completed"}, {"A": "passed", "B": "passed", "C": "passed"}]),
        ("1*{A & B, C}", [{"C": "passed"}]),
        ("~ ~A", [{"A": "passed"}]),
    ],
)
def test_what_meets_it(script, met_by):
    for standing in met_by:
        assert holds(parse(script), lambda item, s=standing: s.get(item, "not attempted")), standing


@pytest.mark.parametrize(
    ("script", "not_met_by"),
    [
        ("A", [{}, {"A": "failed"}, {"A": "incomplete"}, {"A": "browsed"}]),
        ("A & B", [{"A": "passed"}]),
        ("A | B & C", [{"B": "passed"}]),
        ("(A | B) & C", [{"A": "passed"}]),
        ("A <> failed", [{"A": "failed"}]),
        ("2*{A, B, C}", [{"A": "passed"}]),
    ],
)
def test_what_does_not(script, not_met_by):
    for standing in not_met_by:
        assert not holds(parse(script), lambda item, s=standing: s.get(item, "not attempted")), standing


@pytest.mark.parametrize(
    "script",
    ["", "  ", "&", "A &", "A B", "(A", "A)", "3*{A, B}", "x*{A}", "2*A", "A = finished", 'A = "', "A <", "~", "1*{}"],
)
def test_malformed_ones_are_refused(script):
    with pytest.raises(PrerequisitesError):
        parse(script)


@pytest.mark.parametrize("script", ["(" * 3000, "~" * 3999, "A" * 5000, "1*{" * 1000, "A&" * 1999 + "A"])
def test_made_to_hurt(script):
    try:
        parse(script)
    except PrerequisitesError as error:
        assert len(str(error)) < 300


@given(st.text(alphabet="AB12 &|~=<>(){}*,\"'pn\u00e9", max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        expression = parse(text)
    except PrerequisitesError:
        return
    assert holds(expression, lambda _: "passed") in {True, False}
    assert list(items_of(expression))


comparisons = st.builds(Status, st.sampled_from(ITEMS), st.sampled_from([None, *STATUSES])).flatmap(
    lambda s: st.just(s) if s.wanted is None else st.booleans().map(lambda d: Status(s.item, s.wanted, d))
)


def combined(inner):
    parts = st.lists(inner, min_size=1, max_size=4)
    return st.one_of(
        inner.map(Not), parts.flatmap(lambda p: st.integers(0, len(p)).map(lambda n: AtLeast(n, tuple(p))))
    )


def written(expression: Expression) -> str:
    """The script of an expression."""
    if isinstance(expression, Not):
        return f"~({written(expression.part)})"
    if isinstance(expression, AtLeast):
        return f"{expression.count}*{{{', '.join(map(written, expression.parts))}}}"
    if expression.wanted is None:
        return expression.item
    return f'{expression.item} {"<>" if expression.differs else "="} "{expression.wanted}"'


@given(st.recursive(comparisons, combined, max_leaves=8))
def test_what_is_written_is_read_back(expression):
    assert parse(written(expression)) == expression


@given(
    st.recursive(comparisons, combined, max_leaves=6),
    st.recursive(comparisons, combined, max_leaves=6),
    st.fixed_dictionaries({item: st.sampled_from(STATUSES) for item in ITEMS}),
)
def test_the_operators_are_those_of_logic(left, right, standing):
    one, two = written(left), written(right)

    def met(script):
        return holds(parse(script), standing.__getitem__)

    assert met(f"({one}) & ({two})") == (met(one) and met(two))
    assert met(f"({one}) | ({two})") == (met(one) or met(two))
    assert met(f"~({one})") != met(one)
    assert met(f"~(({one}) & ({two}))") == met(f"~({one}) | ~({two})")
