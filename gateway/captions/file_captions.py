"""Cues of a recording, whose whole text is known, from its finals. PURE.

Live cues are laid out while their utterance is decoded, and end with it. Here sentences are kept together beyond
utterances, and a cue may stay until the next one, so that it can be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from decoder.types import Word
from gateway.captions.cue_division import wrap
from gateway.captions.cue_profiles import CueProfile, to_latin
from gateway.captions.cue_segmentation import cue_ends, reading_end_sample
from gateway.captions.line_breaking import Lexicon, Piece, lexicon_of, line_text, pieces_of
from gateway.wire import Final, WordSpan
from gateway.wire.cue import Cue, CueState
from gateway.wire.words import after_words
from vad.audio import s_to_samples

__all__ = ["FileCaptions"]

_SEPARATING_PAUSE_S = 2.0
"""Text before and after such a pause is laid out separately, so that captions of a long recording come in parts."""

# As in `cue_builder`: one frame of 25 Hz video.
_SHORTEST_S = 0.04


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A piece of text, and the utterance that it belongs to."""

    piece: Piece
    utterance_id: int


class FileCaptions:
    """Turns the finals of one recording into cues.

    Args:
        profile: of the cues.
    """

    def __init__(self, profile: CueProfile) -> None:
        self._profile = profile
        self._spoken: list[_Spoken] = []
        """Text that is not laid out yet."""
        self._last_word: tuple[WordSpan, ...] = ()
        self._language: str | None = None
        self._earliest_sample = 0
        self._number = 0
        """Of the last cue, within its utterance."""
        self._utterance_id: int | None = None

    def add(self, final: Final) -> list[Cue]:
        """Add an utterance, and return the cues that nothing after it can change, oldest first.

        Args:
            final: with words, or its text is spread over its time; utterances come in order.
        """
        words = final.words or (WordSpan(final.text, final.start_sample, final.end_sample, None),)
        first_new = len(self._spoken)
        self._spoken += [_Spoken(piece, final.utterance_id) for piece in self._pieces_of(words if final.text else ())]
        if first_new == 0:
            self._language = final.language
        pause = next((at for at in reversed(range(1, len(self._spoken))) if self._is_separated(at)), None)
        return [] if pause is None else self._pop(pause, final.language)

    def finish(self, next_sample: int | None = None) -> list[Cue]:
        """Return the remaining cues, oldest first.

        Args:
            next_sample: start of what follows without text, when the cues have to be gone; None: nothing follows.
        """
        return self._pop(len(self._spoken), None, next_sample)

    def _pieces_of(self, words: Sequence[WordSpan]) -> list[Piece]:
        words = after_words(self._last_word, words)
        self._last_word = words[-1:] or self._last_word
        spelt = (to_latin(word.text) if self._profile.latin_only else word.text for word in words)
        spaced = [
            Word(f"{' ' if word.spaced else ''}{text}", word.start_sample, word.end_sample, word.probability)
            for word, text in zip(words, spelt, strict=True)
        ]
        earliest_sample = self._spoken[-1].piece.start_sample if self._spoken else 0
        return [
            replace(
                piece,
                start_sample=max(piece.start_sample, earliest_sample),
                end_sample=max(piece.end_sample, earliest_sample),
            )
            for piece in pieces_of(spaced, self._profile.max_chars_per_line)
        ]

    def _is_separated(self, at: int) -> bool:
        before, after = self._spoken[at - 1].piece, self._spoken[at].piece
        return after.start_sample - before.end_sample >= s_to_samples(_SEPARATING_PAUSE_S)

    def _pop(self, count: int, next_language: str | None, next_sample: int | None = None) -> list[Cue]:
        """Lay out the first pieces, each part between long pauses by itself."""
        pauses = [at for at in range(1, count) if self._is_separated(at)]
        lexicon = lexicon_of(self._language)
        cues: list[Cue] = []
        for start, end in pairwise([0, *pauses, count]) if count else ():
            after_sample = self._spoken[end].piece.start_sample if end < len(self._spoken) else next_sample
            cues += self._lay_out(self._spoken[start:end], after_sample, lexicon)
        del self._spoken[:count]
        self._language = next_language
        return cues

    def _lay_out(self, spoken: Sequence[_Spoken], next_sample: int | None, lexicon: Lexicon) -> list[Cue]:
        pieces = [each.piece for each in spoken]
        ends = cue_ends(pieces, self._profile, lexicon, next_sample)
        following = [pieces[end].start_sample for end in ends[:-1]]
        cues: list[Cue] = []
        for (start, end), next_start_sample in zip(pairwise([0, *ends]), [*following, next_sample], strict=True):
            own = pieces[start:end]
            bounds = [0, *wrap(own, self._profile.max_chars_per_line, lexicon), len(own)]
            lines = tuple(line_text(own[first:last]) for first, last in pairwise(bounds))
            span = self._span(lines, own, next_start_sample)
            cues.append(self._cue(spoken[start].utterance_id, span, lines))
        return cues

    def _span(self, lines: Sequence[str], pieces: Sequence[Piece], next_sample: int | None) -> tuple[int, int]:
        """Return the start and end of the next cue."""
        profile, gap_samples = self._profile, s_to_samples(self._profile.gap_s)
        start_sample = max(pieces[0].start_sample, self._earliest_sample)
        end_sample = reading_end_sample(lines, start_sample, pieces[-1].end_sample, profile)
        if next_sample is not None:
            latest_sample = next_sample - gap_samples
            if profile.closed_gap_s is not None and next_sample - end_sample < s_to_samples(profile.closed_gap_s):
                end_sample = latest_sample
            end_sample = min(end_sample, latest_sample)
        if profile.max_duration_s is not None:
            end_sample = min(end_sample, start_sample + s_to_samples(profile.max_duration_s))
        end_sample = max(end_sample, start_sample + s_to_samples(_SHORTEST_S))
        self._earliest_sample = end_sample + gap_samples
        return start_sample, end_sample

    def _cue(self, utterance_id: int, span: tuple[int, int], lines: tuple[str, ...]) -> Cue:
        self._number = self._number + 1 if utterance_id == self._utterance_id else 1
        self._utterance_id = utterance_id
        cue_id = f"{utterance_id}.{self._number}"
        return Cue(cue_id, utterance_id, 1, *span, lines, len("\n".join(lines)), CueState.FINAL)
