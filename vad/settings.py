"""Settings of the segmenter: when speech begins, pauses, ends and is split."""

from dataclasses import dataclass

from vad.audio import ms_to_samples, s_to_samples

__all__ = ["MIN_THRESHOLD", "USUAL_THRESHOLD", "SegmenterSettings"]

MIN_THRESHOLD = 0.01
"""At 0 everything would be speech; use `manual` for that."""

LONG_SHARE = 0.6
"""Leaves time for a pause before an utterance must be split at an arbitrary place."""

USUAL_THRESHOLD = 0.5
"""The value by which a client asks for the configured thresholds; the default of Silero and of other services."""


@dataclass(frozen=True, slots=True)
class SegmenterSettings:
    """Settings of the segmenter.

    Attributes:
        onset_threshold: a window of this speech probability may be speech, and is decoded; doubtful audio is left to
            the hallucination filter. With Silero's own 0.5, far speakers and soft words are lost.
        offset_threshold: threshold within an utterance, lower so that weak syllables and word endings are kept.
        endpoint_threshold: a window of this probability keeps the turn open. Higher than the offset, so that noise and
            breath after the last word, although decoded, do not delay the end.
        onset_ms: uninterrupted speech that begins an utterance. Three windows: clicks and knocks are shorter.
        pause_ms: silence after which a speculative final is decoded. As much audio is kept after the last speech, so
            that this final is already the definitive one. Pauses within a phrase are mostly shorter than 200 ms; 300 ms
            of kept audio lowers the word error rate in noise.
        silence_ms: silence that ends an utterance. Fragments of a sentence decode worse than the whole: with 500 ms, a
            sixth more words are wrong in noise. If pause_ms is not shorter, no pause is emitted.
        pad_before_ms: audio kept before the first speech, because soft onsets are detected late. With 400 ms a twelfth
            fewer words are wrong than with 200 ms (Whisper tiny.en); more gains nothing.
        long_utterance_s: an utterance of this length ends at its next pause, so that it need not be split mid-speech;
            at most six tenths of max_utterance_s. 15 s: longer than most sentences.
        max_utterance_s: longer speech is split. Whisper's window is 30 s; 25 leaves room for its timestamps.
        split_search_s: a split is made at the quietest place of these last seconds, at most half of max_utterance_s.
            Five seconds nearly always contain a breath or a gap between words.
        progress_interval_ms: new audio between two progress events: as often as a reader notices.
        manual: whether all audio counts as speech, so that an utterance ends only when flushed or too long.

    Raises:
        ValueError: a value is out of range.
    """

    onset_threshold: float = 0.25
    offset_threshold: float = 0.1
    endpoint_threshold: float = 0.35
    onset_ms: int = 96
    pause_ms: int = 300
    silence_ms: int = 700
    pad_before_ms: int = 400
    long_utterance_s: float = 15.0
    max_utterance_s: float = 25.0
    split_search_s: float = 5.0
    progress_interval_ms: int = 500
    manual: bool = False

    def __post_init__(self) -> None:
        _check("onset_threshold", self.onset_threshold, MIN_THRESHOLD, 1)
        _check("offset_threshold", self.offset_threshold, MIN_THRESHOLD, self.onset_threshold)
        _check("endpoint_threshold", self.endpoint_threshold, self.offset_threshold, 1)
        _check("onset_ms", self.onset_ms, 1, 1_000)
        _check("pause_ms", self.pause_ms, 1, 2_000)
        _check("silence_ms", self.silence_ms, 1, 10_000)
        _check("pad_before_ms", self.pad_before_ms, 0, 2_000)
        pad_after_s = min(self.pause_ms, self.silence_ms) / 1000
        # Twice the padding, so that a split always has half an utterance of speech to search.
        _check("max_utterance_s", self.max_utterance_s, max(1.0, 2 * pad_after_s), 30)
        _check("long_utterance_s", self.long_utterance_s, 1, 30)
        _check("split_search_s", self.split_search_s, 0.2, 30)
        _check("progress_interval_ms", self.progress_interval_ms, 50, 30_000)

    @property
    def onset_samples(self) -> int:
        """Uninterrupted speech that begins an utterance."""
        return ms_to_samples(self.onset_ms)

    @property
    def pause_samples(self) -> int:
        """Silence that counts as a pause."""
        return ms_to_samples(self.pause_ms)

    @property
    def silence_samples(self) -> int:
        """Silence that ends an utterance."""
        return ms_to_samples(self.silence_ms)

    @property
    def pad_before_samples(self) -> int:
        """Audio kept before the first speech."""
        return ms_to_samples(self.pad_before_ms)

    @property
    def pad_after_samples(self) -> int:
        """Audio kept after the last speech."""
        return min(self.pause_samples, self.silence_samples)

    @property
    def max_utterance_samples(self) -> int:
        """Length at which an utterance is split."""
        return s_to_samples(self.max_utterance_s)

    @property
    def long_utterance_samples(self) -> int:
        """Length from which an utterance ends at its next pause."""
        return s_to_samples(min(self.long_utterance_s, self.max_utterance_s * LONG_SHARE))

    @property
    def split_search_samples(self) -> int:
        """Audio that is searched for the quietest place."""
        return s_to_samples(min(self.split_search_s, self.max_utterance_s / 2))

    @property
    def progress_interval_samples(self) -> int:
        """New audio between two progress events."""
        return ms_to_samples(self.progress_interval_ms)


def _check(field: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{field} {value} out of range: expected {least}–{most}")
