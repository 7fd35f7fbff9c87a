"""OpenAI's Realtime dialect: requests, refusals, and robustness against any message."""

import json
from base64 import b64encode
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import (
    Audio,
    ClientEvent,
    DialectMessage,
    DialectReply,
    Encoding,
    Endpointing,
    Error,
    Final,
    Flush,
    Latency,
    Partial,
    Ready,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
    Start,
    Update,
    WordSpan,
)
from gateway.wire.openai_realtime.codec import OpenAIRealtimeCodec
from gateway.wire.openai_realtime.items import Items
from gateway.wire.openai_realtime.messages import AudioObject, InputObject
from gateway.wire.openai_realtime.notes import SessionNote
from gateway.wire.openai_realtime.session_config import Defaults, SessionConfig
from tests.audio import tone
from tests.wire_events import JSON_VALUES
from vad.events import EndReason
from vad.settings import SegmenterSettings

JsonObject = Mapping[str, object]

APPEND = "input_audio_buffer.append"
COMMIT = "input_audio_buffer.commit"


def codec(languages: tuple[str, ...] = ()) -> OpenAIRealtimeCodec:
    return OpenAIRealtimeCodec(SessionConfig.of(Defaults("a model", languages)))


def replies(own: OpenAIRealtimeCodec, events: list[ClientEvent]) -> list[JsonObject]:
    """Return the messages that answer the events."""
    return [
        json.loads(m)
        for event in events
        if isinstance(event, DialectReply)
        for m in own.send(DialectMessage(event.message))
    ]


@pytest.mark.parametrize("transcription", [{"model": ""}, {"model": None}, {"model": " ", "language": "en"}])
def test_an_empty_model_is_the_one_there_is(transcription: JsonObject) -> None:
    session = {"type": "transcription", "audio": {"input": {"transcription": transcription}}}
    answer = request(codec(), type="session.update", session=session)
    assert audio_of(answer)["transcription"]["model"] == "a model"  # type: ignore[index]  # JSON


def request(own: OpenAIRealtimeCodec, **message: object) -> JsonObject:
    """Send a message, and return the one that answers it."""
    (answer,) = replies(own, own.receive(json.dumps(message)))
    return answer


def audio_of(answer: JsonObject) -> JsonObject:
    """Return `session.audio.input` of an answer."""
    assert answer["type"] in ("session.created", "session.updated"), answer
    session = answer["session"]
    assert isinstance(session, dict)
    audio: JsonObject = session["audio"]["input"]
    return audio


def update(own: OpenAIRealtimeCodec, **audio: object) -> JsonObject:
    """Ask for something of the audio, and return what holds then."""
    session = {"type": "transcription", "audio": {"input": audio}}
    return audio_of(request(own, type="session.update", session=session))


def refused(own: OpenAIRealtimeCodec, **message: object) -> JsonObject:
    answer = request(own, **message)
    assert answer["type"] == "error", answer
    error = answer["error"]
    assert isinstance(error, dict)
    return error


def started(own: OpenAIRealtimeCodec, **audio: object) -> Start:
    """Return the start that an update asks for."""
    message = {"type": "session.update", "session": {"audio": {"input": audio}}}
    (start,) = [event.start for event in own.receive(json.dumps(message)) if isinstance(event, Update)]
    return start


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_a_session_begins_as_the_gateway_is_set() -> None:
    own = OpenAIRealtimeCodec(SessionConfig.of(Defaults("a model", (), SegmenterSettings(silence_ms=700))))
    own.send(Ready(1, "abc", "scripted", "a model", "none", None))
    events = own.open()
    assert isinstance(events[0], Start)
    assert events[0].endpointing.silence_ms == 700
    (created,) = replies(own, events)
    assert created["type"] == "session.created"
    assert created["session"] == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": "sess_abc",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "transcription": {"model": "a model"},
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 400,
                    "silence_duration_ms": 700,
                },
            }
        },
        "include": None,
    }


def test_an_update_changes_what_it_names_and_nothing_else() -> None:
    own = codec()
    first = update(own, transcription={"model": "whisper-1", "language": "de"}, noise_reduction={"type": "near_field"})
    second = update(own, transcription={"prompt": "Berlin"})
    assert second == {**first, "transcription": {"model": "whisper-1", "language": "de", "prompt": "Berlin"}}


