"""Values of records as people read them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from courseyard.web.pages import wording


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "–"),
        ({}, "–"),
        ([], "–"),
        ("", "–"),
        (False, "no"),
        (True, "yes"),
        (0, "0"),
        (1.50, "1.5"),
        ("2026", "2026"),
        ("20261125", "20261125"),
        ("<b>", "<b>"),
        ("x" * 300, "x" * 200 + "…"),
        ("2026-11-25", '<time datetime="2026-11-25" data-day>2026-11-25</time>'),
        (date(2026, 11, 25), '<time datetime="2026-11-25" data-day>2026-11-25</time>'),
        ("2026-99-25", "2026-99-25"),
        ("2026-11-25T22:44:00", "2026-11-25 22:44"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
        ({"suspended": False, "last_login": None}, "Suspended: no; Last login: –"),
        (["a", {"b": "<i>"}], "a, B: &lt;i&gt;"),
        (list(range(25)), ", ".join(map(str, range(20))) + ", and 5 more"),
    ],
)
def test_a_value_is_told_in_words(value: Any, told: str) -> None:
    assert wording.plain(value) == told


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-25T22:44:00Z",
        "2026-11-25 23:44:00.123+01",
        "2026-11-25T17:44-05:00",
        datetime(2026, 11, 25, 22, 44, tzinfo=UTC),
        datetime(2026, 11, 26, 0, 44, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_moment_is_told_in_one_zone_until_the_browser_tells_it_in_the_viewers(moment: Any) -> None:
    told = wording.plain(moment)
    assert told.startswith('<time datetime="2026-11-25T22:44:00') and told.endswith(">2026-11-25 22:44 UTC</time>")
