"""Where on its time line a stream is taken up again. PURE."""

from dataclasses import dataclass

__all__ = ["BEGINNING", "ERA_SAMPLES", "GRID_SAMPLES", "StreamOrigin", "warm_up_start"]

GRID_SAMPLES = 2_560
"""A stream is taken up at a multiple of this, so that its windows lie where they did: whole windows of 512, whole
frames of WebRTC's 160, and whole sample frames at all usual rates, 11.025 and 44.1 kHz among them."""

ERA_SAMPLES = 64 * GRID_SAMPLES
"""10.24 s. What a detector answers depends on the era it is in and the one before."""


@dataclass(frozen=True, slots=True)
class StreamOrigin:
    """Where a stream is taken up, and what is known of what came before. Samples at 16 kHz.

    Attributes:
        first_sample: of the sound that is heard now.
        settled_sample: nothing before it becomes an utterance any more; sound before it is for the detector alone,
            whose answers need some sound to settle. Not before `first_sample`.
        utterances: how many have ended before.
        is_split: whether the last of them was split at `settled_sample`, so that the next begins right there.
    """

    first_sample: int = 0
    settled_sample: int = 0
    utterances: int = 0
    is_split: bool = False


BEGINNING = StreamOrigin()
"""Where a new stream begins."""


def warm_up_start(settled_sample: int) -> int:
    """Return from where a detector has to hear to answer from the settled sample on as if it had heard everything."""
    return max(0, settled_sample // ERA_SAMPLES - 1) * ERA_SAMPLES