def test_null_switches_off() -> None:
    own = codec()
    update(own, noise_reduction={"type": "far_field"})
    audio = update(own, noise_reduction=None, transcription=None, turn_detection=None)
    assert (audio["noise_reduction"], audio["transcription"], audio["turn_detection"]) == (None, None, None)


def test_a_disabled_option_returns_with_its_defaults() -> None:
    own = codec()
    update(own, turn_detection={"type": "server_vad", "threshold": 0.9})
    update(own, turn_detection=None)
    vad = update(own, turn_detection={"type": "server_vad"})["turn_detection"]
    assert vad == {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 400, "silence_duration_ms": 700}


def test_turn_detection_of_one_type_is_patched_and_of_another_replaced() -> None:
    own = codec()
    update(own, turn_detection={"type": "server_vad", "threshold": 0.9, "create_response": False})
    patched = update(own, turn_detection={"type": "server_vad", "silence_duration_ms": 350})["turn_detection"]
    assert isinstance(patched, dict)
    assert (patched["threshold"], patched["silence_duration_ms"], patched["create_response"]) == (0.9, 350, False)
    replaced = update(own, turn_detection={"type": "semantic_vad"})["turn_detection"]
    assert replaced == {"type": "semantic_vad", "eagerness": "auto"}


@pytest.mark.parametrize(
    ("turn_detection", "endpointing"),
    [
        (None, Endpointing(manual=True)),
        (
            {"type": "server_vad", "threshold": 0.0, "prefix_padding_ms": 0, "silence_duration_ms": 350},
            Endpointing(threshold=0.01, pad_before_ms=0, silence_ms=350),
        ),
        ({"type": "semantic_vad", "eagerness": "low"}, Endpointing(silence_ms=1_500)),
        ({"type": "semantic_vad"}, Endpointing(silence_ms=800)),
        ({"type": "semantic_vad", "eagerness": "high"}, Endpointing(silence_ms=500)),
    ],
)
def test_turn_detection_determines_when_utterances_end(turn_detection: object, endpointing: Endpointing) -> None:
    assert started(codec(), turn_detection=turn_detection).endpointing == endpointing


@pytest.mark.parametrize(
    ("transcription", "language"),
    [
        ({"language": "en"}, "en"),
        ({"language": "en-GB"}, "en"),
        ({"language": ""}, None),
        ({"language": None}, None),
        ({"languages": ["de"]}, "de"),
        ({"languages": ["de", "en"]}, None),
        ({"languages": ["de", "xx"]}, "de"),
        ({"languages": []}, None),
        ({"language": "english"}, "en"),
        ({"language": "auto"}, None),
        (None, None),
    ],
)
def test_one_language_is_taken_for_granted(transcription: object, language: str | None) -> None:
    assert started(codec(("en", "de")), transcription=transcription).language == language


def test_keywords_and_prompt_help_the_engine() -> None:
    start = started(codec(), transcription={"keywords": ["Kubernetes", "etcd"], "prompt": "A meeting."})
    assert start.prompt == "Kubernetes, etcd. A meeting."


def test_the_end_of_a_long_prompt_is_used() -> None:
    start = started(codec(), transcription={"prompt": "x" * 2_000 + "the end"})
    assert len(start.prompt) == 1_000
    assert start.prompt.endswith("the end")


def test_the_flat_shape_of_the_beta_is_understood() -> None:
    session = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1", "language": "en"},
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 350},
        "input_audio_noise_reduction": {"type": "near_field"},
    }
    audio = audio_of(request(codec(), type="transcription_session.update", session=session))
    assert audio["format"] == {"type": "audio/pcmu"}
    assert audio["transcription"] == {"model": "whisper-1", "language": "en"}
    assert audio["noise_reduction"] == {"type": "near_field"}


# --- audio ------------------------------------------------------------------------------------------------------------


