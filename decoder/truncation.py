"""PURE: finds a cut in a long utterance, so that its next partial need not decode all of the audio again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from decoder.audio_levels import level_db
from decoder.features import FRAME_SAMPLES
from decoder.types import DecodeRequest, Word
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["Cut", "carried_on", "find_cut", "wants_cut"]

MAX_UNCUT_SAMPLES = 8 * SAMPLE_RATE_HZ
"""An utterance with more audio is cut before its next partial, so that the cost of partials stays bounded. Words near
a cut vanish or change: on telephone speech the final changed 12 % of the words displayed with cuts from 1.5 s on, 10 %
with cuts from 8 s on (Whisper tiny.en). Most utterances end sooner."""

SEARCH_FRAMES = 15
"""Two words are separated at the quietest place within 0.15 s of their boundary, because the alignment is not exact."""

MIN_REST_SAMPLES = SAMPLE_RATE_HZ // 2
"""A request with less audio after the cut is older than the cut."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A place between two committed words of an utterance.

    Attributes:
        sample: its place on the session's time line.
        texts: the committed words before it.
    """

    sample: int
    texts: tuple[str, ...]


def wants_cut(request: DecodeRequest) -> bool:
    """Return whether the partial is long enough for a cut and has committed words."""
    return len(request.samples) > MAX_UNCUT_SAMPLES and len(request.prefix) > 0


def carried_on(request: DecodeRequest, cut: Cut | None) -> tuple[tuple[Word, ...], DecodeRequest]:
    """Return the words before the cut, and a request for the audio after it.

    A cut that does not match the request is ignored: there are then no words before it, and the request is unchanged.
    """
    before = request.prefix[: len(cut.texts)] if cut else ()
    if (
        cut is None
        or cut.texts != tuple(word.text for word in before)
        or not request.start_sample < cut.sample <= request.end_sample - MIN_REST_SAMPLES
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
    """Return how many of the words come before the best cut, and its sample; None if there is no place for a cut.

    The best place is the quietest near the end of a committed word, in the second half of the committed words' time,
    so that the cut saves enough.

    Args:
        words: in order, with their times.
        committed: the number of leading words that are committed, and may be cut off.
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
        first_frame = max(0, boundary - SEARCH_FRAMES)
        near = levels_db[first_frame : boundary + SEARCH_FRAMES + 1]
        if boundary_sample < middle_sample or not len(near):
            continue
        quietest = first_frame + int(np.argmin(near))
        candidate = (float(near.min()), count, start_sample + quietest * FRAME_SAMPLES + FRAME_SAMPLES // 2)
        best = min(best, candidate) if best else candidate
    return best[1:] if best else None
