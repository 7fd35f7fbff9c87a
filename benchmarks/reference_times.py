"""Times of the words of a reference: its text aligned with the audio by Whisper's cross-attention.

An alignment covers 30 s at most. Longer recordings are cut where the whole-file transcript has a pause between two
words that are also adjacent in the reference. Words of a stretch without such a pause have no times and are omitted.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer

from benchmarks.captions import aligned
from benchmarks.recordings import SpokenWord
from benchmarks.scoring import CHARACTER_LANGUAGES, splitter
from benchmarks.sets import Recording, Voice, speech_dbfs
from vad.audio import SAMPLE_RATE_HZ, Float32, s_to_samples

__all__ = ["ReferenceTimes"]

STRETCH_S = 28.0
"""Maximum audio of one alignment: Whisper's window, less a margin for a late cut."""

WORD_S = 1.0
"""Maximum length of a word: of a longer one, the loudest part counts, and the rest is a pause."""

QUIET_DB = -25.0
"""Audio this far below the level of the speech is a pause as well. Measured on digit groups, whose word times are known
exactly: half of the ends are within 0.05 s, 90 % within 0.4 s."""

_FRAME_S = 0.01
_ENCODER_FRAMES_PER_S = 50


class ReferenceTimes:
    """Aligns references, each once.

    Args:
        model: with cross-attention heads known to follow the words (`alignment_heads` of its configuration).
    """

    def __init__(self, model: WhisperModel) -> None:
        self._model = model
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
        audio = recording.read()
        words: list[SpokenWord] = []
        for start_s, end_s, pieces in self._stretches(audio, _pieces(voice.text, language), language):
            stretch = audio[s_to_samples(start_s) : s_to_samples(end_s)]
            words += [
                SpokenWord(word.text, start_s + word.start_s, start_s + word.end_s)
                for word in self._aligned(stretch, pieces, language)
            ]
        level_dbfs = speech_dbfs(audio)
        least_power = 0.0 if level_dbfs is None else 10 ** ((level_dbfs + QUIET_DB) / 10)
        return _compared([_without_pauses(word, audio, least_power) for word in words], language)

    def _stretches(
        self, audio: Float32, pieces: Sequence[str], language: str
    ) -> Iterator[tuple[float, float, Sequence[str]]]:
        """Yield the start, end and pieces of each alignment."""
        length_s = len(audio) / SAMPLE_RATE_HZ
        cuts = self._cuts(audio, pieces, language) if length_s > STRETCH_S else []
        start_s, first = 0.0, 0
        while length_s - start_s > STRETCH_S:
            within = [cut for cut in cuts if start_s < cut[0] <= start_s + STRETCH_S]
            late = [cut for cut in within if cut[0] > start_s + STRETCH_S / 2]
            if within:
                end_s, _, last = max(late or within, key=lambda cut: cut[1])
                yield start_s, end_s, pieces[first:last]
            else:
                end_s, _, last = next((cut for cut in cuts if cut[0] > start_s), (length_s, 0.0, len(pieces)))
            start_s, first = end_s, last
        yield start_s, length_s, pieces[first:]

    def _cuts(self, audio: Float32, pieces: Sequence[str], language: str) -> list[tuple[float, float, int]]:
        """Return the possible cuts: time, length of the pause, and number of pieces before it."""
        segments, _ = self._model.transcribe(audio, language=language, word_timestamps=True)
        words = _compared(
            [
                SpokenWord(word.word, float(word.start), float(word.end))
                for segment in segments
                for word in segment.words or ()
            ],
            language,
        )
        split = splitter(language)
        compared = ["".join(split(piece)) for piece in pieces]
        pairs = aligned(compared, [word.text for word in words])
        same = [(i, j) for i, j in pairs if i is not None and j is not None and compared[i] == words[j].text]
        return [
            ((words[j].end_s + words[after].start_s) / 2, words[after].start_s - words[j].end_s, i + 1)
            for (i, j), (following, after) in pairwise(same)
            if following == i + 1 and after == j + 1
        ]

    def _aligned(self, audio: Float32, pieces: Sequence[str], language: str) -> list[SpokenWord]:
        """Return the pieces with the times of their first tokens and of the following ones."""
        tokenizer = Tokenizer(self._model.hf_tokenizer, self._model.model.is_multilingual, "transcribe", language)
        prefix = "" if language in CHARACTER_LANGUAGES else " "
        texts, tokens = list(pieces), [tokenizer.encode(prefix + piece) for piece in pieces]
        if language in CHARACTER_LANGUAGES:  # a token may have several characters
            texts, tokens = tokenizer.split_to_word_tokens(tokenizer.encode("".join(pieces)))
        if not texts:
            return []
        features = self._model.feature_extractor(audio)
        flat = [token for piece in tokens for token in piece]
        encoded = self._model.encode(pad_or_trim(features))
        [result] = self._model.model.align(
            encoded, tokenizer.sot_sequence, [flat], min(features.shape[-1], 3000), median_filter_width=7
        )
        token_places, frames = np.array(result.alignments).T
        begins = frames[np.diff(token_places, prepend=-1) > 0] / _ENCODER_FRAMES_PER_S
        bounds = np.cumsum([0, *map(len, tokens)])
        return [
            SpokenWord(text, float(begins[start]), float(begins[min(end, len(begins) - 1)]))
            for text, start, end in zip(texts, bounds, bounds[1:], strict=False)
        ]


def _pieces(text: str, language: str) -> list[str]:
    return list("".join(text.split())) if language in CHARACTER_LANGUAGES else text.split()


def _compared(words: Sequence[SpokenWord], language: str) -> list[SpokenWord]:
    """Return the words as they are compared, without those that are only punctuation."""
    split = splitter(language)
    return [SpokenWord(text, word.start_s, word.end_s) for word in words for text in split(word.text)]


def _without_pauses(word: SpokenWord, audio: Float32, least_power: float) -> SpokenWord:
    """Return the word without the pauses around it that the alignment may include."""
    frame = s_to_samples(_FRAME_S)
    frames = audio[s_to_samples(word.start_s) : s_to_samples(word.end_s)]
    frames = frames[: len(frames) // frame * frame].reshape(-1, frame)
    powers = np.mean(frames.astype(np.float64) ** 2, axis=1)
    first, last = 0, len(powers)
    most = round(WORD_S / _FRAME_S)
    if last > most:
        sums = np.cumsum([0.0, *powers])
        first = int(np.argmax(sums[most:] - sums[:-most]))
        last = first + most
    loud = first + np.flatnonzero(powers[first:last] >= least_power)
    if not len(loud):
        return word
    return SpokenWord(word.text, word.start_s + int(loud[0]) * _FRAME_S, word.start_s + (int(loud[-1]) + 1) * _FRAME_S)
