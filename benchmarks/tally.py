"""Figures of a set of recordings in one arm, summed over the recordings. PURE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.arms import FULL_WINDOW_S, Arm, Transcribed
from benchmarks.captions import Display, changed_words, displays, erased_words, partial_displays, standing_since
from benchmarks.percentile import percentile
from benchmarks.recordings import SpokenWord
from benchmarks.scoring import count_errors, merge_aligned, normalised, splitter
from benchmarks.sets import Recording
from gateway.wire import SAMPLE_RATE_HZ, Final

__all__ = ["Figures", "Lags", "Score", "Tally", "WrittenWord", "lags_of", "written_words"]


@dataclass(frozen=True, slots=True)
class WrittenWord:
    """A word of a final, with the times since which it was displayed and committed, in seconds.

    Attributes:
        text: as it is compared.
        shown_s: time since which it is displayed.
        committed_s: time since which it is committed as well.
        final_s: arrival of the utterance's final; None except for the last word of the final.
    """

    text: str
    shown_s: float
    committed_s: float
    final_s: float | None


@dataclass(slots=True)
class Lags:
    """Seconds from the end of each correct word to its display, its commitment and its final.

    Attributes:
        ended_s: end time of each word.
        shown_s: of each word.
        committed_s: of each word.
        final_s: of the last word of each final.
    """

    ended_s: list[float] = field(default_factory=list)
    shown_s: list[float] = field(default_factory=list)
    committed_s: list[float] = field(default_factory=list)
    final_s: list[float] = field(default_factory=list)

    def __iadd__(self, other: "Lags") -> "Lags":
        """Add those of another recording."""
        self.ended_s += other.ended_s
        self.shown_s += other.shown_s
        self.committed_s += other.committed_s
        self.final_s += other.final_s
        return self


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one recording.

    Attributes:
        recording: its name.
        words: spoken, normalised.
        errors: wrong, missing or surplus words of the text.
        displayed: the most words in any display of each utterance, partial ones included, summed; without speech,
            all of them are wrong, even if the final has none.
        text: the transcript.
    """

    recording: str
    words: int
    errors: int
    displayed: int
    text: str


@dataclass(frozen=True, slots=True)
class Figures:
    """One arm's figures of one set; None if there is nothing to measure.

    Attributes:
        weights: name of their directory.
        set: of recordings.
        arm: how they were transcribed.
        audio_s: all of them.
        words: spoken, normalised.
        errors: words wrong.
        withdrawn: words erased between partial displays, for each final word.
        changed: words of the last partial display that the final changes, for each final word.
        promised_changed: those that had been committed.
        shown_p50_s, shown_p95_s: from the end of a word to its final display.
        committed_p50_s, committed_p95_s: to its commitment.
        final_p50_s, final_p95_s: from the end of an utterance's last word to its final.
        encoder_s_per_s: audio encoded, padding included, for a second of audio.
        encoder_share: relative to full windows for the same requests.
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
    shown_p50_s: float | None
    shown_p95_s: float | None
    committed_p50_s: float | None
    committed_p95_s: float | None
    final_p50_s: float | None
    final_p95_s: float | None
    encoder_s_per_s: float | None
    encoder_share: float | None
    steps_per_s: float | None
    cpu_s_per_s: float
    scores: tuple[Score, ...]

    @property
    def wrong(self) -> float | None:
        """Words wrong over words spoken; None without speech."""
        return self.errors / self.words if self.words else None

    @property
    def displayed(self) -> int:
        """The most words displayed at a time, summed over the recordings."""
        return sum(score.displayed for score in self.scores)


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
    _lags: Lags = field(default_factory=Lags)
    _cpu_s: float = 0.0
    _encoder_s: float = 0.0
    _steps: int = 0
    _requests: int = 0

    def add(self, recording: Recording, transcribed: Transcribed, spoken: Sequence[Sequence[SpokenWord]]) -> None:
        """Add the transcript of a recording.

        Args:
            recording: with its reference.
            transcribed: by this arm.
            spoken: each person's words as they are compared, with their times; empty if lags are not measured.
        """
        language = recording.language or "en"
        reference = [normalised(voice.text, language) for voice in recording.voices]
        errors = count_errors(reference, normalised(transcribed.text, language))
        split = splitter(language)
        shown = displays(transcribed.moments, split)
        displayed = sum(max(len(display.words) for display in series) for series in shown.values())
        self._scores.append(Score(recording.name, sum(map(len, reference)), errors, displayed, transcribed.text))
        self._audio_s += len(recording.read()) / SAMPLE_RATE_HZ
        self._cpu_s += transcribed.cpu_s
        if transcribed.work is not None:
            self._encoder_s += transcribed.work.encoder_s
            self._steps += transcribed.work.decoder_steps
            self._requests += transcribed.requests
        for _, final in transcribed.finals:
            self._add_utterance(shown.get(final.utterance_id, []), split(final.text))
        self._lags += lags_of(spoken, written_words(shown, transcribed.finals))

    def figures(self) -> Figures:
        """Return the figures of all recordings so far."""
        is_streamed, has_partials = self.arm is not Arm.WHOLE, self.arm is Arm.SHIPPED
        full_s = self._requests * FULL_WINDOW_S
        lags = self._lags
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
            shown_p50_s=percentile(lags.shown_s, 50) if has_partials else None,
            shown_p95_s=percentile(lags.shown_s, 95) if has_partials else None,
            committed_p50_s=percentile(lags.committed_s, 50) if has_partials else None,
            committed_p95_s=percentile(lags.committed_s, 95) if has_partials else None,
            final_p50_s=percentile(lags.final_s, 50),
            final_p95_s=percentile(lags.final_s, 95),
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


def written_words(shown: Mapping[int, Sequence[Display]], finals: Sequence[tuple[float, Final]]) -> list[WrittenWord]:
    """Return the words of the finals as last displayed, in order.

    Args:
        shown: displays of each utterance.
        finals: each with its time of arrival.
    """
    words = []
    for at_s, final in finals:
        series = shown.get(final.utterance_id, ())
        since = standing_since(series) if series else []
        for place, word in enumerate(since):
            is_last = place == len(since) - 1
            text = series[-1].words[place]
            words.append(WrittenWord(text, word.shown_s, word.committed_s, at_s if is_last else None))
    return words


def lags_of(spoken: Sequence[Sequence[SpokenWord]], written: Sequence[WrittenWord]) -> Lags:
    """Return the lags of the correct words.

    Args:
        spoken: each person's words.
        written: of all finals, in order.
    """
    lags = Lags()
    texts = [[word.text for word in words] for words in spoken]
    for i, j in merge_aligned(texts, [word.text for word in written]):
        if i is not None and j is not None and texts[i[0]][i[1]] == written[j].text:
            end_s, word = spoken[i[0]][i[1]].end_s, written[j]
            lags.ended_s.append(end_s)
            lags.shown_s.append(word.shown_s - end_s)
            lags.committed_s.append(word.committed_s - end_s)
            if word.final_s is not None:
                lags.final_s.append(word.final_s - end_s)
    return lags
