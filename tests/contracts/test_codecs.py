"""What every dialect must do: a new one is a line in `CODECS` and a session in `SESSIONS`."""

import copy
import json
from pkgutil import resolve_name
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire import (
    CODECS,
    Audio,
    ClientEvent,
    Codec,
    Correction,
    DialectMessage,
    DialectReply,
    ProtocolError,
    ServerEvent,
    Start,
    Stop,
)
from tests.wire_events import JSON_VALUES, server_events

SESSIONS: dict[str, tuple[str | bytes, ...]] = {
    "native": (
        '{"type":"start","audio":{"encoding":"pcm_f32le","channels":2},"endpointing":{"silence_ms":300},"words":true}',
        b"\0\0",
        '{"type":"flush","id":"a"}',
        '{"type":"lost","duration_s":1.5}',
        '{"type":"keepalive"}',
        '{"type":"stop"}',
    ),
    "twilio": (
        (
            '{"event":"start","streamSid":"MZ1","start":{"callSid":"CA1","tracks":["inbound"],"customParameters":{"lang":"en"},'
            '"mediaFormat":{"encoding":"audio/x-l16","sampleRate":8000,"channels":1}}}'
        ),
        '{"event":"media","sequenceNumber":"2","media":{"track":"inbound","chunk":"1","timestamp":"0","payload":"AAA="}}',
        '{"event":"dtmf","sequenceNumber":"3","dtmf":{"track":"inbound_track","digit":"5"}}',
        '{"event":"mark","sequenceNumber":"4","mark":{"name":"a"}}',
        '{"event":"stop","sequenceNumber":"5","stop":{"callSid":"CA1"}}',
    ),
    "vosk": (
        '{"config":{"sample_rate":16000.0,"words":true,"phrase_list":["zero","[unk]"],"max_alternatives":0}}',
        b"\0\0",
        '{"reset" : 1}',
        '{"config":{"words":false}}',
        '{"eof" : 1}',
    ),
    "wyoming": (
        b'{"type":"transcribe","data_length":17,"version":"1.10.2"}\n{"language":"en"}',
        b'{"type":"describe"}\n',
        b'{"type":"audio-start","data":{"rate":22050,"width":2,"channels":1}}\n',
        b'{"type":"audio-chunk","data":{"rate":22050,"width":2,"channels":1},"payload_length":2}\n\0\0',
        b'{"type":"ping","data":{"text":"a"}}\n',
        b'{"type":"audio-stop"}\n',
    ),
    "deepgram": (
        '{"type":"KeepAlive"}',
        b"\0\0",
        '{"type":"Configure","keyterms":["livecue"],"features":{"numerals":true}}',
        '{"type":"Finalize","channel":0}',
        '{"type":"CloseStream"}',
    ),
    "deepgram_flux": (
        b"\0\0",
        '{"type":"Configure","thresholds":{"eot_threshold":0.8},"keyterms":["livecue"],"language_hints":["en"]}',
        '{"type":"ForceEndTurn"}',
        '{"type":"CloseStream"}',
    ),
    "openai_realtime": (
        '{"type":"session.update","session":{"audio":{"input":{"format":{"rate":16000},"turn_detection":null}}}}',
        bytes(3_200),
        '{"type":"input_audio_buffer.append","event_id":"a","audio":"AAAAAA=="}',
        '{"type":"input_audio_buffer.commit","event_id":"b"}',
        '{"type":"input_audio_buffer.clear"}',
        '{"type":"transcription_session.update","session":{"input_audio_format":"g711_ulaw"}}',
    ),
}
"""A session of each dialect, from its first message to its last, with every kind of message."""

ODD_TEXTS = (
    "",
    "null",
    "\0",
    "\ud800",
    '{"type":"\\ud800"}',
    "\ufeff{}",
    "[" * 100_000,
    '{"type":' * 100_000,
    '{"type":"start","x":' + "[" * 100_000,
    '{"type":"start","version":' + "9" * 10_000 + "}",
    '{"type":"start","version":' + "9" * 4_000 + "}",
    '{"type":"start","version":1e999}',
    '{"type":"start","version":NaN}',
    "x" * 2**20,
    json.dumps({"type": "x" * 2**20}),
    json.dumps({"x" * 2**20: 0}),
)

LONGEST_REFUSAL_CHARS = 10_000
"""What is refused is not echoed at length: a peer might not take a message as long as its own."""

ENDLESS = {"openai_realtime"}
"""Dialects whose clients have no word for the end: they close the connection."""

every_dialect = pytest.mark.parametrize("name", CODECS)
every_dialect_of_text = pytest.mark.parametrize(
    "name", [name for name, messages in SESSIONS.items() if any(isinstance(message, str) for message in messages)]
)
properties = settings(max_examples=60, deadline=None)


def create(name: str) -> Codec:
    factory = cast("type[Codec]", resolve_name(CODECS[name]))
    return factory()


def opened(name: str) -> Codec:
    """Return a codec that has received its dialect's first message."""
    codec = create(name)
    codec.receive(SESSIONS[name][0])
    return codec


