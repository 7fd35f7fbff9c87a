"""What is kept of utterances that still grow, one a session."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from decoder.features import IncrementalLogMel
from decoder.truncation import Cut
from decoder.types import DecodeRequest
from vad.audio import Float32

__all__ = ["UtteranceStore"]


@dataclass(slots=True)
class _Kept:
    utterance_id: int
    cut: Cut | None = None
    hypothesis: tuple[tuple[int, ...], ...] = ()
    start_sample: int | None = None  # of the audio that the spectrogram is of
    log_mel: IncrementalLogMel | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)  # a cancelled decode may still be at the spectrogram


class UtteranceStore:
    """Keeps what requests of an utterance have in common: the spectrogram, the last words, where a long one was cut.

    A session's utterances come one after the other, so the newest is kept and no other: at most 30 s, some 3 MB with
    its audio, for each session that was admitted and not forgotten. Whether a spectrogram is kept changes no answer.
    """

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: dict[str, _Kept | None] = {}  # a key: the session is admitted
        self._lock = threading.Lock()  # sessions come and go on the event loop, spectrograms are made in threads

    def admit(self, session_ids: Iterable[str]) -> None:
        """Let spectrograms of these sessions be kept from now on."""
        with self._lock:
            for session_id in session_ids:
                self._kept.setdefault(session_id, None)

    def window(self, request: DecodeRequest, filters: Float32, frames: int) -> Float32:
        """Return the spectrogram of the request's audio, float32[mels, frames], padded with silence.

        Args:
            request: with finite mono audio.
            filters: float32[mels, 201], as `IncrementalLogMel` takes them.
            frames: of 10 ms.
        """
        kept = self._utterance(request)
        with kept.lock:
            if kept.log_mel is None or kept.start_sample != request.start_sample:
                kept.start_sample = request.start_sample
                kept.log_mel = IncrementalLogMel(filters)
            kept.log_mel.extend(request.samples)
            return kept.log_mel.window(frames)

    def cut(self, request: DecodeRequest) -> Cut | None:
        """Return where the request's utterance was cut, or None."""
        return self._utterance(request).cut

    def keep_cut(self, request: DecodeRequest, cut: Cut) -> None:
        """Remember where the request's utterance is cut."""
        self._utterance(request).cut = cut

    def hypothesis(self, request: DecodeRequest) -> tuple[tuple[int, ...], ...]:
        """Return the tokens of each word of the utterance's last hypothesis; empty where there is none."""
        return self._utterance(request).hypothesis

    def keep_hypothesis(self, request: DecodeRequest, words: tuple[tuple[int, ...], ...]) -> None:
        """Remember the tokens of each word of the utterance."""
        self._utterance(request).hypothesis = words

    def drop(self, request: DecodeRequest) -> None:
        """Keep nothing of the request's utterance any longer: it has ended."""
        with self._lock:
            kept = self._kept.get(request.session_id)
            if kept is not None and kept.utterance_id == request.utterance_id:
                self._kept[request.session_id] = None

    def forget(self, session_id: str) -> None:
        """Keep nothing of the session any longer: it has ended."""
        with self._lock:
            self._kept.pop(session_id, None)

    def _utterance(self, request: DecodeRequest) -> _Kept:
        with self._lock:
            kept = self._kept.get(request.session_id)
            if kept is None or kept.utterance_id != request.utterance_id:
                kept = _Kept(request.utterance_id)
                if request.session_id in self._kept:  # else it was forgotten meanwhile
                    self._kept[request.session_id] = kept
            return kept
