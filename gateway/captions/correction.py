"""Corrections of utterances that have their final: the new text, with times and cues. PURE.

events ──► SettledUtterance ──corrected──► words with times ──layout──► Correction
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from decoder.types import Transcript
from gateway.captions.cue_builder import CueBuilder
from gateway.captions.cue_profiles import CueProfile
from gateway.captions.realignment import realigned, words_of
from gateway.wire import Correction, Cue, CueEvent, CueState, Final, ServerEvent
from gateway.wire.words import whole_words

__all__ = ["MAX_TEXT_CHARS", "Room", "SettledUtterance", "corrected", "corrected_text"]

MAX_TEXT_CHARS = 2_000
"""Of a corrected text. The longest utterance has 30 s, in which the fastest speakers say some 700 characters."""

_GAP = re.compile(r"[^\S\u00a0\u2007\u202f]+")
"""White space, but for no-break spaces."""

_CONTROLS = {"Cc", "Cs"}
"""Unicode's categories of control characters and lone surrogates, which no file can have."""


@dataclass(frozen=True, slots=True)
class SettledUtterance:
    """An utterance as its events so far make it.

    Attributes:
        final: None: it is outstanding, or was not written before a crash.
        engine_cues: its final cues from the engine, oldest first.
        correction: the newest; None: it is not corrected.
    """

    final: Final | None = None
    engine_cues: tuple[Cue, ...] = ()
    correction: Correction | None = None

    def after(self, event: ServerEvent) -> "SettledUtterance":
        """Return the utterance after its next event.

        An utterance whose final was not written before a crash is decoded again: a repeated cue replaces all cues.
        """
        match event:
            case Final():
                return replace(self, final=event)
            case Correction():
                return replace(self, correction=event)
            case CueEvent(_, cue) if cue.state is CueState.FINAL and cue.lines:
                is_repeated = any(known.cue_id == cue.cue_id for known in self.engine_cues)
                return replace(self, engine_cues=(cue,) if is_repeated else (*self.engine_cues, cue))
            case _:
                return self

    @property
    def text(self) -> str:
        """Its text now; empty if it has none or is removed."""
        if self.correction is not None:
            return self.correction.text
        return "" if self.final is None else self.final.text

    @property
    def cues(self) -> tuple[Cue, ...]:
        """Its final cues now, oldest first."""
        return self.engine_cues if self.correction is None else self.correction.cues

    @property
    def revision(self) -> int:
        """Revision of its text now; 0: it is not corrected."""
        return 0 if self.correction is None else self.correction.revision


@dataclass(frozen=True, slots=True)
class Room:
    """The time that an utterance's cues may take.

    Attributes:
        before_sample: end of the last cue before it; None: there is none.
        after_sample: where the next utterance, or its first cue, begins; None: none follows yet.
    """

    before_sample: int | None = None
    after_sample: int | None = None


def corrected_text(text: str) -> str:
    """Return a text as it is kept: with one space in place of any white space, and none at either end.

    No-break spaces stay within it: French has one before "?".

    Raises:
        ValueError: it is too long, or has control characters.
    """
    plain = _GAP.sub(" ", text).strip()
    if len(plain) > MAX_TEXT_CHARS:
        raise ValueError(f"text of {len(plain)} characters: at most {MAX_TEXT_CHARS} allowed")
    for character in plain:
        if unicodedata.category(character) in _CONTROLS:
            raise ValueError(f"text with the control character U+{ord(character):04X}: expected printable characters")
    return plain


def corrected(utterance: SettledUtterance, text: str, profile: CueProfile, room: Room, seq: int) -> Correction:
    """Return the correction that gives an utterance a new text, with its cues laid out again.

    Words are always aligned with those of the engine, so that times do not depend on corrections in between.

    Args:
        utterance: with its final.
        text: as `corrected_text` returned it; empty: the utterance is removed.
        profile: of the session's cues.
        room: between the utterances before and after it.
        seq: number of the event.
    """
    final = utterance.final
    assert final is not None, "only an utterance with its final is corrected"
    words = realigned(text, words_of(final, utterance.engine_cues), final.start_sample, final.end_sample)
    revision = utterance.revision + 1
    cue_revision = max((cue.revision for cue in utterance.engine_cues), default=0) + revision
    end_sample = room.after_sample
    if end_sample is None:  # the next utterance may begin right after the audio of this one
        end_sample = max([final.end_sample, *(cue.end_sample for cue in utterance.engine_cues)])
    transcript = Transcript(final.utterance_id, cue_revision, words, (), is_final=True)
    cues = CueBuilder(profile, room.before_sample).update(transcript, end_sample, final.language)
    earliest_sample = max(final.start_sample, room.before_sample or 0)
    spans = whole_words(words) if final.words else ()
    return Correction(seq, final.utterance_id, revision, text, _fitted(cues, earliest_sample, end_sample), spans)


def _fitted(cues: Sequence[Cue], earliest_sample: int, end_sample: int) -> tuple[Cue, ...]:
    """Return the cues; if there are more than the time allows, with equal shares of all of it."""
    if not cues or cues[-1].end_sample <= end_sample:
        return tuple(cues)
    start_sample, count = min(cues[0].start_sample, earliest_sample), len(cues)
    span = max(count, end_sample - start_sample)
    bounds = [start_sample + span * number // count for number in range(count + 1)]
    return tuple(
        replace(cue, start_sample=begin, end_sample=end)
        for cue, (begin, end) in zip(cues, pairwise(bounds), strict=True)
    )
