"""Estimates when the words of upstreams were spoken, as most do not report it, and finds pauses in audio. PURE."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import accumulate, pairwise

import numpy as np

from decoder.engines.upstream.response_parsing import TimedText, Transcription
from decoder.settings import StabiliserSettings
from decoder.stabiliser import Stabiliser, normalise_word
from decoder.types import Word
from vad.audio import Float32, ms_to_samples, s_to_samples

__all__ = ["append_new_words", "quietest_sample", "voiced_span", "words_of"]

_LEVEL_SAMPLES = ms_to_samples(20)
"""Levels are means over 20 ms: a few periods of any voice."""

_QUIET_SHARE = 0.03
"""Share of the loudest level, −30 dB: speech next to a vowel is above it, room noise and breath below."""

_CJK = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
_WORD = re.compile(rf"{_CJK}[^\w\s]*|(?:(?!{_CJK})\S)+")
"""Chinese and Japanese are written without spaces: a character counts as a word, with the punctuation after it."""

_STARTS_WITH_CJK = re.compile(_CJK)

_Span = tuple[int, int]


def words_of(transcription: Transcription, samples: Float32, start_sample: int) -> tuple[Word, ...]:
    """Return the words of a transcription, in order and within the audio.

    Times come from the words of the transcription if they have times, or else from its segments; otherwise the words
    are spread over the voiced part of the audio, in proportion to their lengths.

    Args:
        transcription: of the upstream.
        samples: float32[n] mono 16 kHz, the audio sent.
        start_sample: where `samples` begins on the session's time line.
    """
    tokens = _tokens(transcription.text)
    if not tokens:
        return ()
    if transcription.words:
        spans = _aligned(tokens, transcription.words)
    elif transcription.segments:
        spans = _within_segments(tokens, transcription.segments)
    else:
        spans = _spread(tokens, voiced_span(samples))
    words: list[Word] = []
    earliest = 0
    for token, (start, end) in zip(tokens, spans, strict=True):
        begin = min(max(start, earliest), len(samples))
        earliest = min(max(end, begin), len(samples))
        text = token if _STARTS_WITH_CJK.match(token) else f" {token}"
        words.append(Word(text, start_sample + begin, start_sample + earliest))
    return tuple(words)


def append_new_words(known: tuple[Word, ...], expected: int, words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Return the known words followed by the new ones.

    Args:
        known: words that stay unchanged.
        expected: the number of last known words that lie in the audio sent, so that `words` repeats them.
        words: decoded from the audio sent.
    """
    repeated = known[len(known) - expected :]
    stabiliser = Stabiliser(0, StabiliserSettings(agreement=1))
    stabiliser.update(repeated, 1, known[-1].end_sample if known else 0)
    # with an agreement of 1, all words after the known ones are committed at once
    new = stabiliser.update(words, 2, known[-1].end_sample if known else 0).committed[len(repeated) :]
    earliest = known[-1].end_sample if known else 0
    later = tuple(
        Word(word.text, max(word.start_sample, earliest), max(word.end_sample, earliest), word.probability)
        for word in new
    )
    return known + later


def voiced_span(samples: Float32) -> _Span:
    """Return the span of the audio that is not quiet, in samples from its start; all of it if all is quiet."""
    loud = np.flatnonzero(_loud(_levels(samples)))
    if not len(loud):
        return 0, len(samples)
    return int(loud[0]) * _LEVEL_SAMPLES, min((int(loud[-1]) + 1) * _LEVEL_SAMPLES, len(samples))


def quietest_sample(samples: Float32) -> int:
    """Return the quietest place in the middle half of the audio, to split it: `0 < place < n` for n ≥ 2."""
    quarter = len(samples) // 4
    middle = samples[quarter : len(samples) - quarter]
    levels = _levels(middle)
    if len(levels) < 3:
        return len(samples) // 2
    # a pause spans several levels; smoothing finds pauses rather than the gap between two pitch periods
    smooth = np.convolve(levels, np.ones(5), mode="same") if len(levels) >= 5 else levels
    edge = min(2, len(levels) // 3)  # there the convolution includes zeros from outside the audio
    place = edge + int(np.argmin(smooth[edge : len(levels) - edge]))
    return quarter + place * _LEVEL_SAMPLES + _LEVEL_SAMPLES // 2


def _levels(samples: Float32) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """Return the root mean square of each 20 ms; the last piece may be shorter."""
    if not len(samples):
        return np.zeros(0)
    starts = np.arange(0, len(samples), _LEVEL_SAMPLES)
    counts = np.diff(np.append(starts, len(samples)))
    return np.sqrt(np.add.reduceat(np.square(samples, dtype=np.float64), starts) / counts)


def _loud(
    levels: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    return levels > max(float(np.max(levels, initial=0.0)) * _QUIET_SHARE, 1e-6)


def _tokens(text: str) -> list[str]:
    return _WORD.findall(text)


def _spread(tokens: Sequence[str], span: _Span) -> list[_Span]:
    """Divide a span among the tokens, in proportion to their lengths."""
    start, end = span
    ends = list(accumulate(len(token) + 1 for token in tokens))
    edges = [start + (end - start) * reached // ends[-1] for reached in [0, *ends]]
    return list(pairwise(edges))


def _within_segments(tokens: Sequence[str], segments: Sequence[TimedText]) -> list[_Span]:
    """Return a span for each token, spread over the segment it is in."""
    counts = [len(_tokens(segment.text)) for segment in segments]
    spans: list[_Span] = []
    for segment, count in zip(segments, counts, strict=True):
        own = tokens[len(spans) : len(spans) + count]
        if own:
            spans += _spread(own, (s_to_samples(segment.start_s), s_to_samples(segment.end_s)))
    end = s_to_samples(segments[-1].end_s)
    return [*spans[: len(tokens)], *[(end, end)] * (len(tokens) - len(spans))]


def _aligned(tokens: Sequence[str], words: Sequence[TimedText]) -> list[_Span]:
    """Return a span for each token: that of the matching timed word, or else between those of its neighbours."""
    pieces = [(piece, word) for word in words for piece in _tokens(word.text)]
    timed: dict[int, _Span] = {}
    matcher = SequenceMatcher(
        None,
        [normalise_word(token) for token in tokens],
        [normalise_word(piece) for piece, _ in pieces],
        autojunk=False,
    )
    for match in matcher.get_matching_blocks():
        for offset in range(match.size):
            word = pieces[match.b + offset][1]
            timed[match.a + offset] = (s_to_samples(word.start_s), s_to_samples(word.end_s))
    spans: list[_Span] = []
    place = 0
    while place < len(tokens):
        if place in timed:
            spans.append(timed[place])
            place += 1
            continue
        stop = next((i for i in range(place, len(tokens)) if i in timed), None)
        start = spans[-1][1] if spans else s_to_samples(words[0].start_s)
        end = timed[stop][0] if stop is not None else s_to_samples(words[-1].end_s)
        gap = tokens[place : len(tokens) if stop is None else stop]
        spans += _spread(gap, (start, max(start, end)))
        place += len(gap)
    return spans
