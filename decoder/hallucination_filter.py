"""Detects hallucinated words: judges a hypothesis against its audio. PURE.

Whisper hallucinates: in silence, phrases of the subtitle files it was trained on; anywhere, loops. A measure that an
engine does not provide, such as a probability, is not held against its words.
"""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, pairwise

import numpy as np

from decoder.hallucination_phrases import is_credit, is_sign_off
from decoder.prompts import repeats_prompt
from decoder.settings import GuardMode, GuardSettings
from decoder.speaking_time import syllables, without_timeless_tail
from decoder.stabiliser import normalise_word
from decoder.types import DecodeRequest, Hypothesis, RequestKind, Word
from vad.audio import SAMPLE_RATE_HZ, Float32, ms_to_samples

__all__ = ["Action", "Reason", "Verdict", "judge"]

SILENT_DBFS = -70.0
"""Audio below this level is silent: the absolute gate of ITU-R BS.1770."""

LEVEL_MS = 100
"""Levels are means over this duration: about half a syllable, so that one syllable stands out from any silence."""

CUT_OFF_S = 0.5
"""Speech that voice activity detection may have cut off, at both ends together."""

FLUENT_SHARE = 0.75
"""Nine of the twelve syllables that are possible in a second: few people speak faster for long, and Japanese formulas
of thanks are that fast. Mandarin has five on average, Japanese eight (Pellegrino et al. 2019)."""

CERTAIN_AVG_LOGPROB = -0.7
"""At this value about half of the words are right. Whisper's hallucinations in noise lie below -0.7, except for phrases
of silence; words of quiet speakers whom the detector misses lie above -0.65."""

MAX_UNIT_CHARACTERS = 250
"""The unit of a loop: four longer ones do not fit into the 30 s that are decoded at once."""

MIN_REPEATS = 4
"""People repeat themselves twice for emphasis, and three times for rhetoric."""


class Action(StrEnum):
    """The action taken on the words."""

    KEEP = "keep"
    FLAG = "flag"
    DROP = "drop"