def received(own: OpenAIRealtimeCodec, *pieces: bytes) -> np.ndarray:
    """Return what the session receives of audio that is sent in pieces, up to a clear."""
    messages = [json.dumps({"type": APPEND, "audio": b64encode(piece).decode()}) for piece in pieces]
    messages.append(json.dumps({"type": "input_audio_buffer.clear"}))
    events = [event for message in messages for event in own.receive(message)]
    return np.frombuffer(b"".join(event.data for event in events if isinstance(event, Audio)), "<f4")


def test_the_core_receives_16_khz_whatever_is_sent() -> None:
    start = codec().open()[0]
    assert isinstance(start, Start)
    assert (start.audio.encoding, start.audio.sample_rate_hz) == (Encoding.PCM_F32LE, 16_000)
    for rate_hz in (8_000, 16_000, 24_000, 48_000):
        own = codec()
        update(own, format={"type": "audio/pcm", "rate": rate_hz})
        assert abs(len(received(own, bytes(2 * rate_hz))) - 16_000) <= 1


def test_audio_may_be_cut_within_a_sample() -> None:
    audio = np.round(tone(0.5) * 32_767).astype("<i2").tobytes()
    whole, cut = codec(), codec()
    pieces = [audio[start : start + 333] for start in range(0, len(audio), 333)]
    assert np.array_equal(received(whole, audio), received(cut, *pieces))


def test_nothing_of_an_item_is_left_for_the_next() -> None:
    own = codec()
    assert len(received(own, bytes(4_800))) == 1_600
    assert len(received(own, bytes(4_800))) == 1_600


def test_the_format_may_change_at_any_time() -> None:
    own = codec()
    messages: list[JsonObject] = [{"type": APPEND, "audio": b64encode(bytes(4_801)).decode()}]
    for kind in ("audio/pcmu", "audio/pcma"):
        messages.append({"type": "session.update", "session": {"audio": {"input": {"format": {"type": kind}}}}})
        messages.append({"type": APPEND, "audio": b64encode(b"\xd5" * 800).decode()})
    messages.append({"type": "input_audio_buffer.clear"})
    events = [event for message in messages for event in own.receive(json.dumps(message))]
    assert sum(len(event.data) for event in events if isinstance(event, Audio)) == 3 * 1_600 * 4


def test_binary_is_audio_too() -> None:
    own = codec()
    update(own, format={"type": "audio/pcm", "rate": 16_000})
    (event,) = own.receive(bytes(640))
    assert event == Audio(bytes(1_280))


def test_uncommitted_audio_has_an_end() -> None:
    own = codec()
    update(own, turn_detection=None)
    minute = {"type": APPEND, "audio": b64encode(bytes(60 * 48_000)).decode()}
    for _ in range(16):
        assert all(isinstance(event, Audio) for event in own.receive(json.dumps(minute)))
    assert refused(own, **minute)["code"] == "input_audio_buffer_overflow"
    assert any(isinstance(event, Flush) for event in own.receive(json.dumps({"type": COMMIT})))
    assert all(isinstance(event, Audio) for event in own.receive(json.dumps(minute)))


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ({"type": "response.create"}, "invalid_value", "type"),
        ({"typ": "x"}, "missing_required_parameter", "type"),
        ({"type": 3}, "invalid_value", "type"),
        ({"type": APPEND}, "missing_required_parameter", "audio"),
        ({"type": APPEND, "audio": "AAA"}, "invalid_value", "audio"),
        ({"type": APPEND, "audio": b64encode(b"RIFF----WAVEfmt ").decode()}, "invalid_value", "audio"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "session.update", "session": {"type": "realtime"}}, "invalid_value", "session.type"),
        ({"type": "session.update", "session": {"voice": "alloy"}}, "unknown_parameter", "session.voice"),
        ({"type": COMMIT, "event_id": "x" * 513}, "invalid_value", "event_id"),
    ],
)
def test_a_refusal_names_the_fault_and_its_field(message: JsonObject, code: str, param: str) -> None:
    error = refused(codec(), **message)
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)


