"""Where a session is taken up again after its gateway was gone, as far as its journal tells. PURE."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.wire import Ack, AudioFormat, CueEvent, Final, SessionEvent, SpeechEnded
from gateway.wire.cue import Cue, CueState
from vad.audio import SAMPLE_RATE_HZ, s_to_samples
from vad.events import EndReason
from vad.stream_origin import BEGINNING, GRID_SAMPLES, StreamOrigin, warm_up_start

__all__ = ["FRESH", "Checkpoint", "checkpoint_of"]

ONSET_S = 2.5
"""Sound at the end of what is processed that may still begin an utterance: padding and onset together take less, as far
as clients choose them."""

STEP = 1_000
"""Numbers of events, and revisions of the open utterance, go on so far beyond those written down: some may have been
told and not been written yet, and a number must never come twice."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a session begins, or goes on.

    Attributes:
        first_seq: number of the next event.
        origin: of its sound.
        gap: span of sound that was never heard and cannot be sent again, in samples at 16 kHz, or None.
        cue_end_sample: end of the last final cue, at 16 kHz; None: there is none.
        revision: of the first request for the utterance that was open.
        paid_sample: sound before it has been paid for, at 16 kHz; it is heard again because the gateway was gone.
    """

    first_seq: int = 1
    origin: StreamOrigin = BEGINNING
    gap: tuple[int, int] | None = None
    cue_end_sample: int | None = None
    revision: int = 0
    paid_sample: int = 0

    def revision_of(self, utterance_id: int) -> int:
        """Return the number that the revisions of an utterance begin after."""
        return self.revision if utterance_id == self.origin.utterances else 0


FRESH = Checkpoint()
"""Where a new session begins."""


def checkpoint_of(events: Iterable[SessionEvent], audio: AudioFormat, held_sample: int) -> Checkpoint:
    """Return where a session of one channel goes on.

    What has a final is settled, and silence that an ack calls processed; the utterance that was open is heard anew.

    Args:
        events: of the session, superseded ones left out, in order.
        audio: format of its sound.
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
    # An utterance without a final may have final cues: a crash may come between the two, and gateways of version 0.1
    # sent such cues sooner. It is decoded again as a whole, so they do not count.
    revision = max((cue.revision for cue in cues if cue.utterance_id >= utterances), default=0)
    settled_cues = (cue for cue in cues if cue.utterance_id < utterances and cue.state is CueState.FINAL)
    cue_end_sample = max((cue.end_sample for cue in settled_cues), default=None)
    first = _first_sample(settled, -(-held_sample * SAMPLE_RATE_HZ // audio.sample_rate_hz))
    gap = (settled, first) if first > settled else None
    origin = StreamOrigin(first, max(first, settled), utterances, is_split=gap is None and settled in split_at)
    return Checkpoint(seq + STEP, origin, gap, cue_end_sample, revision + STEP, received)


def _first_sample(settled: int, held: int) -> int:
    """Return where sound is taken up: a warm-up before what is settled, on the grid, as far as the client holds it."""
    wanted = warm_up_start(settled)
    on_grid = max(wanted, -(-held // GRID_SAMPLES) * GRID_SAMPLES)
    return on_grid if on_grid <= settled else max(held, wanted)
