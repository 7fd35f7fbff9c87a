"""Durations and expiries, as they are written on the command line."""

from datetime import UTC, datetime

import pytest

from gateway.cli.key_terms import networks_of, parse_duration_s, parse_expiry_s, time_text
from gateway.errors import ConfigurationError

NOW_S = datetime(2027, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("never", "never"),
        ("30m", "2027-01-01 00:30 UTC"),
        ("12h", "2027-01-01 12:00 UTC"),
        ("90d", "2027-04-01 00:00 UTC"),
        ("2027-01-31", "2027-01-31 00:00 UTC"),
        ("2027-01-31T12:00", "2027-01-31 12:00 UTC"),
        ("2027-01-31T12:00+02:00", "2027-01-31 10:00 UTC"),
        ("2027-01-31T12:00Z", "2027-01-31 12:00 UTC"),
    ],
)
def test_a_key_expires_after_a_duration_at_a_date_or_never(text: str, expected: str) -> None:
    assert time_text(parse_expiry_s(text, NOW_S)) == expected


@pytest.mark.parametrize(
    "text", ["", "90", "0d", "-1d", "1.5h", "1w", "31.01.2027", "2027-01-01", "2026-12-31", "1234567d"]
)
def test_what_is_no_time_or_past_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--expires"):
        parse_expiry_s(text, NOW_S)


def test_an_overlap_is_a_duration_only() -> None:
    assert parse_duration_s("24h") == 86_400.0
    with pytest.raises(ConfigurationError, match="expected a duration such as"):
        parse_duration_s("2027-01-31")


def test_networks_are_separated_by_commas_and_any_is_all_of_them() -> None:
    assert [str(each) for each in networks_of("192.0.2.0/24, ::1")] == ["192.0.2.0/24", "::1/128"]
    assert networks_of("any") == ()
