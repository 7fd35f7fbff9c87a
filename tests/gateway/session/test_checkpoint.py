"""The position where a session resumes, for any events, any cut, and any audio that the client still holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.replay_buffer import KEPT_S
from gateway.session.checkpoint import Checkpoint, checkpoint_of
from gateway.wire import (
    Ack,
    AudioFormat,
    CueEvent,
    Encoding,
    Final,
    Latency,
    Ready,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from gateway.wire.cue import Cue, CueState
from vad.audio import SAMPLE_RATE_HZ, s_to_samples
from vad.events import EndReason
from vad.stream_origin import GRID_SAMPLES, warm_up_start

RATES_HZ = (8_000, 11_025, 16_000, 44_100, 48_000)

ONSET_SAMPLES = s_to_samples(0.4)
"""From the first sample of an utterance to when it is known to have begun: padding and onset."""

ENDPOINT_SAMPLES = s_to_samples(0.5)

# Sessions are large, and a busy machine is no failure.
always = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True, slots=True)
class Spoken:
    """An utterance, and how long after its end its final came."""

    start_sample: int
    end_sample: int
    reason: EndReason
    late_samples: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A session that broke off: all that would have been spoken, and what the journal has."""

    audio: AudioFormat
    spoken: tuple[Spoken, ...]
    events: tuple[SessionEvent, ...]
    held_sample: int

    @property
    def finals(self) -> int:
        return sum(isinstance(event, Final) for event in self.events)

    @property
    def answered_sample(self) -> int:
        return self.spoken[self.finals - 1].end_sample if self.finals else 0

    @property
    def held(self) -> int:
        """The same at 16 kHz, rounded up."""
        return -(-self.held_sample * SAMPLE_RATE_HZ // self.audio.sample_rate_hz)

    @property
    def cues(self) -> list[Cue]:
        return [event.cue for event in self.events if isinstance(event, CueEvent)]

    def checkpoint(self) -> Checkpoint:
        return checkpoint_of(self.events, self.audio, self.held_sample)


@st.composite
def spoken(draw: st.DrawFn) -> tuple[Spoken, ...]:
    """Utterances one after the other; one that is split is followed at once, and so never the last."""
    utterances: list[Spoken] = []
    for left in reversed(range(draw(st.integers(0, 8)))):
        before = utterances[-1] if utterances else None
        follows = before is not None and before.reason is EndReason.MAX_LENGTH
        silence = 0 if follows else draw(st.integers(ENDPOINT_SAMPLES, 40 * SAMPLE_RATE_HZ))
        start = (before.end_sample if before else 0) + silence
        length = draw(st.integers(ONSET_SAMPLES, 30 * SAMPLE_RATE_HZ))
        late = draw(st.integers(0, 4 * SAMPLE_RATE_HZ))
        reasons = list(EndReason) if left else [EndReason.SILENCE, EndReason.FLUSH]
        utterances.append(Spoken(start, start + length, draw(st.sampled_from(reasons)), late))
    return tuple(utterances)


def emitted(utterances: Sequence[Spoken], audio: AudioFormat) -> list[SessionEvent]:
    """Return what a gateway says of them, with an ack each second."""
    happenings: list[tuple[int, int, int, str]] = []
    final_at = 0
    for number, one in enumerate(utterances):
        known_at = one.end_sample + (ENDPOINT_SAMPLES if one.reason is EndReason.SILENCE else 0)
        begun_at = one.start_sample + ONSET_SAMPLES
        cue_at = max(begun_at, final_at)  # utterances are emitted one after the other
        final_at = max(final_at, known_at + one.late_samples)
        happenings += [(begun_at, number, 0, "start"), (cue_at, number, 1, "cue")]
        happenings += [(known_at, number, 2, "end"), (final_at, number, 3, "final")]
    end = max((at for at, *_ in happenings), default=0) + 5 * SAMPLE_RATE_HZ
    happenings += [(at, len(utterances), 0, "ack") for at in range(SAMPLE_RATE_HZ, end, SAMPLE_RATE_HZ)]
    seq, open_ones = count(2), list[int]()
    events: list[SessionEvent] = [Ready(1, "s", "scripted", "script", "none", None)]
    for at, number, _, what in sorted(happenings):
        if what == "ack":
            processed = utterances[open_ones[0]].start_sample if open_ones else at
            events.append(Ack(next(seq), audio.sample_frames(at), audio.sample_frames(min(at, processed))))
            continue
        one = utterances[number]
        if what == "start":
            open_ones.append(number)
            events.append(SpeechStarted(next(seq), number, one.start_sample))
        elif what == "end":
            events.append(SpeechEnded(next(seq), number, one.start_sample, one.end_sample, one.reason))
        elif what == "cue":
            events += [_cue(next(seq), one, number, part) for part in range(2)]
        else:
            open_ones.remove(number)
            events.append(Final(next(seq), number, one.start_sample, one.end_sample, "a", None, Latency(0, 0, 0, 0)))
    return events


def _cue(seq: int, one: Spoken, number: int, part: int) -> CueEvent:
    """The first cue of an utterance is final before its final, as gateways of version 0.1 had it; the second is not."""
    middle = (one.start_sample + one.end_sample) // 2
    span = (one.start_sample, middle) if part == 0 else (middle, one.end_sample)
    state = CueState.FINAL if part == 0 else CueState.PARTIAL
    return CueEvent(seq, Cue(f"{number}.{part + 1}", number, 3 + part, *span, ("a",), 1, state))


@st.composite
def broken(draw: st.DrawFn) -> Broken:
    """A session that breaks off after any event, with a client that holds as much as it should, or any less."""
    audio = AudioFormat(Encoding.PCM_S16LE, draw(st.sampled_from(RATES_HZ)), 1)
    utterances = draw(spoken())
    events = emitted(utterances, audio)
    events = events[: draw(st.integers(1, len(events)))]
    acks = [event for event in events if isinstance(event, Ack)]
    processed, received = (acks[-1].processed_samples, acks[-1].received_samples) if acks else (0, 0)
    enough = max(0, processed - round(KEPT_S * audio.sample_rate_hz))
    held_sample = draw(st.one_of(st.just(0), st.just(enough), st.integers(enough, received)))
    return Broken(audio, utterances, tuple(events), held_sample)


@given(broken())
@always
def test_audio_with_a_final_is_not_replayed_and_audio_without_one_is(session: Broken) -> None:
    checkpoint = session.checkpoint()
    origin = checkpoint.origin
    assert origin.utterances == session.finals
    assert origin.settled_sample >= session.answered_sample
    skipped = [one for one in session.spoken[session.finals :] if one.start_sample < origin.settled_sample]
    assert not skipped or checkpoint.gap is not None


@given(broken())
@always
def test_audio_resumes_where_the_client_holds_it_and_a_gap_reports_the_rest(session: Broken) -> None:
    checkpoint = session.checkpoint()
    origin = checkpoint.origin
    assert origin.first_sample <= origin.settled_sample
    assert session.audio.sample_frames(origin.first_sample) >= session.held_sample
    if checkpoint.gap is None:
        return
    start, end = checkpoint.gap
    assert session.answered_sample <= start < end == origin.first_sample == origin.settled_sample
    assert end == session.held, "no more is given up than was lost"
    assert all(one.start_sample >= start for one in session.spoken[session.finals :])


@given(broken())
@always
def test_a_client_that_holds_what_it_should_loses_nothing(session: Broken) -> None:
    acks = [event.processed_samples for event in session.events if isinstance(event, Ack)]
    enough = max(0, (acks[-1] if acks else 0) - round(KEPT_S * session.audio.sample_rate_hz))
    checkpoint = checkpoint_of(session.events, session.audio, min(session.held_sample, enough))
    assert checkpoint.gap is None
    assert checkpoint.origin.first_sample == warm_up_start(checkpoint.origin.settled_sample)


@given(broken())
@always
def test_windows_lie_where_they_did_where_that_can_be(session: Broken) -> None:
    origin = session.checkpoint().origin
    on_grid = -(-session.held // GRID_SAMPLES) * GRID_SAMPLES
    if on_grid <= origin.settled_sample:
        assert origin.first_sample % GRID_SAMPLES == 0


@given(broken())
@always
def test_no_number_comes_twice(session: Broken) -> None:
    checkpoint = session.checkpoint()
    assert checkpoint.first_seq > max(event.seq for event in session.events)
    for cue in session.cues:
        if cue.utterance_id >= session.finals:
            assert checkpoint.revision_of(cue.utterance_id) > cue.revision or cue.utterance_id > session.finals
    assert checkpoint.revision_of(session.finals + 1) == 0


@given(broken())
@always
def test_cues_go_on_after_those_of_the_last_final(session: Broken) -> None:
    answered = [cue for cue in session.cues if cue.state is CueState.FINAL and cue.utterance_id < session.finals]
    assert session.checkpoint().cue_end_sample == max((cue.end_sample for cue in answered), default=None)


@given(broken())
@always
def test_the_rest_of_a_split_utterance_begins_where_it_was_split(session: Broken) -> None:
    checkpoint = session.checkpoint()
    last = session.spoken[session.finals - 1] if session.finals else None
    was_split = last is not None and last.reason is EndReason.MAX_LENGTH
    assert checkpoint.origin.is_split == (was_split and checkpoint.gap is None)
    if checkpoint.origin.is_split:
        assert checkpoint.origin.settled_sample == session.answered_sample
