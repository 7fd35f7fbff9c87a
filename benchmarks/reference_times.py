"""Times of the words of a reference, as they are compared: annotated, or aligned with the audio."""

from collections.abc import Sequence

from faster_whisper import WhisperModel

from benchmarks.recordings import SpokenWord
from benchmarks.scoring import CHARACTER_LANGUAGES, splitter
from benchmarks.sets import Recording, Voice
from decoder.engines.whisper.reference_alignment import ReferenceAligner

__all__ = ["ReferenceTimes"]


class ReferenceTimes:
    """Aligns references, each once. Words that cannot be aligned are omitted.

    Args:
        model: with cross-attention heads known to follow the words (`alignment_heads` of its configuration).
    """

    def __init__(self, model: WhisperModel) -> None:
        self._aligner = ReferenceAligner(model)
        self._known: dict[str, list[list[SpokenWord]]] = {}

    def of(self, recording: Recording) -> list[list[SpokenWord]]:
        """Return each person's words as they are compared, with their times; annotated times if available."""
        if recording.name not in self._known:
            self._known[recording.name] = [self._voice(recording, voice) for voice in recording.voices]
        return self._known[recording.name]

    def _voice(self, recording: Recording, voice: Voice) -> list[SpokenWord]:
        language = recording.language or "en"
        if voice.words:
            return _compared(voice.words, language)
        is_spaced = language not in CHARACTER_LANGUAGES
        words = voice.text.split() if is_spaced else list("".join(voice.text.split()))
        aligned = self._aligner.align(recording.read(), words, language, is_spaced=is_spaced)
        return _compared(
            [SpokenWord(word.text, word.start_s, word.end_s) for word in aligned if word is not None], language
        )


def _compared(words: Sequence[SpokenWord], language: str) -> list[SpokenWord]:
    """Return the words as they are compared, without those that are only punctuation."""
    split = splitter(language)
    return [SpokenWord(text, word.start_s, word.end_s) for word in words for text in split(word.text)]