def received(codec: Codec, *messages: str | bytes) -> list[ClientEvent]:
    """Return the events of the messages that are allowed, but for what a dialect answers by itself."""
    events: list[ClientEvent] = []
    refusals: list[str | bytes] = []
    for message in messages:
        try:
            events += codec.receive(message)
        except ProtocolError as error:
            refusals.append(str(error))
    own_replies = [event for event in events if isinstance(event, DialectReply)]
    refusals += [message for reply in own_replies for message in codec.send(DialectMessage(reply.message))]
    assert all(0 < len(refusal) < LONGEST_REFUSAL_CHARS for refusal in refusals)
    return [event for event in events if not isinstance(event, DialectReply)]


def keeps_the_order(name: str, events: list[ClientEvent]) -> bool:
    """Return whether a start comes first, no other comes after it, and nothing comes after a stop.

    What a dialect answers by itself may come at any time. Where the address says what is wanted, the start has come
    before the first message.
    """
    events = [event for event in (*create(name).open(), *events) if not isinstance(event, DialectReply)]
    is_begun = not events or isinstance(events[0], Start)
    has_one_start = not any(isinstance(event, Start) for event in events[1:])
    return is_begun and has_one_start and not any(isinstance(event, Stop) for event in events[:-1])


def control_messages(name: str) -> st.SearchStrategy[object]:
    """Return the dialect's text messages, as JSON values."""
    return st.sampled_from([json.loads(message) for message in SESSIONS[name] if isinstance(message, str)])


@st.composite
def damaged(draw: st.DrawFn, name: str) -> str:
    """Return a valid message with a field dropped, added or retyped, at any depth, once or more."""
    message = copy.deepcopy(draw(control_messages(name)))
    for _ in range(draw(st.integers(1, 3))):
        place = message
        while isinstance(place, dict) and (inner := [value for value in place.values() if isinstance(value, dict)]):
            if draw(st.booleans()):
                break
            place = draw(st.sampled_from(inner))
        if not isinstance(place, dict) or not place:
            break
        key = draw(st.sampled_from(sorted(place)) | st.text(max_size=5))
        if draw(st.booleans()):
            place.pop(key, None)
        else:
            place[key] = draw(JSON_VALUES)
    return json.dumps(message)


def test_every_dialect_has_a_session_here() -> None:
    assert SESSIONS.keys() == CODECS.keys()


@every_dialect
def test_a_session_is_understood(name: str) -> None:
    codec = create(name)
    events = [event for message in SESSIONS[name] for event in codec.receive(message)]
    assert any(isinstance(event, Start) for event in (*codec.open(), *events))
    assert any(isinstance(event, Audio) and event.data and not any(event.data) for event in events)
    assert isinstance(events[-1], Stop) or name in ENDLESS
    assert keeps_the_order(name, events)


@every_dialect
@properties
@given(messages=st.lists(st.binary(max_size=200) | st.text(max_size=200), max_size=5))
def test_any_message_is_an_event_or_refused(name: str, messages: list[str | bytes]) -> None:
    assert keeps_the_order(name, received(create(name), *messages))
    assert keeps_the_order(name, received(create(name), SESSIONS[name][0], *messages))


@every_dialect
@properties
@given(value=JSON_VALUES)
def test_any_json_is_an_event_or_refused(name: str, value: object) -> None:
    received(create(name), json.dumps(value))
    received(opened(name), json.dumps(value))


@every_dialect_of_text
@settings(properties, max_examples=200)
@given(data=st.data())
def test_a_damaged_message_is_an_event_or_refused(name: str, data: st.DataObject) -> None:
    message = data.draw(damaged(name))
    received(create(name), message)
    received(opened(name), message)


@every_dialect
@pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
def test_an_odd_text_is_refused(name: str, text: str) -> None:
    assert received(create(name), text) == []
    assert received(opened(name), text) == []


@every_dialect
@properties
@given(messages=st.data())
def test_messages_in_any_order_keep_the_order_of_events(name: str, messages: st.DataObject) -> None:
    spoken = messages.draw(st.lists(st.sampled_from(SESSIONS[name]), max_size=8))
    assert keeps_the_order(name, received(create(name), *spoken))


@every_dialect
def test_a_refusal_changes_nothing(name: str) -> None:
    codec, undisturbed = create(name), create(name)
    for message in SESSIONS[name]:
        assert received(codec, "nonsense") == []
        assert codec.receive(message) == undisturbed.receive(message)


@every_dialect
@settings(properties, max_examples=200)
@given(event=server_events())
def test_every_event_of_a_session_can_be_written(name: str, event: ServerEvent) -> None:
    assert all(isinstance(message, str | bytes) for message in opened(name).send(event))


@every_dialect
def test_a_correction_is_a_message_of_the_native_dialect_only(name: str) -> None:
    assert len(opened(name).send(Correction(9, 0, 1, "two", ()))) == (name == "native")


@every_dialect
@properties
@given(event=server_events())
def test_codecs_do_not_share_what_they_remember(name: str, event: ServerEvent) -> None:
    first, second = create(name), create(name)
    first.receive(SESSIONS[name][0])
    first.send(event)
    events = [event for message in SESSIONS[name] for event in second.receive(message)]
    assert any(isinstance(event, Start) for event in (*second.open(), *events))
    assert keeps_the_order(name, events)
