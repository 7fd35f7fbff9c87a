"""What nobody said: judges a hypothesis against the sound it came from. PURE.

Whisper invents words where there are none: in silence phrases of the subtitle files it learnt from, loops anywhere.
What is not known, for many engines give no probabilities, is not held against the words.
"""

import math
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, pairwise

import numpy as np

from decoder._silence_phrases import is_credit, is_sign_off
from decoder.settings import GuardMode, GuardSettings
from decoder.stabiliser import normalise_word
from decoder.types import DecodeRequest, Hypothesis, RequestKind, Word
from vad.audio import SAMPLE_RATE_HZ, Float32, ms_to_samples

__all__ = ["Action", "Reason", "Verdict", "judge"]

SILENT_DBFS = -70.0
"""Nothing counts as sound below: the absolute gate of ITU-R BS.1770."""

LEVEL_MS = 100
"""A level is the mean over so much sound: about half a syllable, so that it finds the loudest one in any silence."""

LETTERS_PER_SYLLABLE = 4
"""Of alphabets; English has three, German hardly more. A Han, kana or Hangul character is a syllable at least."""

CUT_OFF_S = 0.5
"""Sound that voice activity detection may have cut off at the ends of what was said."""

FLUENT_SHARE = 0.75
"""Nine of the twelve syllables that are possible in a second: few talk faster for long, and Japanese formulas of thanks
are that fast. Mandarin has five on average, Japanese eight (Pellegrino et al. 2019)."""

LONGEST_UNIT_CHARACTERS = 250
"""A loop's unit: four longer ones do not fit into the 30 s that are decoded at once."""

LEAST_REPEATS = 4
"""Twice is emphasis, three times rhetoric."""


class Action(StrEnum):
    """What becomes of the words."""

    KEEP = "keep"
    FLAG = "flag"
    DROP = "drop"


