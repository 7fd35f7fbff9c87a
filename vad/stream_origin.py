"""Where on its time line a stream resumes. PURE."""

from dataclasses import dataclass

__all__ = ["BEGINNING", "GRID_SAMPLES", "RESET_INTERVAL_SAMPLES", "StreamOrigin", "warm_up_start"]

GRID_SAMPLES = 2_560
"""A stream resumes at a multiple of this, so that its windows keep their positions: whole windows of 512, whole frames
of WebRTC's 160, and whole sample frames at all common rates, including 11.025 and 44.1 kHz."""

RESET_INTERVAL_SAMPLES = 64 * GRID_SAMPLES
"""10.24 s. A detector's state is renewed so often; its answers depend on the current interval and the one before."""


@dataclass(frozen=True, slots=True)
class StreamOrigin:
    """Where a stream resumes, and what is known about the audio before. Samples at 16 kHz.

    Attributes:
        first_sample: of the audio that will be received.
        settled_sample: audio before it belongs to no new utterance; it only warms up the detector. Not before
            `first_sample`.
        utterances: number of utterances that have ended before.
        is_split: whether the last of them was split at `settled_sample`, so that the next begins exactly there.
    """

    first_sample: int = 0
    settled_sample: int = 0
    utterances: int = 0
    is_split: bool = False


BEGINNING = StreamOrigin()
"""The origin of a new stream."""


def warm_up_start(settled_sample: int) -> int:
    """Return where a detector must start so that from the settled sample on it answers as if it had received it all."""
    return max(0, settled_sample // RESET_INTERVAL_SAMPLES - 1) * RESET_INTERVAL_SAMPLES
