"""The native dialect: messages to events and back."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire import (
    Ack,
    Audio,
    AudioFormat,
    ClientEvent,
    Correction,
    Cue,
    CueEvent,
    CueState,
    DialectMessage,
    DrainBegun,
    Encoding,
    Endpointing,
    Error,
    Final,
    Finished,
    Flush,
    Flushed,
    Gap,
    KeepAlive,
    Latency,
    LostAudio,
    OfChannel,
    Partial,
    ProtocolError,
    Ready,
    Resume,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
    Start,
    Stop,
    Update,
    Warning,
    WordSpan,
)
from gateway.wire.native.codec import NativeClientCodec, NativeCodec
from gateway.wire.native.conversion import MAX_PROMPT_CHARS
from gateway.wire.openai_realtime.notes import ClearNote
from tests.wire_events import controls, resumes, server_events, starts

FINAL = Final(9, 0, 2_880, 30_848, "two three", "en", Latency(0.512, 0.0012345, 0.25, 0.0))


def refused(*messages: str | bytes) -> ProtocolError:
    """Return why the last message is refused."""
    codec = NativeCodec()
    for message in messages[:-1]:
        codec.receive(message)
    with pytest.raises(ProtocolError) as raised:
        codec.receive(messages[-1])
    return raised.value


def written(event: ServerEvent) -> object:
    (message,) = NativeCodec().send(event)
    return json.loads(message)


# --- there and back ------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(first=starts() | resumes(), then=st.lists(controls(), max_size=4), stops=st.booleans())
def test_client_messages_arrive(first: Start | Resume, then: list[ClientEvent], stops: bool) -> None:
    client, gateway = NativeClientCodec(), NativeCodec()
    events = [first, *then, *([Stop()] if stops else [])]
    assert [
        received for event in events for message in client.send(event) for received in gateway.receive(message)
    ] == events


@settings(max_examples=300, deadline=None)
@given(event=server_events())
def test_session_events_arrive(event: ServerEvent) -> None:
    (message,) = NativeCodec().send(event)
    (arrived,) = NativeClientCodec().receive(message)
    if isinstance(event, Final) and isinstance(arrived, Final):
        assert rounded(arrived.latency) == rounded(event.latency)
        event = replace(event, latency=arrived.latency)
    assert arrived == event


def rounded(latency: Latency) -> tuple[int, ...]:
    parts = (latency.endpoint_s, latency.queue_s, latency.decode_s, latency.delivery_s)
    return tuple(round(part * 1e6) for part in parts)


def test_a_client_skips_what_a_newer_gateway_adds() -> None:
    codec = NativeClientCodec()
    assert codec.receive('{"type":"weather","seq":3}') == []
    assert codec.receive('{"type":"flushed","seq":3,"id":"a","new":[1]}') == [Flushed(3, "a")]


@pytest.mark.parametrize(
    "message", ["", "[]", "{}", '{"type":"cue"}', '{"type":"flushed","seq":"1","id":"a"}', b"\xff"]
)
def test_a_client_refuses_what_is_no_message(message: str | bytes) -> None:
    with pytest.raises(ProtocolError):
        NativeClientCodec().receive(message)


# --- how it is written ---------------------------------------------------------------------------------------------


def test_a_start_needs_nothing_but_its_type() -> None:
    assert NativeCodec().receive('{"type":"start"}') == [Start()]


def test_a_start_may_have_every_option() -> None:
    message = {
        "type": "start",
        "version": 1,
        "audio": {"encoding": "pcm_mulaw", "sample_rate_hz": 8000, "channels": 2},
        "language": "de",
        "engine": {"prompt": "livecue"},
        "endpointing": {
            "detector": "silero",
            "silence_ms": 700,
            "pause_ms": 300,
            "max_utterance_s": 20,
            "partial_interval_ms": 250,
        },
        "cues": {"profile": "live"},
        "partials": False,
        "words": True,
        "resumable": True,
        "languages": ["de", "en"],
    }
    options = Endpointing("silero", 700, 300, 20.0, 250)
    expected = Start(AudioFormat(Encoding.PCM_MULAW, 8000, 2), "de", "livecue", options, "live", False, True)
    assert NativeCodec().receive(json.dumps(message)) == [replace(expected, resumable=True, languages=("de", "en"))]


def test_a_resume_needs_the_session_and_its_token() -> None:
    assert NativeCodec().receive('{"type":"resume","session_id":"s","token":"t"}') == [Resume("s", "t", 0, 0)]


def test_a_ready_has_the_next_sample_only_in_a_resumable_session() -> None:
    plain = written(Ready(1, "s", "e", "m", "d", None, None, 5))
    resumable = written(Ready(1, "s", "e", "m", "d", None, "t", 5))
    assert isinstance(plain, dict)
    assert resumable == plain | {"resume_token": "t", "next_sample": 5}
    assert not {"resume_token", "next_sample"} & plain.keys()


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (
            Ready(1, "s", "whisper", "small", "cpu", None),
            {"session_id": "s", "engine": "whisper", "model": "small", "device": "cpu", "language": None, "version": 1},
        ),
        (SpeechStarted(1, 0, 2_880), {"utterance_id": 0, "start_s": 0.18}),
        (
            SpeechEnded(1, 0, 2_880, 30_848, "flush"),
            {"utterance_id": 0, "start_s": 0.18, "end_s": 1.928, "reason": "flush"},
        ),
        (
            CueEvent(1, Cue("0.1", 0, 2, 6_400, 25_600, ("a", "b"), 2, CueState.PARTIAL)),
            {"id": "0.1", "utterance_id": 0, "revision": 2, "start_s": 0.4, "end_s": 1.6, "lines": ["a", "b"]}
            | {"stable_chars": 2, "state": "partial"},
        ),
        (Flushed(1, "a"), {"id": "a"}),
        (Gap(1, 6_400, 25_600), {"start_s": 0.4, "end_s": 1.6}),
        (Ack(1, 16_000, 2_880), {"received_samples": 16_000, "processed_samples": 2_880}),
        (Warning(1, "lagging", "m"), {"code": "lagging", "message": "m"}),
        (DrainBegun(1, 30.0, True), {"grace_s": 30.0, "can_resume": True}),
        (Error(1, "c", "m", True), {"code": "c", "message": "m", "fatal": True, "field": None}),
        (Finished(1, 38_400, 1), {"audio_s": 2.4, "utterances": 1}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_events_are_written_in_seconds(event: ServerEvent, message: dict[str, object]) -> None:
    assert isinstance(written(event), dict)
    kind = json.loads(NativeCodec().send(event)[0])["type"]
    assert written(event) == {"type": kind, "seq": 1} | message


def test_a_final_leaves_out_what_it_has_not() -> None:
    latency = {"endpoint": 512.0, "queue": 1.234, "decode": 250.0, "delivery": 0.0}
    plain = {"type": "final", "seq": 9, "utterance_id": 0, "start_s": 0.18, "end_s": 1.928, "text": "two three"}
    assert written(FINAL) == plain | {"latency_ms": latency, "language": "en"}
    assert written(replace(FINAL, language=None)) == plain | {"latency_ms": latency}


def test_a_final_lists_words_and_error_where_there_are_any() -> None:
    final = written(replace(FINAL, words=(WordSpan("two", 6_400, 12_800, None),), error="engine_failed"))
    assert isinstance(final, dict)
    assert final["words"] == [{"text": "two", "start_s": 0.4, "end_s": 0.8, "probability": None}]
    assert final["error"] == "engine_failed"


def test_a_correction_has_its_cues_as_objects_without_type_and_number() -> None:
    cue = Cue("0.1", 0, 5, 6_400, 25_600, ("two", "three five"), 14, CueState.FINAL)
    assert written(Correction(41, 0, 1, "two three five", (cue,))) == {
        "type": "correction",
        "seq": 41,
        "utterance_id": 0,
        "revision": 1,
        "text": "two three five",
        "cues": [
            {"id": "0.1", "utterance_id": 0, "revision": 5, "start_s": 0.4, "end_s": 1.6}
            | {"lines": ["two", "three five"], "stable_chars": 14, "state": "final"}
        ],
    }


def test_a_correction_lists_words_where_there_are_any_and_always_its_cues() -> None:
    words = (WordSpan("two", 6_400, 12_800, None),)
    correction = written(Correction(41, 0, 1, "two", (), words))
    assert isinstance(correction, dict)
    assert correction["words"] == [{"text": "two", "start_s": 0.4, "end_s": 0.8, "probability": None}]
    assert written(Correction(44, 0, 2, "", ())) == {
        "type": "correction",
        "seq": 44,
        "utterance_id": 0,
        "revision": 2,
        "text": "",
        "cues": [],
    }


# --- what comes when -----------------------------------------------------------------------------------------------

START, STOP = '{"type":"start"}', '{"type":"stop"}'
RESUME = '{"type":"resume","session_id":"s","token":"t"}'


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ((STOP,), "got stop message: expected a start or resume message first"),
        (('{"type":"keepalive"}',), "got keepalive message: expected a start or resume message first"),
        ((b"\0",), "got audio: expected a start or resume message first"),
        ((START, START), "got a second start message: expected audio, flush, lost, stop or keepalive"),
        ((START, RESUME), "got a second resume message: expected audio, flush, lost, stop or keepalive"),
        ((RESUME, START), "got a second start message: expected audio, flush, lost, stop or keepalive"),
        ((START, STOP, b""), "got a message after stop: expected none"),
        ((START, STOP, STOP), "got a message after stop: expected none"),
        ((START, STOP, START), "got a message after stop: expected none"),
    ],
)
def test_messages_out_of_turn_are_refused(messages: tuple[str | bytes, ...], why: str) -> None:
    assert str(refused(*messages)) == why


def test_a_refused_message_may_be_sent_again_corrected() -> None:
    codec = NativeCodec()
    with pytest.raises(ProtocolError):
        codec.receive('{"type":"start","words":1}')
    assert codec.receive(START) == [Start()]


def test_audio_may_be_cut_anywhere_even_to_nothing() -> None:
    codec = NativeCodec()
    codec.receive(START)
    assert [event for data in (b"", b"\0", b"\0\0\0") for event in codec.receive(data)] == [
        Audio(b""),
        Audio(b"\0"),
        Audio(b"\0\0\0"),
    ]


def test_controls_are_read() -> None:
    codec = NativeCodec()
    codec.receive(START)
    assert codec.receive('{"type":"flush","id":"a"}') == [Flush("a")]
    assert codec.receive('{"type":"lost","duration_s":1.5}') == [LostAudio(24_000)]
    assert codec.receive('{"type":"keepalive"}') == [KeepAlive()]
    assert codec.receive(STOP) == [Stop()]


# --- what is wrong, and what is allowed ------------------------------------------------------------------------------

TYPES = "start, resume, flush, lost, stop, keepalive"
FIELDS = (
    "type, version, audio, language, engine, endpointing, cues, partials, words, eager, guard, resumable, languages, "
    "file, title, names, event, sinks"
)
RESUME_FIELDS = "type, session_id, token, after_seq, held_sample"
ENCODINGS = "pcm_s16le, pcm_s24le, pcm_f32le, pcm_mulaw, pcm_alaw"
OPTIONS = "detector, silence_ms, pause_ms, max_utterance_s, partial_interval_ms"


@pytest.mark.parametrize(
    ("message", "why", "field"),
    [
        ("nonsense", "text that is not JSON: expected control messages as JSON, audio as binary", None),
        ('{"type":"start"', "text that is not JSON: expected control messages as JSON, audio as binary", None),
        ("[]", "expected `object`, got `array`", None),
        ("{}", f"missing field `type`: expected {TYPES}", "type"),
        ('{"type":"begin"}', f"type 'begin': expected {TYPES}", "type"),
        ('{"type":"final"}', f"type 'final': expected {TYPES}", "type"),
        ('{"type":1}', "type: expected `str`", "type"),
        ('{"type":"flush"}', "missing field `id`", "id"),
        ('{"type":"flush","id":1}', "id: expected `str`, got `int`", "id"),
        ('{"type":"flush","id":"a","x":1}', "unknown field `x`: expected type, id", "x"),
        ('{"type":"lost","duration_s":0}', "duration_s: expected `float` >= 0.1", "duration_s"),
        ('{"type":"lost","duration_s":90000}', "duration_s: expected `float` <= 86400.0", "duration_s"),
        ('{"type":"stop","x":1}', "unknown field `x`: expected type", "x"),
        ('{"type":"start","rate":1}', f"unknown field `rate`: expected {FIELDS}", "rate"),
        (
            '{"type":"start","audio":{"rate":1}}',
            "unknown field `rate`: expected encoding, sample_rate_hz, channels",
            "audio.rate",
        ),
        ('{"type":"start","endpointing":{"x":1}}', f"unknown field `x`: expected {OPTIONS}", "endpointing.x"),
        ('{"type":"start","engine":{"x":1}}', "unknown field `x`: expected prompt", "engine.x"),
        ('{"type":"start","cues":{"x":1}}', "unknown field `x`: expected profile", "cues.x"),
        ('{"type":"start","version":2}', "version 2 is not supported: expected 1", "version"),
        (
            '{"type":"start","audio":{"encoding":"mp3"}}',
            f"audio.encoding 'mp3': expected {ENCODINGS}",
            "audio.encoding",
        ),
        (
            '{"type":"start","audio":{"sample_rate_hz":96000}}',
            "sample rate 96000 Hz out of range: expected 8000–48000 Hz",
            "audio",
        ),
        ('{"type":"start","audio":{"channels":6}}', "6 channels: expected 1 or 2", "audio"),
        (
            '{"type":"start","audio":{"sample_rate_hz":16000.0}}',
            "audio.sample_rate_hz: expected `int`, got `float`",
            "audio.sample_rate_hz",
        ),
        ('{"type":"start","words":1}', "words: expected `bool`, got `int`", "words"),
        ('{"type":"start","resumable":"yes"}', "resumable: expected `bool`, got `str`", "resumable"),
        ('{"type":"resume","token":"t"}', "missing field `session_id`", "session_id"),
        ('{"type":"resume","session_id":"s"}', "missing field `token`", "token"),
        (RESUME.replace("}", ',"x":1}'), f"unknown field `x`: expected {RESUME_FIELDS}", "x"),
        (RESUME.replace("}", ',"after_seq":-1}'), "after_seq: expected `int` >= 0", "after_seq"),
        (RESUME.replace("}", ',"held_sample":-1}'), "held_sample: expected `int` >= 0", "held_sample"),
        (RESUME.replace("}", f',"after_seq":{2**53 + 1}}}'), f"after_seq: expected `int` <= {2**53}", "after_seq"),
        (RESUME.replace("}", ',"held_sample":0.5}'), "held_sample: expected `int`, got `float`", "held_sample"),
        (
            json.dumps({"type": "start", "engine": {"prompt": "x" * (MAX_PROMPT_CHARS + 1)}}),
            f"prompt has {MAX_PROMPT_CHARS + 1} characters: at most {MAX_PROMPT_CHARS} allowed",
            "engine.prompt",
        ),
    ],
)
def test_a_refusal_names_the_fault_and_what_is_allowed(message: str, why: str, field: str | None) -> None:
    error = refused(message)
    assert (str(error), error.field) == (why, field)


@pytest.mark.parametrize("key", ["a - at `$.audio", "a - at `$", "`", "a field b", "", "a\nb"])
def test_a_field_of_any_name_is_refused(key: str) -> None:
    assert "unknown field" in str(refused(json.dumps({"type": "start", key: 1})))


@pytest.mark.parametrize(
    "value",
    ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000, "1e999", "NaN", "-Infinity", '"\\ud800"', '"\ud800"'],
    ids=["deep array", "deep object", "huge", "infinite", "NaN", "-Infinity", "escaped surrogate", "surrogate"],
)
@pytest.mark.parametrize("place", ["version", "language", "audio", "endpointing", "words", "unknown"])
def test_an_odd_value_is_refused_anywhere(place: str, value: str) -> None:
    assert refused(f'{{"type":"start","{place}":{value}}}')


def test_a_name_of_a_mebibyte_is_not_echoed() -> None:
    assert len(str(refused(json.dumps({"type": "start", "x" * 2**20: 1})))) < 300
    assert len(str(refused(json.dumps({"type": "x" * 2**20})))) < 300


def test_a_prompt_is_counted_in_characters() -> None:
    prompt = "ß" * MAX_PROMPT_CHARS
    assert NativeCodec().receive(json.dumps({"type": "start", "engine": {"prompt": prompt}})) == [Start(prompt=prompt)]


def test_a_client_sends_nothing_that_the_dialect_cannot_express() -> None:
    assert NativeClientCodec().send(Update(Start())) == []


def test_a_refusal_names_the_place_within_a_list() -> None:
    (message,) = NativeCodec().send(replace(FINAL, words=(WordSpan("two", 0, 16_000, 0.5),)))
    assert isinstance(message, str)

    with pytest.raises(ProtocolError, match="expected `str`, got `int`") as refusal:
        NativeClientCodec().receive(message.replace('"text":"two",', '"text":2,'))
    assert refusal.value.field == "words[0].text"


def test_answers_of_the_dialect_itself_are_sent_unchanged() -> None:
    assert NativeCodec().send(DialectMessage("as it is")) == ["as it is"]


@pytest.mark.parametrize(
    "event",
    [
        OfChannel(1, FINAL),
        Partial(1, 0, 0, 16_000, (), (), None),
        DialectMessage(ClearNote()),
    ],
    ids=lambda event: type(event).__name__,
)
def test_events_that_the_dialect_cannot_express_are_not_sent(event: ServerEvent) -> None:
    assert NativeCodec().send(event) == []


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (Flush("a"), {"type": "flush", "id": "a"}),
        (LostAudio(24_000), {"type": "lost", "duration_s": 1.5}),
        (LostAudio(1), {"type": "lost", "duration_s": 0.1}),
        (LostAudio(10**10), {"type": "lost", "duration_s": 86_400.0}),
        (Stop(), {"type": "stop"}),
        (KeepAlive(), {"type": "keepalive"}),
        (
            Resume("s", "t", 3, 16_000),
            {"type": "resume", "session_id": "s", "token": "t", "after_seq": 3, "held_sample": 16_000},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_client_writes_its_controls(event: ClientEvent, message: dict[str, object]) -> None:
    (sent,) = NativeClientCodec().send(event)
    assert json.loads(sent) == message


def test_a_client_sends_audio_as_it_is() -> None:
    assert NativeClientCodec().send(Audio(b"\0\1")) == [b"\0\1"]


def test_a_client_writes_its_start_as_the_gateway_reads_it() -> None:
    start = Start(AudioFormat(Encoding.PCM_ALAW, 8_000), "de", words=True)
    (sent,) = NativeClientCodec().send(start)
    assert NativeCodec().receive(sent) == [start]
