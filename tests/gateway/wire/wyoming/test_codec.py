"""Wyoming's frames and codec, without a socket."""

import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import (
    Audio,
    ClientEvent,
    DialectMessage,
    DialectReply,
    Error,
    Final,
    Finished,
    Latency,
    ProtocolError,
    ServerEvent,
    Start,
    Stop,
    Update,
)
from gateway.wire.wyoming.codec import WyomingCodec
from gateway.wire.wyoming.framing import MAX_LINE_BYTES, MAX_PAYLOAD_BYTES, Framer, frame_type, parse_frame
from tests.wire_events import JSON_VALUES
from vad.audio import Float32, PcmDecoder

PCM_16K = {"rate": 16_000, "width": 2, "channels": 1}


def frame(kind: str, data: object = None, payload: bytes = b"", *, inline: bool = False) -> bytes:
    body = b"" if data is None or inline else json.dumps(data).encode()
    header = {"type": kind, "data_length": len(body), "payload_length": len(payload)}
    return json.dumps({**header, "data": data} if inline else header).encode() + b"\n" + body + payload


def frames_of(stream: Sequence[bytes]) -> list[bytes]:
    framer = Framer()
    frames: list[bytes] = []
    for piece in stream:
        framer.push(piece)
        while (found := framer.pop()) is not None:
            frames.append(found)
    return frames


def replies(*events: ServerEvent, codec: WyomingCodec | None = None) -> list[tuple[str, dict[str, object]]]:
    """Return types and data of the frames that events are written as."""
    codec = codec or WyomingCodec()
    messages = [message for event in events for message in codec.send(event)]
    sent = []
    for message in messages:
        assert isinstance(message, bytes)
        header, _, body = message.partition(b"\n")
        sent.append((json.loads(header)["type"], json.loads(body) if body else {}))
    return sent


def final(text: str, error: str | None = None) -> Final:
    return Final(1, 0, 0, 16_000, text, "en", Latency(0, 0, 0, 0), error=error)


def received(events: Sequence[ClientEvent]) -> Float32:
    """Return the audio of what a codec gave, decoded as it says."""
    start = next(event for event in events if isinstance(event, Start))
    decoder = PcmDecoder(start.audio)
    audio = [decoder.push(event.data).samples for event in events if isinstance(event, Audio)]
    return np.concatenate([*audio, decoder.finish().samples])


# --- frames ----------------------------------------------------------------------------------------------------------


@given(cuts=st.lists(st.integers(0, 400), max_size=20))
def test_frames_are_the_same_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    frames = [
        frame("describe"),
        frame("audio-chunk", PCM_16K, b"\n\0\n{}"),
        frame("ping", {"text": "a\nb"}, inline=True),
        frame("audio-stop", {"timestamp": None}),
    ]
    stream = b"".join(frames)
    places = sorted({0, *(min(cut, len(stream)) for cut in cuts), len(stream)})
    assert frames_of([stream[a:b] for a, b in pairwise(places)]) == frames


@given(pieces=st.lists(st.binary(max_size=60) | st.sampled_from([b"\n", b'{"type":"a"}\n', frame("b", {}, b"c")])))
def test_any_bytes_are_frames_or_refused(pieces: list[bytes]) -> None:
    framer, codec = Framer(), WyomingCodec()
    with suppress(ProtocolError):
        for piece in pieces:
            framer.push(piece)
            while (found := framer.pop()) is not None:
                codec.receive(found)


