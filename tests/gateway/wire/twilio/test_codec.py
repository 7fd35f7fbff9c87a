"""Messages of telephone services as events: variants of fields, reordered frames, and gaps."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire import (
    Audio,
    AudioFormat,
    ClientEvent,
    DialectMessage,
    Encoding,
    Error,
    KeepAlive,
    ProtocolError,
    Start,
    Stop,
)
from gateway.wire.twilio.codec import HANG_UP, TwilioCodec
from gateway.wire.twilio.jitter_buffer import MAX_GAP_MS, WINDOW_FRAMES, FrameOutcome
from gateway.wire.twilio.messages import MAX_TRACKS
from tests.audio import tone
from tests.calls import SERVICES, CallFrame, frames_of, g711, media_of, start_of, stop_of
from tests.wire_events import JSON_VALUES
from vad.audio import PcmDecoder

FRAME_BYTES, FRAME_MS = 160, 20
SILENCE = b"\xff"

every_service = pytest.mark.parametrize("service", SERVICES)


def counted(frames: int) -> list[CallFrame]:
    """Return Twilio's frames, each of a audio of its own."""
    return frames_of(b"".join(bytes([n + 1]) * FRAME_BYTES for n in range(frames)), FRAME_BYTES, FRAME_MS)


def audio_of(events: Sequence[ClientEvent], channel: int = 0) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Audio) and event.channel == channel)


def called(frames: Sequence[CallFrame], tracks: Sequence[str] = ("inbound",)) -> tuple[TwilioCodec, list[ClientEvent]]:
    """Return the codec after a call of these frames, and what came of them."""
    codec = TwilioCodec()
    codec.receive(start_of("twilio", tracks))
    events = [event for frame in frames for event in codec.receive(media_of("twilio", frame))]
    return codec, events + codec.receive(stop_of("twilio"))


def outcomes(codec: TwilioCodec) -> dict[FrameOutcome, int]:
    assert codec.jitter_buffer is not None
    return dict(codec.jitter_buffer.outcomes)


def refusal(message: object, codec: TwilioCodec | None = None) -> ProtocolError:
    with pytest.raises(ProtocolError) as refused:
        (codec or TwilioCodec()).receive(message if isinstance(message, str | bytes) else json.dumps(message))
    return refused.value


# --- four services, one parser -----------------------------------------------------------------------------------


@every_service
def test_a_call_of_each_service_is_its_audio(service: str) -> None:
    spoken = SERVICES[service]
    audio = bytes(range(1, 201)) * 100
    size = len(spoken.encode(np.zeros(spoken.rate_hz * spoken.frame_ms // 1_000, np.float32)))
    codec = TwilioCodec()
    (start,) = codec.receive(start_of(service, language="en-GB", prompt="Ada"))
    frames = frames_of(audio, size, spoken.frame_ms)
    events = [event for frame in frames for event in codec.receive(media_of(service, frame))]
    events += codec.receive(stop_of(service))
    assert isinstance(start, Start)
    assert start.audio.sample_rate_hz == spoken.rate_hz
    assert (start.language, start.is_lenient, start.prompt) == ("en-GB", True, "Ada")
    assert audio_of(events) == audio
    assert isinstance(events[-1], Stop)
    assert codec.about()["call_id"] == "CA1"
    assert codec.about()["stream_id"] == "MZ1"


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ({}, AudioFormat(Encoding.PCM_MULAW, 8_000)),
        ({"encoding": "audio/x-mulaw;rate=8000"}, AudioFormat(Encoding.PCM_MULAW, 8_000)),
        ({"encoding": "PCMA", "sample_rate": 8000, "channels": 1}, AudioFormat(Encoding.PCM_ALAW, 8_000)),
        ({"encoding": "L16", "sample_rate": 16000}, AudioFormat(Encoding.PCM_S16LE, 16_000)),
        ({"encoding": "audio/L16;rate=16000"}, AudioFormat(Encoding.PCM_S16LE, 16_000)),
        ({"encoding": "audio/x-l16", "sample_rate": "16kHz"}, AudioFormat(Encoding.PCM_S16LE, 16_000)),
        ({"encoding": "base64", "sample_rate": "24000"}, AudioFormat(Encoding.PCM_S16LE, 24_000)),
    ],
)
def test_a_format_is_understood_however_it_is_spelt(described: object, expected: AudioFormat) -> None:
    (start,) = TwilioCodec().receive(json.dumps({"event": "start", "start": {"media_format": described}}))
    assert isinstance(start, Start)
    assert start.audio == expected


@pytest.mark.parametrize(
    ("described", "field"),
    [
        ({"encoding": "OPUS"}, "start.mediaFormat.encoding"),
        ({"encoding": "x" * 100_000}, "start.mediaFormat.encoding"),
        ({"encoding": "PCMU", "sample_rate": 4000}, "start.mediaFormat"),
        ({"encoding": "PCMU", "channels": 9}, "start.mediaFormat"),
    ],
)
def test_a_format_that_is_not_received_is_refused_in_short(described: object, field: str) -> None:
    error = refusal({"event": "start", "start": {"media_format": described}})
    assert error.field == field
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    "text", ["language=de;profile=live", "{language: de, profile: live}", "language=de,profile=live"]
)
def test_plivos_extra_headers_are_parameters(text: str) -> None:
    (start,) = TwilioCodec().receive(json.dumps({"event": "start", "start": {}, "extra_headers": text}))
    assert isinstance(start, Start)
    assert (start.language, start.cue_profile) == ("de", "live")


