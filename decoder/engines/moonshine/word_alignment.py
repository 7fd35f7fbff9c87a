"""PURE: joins Moonshine's tokens into words, and aligns the words with the audio.

Some cross-attention heads attend to the word read last. So the audio is divided among the tokens, in order and without
gaps, such that each token attends to its own part as much as possible; `BEGIN` takes the audio before the first word.
The silence at the edges of a word's part is then removed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from decoder.audio_levels import level_db
from decoder.engines.moonshine.greedy_search import Text
from decoder.engines.moonshine.tokenizer import Tokenizer
from decoder.features import FRAME_SAMPLES
from decoder.types import DecodeRequest, Word
from vad.audio import Float32

__all__ = ["POSITION_SAMPLES", "avg_logprob", "divide", "words_of"]

POSITION_SAMPLES = 384
"""24 ms between two positions of the encoder: its convolutions have strides of 64, 3 and 2 (Jeffries et al. 2024)."""

QUIET_DB = 30.0
"""Audio at the edges of a word that is quieter than its loudest 10 ms by more is silence. The median error of word ends
is then 0.05 s, on 201 digits with pauses between them; 0.07 s with 25 dB, 0.12 s if pauses are not removed."""

MIN_WORD_FRAMES = 5
"""50 ms, the minimum length of a word."""


@dataclass(frozen=True, slots=True)
class _Spelling:
    text: str
    first: int
    end: int


def words_of(text: Text, forced: int, request: DecodeRequest, tokenizer: Tokenizer) -> tuple[Word, ...]:
    """Return the committed words unchanged, and the new ones with their times.

    Symbols without a letter or a digit, such as those for music, are not words.

    Args:
        text: generated for the request.
        forced: number of leading tokens that are those of the committed words.
        request: the request, with its audio.
        tokenizer: of the text.
    """
    committed = request.forced
    start_sample = max(request.start_sample, committed[-1].end_sample) if committed else request.start_sample
    first = min((start_sample - request.start_sample) // POSITION_SAMPLES, text.attention.shape[1] - 1)
    # `BEGIN`, or the last token of the committed words, takes the audio before the new words.
    positions = [first + bound for bound in divide(text.attention[forced:, first:])]
    # The last position extends to the end of the audio.
    bounds = [
        *(min(position * POSITION_SAMPLES, len(request.samples)) for position in positions[:-1]),
        len(request.samples),
    ]
    levels_db = level_db(request.samples)
    words = list(committed)
    for piece in _spellings(text.tokens, forced, tokenizer):
        begin, end = _without_silence(bounds[1 + piece.first - forced], bounds[1 + piece.end - forced], levels_db)
        floor_sample = words[-1].end_sample if words else request.start_sample
        start_sample = min(max(request.start_sample + begin, floor_sample), request.end_sample)
        end_sample = min(max(request.start_sample + end, start_sample), request.end_sample)
        probability = float(np.mean(np.exp(text.logprobs[piece.first : piece.end])))
        words.append(Word(piece.text, start_sample, end_sample, probability))
    return tuple(words)


def avg_logprob(text: Text, tokenizer: Tokenizer) -> float | None:
    """Return the mean log probability of the tokens with letters or digits, in nats; None without such tokens.

    Punctuation and the end of the text are likely whatever the audio; with them, two hallucinated words would be as
    likely as a sentence that was spoken.
    """
    spoken = [
        logprob
        for token, logprob in zip(text.tokens, text.logprobs, strict=False)
        if any(map(str.isalnum, tokenizer.text([token])))
    ]
    return sum(spoken) / len(spoken) if spoken else None


def divide(attention: Float32) -> list[int]:
    """Return the position at which each token's part of the audio begins, and the end of the last part.

    Every part has at least one position if there are enough. The division maximises the attention of all tokens to
    their own parts, by dynamic programming: the best division up to a token and a position follows from the best up to
    the previous token.

    Args:
        attention: float32[tokens, positions].
    """
    tokens, positions = attention.shape
    if positions < tokens:
        return [positions * token // tokens for token in range(tokens + 1)]
    places = np.arange(positions + 1)
    best = np.where(places == 0, 0.0, -np.inf)  # attention of the tokens so far, divided among the first positions
    begins = []
    for row in attention:
        cumulative = np.concatenate([[0.0], np.cumsum(row, dtype=np.float64)])
        gain = best - cumulative
        best_gain = np.maximum.accumulate(gain)
        begins.append(np.maximum.accumulate(np.where(gain == best_gain, places, 0)))
        best = np.concatenate([[-np.inf], cumulative[1:] + best_gain[:-1]])
    bounds = [positions]
    for begin in reversed(begins):
        bounds.append(int(begin[bounds[-1] - 1]))
    return bounds[::-1]


def _spellings(tokens: Sequence[int], forced: int, tokenizer: Tokenizer) -> Iterator[_Spelling]:
    starts = [place for place in range(forced, len(tokens)) if place == forced or tokenizer.begins_word(tokens[place])]
    for first, end in pairwise([*starts, len(tokens)]):
        text = tokenizer.text(tokens[first:end])
        if any(map(str.isalnum, text)):
            yield _Spelling(" " + text.strip() if text.startswith(" ") else text.strip(), first, end)


def _without_silence(begin: int, end: int, levels_db: Float32) -> tuple[int, int]:
    """Return a word's samples without the silence at its edges."""
    first, last = begin // FRAME_SAMPLES, min(-(-end // FRAME_SAMPLES), len(levels_db))
    levels = levels_db[first:last]
    if len(levels) <= MIN_WORD_FRAMES:
        return begin, end
    loud = np.flatnonzero(levels >= levels.max() - QUIET_DB)
    first_loud = min(int(loud[0]), len(levels) - MIN_WORD_FRAMES)
    end_loud = max(int(loud[-1]) + 1, first_loud + MIN_WORD_FRAMES)
    return max(begin, (first + first_loud) * FRAME_SAMPLES), min(end, (first + end_loud) * FRAME_SAMPLES)