@pytest.mark.parametrize(
    "stream",
    [
        b"x" * MAX_LINE_BYTES,
        b"\n",
        b"[]\n",
        b"\xff\n",
        b"[" * 60_000 + b"\n",
        b'{"type":1}\n',
        b'{"type":"a","data":[]}\n',
        b'{"type":"a","data_length":-1}\n',
        b'{"type":"a","data_length":' + str(MAX_LINE_BYTES + 1).encode() + b"}\n",
        b'{"type":"a","payload_length":' + str(MAX_PAYLOAD_BYTES + 1).encode() + b"}\n",
        b'{"type":"a","payload_length":' + b"9" * 5_000 + b"}\n",
        b'{"type":"a","payload_length":1.5}\n',
    ],
)
def test_an_invalid_or_too_large_frame_is_refused_before_it_is_complete(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        frames_of([stream])


# --- client messages -------------------------------------------------------------------------------------------------


@given(
    messages=st.lists(
        st.builds(
            frame,
            st.sampled_from(["transcribe", "audio-start", "audio-chunk", "audio-stop", "ping", "describe", "x"]),
            JSON_VALUES
            | st.dictionaries(
                st.sampled_from(["rate", "width", "channels", "language", "text", "transcript_names"]), JSON_VALUES
            )
            | st.just(PCM_16K),
            st.binary(max_size=9),
            inline=st.booleans(),
        ),
        max_size=6,
    )
)
def test_any_frames_of_valid_json_are_events_or_refused(messages: list[bytes]) -> None:
    codec = WyomingCodec()
    for message in messages:
        with suppress(ProtocolError):
            for event in codec.receive(message):
                assert isinstance(event, Start | Update | Audio | Stop | DialectReply)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("cut", [1, 3, 4, 100])
def test_samples_of_any_width_are_received_alike_wherever_they_are_cut(width: int, cut: int) -> None:
    levels = (np.sin(np.arange(400) / 9) * 100).astype(np.int8)
    wide = np.zeros((len(levels), width), np.uint8)
    wide[:, -1] = levels.view(np.uint8)
    data = wide.tobytes()
    audio = {"rate": 16_000, "width": width, "channels": 1}
    codec = WyomingCodec()
    events = [
        event
        for start in range(0, len(data), cut)
        for event in codec.receive(frame("audio-chunk", audio, data[start : start + cut]))
    ]
    assert np.allclose(received(events), levels / 128, atol=1e-6)


@pytest.mark.parametrize(
    "audio",
    [
        {"rate": 16_000, "width": 5, "channels": 1},
        {"rate": 16_000, "width": 0, "channels": 1},
        {"rate": 16_000, "width": 2, "channels": 3},
        {"rate": 1, "width": 2, "channels": 1},
        {"rate": "16000", "width": 2, "channels": 1},
        {"rate": 16_000},
    ],
)
def test_formats_that_cannot_be_read_are_refused(audio: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        WyomingCodec().receive(frame("audio-start", audio))


def test_a_format_that_changes_in_the_middle_is_refused() -> None:
    codec = WyomingCodec()
    codec.receive(frame("audio-start", PCM_16K))
    with pytest.raises(ProtocolError, match="8000 Hz"):
        codec.receive(frame("audio-chunk", {**PCM_16K, "rate": 8_000}, b"\0\0"))


@pytest.mark.parametrize("language", ["de", "de-CH", "de_AT", "DE", "german", "deu"])
def test_a_language_may_name_a_country(language: str) -> None:
    codec = WyomingCodec()
    codec.receive(frame("transcribe", {"language": language}))
    [start] = codec.receive(frame("audio-start", PCM_16K))
    assert isinstance(start, Start)
    assert start.language == "de"


def test_names_and_terms_help_the_engine() -> None:
    codec = WyomingCodec()
    codec.receive(frame("transcribe", {"transcript_names": ["Grüner Salon"], "transcript_terms": ["dimmer"]}))
    [start] = codec.receive(frame("audio-start", PCM_16K))
    assert isinstance(start, Start)
    assert start.prompt == "Grüner Salon, dimmer"


def test_an_answer_is_requested_even_without_audio() -> None:
    assert WyomingCodec().receive(frame("audio-stop")) == [Start(partials=False), Stop()]


def test_unknown_messages_are_dropped() -> None:
    assert WyomingCodec().receive(frame("voice-started", {"timestamp": 1})) == []


# --- gateway messages ------------------------------------------------------------------------------------------------


def test_the_transcript_is_all_chunks_and_comes_between_start_and_stop() -> None:
    sent = replies(final("turn on"), final(""), final("the lights"), Finished(9, 0, 3))
    assert sent == [
        ("transcript-start", {"language": "en"}),
        ("transcript-chunk", {"text": "turn on"}),
        ("transcript-chunk", {"text": " the lights"}),
        ("transcript", {"text": "turn on the lights"}),
        ("transcript-stop", {}),
    ]


def test_audio_without_words_has_an_empty_transcript() -> None:
    assert replies(Finished(1, 0, 0)) == [
        ("transcript-start", {}),
        ("transcript", {"text": ""}),
        ("transcript-stop", {}),
    ]


def test_half_a_command_is_no_transcript() -> None:
    codec = WyomingCodec()
    sent = replies(final("turn everything off"), final("", "engine_failed"), Finished(9, 0, 2), codec=codec)
    assert [kind for kind, _ in sent] == ["transcript-start", "transcript-chunk", "error"]
    assert sent[-1][1]["code"] == "engine_failed"
    assert codec.has_failed


def test_audio_that_was_refused_leaves_no_transcript() -> None:
    sent = replies(Error(1, "protocol_error", "no such width", fatal=False), Finished(2, 0, 0))
    assert sent == [("error", {"text": "no such width", "code": "protocol_error"})]


@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\0\0"])
def test_a_frame_of_another_length_than_in_its_header_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError, match="announces another length"):
        WyomingCodec().receive(b'{"type":"audio-chunk","payload_length":2}\n' + payload)


def test_answers_of_the_dialect_itself_are_sent_unchanged() -> None:
    assert WyomingCodec().send(DialectMessage(b'{"type":"pong"}\n')) == [b'{"type":"pong"}\n']


def test_the_type_of_a_frame_is_in_its_header() -> None:
    assert frame_type(b'{"type":"ping"}\n') == "ping"
    with pytest.raises(ProtocolError, match="invalid header"):
        frame_type(b"ping\n")


def test_a_frame_is_complete_with_its_last_byte() -> None:
    whole = frame("audio-chunk", PCM_16K, b"\0\1")
    framer = Framer()
    framer.push(whole[:-1])
    assert framer.pop() is None
    framer.push(whole[-1:] + b"{")
    assert framer.pop() == whole
    assert framer.pop() is None


@pytest.mark.parametrize("data", [b"[]", b"{", b"\xff"])
def test_data_that_is_no_object_is_refused(data: bytes) -> None:
    header = json.dumps({"type": "ping", "data_length": len(data)}).encode()
    with pytest.raises(ProtocolError, match="data of 'ping' is not a JSON object"):
        WyomingCodec().receive(header + b"\n" + data)


def test_audio_after_the_stop_is_refused_and_a_ping_is_answered() -> None:
    codec = WyomingCodec()
    codec.receive(frame("audio-stop"))
    with pytest.raises(ProtocolError, match="got audio-chunk after audio-stop"):
        codec.receive(frame("audio-chunk", PCM_16K, b"\0\0"))
    (reply,) = codec.receive(frame("ping", {"text": "a"}))
    assert isinstance(reply, DialectReply)
    assert isinstance(reply.message, bytes)
    assert parse_frame(reply.message) == ("pong", {"text": "a"}, b"")


def test_text_is_no_frame() -> None:
    with pytest.raises(ProtocolError, match="expected a binary frame"):
        WyomingCodec().receive("{}")