def test_other_messages_of_a_service_change_nothing() -> None:
    codec = TwilioCodec()
    assert codec.receive('{"event":"connected","protocol":"Call","version":"1.0.0"}') == []
    codec.receive(start_of("twilio"))
    for event in ("dtmf", "mark", "clear", "clearedAudio", "something new"):
        assert codec.receive(json.dumps({"event": event, "sequenceNumber": "2"})) == [KeepAlive()]


def test_messages_after_the_stop_are_skipped() -> None:
    codec, _ = called(counted(3))
    assert codec.receive(media_of("twilio", counted(5)[4])) == []
    assert codec.receive(HANG_UP) == []


def test_nothing_of_a_session_is_sent_to_the_service() -> None:
    codec, _ = called(counted(1))
    assert codec.send(Error(1, "lagging", "too slow", fatal=True)) == []
    assert codec.send(DialectMessage("x")) == ["x"]


def test_hints_that_cannot_be_met_are_left_out_and_named() -> None:
    (start,) = TwilioCodec().receive(start_of("twilio", prompt="x" * 1_001, profile="cinema", language="Klingon"))
    assert isinstance(start, Start)
    assert (start.prompt, start.cue_profile, start.is_lenient) == ("x" * 1_000, "cinema", True)
    assert ["1001 characters" in each for each in start.ignored] == [True]


def test_a_parameter_that_is_nearly_right_is_named() -> None:
    (start,) = TwilioCodec().receive(start_of("twilio", Language="en", agent="7"))
    assert isinstance(start, Start)
    assert start.ignored == ("unknown parameter Language: did you mean language?",)


@pytest.mark.parametrize(
    "message",
    [
        b"\0",
        "nonsense",
        "[]",
        "{}",
        {"event": 1},
        {"event": "media", "media": {"payload": "AAAA"}},
        {"event": "stop"},
        {"event": "start", "start": {"tracks": ["inbound"] * (MAX_TRACKS + 1)}},
    ],
)
def test_a_bad_first_message_is_refused(message: object) -> None:
    assert len(str(refusal(message))) < 300


@pytest.mark.parametrize(
    ("media", "field"),
    [
        ({}, "media.payload"),
        ({"payload": 1}, "media.payload"),
        ({"payload": "not base64!"}, "media.payload"),
        ({"payload": "µµµµ"}, "media.payload"),
        ({"payload": "AAAA", "track": "sideways"}, "media.track"),
    ],
)
def test_a_bad_frame_is_refused_and_the_next_is_received(media: object, field: str) -> None:
    codec = TwilioCodec()
    codec.receive(start_of("twilio"))
    assert refusal({"event": "media", "media": media}, codec).field == field
    assert audio_of(codec.receive(media_of("twilio", counted(1)[0]))) == counted(1)[0].data


def test_a_second_start_is_refused() -> None:
    codec, _ = TwilioCodec(), None
    codec.receive(start_of("twilio"))
    assert "second start" in str(refusal(start_of("twilio"), codec))


# --- frames out of order -----------------------------------------------------------------------------------------


def test_frames_in_order_are_received_at_once() -> None:
    codec = TwilioCodec()
    codec.receive(start_of("twilio"))
    for frame in counted(10):
        assert codec.receive(media_of("twilio", frame)) == [Audio(frame.data)]


@settings(max_examples=50)
@given(data=st.data())
def test_frames_that_overtake_each_other_are_put_right(data: st.DataObject) -> None:
    frames = counted(20)
    late_by = data.draw(st.lists(st.integers(0, WINDOW_FRAMES), min_size=20, max_size=20))
    arriving = [frames[n] for n in sorted(range(20), key=lambda n: (n + late_by[n], n))]
    codec, events = called(arriving)
    assert audio_of(events) == b"".join(frame.data for frame in frames)
    assert outcomes(codec)[FrameOutcome.RELEASED] == 20


