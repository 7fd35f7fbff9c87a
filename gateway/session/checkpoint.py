"""Computes from its journal where a session continues after its gateway has stopped. PURE."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.wire import Ack, AudioFormat, CueEvent, Final, SessionEvent, SpeechEnded
from gateway.wire.cue import Cue, CueState
from vad.audio import SAMPLE_RATE_HZ, s_to_samples
from vad.events import EndReason
from vad.stream_origin import BEGINNING, GRID_SAMPLES, StreamOrigin, warm_up_start

__all__ = ["FRESH", "Checkpoint", "checkpoint_of"]

ONSET_S = 2.5
"""Audio at the end of the processed span that may still begin an utterance; padding and onset are shorter than that for
all options that clients choose in practice."""

STEP = 1_000
"""Step from the last journaled sequence number and revision to the first new ones: later ones may have been sent before
they were journaled, and none may be used twice."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a session begins or continues.

    Attributes:
        first_seq: number of the next event.
        origin: of its audio.
        gap: span of lost audio that the client cannot send again, in samples at 16 kHz; None: no audio was lost.
        cue_end_sample: end of the last final cue, at 16 kHz; None: no final cue.
        revision: that the requests of the open utterance are numbered after.
        paid_sample: audio before it, at 16 kHz, was charged before the gateway stopped.
    """

    first_seq: int = 1
    origin: StreamOrigin = BEGINNING
    gap: tuple[int, int] | None = None
    cue_end_sample: int | None = None
    revision: int = 0
    paid_sample: int = 0

    def revision_of(self, utterance_id: int) -> int:
        """Return the revision that the requests of an utterance are numbered after."""
        return self.revision if utterance_id == self.origin.utterances else 0


FRESH = Checkpoint()
"""Where a new session begins."""


def checkpoint_of(events: Iterable[SessionEvent], audio: AudioFormat, held_sample: int) -> Checkpoint:
    """Return where a session of one channel continues.

    Audio with a final is settled, and so is silence before the `processed_samples` of the last ack; the open utterance
    is decoded again.

    Args:
        events: of the session, in order, without superseded ones.
        audio: format of the client's audio.
        held_sample: first sample frame, at the client's rate, that the client can still send.
    """
    seq = utterances = final_end = processed = received = 0
    split_at: set[int] = set()
    cues: list[Cue] = []
    for event in events:
        seq = max(seq, event.seq)
        match event:
            case Final(utterance_id=utterance_id, end_sample=end_sample):
                utterances, final_end = utterance_id + 1, end_sample
            case SpeechEnded(end_sample=end_sample, reason=EndReason.MAX_LENGTH):
                split_at.add(end_sample)
            case Ack(received_samples=received_samples, processed_samples=processed_samples):
                received = received_samples * SAMPLE_RATE_HZ // audio.sample_rate_hz
                processed = processed_samples * SAMPLE_RATE_HZ // audio.sample_rate_hz
            case CueEvent():
                cues.append(event.cue)
            case _:
                pass
    settled = max(final_end, processed - s_to_samples(ONSET_S))
    # An utterance without a final may have final cues: the gateway may have been killed between the two, and version
    # 0.1 sent final cues earlier. The whole utterance is decoded again, so these cues do not count.
    revision = max((cue.revision for cue in cues if cue.utterance_id >= utterances), default=0)
    settled_cues = (cue for cue in cues if cue.utterance_id < utterances and cue.state is CueState.FINAL)
    cue_end_sample = max((cue.end_sample for cue in settled_cues), default=None)
    first = _first_sample(settled, -(-held_sample * SAMPLE_RATE_HZ // audio.sample_rate_hz))
    gap = (settled, first) if first > settled else None
    origin = StreamOrigin(first, max(first, settled), utterances, is_split=gap is None and settled in split_at)
    return Checkpoint(seq + STEP, origin, gap, cue_end_sample, revision + STEP, received)


def _first_sample(settled: int, held: int) -> int:
    """Return where the audio continues: a warm-up before the settled span, on the grid, if the client holds it."""
    wanted = warm_up_start(settled)
    on_grid = max(wanted, -(-held // GRID_SAMPLES) * GRID_SAMPLES)
    return on_grid if on_grid <= settled else max(held, wanted)
