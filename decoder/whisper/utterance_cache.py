"""Cache the state of the utterances in progress, one per session."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from decoder.features import IncrementalLogMel
from decoder.truncation import Cut
from decoder.types import DecodeRequest
from vad.audio import Float32

__all__ = ["UtteranceStore"]


@dataclass(slots=True)
class _Cached:
    utterance_id: int
    cut: Cut | None = None
    hypothesis: tuple[tuple[int, ...], ...] = ()
    start_sample: int | None = None  # of the audio of the spectrogram
    log_mel: IncrementalLogMel | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)  # a cancelled decode may still use log_mel


class UtteranceStore:
    """Caches the state that requests of an utterance share: spectrogram, last hypothesis, and cut of a long one.

    A session's utterances come one after the other, so only the newest is cached: at most 30 s, some 3 MB with its
    audio, for each session that was admitted and not forgotten. Caching a spectrogram changes no answer.
    """

    def __init__(self) -> None:
        """Create an empty cache."""
        self._cached: dict[str, _Cached | None] = {}  # a key: the session is admitted
        self._lock = threading.Lock()  # sessions come and go on the event loop, spectrograms are computed in threads

    def admit(self, session_ids: Iterable[str]) -> None:
        """Enable caching for these sessions."""
        with self._lock:
            for session_id in session_ids:
                self._cached.setdefault(session_id, None)

    def window(self, request: DecodeRequest, filters: Float32, frames: int) -> Float32:
        """Return the spectrogram of the request's audio, float32[mels, frames], padded with silence.

        Args:
            request: with finite mono audio.
            filters: float32[mels, 201], as `IncrementalLogMel` takes them.
            frames: of 10 ms.
        """
        cached = self._utterance(request)
        with cached.lock:
            if cached.log_mel is None or cached.start_sample != request.start_sample:
                cached.start_sample = request.start_sample
                cached.log_mel = IncrementalLogMel(filters)
            cached.log_mel.extend(request.samples)
            return cached.log_mel.window(frames)

    def cut(self, request: DecodeRequest) -> Cut | None:
        """Return where the request's utterance was cut, or None."""
        return self._utterance(request).cut

    def keep_cut(self, request: DecodeRequest, cut: Cut) -> None:
        """Store where the request's utterance is cut."""
        self._utterance(request).cut = cut

    def hypothesis(self, request: DecodeRequest) -> tuple[tuple[int, ...], ...]:
        """Return the tokens of each word of the utterance's last hypothesis; empty if there is none."""
        return self._utterance(request).hypothesis

    def keep_hypothesis(self, request: DecodeRequest, words: tuple[tuple[int, ...], ...]) -> None:
        """Store the tokens of each word of the utterance."""
        self._utterance(request).hypothesis = words

    def drop(self, request: DecodeRequest) -> None:
        """Drop the state of the request's utterance, which has ended."""
        with self._lock:
            cached = self._cached.get(request.session_id)
            if cached is not None and cached.utterance_id == request.utterance_id:
                self._cached[request.session_id] = None

    def forget(self, session_id: str) -> None:
        """Drop the state of the session, which has ended."""
        with self._lock:
            self._cached.pop(session_id, None)

    def _utterance(self, request: DecodeRequest) -> _Cached:
        with self._lock:
            cached = self._cached.get(request.session_id)
            if cached is None or cached.utterance_id != request.utterance_id:
                cached = _Cached(request.utterance_id)
                if request.session_id in self._cached:  # else it was forgotten meanwhile
                    self._cached[request.session_id] = cached
            return cached