@pytest.mark.parametrize(
    ("audio", "code", "param"),
    [
        ({"format": {"type": "audio/opus"}}, "invalid_value", "format.type"),
        ({"format": {"type": "audio/pcm", "rate": 4_000}}, "invalid_value", "format.rate"),
        ({"format": {"type": "audio/pcmu", "rate": 16_000}}, "invalid_value", "format.rate"),
        ({"turn_detection": {"type": "crystal_ball"}}, "invalid_value", "turn_detection.type"),
        ({"turn_detection": {"threshold": 0.5}}, "missing_required_parameter", "turn_detection.type"),
        ({"turn_detection": {"type": "server_vad", "threshold": 1.5}}, "invalid_value", "turn_detection.threshold"),
        ({"turn_detection": {"type": "server_vad", "threshold": "0"}}, "invalid_type", "turn_detection.threshold"),
        ({"turn_detection": {"type": "server_vad", "patience": 1}}, "unknown_parameter", "turn_detection.patience"),
        ({"turn_detection": {"type": "semantic_vad", "eagerness": "x"}}, "invalid_value", "turn_detection.eagerness"),
        ({"transcription": {"language": "xx"}}, "invalid_value", "transcription.language"),
        ({"transcription": {"languages": ["xx"]}}, "invalid_value", "transcription.languages"),
        ({"noise_reduction": {"type": "loud"}}, "invalid_value", "noise_reduction.type"),
    ],
)
def test_a_refused_update_changes_nothing(audio: JsonObject, code: str, param: str) -> None:
    own = codec(("en",))
    before = update(own, turn_detection={"type": "semantic_vad"}, transcription={"prompt": "before"})
    session = {"audio": {"input": {"transcription": {"prompt": "after"}, **audio}}}
    error = refused(own, type="session.update", session=session, event_id="mine")
    assert (error["code"], error["param"], error["event_id"]) == (code, f"session.audio.input.{param}", "mine")
    assert update(own) == before


def test_invalid_json_is_refused() -> None:
    own = codec()
    (answer,) = replies(own, own.receive("{"))
    error = answer["error"]
    assert isinstance(error, dict)
    assert error["code"] == "invalid_json"


# --- whatever comes ---------------------------------------------------------------------------------------------------

_TEXTS = st.text(max_size=60) | JSON_VALUES.map(json.dumps)
_TYPES = ("session.update", "transcription_session.update", APPEND, COMMIT, "input_audio_buffer.clear")
_PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "format": st.fixed_dictionaries({"type": st.sampled_from(("audio/pcm", "audio/pcmu"))}) | JSON_VALUES,
        "transcription": st.none()
        | st.fixed_dictionaries({}, optional={"languages": JSON_VALUES, "prompt": st.text()}),
        "turn_detection": st.none() | st.sampled_from(({"type": "server_vad"}, {"type": "semantic_vad"})) | JSON_VALUES,
        "noise_reduction": JSON_VALUES,
    },
)
_MESSAGES = st.one_of(
    st.binary(max_size=60),
    _TEXTS,
    st.fixed_dictionaries(
        {"type": st.sampled_from(_TYPES)},
        optional={
            "session": st.fixed_dictionaries({"audio": st.fixed_dictionaries({"input": _PATCHES})}) | JSON_VALUES,
            "audio": st.binary(max_size=2_000).map(lambda data: b64encode(data).decode()) | JSON_VALUES,
            "event_id": JSON_VALUES,
        },
    ).map(json.dumps),
)


@given(st.lists(_MESSAGES, max_size=12))
def test_any_messages_are_events_or_errors(messages: list[str | bytes]) -> None:
    own = codec()
    for message in messages:
        events = own.receive(message)
        assert events
        for answer in replies(own, events):
            assert isinstance(answer["event_id"], str)
            assert len(json.dumps(answer)) < 20_000


def committed(text: str) -> Partial:
    return Partial(2, 0, 0, 0, (), (), None, text)


def final(text: str, utterance_id: int = 0) -> Final:
    return Final(3, utterance_id, 0, 16_000, text, None, Latency(0, 0, 0, 0))


def deltas(own: OpenAIRealtimeCodec, *events: ServerEvent) -> str:
    messages = [json.loads(message) for event in events for message in own.send(event)]
    return "".join(message["delta"] for message in messages if str(message["type"]).endswith(".delta"))


