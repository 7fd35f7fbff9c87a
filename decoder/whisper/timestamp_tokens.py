"""PURE: split Whisper's timestamp tokens from a text, and find where decoding of the audio continues."""

from collections.abc import Sequence
from dataclasses import dataclass

from decoder.whisper.batch_plan import POSITION_SAMPLES

__all__ = ["TimedText", "split_times"]


LEAST_ADVANCE = 25
"""Positions, half a second: with smaller steps, a text that makes no progress would be decoded for minutes."""


@dataclass(frozen=True, slots=True)
class TimedText:
    """A generated text without its timestamp tokens.

    Attributes:
        tokens: tokens of the text.
        rest_sample: sample of the window where decoding continues; None: the text is complete.
    """

    tokens: tuple[int, ...]
    rest_sample: int | None


def split_times(tokens: Sequence[int], first_time: int) -> TimedText:
    """Return the text of the closed segments, and where decoding continues.

    The rule is openai/whisper's `transcribe`: two timestamps in a row end a segment and begin the next. If the text
    ends in such a pair, or in an open segment, decoding continues at the last pair; a text that ends in a single
    timestamp, or has no pair, is complete.

    Args:
        tokens: as generated, without <|endoftext|>.
        first_time: <|0.00|>; timestamps are this and above.
    """
    is_time = [token >= first_time for token in tokens]
    pairs = [
        place
        for place in range(1, len(tokens))
        if is_time[place] and is_time[place - 1] and tokens[place - 1] >= first_time + LEAST_ADVANCE
    ]
    ends_closed = len(tokens) >= 2 and is_time[-1] and not is_time[-2]
    if not pairs or ends_closed:
        return TimedText(tuple(token for token in tokens if token < first_time), None)
    closed = tokens[: pairs[-1]]
    rest_sample = (closed[-1] - first_time) * POSITION_SAMPLES
    return TimedText(tuple(token for token in closed if token < first_time), rest_sample)
