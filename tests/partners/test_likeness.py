"""The likeness of titles: its laws, and that it is the measure of pg_trgm."""

from __future__ import annotations

import psycopg
from hypothesis import given
from hypothesis import strategies as st

from courseyard.partners.likeness import Titles, likeness, trigrams

titles = st.text(st.sampled_from("abcxyz AEI-1,äß"), max_size=30)


@given(titles, titles)
def test_it_is_a_share_and_the_same_both_ways(one: str, other: str) -> None:
    score = likeness(one, other)
    assert 0 <= score <= 1
    assert score == likeness(other, one)
    assert (score == 1) == (trigrams(one) == trigrams(other) != frozenset())


@given(titles)
def test_case_order_and_marks_do_not_count(title: str) -> None:
    words = title.split()
    assert trigrams(" ".join(reversed(words))) == trigrams(title.lower()) == trigrams(title)
    assert trigrams(f"{title}!") == trigrams(title)


@given(titles, st.lists(titles, max_size=5), st.floats(0.01, 1))
def test_the_index_finds_what_comparing_one_by_one_finds(title: str, others: list[str], floor: float) -> None:
    named = {str(n): other for n, other in enumerate(others)}
    expected = {key: likeness(title, other) for key, other in named.items() if likeness(title, other) >= floor}
    assert dict(Titles(named).like(title, floor)) == expected


def test_it_measures_as_the_extension_does(db_url: str) -> None:
    pairs = [
        ("Forklift driving", "Forklifts"), ("Arc Welding 101", "Welding, arc (101)"), ("First Aid", "Aid"), ("a", "b"),
        ("Sécurité au travail", "Securite au travail"), ("CPR/AED", "CPR AED training"), ("", "x"), ("日本語", "日本"),
    ]  # fmt: skip
    with psycopg.connect(db_url, autocommit=True) as connection:
        connection.execute("create extension pg_trgm")
        for one, other in pairs:
            [theirs] = connection.execute("select similarity(%s, %s)", [one, other]).fetchone() or [None]
            assert abs(theirs - likeness(one, other)) < 1e-6, (one, other)
