"""Which texts end in a phrase that is repeated again and again, as tensor arithmetic without branches on data."""

import torch
from torch import Tensor

from decoder.whisper.repetition import LEAST_REPEATED_TOKENS, LEAST_REPEATS, LONGEST_REPEATED_TOKENS

__all__ = ["CERTAIN_LOOP_TOKENS", "LOOP_TOKENS", "end_in_loops"]

LOOP_TOKENS = LEAST_REPEATED_TOKENS
"""As many repeated tokens make a text a loop (`decoder.whisper.repetition`)."""

CERTAIN_LOOP_TOKENS = 96
"""Nobody repeats so many: eight times the longest phrase, or a word for seven seconds and more."""


def end_in_loops(tokens: Tensor, known: Tensor, first: Tensor, least: Tensor) -> Tensor:
    """Return whether each text ends in a phrase that it repeats, bool[B].

    A phrase of up to `LONGEST_REPEATED_TOKENS` counts if it stands there `LEAST_REPEATS` times, and its repetitions
    are `least` tokens together.

    Args:
        tokens: int64[B, places].
        known: int64[B], how many of them there are.
        first: int64[B], place of the first that counts.
        least: int64[B]; where it is far above `CERTAIN_LOOP_TOKENS`, no text counts.
    """
    phrase = torch.arange(1, LONGEST_REPEATED_TOKENS + 1, device=tokens.device)[:, None]
    place = known[:, None, None] - 1 - torch.arange(CERTAIN_LOOP_TOKENS, device=tokens.device)  # the last token first
    earlier = place - phrase
    of_phrases = tokens[:, None].expand(-1, len(phrase), -1)
    is_same = of_phrases[:, :1].gather(2, place.clamp(min=0)) == of_phrases.gather(2, earlier.clamp(min=0))
    echoed = (is_same & (earlier >= first[:, None, None])).long().cumprod(2).sum(2)
    needed = (LEAST_REPEATS * phrase[:, 0]).maximum(least[:, None]) - phrase[:, 0]
    return (echoed >= needed).any(1)