def test_frames_in_reverse_are_put_right_and_counted() -> None:
    frames = counted(4)
    codec, events = called([frames[0], *reversed(frames[1:])])
    assert audio_of(events) == b"".join(frame.data for frame in frames)
    assert outcomes(codec) == {FrameOutcome.RELEASED: 4, FrameOutcome.REORDERED: 2}


def test_repeated_frames_are_received_once() -> None:
    frames = counted(10)
    codec, events = called([*frames[:5], frames[2], frames[4], *frames[5:], frames[9]])
    assert audio_of(events) == b"".join(frame.data for frame in frames)
    assert outcomes(codec)[FrameOutcome.DROPPED] == 3


def test_a_frame_that_comes_after_silence_took_its_place_is_dropped() -> None:
    frames = counted(30)
    codec, events = called([*frames[:5], *frames[8:20], *frames[5:8], *frames[20:]])
    lost = SILENCE * 3 * FRAME_BYTES
    assert audio_of(events) == b"".join(f.data for f in frames[:5]) + lost + b"".join(f.data for f in frames[8:])
    assert outcomes(codec)[FrameOutcome.DROPPED] == 3


def test_repeated_frames_are_received_once_even_where_one_was_lost_and_not_made_up_for() -> None:
    frames = counted(30)
    arriving = [twice for frame in [*frames[:5], *frames[6:]] for twice in (frame, frame)]
    _, events = called(arriving)
    assert audio_of(events) == b"".join(frame.data for frame in [*frames[:5], *frames[6:]])


def test_meaningless_numbers_lose_nothing() -> None:
    frames = [replace(frame, number=7) for frame in counted(20)]
    _, events = called(frames)
    assert audio_of(events) == b"".join(frame.data for frame in frames)


def test_a_service_that_restarts_its_count_is_still_received() -> None:
    frames = counted(100)
    restarted = [replace(frame, timestamp_ms=2_000 + frame.timestamp_ms) for frame in counted(10)]
    _, events = called([*frames, *restarted])
    assert audio_of(events) == b"".join(frame.data for frame in [*frames, *restarted])


def test_frames_without_numbers_and_times_are_received_as_they_come() -> None:
    codec = TwilioCodec()
    codec.receive(start_of("twilio"))
    frames = counted(3)
    for frame in frames:
        media = {"payload": json.loads(media_of("twilio", frame))["media"]["payload"], "chunk": "x", "timestamp": None}
        assert codec.receive(json.dumps({"event": "media", "media": media})) == [Audio(frame.data)]


# --- gaps ----------------------------------------------------------------------------------------------------------


def after_gap(frames: list[CallFrame], gap_ms: int) -> list[CallFrame]:
    return [replace(frame, timestamp_ms=frame.timestamp_ms + gap_ms) for frame in frames]


@pytest.mark.parametrize("encoding", ["PCMU", "PCMA", "L16"])
def test_a_gap_is_silence_of_the_length_of_the_clock(encoding: str) -> None:
    codec = TwilioCodec()
    start = {"tracks": ["inbound"], "media_format": {"encoding": encoding, "sample_rate": 8000}}
    (begun,) = codec.receive(json.dumps({"event": "start", "start": start}))
    assert isinstance(begun, Start)
    size = 160 * begun.audio.bytes_per_sample_frame
    frames = frames_of(b"\x80" * size * 2, size, 20)
    events = [e for f in [frames[0], *after_gap(frames[1:], 2_000)] for e in codec.receive(media_of("twilio", f))]
    silence = audio_of(events)[size:-size]
    assert len(silence) == 2 * 8_000 * begun.audio.bytes_per_sample_frame
    received = PcmDecoder(replace(begun.audio, sample_rate_hz=16_000)).push(silence).samples
    assert np.max(np.abs(received)) < 0.001


def test_a_call_that_begins_late_on_the_services_clock_begins_with_silence() -> None:
    _, events = called(after_gap(counted(2), 100))
    assert audio_of(events) == SILENCE * 800 + b"".join(frame.data for frame in counted(2))


def test_an_unsteady_clock_makes_no_silence() -> None:
    unsteady = [replace(f, timestamp_ms=f.timestamp_ms + 15 * (f.number % 3)) for f in counted(50)]
    _, events = called(unsteady)
    assert audio_of(events) == b"".join(frame.data for frame in unsteady)


def test_a_clock_that_jumps_far_counts_as_reset() -> None:
    frames = counted(20)
    far = MAX_GAP_MS + 1_000
    late = after_gap(frames[10:], far)
    codec, events = called([*frames[:10], *late])
    assert audio_of(events) == b"".join(frame.data for frame in frames)
    assert codec.jitter_buffer is not None
    assert codec.jitter_buffer.filled_ms == 0