def test_a_final_that_corrects_what_was_sent_adds_only_the_words_after_it() -> None:
    own = codec()
    own.send(SpeechStarted(1, 0, 0))
    assert (
        deltas(own, committed("we hold the truths"), final("We hold these truths to be")) == "we hold the truths to be"
    )
    own.send(SpeechEnded(4, 0, 0, 16_000, EndReason.SILENCE))


def test_completed_has_the_text_of_the_final_whatever_was_sent_before() -> None:
    own = codec()
    own.send(SpeechStarted(1, 0, 0))
    own.send(committed("we hold the truths"))
    own.send(SpeechEnded(4, 0, 0, 16_000, EndReason.SILENCE))
    completed = json.loads(own.send(final("We hold these truths"))[-1])
    assert completed["transcript"] == "We hold these truths"


def test_a_corrected_utterance_does_not_silence_the_next_one_of_its_item() -> None:
    own = codec()
    update(own, turn_detection=None)
    own.send(SpeechStarted(1, 0, 0))
    assert deltas(own, committed("the truths"), final("These truths")) == "the truths"
    own.send(SpeechStarted(1, 1, 16_000))
    assert (
        deltas(own, Partial(2, 1, 0, 0, (), (), None, "to be"), final("to be self-evident", 1)) == " to be self-evident"
    )


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=5), max_size=8))
def test_no_delta_takes_anything_back(texts: list[list[str]]) -> None:
    """Whatever an engine says is committed, even where it breaks its word."""
    own = codec()
    own.send(SpeechStarted(1, 0, 0))
    sent = ""
    for words in texts:
        spans = tuple(WordSpan(word, 0, 1, None) for word in words)
        for message in own.send(Partial(2, 0, 0, 0, spans, (), None, " ".join(words))):
            sent += json.loads(message)["delta"]
        assert sent in ("", *map(" ".join, texts))


@pytest.mark.parametrize("message", [{"type": "input_audio_buffer.clear"}, {"type": COMMIT}])
def test_a_few_bytes_that_begin_like_a_file_are_refused_where_they_end(message: JsonObject) -> None:
    own = codec()
    own.receive(json.dumps({"type": APPEND, "audio": b64encode(b"fLaC").decode()}))

    assert refused(own, **message)["param"] == "audio"


def test_a_manual_commit_without_speech_is_an_item_without_words() -> None:
    own = codec()
    update(own, turn_detection=None)
    own.receive(json.dumps({"type": APPEND, "audio": b64encode(bytes(9_600)).decode()}))
    (reply,) = [event for event in own.receive(json.dumps({"type": COMMIT})) if isinstance(event, DialectReply)]
    messages = [json.loads(message) for message in own.send(DialectMessage(reply.message))]
    assert [message["type"].rpartition(".")[2] for message in messages] == ["committed", "added", "done", "completed"]
    assert messages[-1]["item_id"] == messages[0]["item_id"]
    assert messages[-1]["transcript"] == ""


@pytest.mark.parametrize("event", [committed("of no item"), final("of no item")], ids=["partial", "final"])
def test_words_of_an_unknown_utterance_are_not_sent(event: ServerEvent) -> None:
    assert codec().send(event) == []


def test_committed_words_that_contradict_those_sent_are_not_sent() -> None:
    own = codec()
    own.send(SpeechStarted(1, 0, 0))
    assert deltas(own, committed("we hold"), committed("he holds it"), committed("we hold these")) == "we hold these"


def test_a_session_without_options_of_its_audio_keeps_those_before() -> None:
    items = Items(with_cues=False)
    items.send(DialectMessage(SessionNote(AudioObject(InputObject(turn_detection=None)), None)))
    (message,) = items.send(DialectMessage(SessionNote(AudioObject(), None)))
    assert json.loads(message)["session"]["audio"] == {}
    assert items.send(SpeechStarted(1, 0, 16_000)) == []  # still manual


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Error(1, "unauthorized", "no key", fatal=True), "invalid_api_key"),
        (Error(1, "protocol_error", "no such type", fatal=False), "protocol_error"),
    ],
    ids=["of the account", "of a message"],
)
def test_an_error_that_a_client_can_act_on_is_sent(error: Error, code: str) -> None:
    (message,) = codec().send(error)
    assert json.loads(message)["error"]["code"] == code