class Reason(StrEnum):
    """What speaks against them."""

    LOOP = "loop"
    NO_SPEECH = "no_speech"
    TOO_FAST = "too_fast"
    SILENCE_PHRASE = "silence_phrase"
    LOW_CONFIDENCE = "low_confidence"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a hypothesis.

    Attributes:
        action: the strictest that a reason asks for.
        reasons: all that were found and are not off, in the order of `Reason`; empty when `action` is keep.
        words: those to go on with. All of them unless `action` is drop; then none, or, where a loop is the only reason
            to drop, the words without its repetitions.
    """

    action: Action
    reasons: tuple[Reason, ...]
    words: tuple[Word, ...]


def judge(request: DecodeRequest, hypothesis: Hypothesis, settings: GuardSettings) -> Verdict:
    """Return what becomes of the hypothesis.

    A partial is judged for loops alone: it is gone in half a second, and a doubtful word may be the beginning of a
    certain one. A loop would stay: hypotheses that repeat themselves agree, so it would be committed.

    Of a loop its unit stays once, with all before and after it: the decoder heard it there, and what follows is its
    own echo. The other reasons are looked for in what is left, so that a loop of a phrase of silence leaves nothing.
    """
    if not hypothesis.words:
        return Verdict(Action.KEEP, (), ())
    found: list[Reason] = []
    words = hypothesis.words
    without = _without_loops(words, settings)
    if settings.loop != "off" and without != words:
        found.append(Reason.LOOP)
        words = without if settings.loop == "drop" else words
    if request.kind is not RequestKind.PARTIAL and words:
        found += _doubts(request.samples, words, hypothesis, settings, loops=bool(found))
    modes = _modes(settings)
    reasons = tuple(reason for reason in Reason if reason in found and modes[reason] != "off")
    dropping = [reason for reason in reasons if modes[reason] == "drop"]
    if dropping:
        return Verdict(Action.DROP, reasons, words if dropping == [Reason.LOOP] else ())
    return Verdict(Action.FLAG if reasons else Action.KEEP, reasons, hypothesis.words)


def _modes(settings: GuardSettings) -> dict[Reason, GuardMode]:
    return {
        Reason.LOOP: settings.loop,
        Reason.NO_SPEECH: settings.no_speech,
        Reason.TOO_FAST: settings.too_fast,
        Reason.SILENCE_PHRASE: settings.silence_phrase,
        Reason.LOW_CONFIDENCE: settings.low_confidence,
    }


def _doubts(
    samples: Float32, words: tuple[Word, ...], hypothesis: Hypothesis, settings: GuardSettings, *, loops: bool
) -> list[Reason]:
    text = "".join(word.text for word in words)
    duration_s = len(samples) / SAMPLE_RATE_HZ
    quickest_s = _syllables(text) / settings.syllables_per_s
    probability = hypothesis.no_speech_probability
    is_unsure = _is_unsure(hypothesis, settings.least_avg_logprob)
    is_quiet = _stays_below(samples, settings.quiet_dbfs)
    says_silence = probability is not None and probability > settings.no_speech_probability
    found = []
    if _stays_below(samples, SILENT_DBFS) or (says_silence and (is_unsure or is_quiet)):
        found.append(Reason.NO_SPEECH)
    if quickest_s > duration_s + CUT_OFF_S:
        found.append(Reason.TOO_FAST)
    is_short = quickest_s / FLUENT_SHARE > duration_s
    suspicious = loops or is_unsure or is_quiet or says_silence or is_short
    if is_credit(text) or (suspicious and is_sign_off(text)):
        found.append(Reason.SILENCE_PHRASE)
    if is_unsure:
        found.append(Reason.LOW_CONFIDENCE)
    return found


def _is_unsure(hypothesis: Hypothesis, least_avg_logprob: float) -> bool:
    """Return whether the engine holds its words for unlikely.

    The end of the text takes part in the mean log probability and is always likely; of a single word it is half the
    mean. So the words' own probabilities are held to the same limit.
    """
    if hypothesis.avg_logprob is None:
        return False
    known = [word.probability for word in hypothesis.words if word.probability is not None]
    words_unlikely = bool(known) and sum(known) / len(known) < math.exp(least_avg_logprob)
    return hypothesis.avg_logprob < least_avg_logprob or words_unlikely


def _stays_below(samples: Float32, level_dbfs: float) -> bool:
    """Return whether even the loudest moment lies below the level; silence around the sound makes no difference. No
    sound does not, nor does one with samples that are no numbers."""
    moment = ms_to_samples(LEVEL_MS)
    limit = moment * 10 ** (level_dbfs / 10)
    with np.errstate(all="ignore"):
        # As a whole it would then have less energy than as many moments at the limit. Speech seldom gets further.
        if not np.dot(samples, samples) < -(-len(samples) // moment) * limit:
            return False
        energy = np.concatenate([np.zeros(moment), np.cumsum(np.square(samples, dtype=np.float64))])
        # The first moments begin before the sound. Those that reach past its end hold less than the last one.
        return bool(np.max(energy[moment:] - energy[:-moment]) < limit)


def _syllables(text: str) -> float:
    """Return the fewest syllables that the text can be spoken in."""
    count = 0.0
    for word in unicodedata.normalize("NFKC", text).split():
        spoken = [character for character in word if character.isalnum()]
        wide = sum(unicodedata.east_asian_width(character) == "W" for character in spoken)
        narrow = len(spoken) - wide
        count += wide + max(min(1, narrow), narrow / LETTERS_PER_SYLLABLE)
    return count


def _without_loops(words: tuple[Word, ...], settings: GuardSettings) -> tuple[Word, ...]:
    """Return the words without the repetitions of a loop, if they hold one or several.

    A loop is a part that repeats itself at once, so often that it compresses like one (Whisper's own measure, taken of
    that part alone, so that it is found behind any length of good text). Letters are compared without case and
    punctuation. A word that is itself a loop is left out.
    """

    def is_loop(repeated: bytes) -> bool:
        enough = len(repeated) >= settings.loop_bytes
        return enough and len(repeated) > settings.compression_ratio * len(zlib.compress(repeated))

    while words:
        spelled = [_spelled(word.text) for word in words]
        text = "".join(spelled)
        starts = list(accumulate(map(len, spelled), initial=0))
        loops = (part for part in _repetitions(text, frozenset(starts)) if is_loop(part.of(text)))
        longest = max(loops, key=lambda loop: loop.end - loop.start, default=None)
        if longest is None:
            break
        places = zip(words, pairwise(starts), strict=True)
        words = tuple(word for word, (first, last) in places if not longest.repeats(first, last))
    return words


@dataclass(frozen=True, slots=True)
class _Repetition:
    """A part `[start, end)` of a text that says again and again what its first `period` characters say."""

    start: int
    end: int
    period: int

    def of(self, text: str) -> bytes:
        return text[self.start : self.end].encode("utf-8", "replace")

    def repeats(self, first: int, last: int) -> bool:
        """Return whether a word at `[first, last)` of the text says what was said before, or repeats itself."""
        overlap = min(last, self.end) - max(first, self.start)
        if first < self.start:
            return overlap >= 2 * self.period
        return first < self.end and last > self.start + self.period


def _repetitions(text: str, word_starts: frozenset[int]) -> Iterator[_Repetition]:
    """Yield for each period the longest part that has it LEAST_REPEATS times or more, from where a word starts if one
    starts in its first unit; a last repetition may be unfinished where the text ends with it."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    for period in range(1, min(len(codes) // LEAST_REPEATS, LONGEST_UNIT_CHARACTERS) + 1):
        same = codes[period:] == codes[:-period]
        if np.count_nonzero(same) < (LEAST_REPEATS - 1) * period:
            continue
        edges = np.flatnonzero(np.diff(same, prepend=False, append=False))
        longest = 2 * int(np.argmax(edges[1::2] - edges[::2]))
        first, end = int(edges[longest]), int(edges[longest + 1]) + period
        start = next((place for place in range(first, first + period) if place in word_starts), first)
        if end < len(text):
            end -= (end - start) % period
        if end - start >= LEAST_REPEATS * period:
            yield _Repetition(start, end, period)


def _spelled(text: str) -> str:
    space = " " if text[:1].isspace() else ""
    return space + normalise_word(text)
