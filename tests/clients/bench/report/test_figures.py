"""Figures have the digits that they deserve."""

import pytest

from clients.bench.report.figures import (
    Format,
    count,
    decimal,
    duration,
    fraction,
    memory,
    percent,
    seconds,
    streams_text,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.4567, "0.46"), (0.0, "0.00"), (-0.31, "\u22120.31"), (-0.001, "0.00"), (12.34, "12.3"), (-123.6, "\u2212124")],
)
def test_seconds_lose_digits_as_they_grow(value: float, expected: str) -> None:
    assert seconds(value) == expected


@pytest.mark.parametrize("written", [seconds, percent, decimal, count, memory])
def test_nothing_is_a_dash(written: Format) -> None:
    assert written(None) == "–"


def test_shares_are_in_percent() -> None:
    assert (percent(0.0234), percent(1.0), percent(0.0)) == ("2.3", "100.0", "0.0")


def test_decimals_have_two_digits() -> None:
    assert decimal(0.126) == "0.13"


def test_digits_of_counts_are_grouped_by_thin_spaces() -> None:
    assert (count(1234567), count(999), count(0)) == ("1\u202f234\u202f567", "999", "0")


def test_memory_is_in_gigabytes_or_below_one_in_megabytes() -> None:
    assert (memory(8_123_000_000), memory(420_400_000), memory(0)) == ("8.1 GB", "420 MB", "0 MB")


def test_durations_are_in_minutes_and_seconds() -> None:
    assert (duration(42.4), duration(185.2), duration(59.6)) == ("42 s", "3 min 05 s", "1 min 00 s")


def test_one_stream_is_singular() -> None:
    assert (streams_text(1), streams_text(16)) == ("1 stream", "16 streams")


def test_a_part_stands_before_its_whole() -> None:
    assert (fraction(3, 1200), fraction(None, 4)) == ("3 / 1\u202f200", "– / 4")
