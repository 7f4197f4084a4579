"""Durations and timestamps of both models."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courseyard.datamodel import add_times, format_time, parse_time, parse_timestamp


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT0S", 0),
        ("PT1H30M", 5_400),
        ("P0Y029DT0H", 29 * 86_400),
        ("PT01H059M020S", 3_600 + 59 * 60 + 20),
        ("P1DT0.55S", 86_400.55),
        ("P1Y", 365.25 * 86_400),
        ("P1M", 365.25 * 86_400 / 12),
        ("PT1.2345S", 1.2345),
        ("0001:30:00.50", 5_400.5),
        ("0:05:00", 300),
        ("00:90:00", 5_400),
        ("P", None),
        ("PT", None),
        ("P1DT", None),
        ("1:30", None),
        ("", None),
        ("PT5S\n", None),
        ("-PT5S", None),
    ],
)
def test_durations_are_read(text: str, seconds: float | None) -> None:
    assert parse_time(text) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("seconds", "new", "old"),
    [
        (0, "PT0S", "0000:00:00.00"),
        (7_569, "PT2H6M9S", "0002:06:09.00"),
        (86_400, "P1D", "0024:00:00.00"),
        (86_400.55, "P1DT0.55S", "0024:00:00.55"),
        (0.1, "PT0.1S", "0000:00:00.10"),
        (1.999, "PT2S", "0000:00:02.00"),
        (50, "PT50S", "0000:00:50.00"),
        (-3, "PT0S", "0000:00:00.00"),
    ],
)
def test_durations_are_written(seconds: float, new: str, old: str) -> None:
    assert format_time("2004", seconds) == new
    assert format_time("1.2", seconds) == old


def test_a_clock_has_four_digits_of_hours() -> None:
    assert format_time("1.2", 10_000 * 3_600) == "9999:59:59.99"


@given(st.integers(min_value=0, max_value=9_999 * 360_000))
def test_what_is_written_reads_the_same(hundredths: int) -> None:
    for standard in ("1.2", "2004"):
        assert parse_time(format_time(standard, hundredths / 100)) == pytest.approx(hundredths / 100, abs=0.001)


@given(st.text(alphabet="PTYMDHS0123456789.:-+ Z", max_size=30))
def test_any_text_is_a_time_or_none(text: str) -> None:
    seconds = parse_time(text)
    assert seconds is None or seconds >= 0
    assert parse_timestamp(text) is None or isinstance(parse_timestamp(text), datetime)


def test_a_duration_beyond_a_lifetime_is_cut() -> None:
    assert parse_time("P999999999999999999999Y") == parse_time("P100Y")


def test_session_times_add_up_to_the_total() -> None:
    total = "PT0S"
    for session in ("PT1M", "PT0H0M0S", "PT01H059M020S", "PT0H05M49S"):
        total = add_times("2004", total, session)
    assert total == "PT2H6M9S"
    assert add_times("1.2", "0000:01:00.00", "00:00:10.5") == "0000:01:10.50"
    assert add_times("1.2", "", "nonsense") == "0000:00:00.00"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-02-28T12:30", datetime(2026, 2, 28, 12, 30, tzinfo=UTC)),
        ("2026-02-28T12:30:15.25Z", datetime(2026, 2, 28, 12, 30, 15, 250_000, tzinfo=UTC)),
        ("2026-02-28T12:30:15.00-05:30", datetime(2026, 2, 28, 12, 30, 15, tzinfo=timezone(-timedelta(hours=5.5)))),
        ("2026-02-30", None),
        ("12:30:15", None),
        ("", None),
    ],
)
def test_timestamps_are_read(text: str, moment: datetime | None) -> None:
    assert parse_timestamp(text) == moment
