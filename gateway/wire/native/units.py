"""Units of the native dialect: its times are seconds, or milliseconds. PURE."""

from gateway.wire import SAMPLE_RATE_HZ

__all__ = ["to_ms", "to_samples", "to_seconds"]


def to_samples(seconds: float) -> int:
    """Return a time in samples at 16 kHz."""
    return round(seconds * SAMPLE_RATE_HZ)


def to_seconds(samples: int) -> float:
    """Return a number of samples at 16 kHz in seconds, exactly."""
    return samples / SAMPLE_RATE_HZ


def to_ms(seconds: float) -> float:
    """Return seconds in milliseconds, to the microsecond."""
    return round(seconds * 1000, 3)
