"""PURE: Whisper's timestamp tokens in a text, and where the audio is to be decoded on."""

from collections.abc import Sequence
from dataclasses import dataclass

from decoder.whisper.batch_plan import POSITION_SAMPLES

__all__ = ["TimedText", "split_times"]


LEAST_ADVANCE = 25
"""Positions, half a second: with less at a time, a text that never gets on would be decoded on for minutes."""


@dataclass(frozen=True, slots=True)
class TimedText:
    """A generated text without its timestamp tokens.

    Attributes:
        tokens: of the text.
        rest_sample: samples of the window before the place from which the audio is to be decoded on; None: the text is
            complete.
    """

    tokens: tuple[int, ...]
    rest_sample: int | None


def split_times(tokens: Sequence[int], first_time: int) -> TimedText:
    """Return the text of the segments that Whisper closed, and where it would go on.

    The rule is openai/whisper's `transcribe`: two timestamps in a row end a segment and begin the next. Where the text
    ends in a pair, or in a segment that was begun and not closed, the audio is decoded on from that pair; a text that
    ends in a single timestamp, or has no pair, is complete.

    Args:
        tokens: as generated, without the end of the text.
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
