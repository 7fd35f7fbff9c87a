"""Options of `livecue keys` that state the terms of a key."""

import re
from datetime import UTC, datetime

from gateway.access.terms import Network, parse_networks
from gateway.errors import ConfigurationError

__all__ = ["NEVER", "networks_of", "parse_duration_s", "parse_expiry_s", "time_text"]

NEVER = "never"
"""As an expiry: there is none."""

_ANY = "any"
"""As an address: all are accepted."""

_UNITS_S = {"m": 60, "h": 3_600, "d": 86_400}

_DURATION = re.compile(r"([1-9][0-9]{0,5})([mhd])")


def parse_duration_s(text: str) -> float:
    """Return a duration such as 30m, 12h or 90d, in seconds.

    Raises:
        ConfigurationError: it is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ConfigurationError(f"{text!r}: expected a duration such as 30m, 12h or 90d")
    return float(int(found[1]) * _UNITS_S[found[2]])


def parse_expiry_s(text: str, now_s: float) -> float | None:
    """Return when a key expires, in seconds since 1970; None: never.

    Args:
        text: `never`, a duration from now, or a date or time of ISO 8601, in UTC where it has no offset.
        now_s: in seconds since 1970.

    Raises:
        ConfigurationError: it is neither, or is past.
    """
    if text == NEVER:
        return None
    if _DURATION.fullmatch(text):
        return now_s + parse_duration_s(text)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"--expires {text!r}: expected never, a duration such as 90d, or a date such as 2027-01-31"
        ) from None
    expires_s = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    if expires_s <= now_s:
        raise ConfigurationError(f"--expires {text!r}: expected a time in the future")
    return expires_s


def networks_of(text: str) -> tuple[Network, ...]:
    """Return the networks of an option: `any`, or addresses and networks, separated by commas.

    Raises:
        ConfigurationError: one is neither.
    """
    return () if text == _ANY else parse_networks(text.split(","))


def time_text(time_s: float | None) -> str:
    """Return a time as it is listed."""
    return NEVER if time_s is None else datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
