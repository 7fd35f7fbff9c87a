"""Figures of a set of recordings in one arm, summed from recording to recording. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.arms import FULL_WINDOW_S, Arm, Transcribed
from benchmarks.captions import Display, changed_words, displays, erased_words, partial_displays
from benchmarks.scoring import count_errors, normalised, splitter
from benchmarks.sets import Recording
from gateway.wire import SAMPLE_RATE_HZ

__all__ = ["Figures", "Score", "Tally"]


@dataclass(frozen=True, slots=True)
class Score:
    """What one recording came to.

    Attributes:
        recording: its name.
        words: spoken, normalised.
        errors: wrong, missing or surplus words of the text.
        text: as it was written.
    """

    recording: str
    words: int
    errors: int
    text: str


@dataclass(frozen=True, slots=True)
class Figures:
    """One arm's figures of one set; None where there is nothing to measure.

    Attributes:
        weights: name of their directory.
        set: of recordings.
        arm: how they were transcribed.
        audio_s: all of them.
        words: spoken, normalised.
        errors: words wrong.
        withdrawn: words taken back between partial displays, for each final word.
        changed: words of the last partial display that the final changes, for each final word.
        promised_changed: those that had been promised.
        encoder_s_per_s: audio encoded, padding included, for a second of audio.
        encoder_share: of what full windows would have been for the same requests.
        steps_per_s: of the decoder, for a second of audio.
        cpu_s_per_s: while decoding, for a second of audio.
        scores: of each recording.
    """

    weights: str
    set: str
    arm: str
    audio_s: float
    words: int
    errors: int
    withdrawn: float | None
    changed: float | None
    promised_changed: float | None
    encoder_s_per_s: float | None
    encoder_share: float | None
    steps_per_s: float | None
    cpu_s_per_s: float
    scores: tuple[Score, ...]

    @property
    def wrong(self) -> float | None:
        """Words wrong over words spoken; None where nobody speaks."""
        return self.errors / self.words if self.words else None


@dataclass(slots=True)
class Tally:
    """Sums over the recordings of a set.

    Attributes:
        weights: name of their directory.
        set: of recordings.
        arm: how they are transcribed.
    """

    weights: str
    set: str
    arm: Arm
    _scores: list[Score] = field(default_factory=list)
    _audio_s: float = 0.0
    _final_words: int = 0
    _withdrawn: int = 0
    _changed: int = 0
    _promised_changed: int = 0
    _cpu_s: float = 0.0
    _encoder_s: float = 0.0
    _steps: int = 0
    _requests: int = 0

    def add(self, recording: Recording, transcribed: Transcribed) -> None:
        """Take in what was written of a recording."""
        language = recording.language or "en"
        reference = [normalised(voice.text, language) for voice in recording.voices]
        errors = count_errors(reference, normalised(transcribed.text, language))
        self._scores.append(Score(recording.name, sum(map(len, reference)), errors, transcribed.text))
        self._audio_s += len(recording.read()) / SAMPLE_RATE_HZ
        self._cpu_s += transcribed.cpu_s
        if transcribed.work is not None:
            self._encoder_s += transcribed.work.encoder_s
            self._steps += transcribed.work.decoder_steps
            self._requests += transcribed.requests
        split = splitter(language)
        shown = displays(transcribed.said, split)
        for _, final in transcribed.finals:
            self._add_utterance(shown.get(final.utterance_id, []), split(final.text))

    def figures(self) -> Figures:
        """Return what it came to."""
        is_streamed, has_partials = self.arm is not Arm.WHOLE, self.arm is Arm.SHIPPED
        full_s = self._requests * FULL_WINDOW_S
        return Figures(
            weights=self.weights,
            set=self.set,
            arm=self.arm,
            audio_s=self._audio_s,
            words=sum(score.words for score in self._scores),
            errors=sum(score.errors for score in self._scores),
            withdrawn=self._per_final_word(self._withdrawn) if has_partials else None,
            changed=self._per_final_word(self._changed) if has_partials else None,
            promised_changed=self._per_final_word(self._promised_changed) if has_partials else None,
            encoder_s_per_s=self._encoder_s / self._audio_s if is_streamed else None,
            encoder_share=self._encoder_s / full_s if is_streamed and full_s else None,
            steps_per_s=self._steps / self._audio_s if is_streamed else None,
            cpu_s_per_s=self._cpu_s / self._audio_s,
            scores=tuple(self._scores),
        )

    def _add_utterance(self, shown: Sequence[Display], final: Sequence[str]) -> None:
        partials = partial_displays(shown)
        self._final_words += len(final)
        self._withdrawn += erased_words(partials)
        if partials:
            changed, promised = changed_words(partials[-1], final)
            self._changed += changed
            self._promised_changed += promised

    def _per_final_word(self, count: int) -> float | None:
        return count / self._final_words if self._final_words else None