def test_a_clock_that_goes_back_counts_as_reset() -> None:
    frames = counted(200)
    back = [replace(frame, timestamp_ms=frame.timestamp_ms - 2_000) for frame in frames[100:]]
    gap = after_gap(back[50:], 500)
    _, events = called([*frames[:100], *back[:50], *gap])
    assert len(audio_of(events)) == 200 * FRAME_BYTES + 4_000


def test_long_silence_is_inserted_in_small_pieces() -> None:
    frames = counted(2)
    _, events = called([frames[0], *after_gap(frames[1:], 59_000)])
    assert max(len(event.data) for event in events if isinstance(event, Audio)) <= 8_000
    assert len(audio_of(events)) == 59 * 8_000 + 2 * FRAME_BYTES


# --- tracks ----------------------------------------------------------------------------------------------------------


def test_two_tracks_are_two_channels_on_one_clock() -> None:
    inbound = counted(100)
    outbound = [replace(frame, track="outbound", timestamp_ms=frame.timestamp_ms + 1_000) for frame in counted(50)]
    both = sorted([*inbound, *outbound], key=lambda frame: frame.timestamp_ms)
    _, events = called(both, ("inbound", "outbound"))
    assert audio_of(events, 0) == b"".join(frame.data for frame in inbound)
    assert audio_of(events, 1) == SILENCE * 8_000 + b"".join(frame.data for frame in outbound)


def test_a_track_that_comes_very_late_is_put_where_the_other_one_is() -> None:
    frames = frames_of(b"\1" * 8 * 100_000, 8_000, 1_000)
    late = replace(frames[99], track="outbound", number=1)
    _, events = called([*frames, late], ("inbound", "outbound"))
    assert len(audio_of(events, 1)) == 100 * 8_000


def test_tracks_that_are_not_announced_may_both_come() -> None:
    codec = TwilioCodec()
    (start,) = codec.receive(start_of("telnyx"))
    assert isinstance(start, Start)
    assert start.channels == 2
    frame = replace(counted(1)[0], track="outbound")
    assert codec.receive(media_of("telnyx", frame)) == [Audio(frame.data, 1)]


# --- whatever comes ------------------------------------------------------------------------------------------------


_MEDIA = st.fixed_dictionaries(
    {"payload": st.sampled_from(["", "AAAA", "/////w=="]) | st.text(max_size=8)},
    optional={
        "track": st.sampled_from(["inbound", "outbound", "inbound_track"]) | JSON_VALUES,
        "chunk": st.integers(0, 40).map(str) | st.integers() | JSON_VALUES,
        "timestamp": st.integers(0, 1_000).map(str) | st.integers() | JSON_VALUES,
    },
)


@settings(max_examples=200)
@given(medias=st.lists(_MEDIA, max_size=30), format_=JSON_VALUES, tracks=JSON_VALUES)
def test_any_frames_are_received_or_refused_and_at_most_a_window_is_buffered(
    medias: list[object], format_: object, tracks: object
) -> None:
    codec = TwilioCodec()
    start = {"tracks": tracks, "mediaFormat": format_, "customParameters": tracks}
    messages = [{"event": "start", "start": start}, *({"event": "media", "media": media} for media in medias)]
    taken = received = 0
    for message in messages:
        try:
            events = codec.receive(json.dumps(message))
        except ProtocolError:
            continue
        taken += 1
        received += len([event for event in events if isinstance(event, Audio) and event.data])
        assert sum(len(event.data) for event in events if isinstance(event, Audio)) < 61 * 48_000 * 8
    if codec.jitter_buffer is not None:
        went = codec.jitter_buffer.outcomes
        waiting = taken - 1 - went[FrameOutcome.RELEASED] - went[FrameOutcome.DROPPED]
        assert 0 <= waiting <= WINDOW_FRAMES * len(codec.jitter_buffer.tracks)


def test_the_generator_writes_what_the_decoder_reads() -> None:
    audio = tone(0.1)
    received = PcmDecoder(AudioFormat(Encoding.PCM_MULAW, 16_000)).push(g711(audio)).samples
    assert np.max(np.abs(received - audio)) < 0.02


def test_nothing_is_known_of_a_call_before_it_begins() -> None:
    assert TwilioCodec().about() == {}
    assert TwilioCodec().call is None


def test_a_repeated_number_without_a_time_is_a_repeated_frame() -> None:
    codec = TwilioCodec()
    codec.receive(start_of("twilio"))
    media = {"event": "media", "media": {"track": "inbound", "chunk": "1", "payload": "/////w=="}}

    (first,) = codec.receive(json.dumps(media))
    assert first == Audio(b"\xff" * 4)
    assert codec.receive(json.dumps(media)) == []
    assert outcomes(codec)[FrameOutcome.DROPPED] == 1
