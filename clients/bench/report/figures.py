"""Figures as text: digits that their size deserves, and a dash where there was nothing to measure. PURE."""

from collections.abc import Callable

__all__ = [
    "NOTHING",
    "Format",
    "count",
    "decimal",
    "duration",
    "fraction",
    "memory",
    "percent",
    "seconds",
    "streams_text",
]

NOTHING = "–"

Format = Callable[[float | None], str]

_MINUS = "\u2212"
_THIN_SPACE = "\u202f"
_GIGABYTE, _MEGABYTE = 1e9, 1e6
_MINUTE_S = 60
_LONG_S, _LONGER_S = 10, 100


def seconds(value: float | None) -> str:
    """Return a time to hundredths; from 10 s on to tenths, from 100 s on to whole seconds."""
    if value is None:
        return NOTHING
    digits = 2 if abs(value) < _LONG_S else 1 if abs(value) < _LONGER_S else 0
    return _signed(f"{value:.{digits}f}")


def percent(share: float | None) -> str:
    """Return a share of 1 in percent, to tenths, without the sign."""
    return NOTHING if share is None else _signed(f"{100 * share:.1f}")


def decimal(value: float | None) -> str:
    """Return a number to hundredths."""
    return NOTHING if value is None else _signed(f"{value:.2f}")


def count(value: float | None) -> str:
    """Return a whole number, its digits in groups of three."""
    return NOTHING if value is None else _signed(f"{value:,.0f}".replace(",", _THIN_SPACE))


def memory(size_bytes: float | None) -> str:
    """Return a size in GB, below one in MB."""
    if size_bytes is None:
        return NOTHING
    if size_bytes < _GIGABYTE:
        return f"{size_bytes / _MEGABYTE:.0f} MB"
    return f"{size_bytes / _GIGABYTE:.1f} GB"


def duration(value_s: float) -> str:
    """Return a duration as people say it: `42 s`, `3 min 05 s`."""
    minutes, rest_s = divmod(round(value_s), _MINUTE_S)
    return f"{minutes} min {rest_s:02} s" if minutes else f"{rest_s} s"


def streams_text(streams: int) -> str:
    """Return a number of streams."""
    return "1 stream" if streams == 1 else f"{count(streams)} streams"


def fraction(part: int | None, whole: int) -> str:
    """Return a part of a whole: `3 / 40`."""
    return f"{count(part)} / {count(whole)}"


def _signed(text: str) -> str:
    """Return a number with a minus sign in place of a hyphen, and none before a zero."""
    return text.replace("-", _MINUS) if any(digit in "123456789" for digit in text) else text.lstrip("-")