class Reason(StrEnum):
    """The evidence against the words."""

    LOOP = "loop"
    NO_SPEECH = "no_speech"
    TOO_FAST = "too_fast"
    SILENCE_PHRASE = "silence_phrase"
    PROMPT = "prompt"
    LOW_CONFIDENCE = "low_confidence"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a hypothesis.

    Attributes:
        action: the strictest action of any reason.
        reasons: all reasons found that are not off, in the order of `Reason`; empty when `action` is keep.
        words: the words to use. All of them unless `action` is drop; then none, or, if only a loop or an implausible
            end is to be dropped, the words without it.
    """

    action: Action
    reasons: tuple[Reason, ...]
    words: tuple[Word, ...]


def judge(request: DecodeRequest, hypothesis: Hypothesis, settings: GuardSettings) -> Verdict:
    """Return the verdict on a hypothesis.

    A partial is checked only for loops: it is replaced within half a second, and a doubtful word may be the beginning
    of a certain one. A loop would stay: hypotheses that repeat themselves agree, so it would be committed.

    The unit of a loop is kept once, with all text around it: it was recognized there, and only its repetitions are
    hallucinated. An end of the text that takes no time in the audio is removed in the same way. The other reasons are
    checked on the remaining words, so that a loop of a phrase of silence leaves nothing.
    """
    if not hypothesis.words:
        return Verdict(Action.KEEP, (), ())
    modes = _modes(settings)
    words, shortened = _shortened(hypothesis.words, settings, modes)
    doubts: list[Reason] = []
    if request.kind is not RequestKind.PARTIAL and words:
        doubts = _doubts(request, words, hypothesis, settings, loops=Reason.LOOP in shortened)
    found = {*shortened, *doubts}
    reasons = tuple(reason for reason in Reason if reason in found and modes[reason] != "off")
    if any(modes[reason] == "drop" for reason in doubts):
        return Verdict(Action.DROP, reasons, ())
    if words != hypothesis.words:
        return Verdict(Action.DROP, reasons, words)
    return Verdict(Action.FLAG if reasons else Action.KEEP, reasons, hypothesis.words)


def _shortened(
    words: tuple[Word, ...], settings: GuardSettings, modes: dict[Reason, GuardMode]
) -> tuple[tuple[Word, ...], list[Reason]]:
    """Return the words without loops and timeless tail, if their modes say drop, and which of these were found."""
    found = []
    for reason in (Reason.LOOP, Reason.TOO_FAST):
        if modes[reason] == "off":
            continue
        if reason is Reason.LOOP:
            without = _without_loops(words, settings)
        else:
            without = without_timeless_tail(words, settings.syllables_per_s)
        if without != words:
            found.append(reason)
            words = without if modes[reason] == "drop" else words
    return words, found


def _modes(settings: GuardSettings) -> dict[Reason, GuardMode]:
    return {
        Reason.LOOP: settings.loop,
        Reason.NO_SPEECH: settings.no_speech,
        Reason.TOO_FAST: settings.too_fast,
        Reason.SILENCE_PHRASE: settings.silence_phrase,
        Reason.PROMPT: settings.prompt,
        Reason.LOW_CONFIDENCE: settings.low_confidence,
    }


def _doubts(
    request: DecodeRequest, words: tuple[Word, ...], hypothesis: Hypothesis, settings: GuardSettings, *, loops: bool
) -> list[Reason]:
    text = "".join(word.text for word in words)
    samples = request.samples
    duration_s = len(samples) / SAMPLE_RATE_HZ
    quickest_s = syllables(text) / settings.syllables_per_s
    is_unsure = _is_unsure(hypothesis, settings.least_avg_logprob)
    is_quiet = _stays_below(samples, settings.quiet_dbfs)
    reports_silence = _reports_silence(hypothesis, settings)
    has_voice = _has_voice(request, settings.doubtful_speech_probability)
    found = []
    is_denied = reports_silence and (is_unsure or is_quiet)
    if is_denied or _stays_below(samples, SILENT_DBFS) or _is_unvoiced(request, hypothesis, settings):
        found.append(Reason.NO_SPEECH)
    if quickest_s > duration_s + CUT_OFF_S:
        found.append(Reason.TOO_FAST)
    is_short = quickest_s / FLUENT_SHARE > duration_s
    suspicious = loops or is_unsure or is_quiet or reports_silence or is_short or not has_voice
    if is_credit(text) or (suspicious and is_sign_off(text)):
        found.append(Reason.SILENCE_PHRASE)
    # Word probabilities come from the audio alone; an engine without them may be confident of its prompt instead.
    is_guess = is_unsure or is_short or (not has_voice and words[0].probability is None)
    if is_guess and repeats_prompt(text, request.prompt):
        found.append(Reason.PROMPT)
    if is_unsure:
        found.append(Reason.LOW_CONFIDENCE)
    return found


def _reports_silence(hypothesis: Hypothesis, settings: GuardSettings) -> bool:
    probability = hypothesis.no_speech_probability
    return probability is not None and probability > settings.no_speech_probability


def _is_unvoiced(request: DecodeRequest, hypothesis: Hypothesis, settings: GuardSettings) -> bool:
    """Return whether the log probability rules out speech, or is low and the detector found no speech.

    If a client delimits utterances, one may contain no speech. A detector misses some speakers, so the less speech it
    found, the more certain the engine must be.
    """
    if hypothesis.avg_logprob is not None and hypothesis.avg_logprob < settings.hopeless_avg_logprob:
        return True
    if _has_voice(request, settings.doubtful_speech_probability):
        return False
    is_doubtful = _has_voice(request, settings.least_speech_probability)
    return _is_unsure(hypothesis, settings.least_avg_logprob if is_doubtful else CERTAIN_AVG_LOGPROB)


def _has_voice(request: DecodeRequest, least_probability: float) -> bool:
    probability = request.speech_probability
    return probability is None or probability >= least_probability


def _is_unsure(hypothesis: Hypothesis, least_avg_logprob: float) -> bool:
    """Return whether the engine considers its words unlikely.

    The mean log probability includes the end of the text, which is always likely; for a single word it is half of the
    mean. So the probabilities of the words themselves must reach the same limit.
    """
    if hypothesis.avg_logprob is None:
        return False
    known = [word.probability for word in hypothesis.words if word.probability is not None]
    words_unlikely = bool(known) and sum(known) / len(known) < math.exp(least_avg_logprob)
    return hypothesis.avg_logprob < least_avg_logprob or words_unlikely


def _stays_below(samples: Float32, level_dbfs: float) -> bool:
    """Return whether even the loudest window lies below the level, whatever silence surrounds the audio; false for
    empty audio, and for NaN or infinite samples."""
    window = ms_to_samples(LEVEL_MS)
    limit = window * 10 ** (level_dbfs / 10)
    with np.errstate(all="ignore"):
        # A cheap test first: if all windows are below the limit, so is their sum. Speech rarely passes it.
        if not np.dot(samples, samples) < -(-len(samples) // window) * limit:
            return False
        energy = np.concatenate([np.zeros(window), np.cumsum(np.square(samples, dtype=np.float64))])
        # The first windows begin before the audio. Windows that reach past its end hold less than the last one.
        return bool(np.max(energy[window:] - energy[:-window]) < limit)


def _without_loops(words: tuple[Word, ...], settings: GuardSettings) -> tuple[Word, ...]:
    """Return the words without the repetitions of any loops.

    A loop is a passage of immediate repetitions whose compression ratio exceeds the limit (Whisper's own measure, but
    of the passage alone, so that a loop is found after any length of good text). Letters are compared without case and
    punctuation. A word that is itself a loop is removed.
    """

    def is_loop(repeated: bytes) -> bool:
        is_long = len(repeated) >= settings.loop_bytes
        return is_long and len(repeated) > settings.compression_ratio * len(zlib.compress(repeated))

    while words:
        spelled = [_spelled(word.text) for word in words]
        text = "".join(spelled)
        starts = list(accumulate(map(len, spelled), initial=0))
        loops = (part for part in _repetitions(text, frozenset(starts)) if is_loop(part.utf8(text)))
        longest = max(loops, key=lambda loop: loop.end - loop.start, default=None)
        if longest is None:
            break
        spans = zip(words, pairwise(starts), strict=True)
        words = tuple(word for word, (first, last) in spans if not longest.repeats(first, last))
    return words


@dataclass(frozen=True, slots=True)
class _Repetition:
    """A part `[start, end)` of a text that repeats its first `period` characters."""

    start: int
    end: int
    period: int

    def utf8(self, text: str) -> bytes:
        return text[self.start : self.end].encode("utf-8", "replace")

    def repeats(self, first: int, last: int) -> bool:
        """Return whether a word at `[first, last)` of the text repeats earlier text, or itself."""
        overlap = min(last, self.end) - max(first, self.start)
        if first < self.start:
            return overlap >= 2 * self.period
        return first < self.end and last > self.start + self.period


def _repetitions(text: str, word_starts: frozenset[int]) -> Iterator[_Repetition]:
    """Yield for each period the longest part that repeats MIN_REPEATS times or more, from a word start if there is one
    in its first unit; the last repetition may be incomplete at the end of the text."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    for period in range(1, min(len(codes) // MIN_REPEATS, MAX_UNIT_CHARACTERS) + 1):
        same = codes[period:] == codes[:-period]
        if np.count_nonzero(same) < (MIN_REPEATS - 1) * period:
            continue
        edges = np.flatnonzero(np.diff(same, prepend=False, append=False))
        longest = 2 * int(np.argmax(edges[1::2] - edges[::2]))
        first, end = int(edges[longest]), int(edges[longest + 1]) + period
        start = next((place for place in range(first, first + period) if place in word_starts), first)
        if end < len(text):
            end -= (end - start) % period
        if end - start >= MIN_REPEATS * period:
            yield _Repetition(start, end, period)


def _spelled(text: str) -> str:
    space = " " if text[:1].isspace() else ""
    return space + normalise_word(text)
