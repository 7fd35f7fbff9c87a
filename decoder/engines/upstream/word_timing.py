"""Where upstreams' words were spoken, for most of them do not say; and where audio may be cut. PURE."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import accumulate, pairwise

import numpy as np

from decoder.engines.upstream.response_parsing import Spoken, Transcription
from decoder.settings import StabiliserSettings
from decoder.stabiliser import Stabiliser, normalise_word
from decoder.types import Word
from vad.audio import Float32, ms_to_samples, s_to_samples

__all__ = ["going_on_from", "quietest_sample", "voiced_span", "words_of"]

_LEVEL_SAMPLES = ms_to_samples(20)
"""A level is the mean over so much audio: a few periods of any voice."""

_QUIET_SHARE = 0.03
"""Of the loudest level, −30 dB: a vowel's neighbours are within, room noise and breath are below."""

_CJK = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
_WORD = re.compile(rf"{_CJK}[^\w\s]*|(?:(?!{_CJK})\S)+")
"""Chinese and Japanese are written without spaces: a character counts as a word, with the punctuation behind it."""

_STARTS_WITH_CJK = re.compile(_CJK)

_Span = tuple[int, int]


def words_of(transcription: Transcription, samples: Float32, start_sample: int) -> tuple[Word, ...]:
    """Return the words of an answer, in order and inside the audio.

    Times come from the answer's words where it has some, or its segments', or the words are spread over the part of the
    audio that is not quiet, by their lengths.

    Args:
        transcription: of the upstream.
        samples: float32[n] mono 16 kHz, what it was sent.
        start_sample: where they begin on the session's time line.
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


def going_on_from(known: tuple[Word, ...], expected: int, words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Return the known words and the new ones after them.

    Args:
        known: words that stay.
        expected: how many of them, at the end, lie in the audio that was sent, so that `words` repeats them.
        words: of that audio.
    """
    repeated = known[len(known) - expected :]
    stabiliser = Stabiliser(0, StabiliserSettings(agreement=1))
    stabiliser.update(repeated, 1, known[-1].end_sample if known else 0)
    # with an agreement of one all that follows the known words is committed at once
    new = stabiliser.update(words, 2, known[-1].end_sample if known else 0).committed[len(repeated) :]
    earliest = known[-1].end_sample if known else 0
    later = tuple(
        Word(word.text, max(word.start_sample, earliest), max(word.end_sample, earliest), word.probability)
        for word in new
    )
    return known + later


def voiced_span(samples: Float32) -> _Span:
    """Return the part of the audio that is not quiet, in samples from its beginning; all of it where nothing is."""
    loud = np.flatnonzero(_loud(_levels(samples)))
    if not len(loud):
        return 0, len(samples)
    return int(loud[0]) * _LEVEL_SAMPLES, min((int(loud[-1]) + 1) * _LEVEL_SAMPLES, len(samples))


def quietest_sample(samples: Float32) -> int:
    """Return where the audio is quietest in its middle half: the place to cut it, `0 < place < n` for n ≥ 2."""
    quarter = len(samples) // 4
    middle = samples[quarter : len(samples) - quarter]
    levels = _levels(middle)
    if len(levels) < 3:
        return len(samples) // 2
    # a pause is longer than one level; smoothing finds pauses and not the gap between two periods
    smooth = np.convolve(levels, np.ones(5), mode="same") if len(levels) >= 5 else levels
    edge = min(2, len(levels) // 3)  # where `same` has seen silence that is none
    place = edge + int(np.argmin(smooth[edge : len(levels) - edge]))
    return quarter + place * _LEVEL_SAMPLES + _LEVEL_SAMPLES // 2


def _levels(samples: Float32) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """Return the root mean square of each piece; the last may be shorter."""
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
    """Return a span for each token, one after the other, as long as its letters are to all of them."""
    start, end = span
    ends = list(accumulate(len(token) + 1 for token in tokens))
    edges = [start + (end - start) * reached // ends[-1] for reached in [0, *ends]]
    return list(pairwise(edges))


def _within_segments(tokens: Sequence[str], segments: Sequence[Spoken]) -> list[_Span]:
    """Return a span for each token, spread over the segment it is in."""
    counts = [len(_tokens(segment.text)) for segment in segments]
    spans: list[_Span] = []
    for segment, count in zip(segments, counts, strict=True):
        mine = tokens[len(spans) : len(spans) + count]
        if mine:
            spans += _spread(mine, (s_to_samples(segment.start_s), s_to_samples(segment.end_s)))
    end = s_to_samples(segments[-1].end_s)
    return [*spans[: len(tokens)], *[(end, end)] * (len(tokens) - len(spans))]


def _aligned(tokens: Sequence[str], words: Sequence[Spoken]) -> list[_Span]:
    """Return a span for each token: of the timed word it is, or what lies between its neighbours'."""
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
