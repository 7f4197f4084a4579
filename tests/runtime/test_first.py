"""What is said when another course comes first."""

from __future__ import annotations

import pytest

from courseyard.runtime.first import sentence


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ([("Theory", "Academy")], "Before “Lifting” comes “Theory” at Academy, which is not completed yet."),
        ([("Theory", None)], "Before “Lifting” comes “Theory”, which is not completed yet."),
        (
            [("A", "X"), ("B", "Y"), ("C", None)],
            "Before “Lifting” come “A” at X, “B” at Y and “C”, which are not completed yet.",
        ),
    ],
)
def test_the_sentence_names_every_course(missing: list[tuple[str, str | None]], said: str) -> None:
    assert sentence("Lifting", [{"title": title, "provider": provider} for title, provider in missing]) == said
