"""Acknowledges audio: how much has been received, and how much of that has its finals. PURE."""

from collections.abc import Callable

from gateway.wire import Ack, AudioFormat

__all__ = ["Acknowledgements"]


class Acknowledgements:
    """Builds the acks of one pipeline.

    Args:
        audio: format of the client's audio; acks count its sample frames.
        interval_s: audio between two acks.
        settled_sample: audio before it, at 16 kHz, was processed before the session was resumed.
        next_seq: numbers events.
    """

    def __init__(self, audio: AudioFormat, interval_s: float, settled_sample: int, next_seq: Callable[[], int]) -> None:
        self._audio = audio
        self._interval_frames = interval_s * audio.sample_rate_hz
        self._settled_frames = audio.sample_frames(settled_sample)
        self._next_seq = next_seq
        self._acked_frames = 0

    def is_due(self, received_frames: int) -> bool:
        """Return whether enough audio has been received since the last ack.

        Args:
            received_frames: sample frames received so far, at the client's rate.
        """
        return received_frames - self._acked_frames >= self._interval_frames

    def build(self, received_frames: int, answered_until: int | None) -> Ack:
        """Return the next ack.

        Args:
            received_frames: sample frames received so far, at the client's rate.
            answered_until: start of the oldest utterance without a final, at 16 kHz; None: no such utterance.
        """
        self._acked_frames = received_frames
        # audio that was settled before a resume stays settled while the detector receives it again
        received = max(received_frames, self._settled_frames)
        processed = received if answered_until is None else self._audio.sample_frames(answered_until)
        return Ack(self._next_seq(), received, min(received, processed))
