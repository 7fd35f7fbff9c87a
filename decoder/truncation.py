"""PURE: where a long utterance may be cut, so that its next partial need not decode all of it again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from decoder.audio_levels import level_db
from decoder.features import FRAME_SAMPLES
from decoder.types import DecodeRequest, Word
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["Cut", "carried_on", "find_cut", "wants_cut"]

LONGEST_PARTIAL_SAMPLES = 8 * SAMPLE_RATE_HZ
"""A partial of more audio is cut before the next, so that a long utterance does not cost more and more. Words near a
cut vanish or change: on telephone speech the final changed 12 % of the words displayed with cuts from 1.5 s on, 10 %
with these (Whisper tiny.en). Most utterances end sooner."""

REACH_FRAMES = 15
"""The quietest place within 0.15 s of a boundary is where two words part; the alignment is not exact."""

LEAST_SAMPLES = SAMPLE_RATE_HZ // 2
"""With less audio after the cut than that the request is an older one."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A place between two committed words of an utterance.

    Attributes:
        sample: the place.
        texts: the committed words before it.
    """

    sample: int
    texts: tuple[str, ...]


def wants_cut(request: DecodeRequest) -> bool:
    """Return whether the partial is long enough for a cut, and has committed words."""
    return len(request.samples) > LONGEST_PARTIAL_SAMPLES and len(request.prefix) > 0


def carried_on(request: DecodeRequest, cut: Cut | None) -> tuple[tuple[Word, ...], DecodeRequest]:
    """Return the words before the cut, and the request for what comes after it.

    A cut that does not go with the request is left alone.
    """
    before = request.prefix[: len(cut.texts)] if cut else ()
    if (
        cut is None
        or cut.texts != tuple(word.text for word in before)
        or not request.start_sample < cut.sample <= request.end_sample - LEAST_SAMPLES
    ):
        return (), request
    rest = replace(
        request,
        samples=request.samples[cut.sample - request.start_sample :],
        start_sample=cut.sample,
        prefix=request.prefix[len(before) :],
    )
    return before, rest


def find_cut(words: Sequence[Word], committed: int, samples: Float32, start_sample: int) -> tuple[int, int] | None:
    """Return how many of the words come before the best cut, and its sample; None where there is none.

    The best is the quietest place near the end of a committed word, in the second half of the committed words' time,
    so that a cut is worth it.

    Args:
        words: in order, where they were spoken.
        committed: so many leading ones are, and may be cut off.
        samples: float32[n] mono 16 kHz, in [-1, 1].
        start_sample: where `samples` begins on the words' time line.
    """
    if not 0 < committed <= len(words):
        return None
    levels_db = level_db(samples)
    best: tuple[float, int, int] | None = None
    middle_sample = (start_sample + words[committed - 1].end_sample) // 2
    for count in range(1, committed + 1):
        end_sample = words[count - 1].end_sample
        boundary_sample = (end_sample + words[count].start_sample) // 2 if count < len(words) else end_sample
        boundary = (boundary_sample - start_sample) // FRAME_SAMPLES
        near = levels_db[max(0, boundary - REACH_FRAMES) : boundary + REACH_FRAMES + 1]
        if boundary_sample < middle_sample or not len(near):
            continue
        place = max(0, boundary - REACH_FRAMES) + int(np.argmin(near))
        found = (float(near.min()), count, start_sample + place * FRAME_SAMPLES + FRAME_SAMPLES // 2)
        best = min(best, found) if best else found
    return best[1:] if best else None
