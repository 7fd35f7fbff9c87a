"""LocalAgreement-n: decides which words of an utterance are committed, so that only its final may change them. PURE."""

import unicodedata
from dataclasses import replace
from itertools import takewhile

from decoder.settings import StabiliserSettings
from decoder.types import Transcript, Word
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["Stabiliser", "normalise_word"]


class Stabiliser:
    """Turns the hypotheses of one utterance into transcripts whose committed part only grows until the final.

    A word is committed once `agreement` consecutive hypotheses have it at the same position after the words already
    committed (LocalAgreement-n: Liu et al. 2020; Macháček et al. 2023), or two of them `agreement_s` apart. Words are
    compared without case and punctuation and committed in their newest spelling. A later partial hypothesis that
    contradicts committed words cannot change them: it is aligned with them, and only the words after them count. The
    final hypothesis can.

    The tail consists of the words of the newest hypothesis after the committed ones, but a displayed word is withdrawn
    only when two consecutive hypotheses agree on its replacement. A single contradiction is mostly an error: on spoken
    digits this avoids two fifths of the erasures; new words beside an error are displayed one hypothesis later.

    Where the times of words were measured, two hypotheses commit a word that ends well before the end of their audio:
    what follows it is known, and hardly changes it (as AlignAtt decides, Papi et al. 2023, by attention alone). The
    hypothesis must be a likely one.

    An unsure hypothesis, one with a low log probability, mostly comes from noisy or far speech, and the next one
    differs more: it commits only words that one more hypothesis confirms, and displays only the part of its tail that
    the previous hypothesis has too.
    """

    def __init__(self, utterance_id: int, settings: StabiliserSettings) -> None:
        self._utterance_id = utterance_id
        self._settings = settings
        self._committed: tuple[Word, ...] = ()
        self._recent: list[tuple[Word, ...]] = []
        """The latest hypotheses, without the committed words, newest last; at most `agreement` + 1."""
        self._audio_ends: list[int] = []
        """The end sample of the audio of each."""
        self._displayed: tuple[Word, ...] = ()
        """The tail of the latest transcript."""

    @property
    def committed(self) -> tuple[Word, ...]:
        """The words that only the final may change."""
        return self._committed

    def update(
        self,
        words: tuple[Word, ...],
        revision: int,
        audio_end_sample: int,
        *,
        is_cut: bool = False,
        avg_logprob: float | None = None,
        is_timed: bool = False,
    ) -> Transcript:
        """Add a partial hypothesis and return the new transcript.

        Args:
            words: all words of the utterance so far.
            revision: of the hypothesis, greater than the previous one.
            audio_end_sample: one past the last sample of its audio.
            is_cut: whether the audio ends in speech; the last word is then ignored, because it may be incomplete.
            avg_logprob: of the hypothesis, nats per token; None if unknown.
            is_timed: whether the times of its words were measured.
        """
        is_unsure = avg_logprob is not None and avg_logprob < self._settings.unsure_avg_logprob
        rest = words[_split_after(self._committed, words) :]
        rest = rest[:-1] if is_cut else rest
        kept = self._settings.agreement + 1
        self._recent = [*self._recent, rest][-kept:]
        self._audio_ends = [*self._audio_ends, audio_end_sample][-kept:]
        needed = self._needed() + is_unsure
        agreed = self._agreed(needed)
        if is_timed and (avg_logprob is None or avg_logprob >= self._settings.settled_avg_logprob):
            agreed = max(agreed, self._settled(rest[: self._agreed(2)], audio_end_sample))
        was_displayed = _common_prefix([rest[:agreed], self._displayed]) == agreed
        self._committed += rest[:agreed]
        self._recent = [earlier[agreed:] for earlier in self._recent]
        displayed, tail = self._displayed[agreed:] if was_displayed else (), rest[agreed:]
        self._displayed = self._stable_tail(displayed, self._confirmed(displayed, tail) if is_unsure else tail)
        return Transcript(self._utterance_id, revision, self._committed, self._displayed, is_final=False)

    def _agreed(self, count: int) -> int:
        """Return how many words the latest hypotheses, so many of them, have in common."""
        return _common_prefix(self._recent[-count:]) if len(self._recent) >= count else 0

    def _settled(self, words: tuple[Word, ...], audio_end_sample: int) -> int:
        """Return how many of the words end long enough before the end of the audio."""
        latest = audio_end_sample - self._settings.settled_s * SAMPLE_RATE_HZ
        return sum(1 for _ in takewhile(lambda word: word.end_sample <= latest, words))

    def _needed(self) -> int:
        """Return how many hypotheses, the newest included, must agree now."""
        agreement = self._settings.agreement
        apart_samples = self._settings.agreement_s * SAMPLE_RATE_HZ
        for count, audio_end_sample in enumerate(reversed(self._audio_ends[:-1]), start=2):
            if self._audio_ends[-1] - audio_end_sample >= apart_samples:
                return min(count, agreement)
        return agreement

    def _confirmed(self, displayed: tuple[Word, ...], tail: tuple[Word, ...]) -> tuple[Word, ...]:
        """Return the part of the newest tail that the previous hypothesis has too, or that is displayed already."""
        return tail[: max(_common_prefix([self._previous, tail]), _common_prefix([displayed, tail]))]

    def _stable_tail(self, displayed: tuple[Word, ...], tail: tuple[Word, ...]) -> tuple[Word, ...]:
        """Return the new tail, or the displayed words if only the newest hypothesis contradicts them."""
        kept = _common_prefix([displayed, tail])
        if kept == len(displayed):
            return tail
        is_confirmed = _common_prefix([self._previous, tail]) > kept or len(self._previous) == len(tail) == kept
        return tail if is_confirmed else self._after_committed(displayed)

    @property
    def _previous(self) -> tuple[Word, ...]:
        """The hypothesis before the newest, without the committed words."""
        return self._recent[-2] if len(self._recent) > 1 else ()

    def _after_committed(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        """Return words of an older hypothesis, their times limited to those after the committed words."""
        floor = self._committed[-1].end_sample if self._committed else 0
        return tuple(
            replace(word, start_sample=max(word.start_sample, floor), end_sample=max(word.end_sample, floor))
            for word in words
        )

    def finish(self, words: tuple[Word, ...], revision: int) -> Transcript:
        """Return the final transcript: the words of the final hypothesis, whatever was committed.

        Words that partials committed are worse than those decoded from the whole utterance: forcing them into finals
        raises the word error rate on real speech by 2 to 4 points.
        """
        return self._final(words, revision)

    def abandon(self, revision: int) -> Transcript:
        """Return the latest partial hypothesis as the final transcript, because the final decode failed."""
        return self._final(self._committed + (self._recent[-1] if self._recent else ()), revision)

    def _final(self, words: tuple[Word, ...], revision: int) -> Transcript:
        self._committed, self._recent = words, []
        return Transcript(self._utterance_id, revision, words, (), is_final=True)


def normalise_word(text: str) -> str:
    """Return the form in which a word is compared: NFKC, without case and punctuation; pure punctuation is kept."""
    # Case folding and removing punctuation can both decompose characters, or bring composable ones together.
    plain = _composed(_composed(text).casefold()).strip()
    return _composed("".join(c for c in plain if not unicodedata.category(c).startswith("P")).strip()) or plain


def _composed(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _common_prefix(hypotheses: list[tuple[Word, ...]]) -> int:
    """Return the number of leading words that all hypotheses share."""
    count = 0
    for words in zip(*hypotheses, strict=False):
        if len({normalise_word(word.text) for word in words}) > 1:
            break
        count += 1
    return count


def _split_after(committed: tuple[Word, ...], words: tuple[Word, ...]) -> int:
    """Return how many leading words of `words` repeat the committed ones.

    They are the prefix of `words` with the least edit distance to the committed words (Levenshtein over words). Ties go
    to the prefix that ends with the last committed word, so that it is not repeated, then to the one nearest in length.
    """
    old = [normalise_word(word.text) for word in committed]
    new = [normalise_word(word.text) for word in words]
    if new[: len(old)] == old:
        return len(old)
    distances = list(range(len(new) + 1))
    for i, word in enumerate(old, start=1):
        diagonal, distances[0] = distances[0], i
        for j, other in enumerate(new, start=1):
            replaced = diagonal + (word != other)
            diagonal = distances[j]
            distances[j] = min(replaced, distances[j] + 1, distances[j - 1] + 1)
    return min(range(len(new) + 1), key=lambda j: (distances[j], new[j - 1 : j] != old[-1:], abs(j - len(old))))
