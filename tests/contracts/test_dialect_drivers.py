"""What every driver of a dialect must do: a new one is a line in `DRIVERS` and a session in `SESSIONS`."""

import json
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.dialects import DRIVERS, READY_WHEN_CONNECTED, detect
from clients.dialects.driver import Driver, DriverEvent, DriverOptions, Failed, Finished, Ready, Transcript
from gateway.wire import ProtocolError
from gateway.wire.wyoming.framing import frame
from tests.clients.dialects.driving import ending, opened, shown
from tests.wire_events import JSON_VALUES

_ITEM = '"event_id":"e","item_id":"a","content_index":0'
_READY = '"engine":"scripted","model":"m","device":"cpu"'
_UTTERANCE = '"utterance_id":0,"start_s":0.4,"end_s":1.6'

SESSIONS: dict[str, tuple[str | bytes, ...]] = {
    "native": (
        f'{{"type":"ready","seq":1,"session_id":"s",{_READY},"resume_token":"t","next_sample":0}}',
        (
            f'{{"type":"cue","seq":2,"id":"0.1",{_UTTERANCE},"revision":1,"lines":["hello"],"stable_chars":0,'
            '"state":"partial"}'
        ),
        (
            f'{{"type":"final","seq":3,{_UTTERANCE},"text":"hello there",'
            '"latency_ms":{"endpoint":1,"queue":1,"decode":1,"delivery":1}}'
        ),
        '{"type":"finished","seq":4,"audio_s":1.0,"utterances":1}',
    ),
    "openai-realtime": (
        '{"type":"session.created","event_id":"e","session":{}}',
        '{"type":"session.updated","event_id":"e","session":{}}',
        f'{{"type":"conversation.item.input_audio_transcription.delta",{_ITEM},"delta":"hello"}}',
        f'{{"type":"input_audio_buffer.committed",{_ITEM}}}',
        f'{{"type":"conversation.item.input_audio_transcription.completed",{_ITEM},"transcript":"hello there"}}',
        '{"type":"input_audio_buffer.cleared","event_id":"e"}',
    ),
    "deepgram": (
        '{"type":"Results","is_final":false,"channel":{"alternatives":[{"transcript":"hello","words":[]}]}}',
        (
            '{"type":"Results","is_final":true,"speech_final":true,'
            '"channel":{"alternatives":[{"transcript":"hello there","words":[]}]}}'
        ),
        '{"type":"Metadata","duration":1.0}',
    ),
    "deepgram-flux": (
        '{"type":"Connected","request_id":"r","sequence_id":0}',
        '{"type":"TurnInfo","event":"Update","turn_index":0,"transcript":"hello","words":[]}',
        '{"type":"TurnInfo","event":"EndOfTurn","turn_index":0,"transcript":"hello there","words":[]}',
    ),
    "vosk": ('{"partial":"hello"}', '{"text":"hello there"}'),
    "wyoming": (
        frame("transcript-start", {}),
        frame("transcript-chunk", {"text": "hello"}),
        frame("transcript", {"text": "hello there"}),
    ),
    "whisperlive": (
        '{"uid":"livecue","message":"SERVER_READY","backend":"faster_whisper"}',
        '{"uid":"livecue","segments":[{"start":"0.0","end":"0.5","text":" hello","completed":false}]}',
        '{"uid":"livecue","segments":[{"start":"0.0","end":"0.9","text":" hello there","completed":true}]}',
    ),
    "whisperlivekit": (
        '{"type":"config","useAudioWorklet":true,"mode":"full"}',
        '{"status":"active_transcription","lines":[],"buffer_transcription":"hello"}',
        '{"status":"active_transcription","lines":[{"text":" hello there"}],"buffer_transcription":""}',
        '{"type":"ready_to_stop"}',
    ),
    "assemblyai": (
        '{"type":"Begin","id":"b","expires_at":1}',
        (
            '{"type":"Turn","turn_order":0,"transcript":"","end_of_turn":false,"turn_is_formatted":false,'
            '"words":[{"text":"hello","start":0,"end":400,"word_is_final":false}]}'
        ),
        (
            '{"type":"Turn","turn_order":0,"transcript":"hello there","end_of_turn":true,"turn_is_formatted":true,'
            '"words":[]}'
        ),
        '{"type":"Termination","audio_duration_seconds":1,"session_duration_seconds":1}',
    ),
    "vllm-realtime": (
        '{"type":"session.created","id":"s","created":1}',
        '{"type":"transcription.delta","delta":"hello"}',
        '{"type":"transcription.done","text":"hello there","usage":null}',
    ),
    "openai-rest": ('{"text":"hello there"}',),
}
"""The messages of a server: "hello", where the dialect has partial text, then "hello there" as final, then the end."""

ENDS_BY_CLOSING = {"deepgram-flux", "whisperlive"}
"""Dialects whose server only closes the connection."""

ONE_SECOND = b"\1\0" * 16_000

dialects = pytest.mark.parametrize("dialect", DRIVERS)


def events_of(driver: Driver, messages: Sequence[str | bytes]) -> list[DriverEvent]:
    return [event for message in messages for event in driver.receive(message)]


def session_of(dialect: str) -> tuple[Driver, list[DriverEvent]]:
    driver = opened(dialect)
    driver.send_audio(ONE_SECOND)
    driver.finish()
    events = events_of(driver, SESSIONS[dialect])
    return driver, [*events, *(driver.closed(1000, "") if dialect in ENDS_BY_CLOSING else [])]


def test_every_driver_has_a_session_here() -> None:
    assert set(SESSIONS) == set(DRIVERS)


@dialects
def test_a_session_is_ready_transcribed_and_finished(dialect: str) -> None:
    _, events = session_of(dialect)
    assert events[0] == Ready()
    assert events.count(Ready()) == 1
    assert [final.text for final in events if isinstance(final, Transcript) and final.is_final] == ["hello there"]
    assert events[-1] == Finished()


@dialects
def test_partial_text_comes_before_the_final(dialect: str) -> None:
    _, events = session_of(dialect)
    texts = [text for _, text, is_final in shown(events) if not is_final]
    assert texts[:1] == ([] if dialect == "openai-rest" else ["hello"])


@dialects
def test_nothing_follows_the_end(dialect: str) -> None:
    driver, _ = session_of(dialect)
    assert events_of(driver, SESSIONS[dialect]) == []
    assert driver.closed(1000, "") == []
    assert driver.closed(None, "") == []


@dialects
def test_a_connection_that_ends_early_is_a_failure(dialect: str) -> None:
    driver = opened(dialect)
    [failed] = driver.closed(None, "")
    assert failed == Failed("connection_lost", "the connection was lost")
    assert driver.closed(None, "") == []


@dialects
def test_a_server_that_closes_normally_before_the_end_of_the_audio_has_failed(dialect: str) -> None:
    driver = opened(dialect)
    driver.send_audio(ONE_SECOND)
    assert driver.closed(1000, "bye") == [Failed("1000", "bye")]


@dialects
def test_a_server_that_breaks_after_the_end_of_the_audio_has_failed(dialect: str) -> None:
    driver = opened(dialect)
    driver.send_audio(ONE_SECOND)
    driver.finish()
    assert driver.closed(1011, "broken") == [Failed("1011", "broken")]


@dialects
def test_a_refusal_has_the_code_of_its_body(dialect: str) -> None:
    body = '{"error":{"code":"too_many_sessions","message":"the server is full","type":"x","param":null}}'
    assert opened(dialect).closed(503, body) == [Failed("too_many_sessions", "the server is full")]


@dialects
def test_audio_before_readiness_is_sent_once_and_in_order(dialect: str) -> None:
    driver = opened(dialect)
    driver.send_audio(b"")
    driver.send_audio(b"\1\0" * 1_600)
    driver.send_audio(b"\2\0" * 1_600)
    before = list(driver.take_outgoing())
    driver.receive(SESSIONS[dialect][0])
    driver.send_audio(b"\3\0" * 1_600)
    driver.finish()
    after = list(driver.take_outgoing())
    assert driver.take_outgoing() == []
    reference = opened(dialect)
    reference.receive(SESSIONS[dialect][0])
    for value in b"\1\2\3":
        reference.send_audio(bytes([value, 0]) * 1_600)
    reference.finish()
    assert before + after == reference.take_outgoing()


@dialects
def test_only_the_native_dialect_resumes(dialect: str) -> None:
    driver = opened(dialect)
    driver.receive(SESSIONS[dialect][0])
    assert driver.lose() is (dialect == "native")


@dialects
def test_the_url_that_a_driver_makes_tells_its_dialect(dialect: str) -> None:
    url = DRIVERS[dialect](DriverOptions()).target("127.0.0.1:8000").url
    if dialect == "vllm-realtime":
        assert detect(url) == "openai-realtime"
    else:
        assert detect(url) in (dialect, None)


@dialects
def test_a_key_is_sent_in_a_header_if_the_dialect_has_keys(dialect: str) -> None:
    target = DRIVERS[dialect](DriverOptions(api_key="secret")).target("127.0.0.1:8000")
    assert "secret" not in target.url
    assert ("secret" in target.headers.get("Authorization", "")) is (dialect != "wyoming")
    assert "Authorization" not in DRIVERS[dialect](DriverOptions()).target("127.0.0.1:8000").headers


@given(dialect=st.sampled_from(sorted(DRIVERS)), junk=st.one_of(st.text(), st.binary()))
def test_only_protocol_errors_are_raised_whatever_the_server_sends(dialect: str, junk: str | bytes) -> None:
    with suppress(ProtocolError):
        opened(dialect).receive(junk)


@settings(max_examples=300)
@given(dialect=st.sampled_from(sorted(DRIVERS)), replaced=st.data())
def test_only_protocol_errors_are_raised_whatever_a_field_contains(dialect: str, replaced: st.DataObject) -> None:
    """Messages that are right but for one value."""
    messages = [message for message in SESSIONS[dialect] if isinstance(message, str)]
    if not messages:
        return
    message = json.loads(replaced.draw(st.sampled_from(messages)))
    message[replaced.draw(st.sampled_from(sorted(message)))] = replaced.draw(JSON_VALUES)
    with suppress(ProtocolError):
        opened(dialect).receive(json.dumps(message))


@given(dialect=st.sampled_from(sorted(DRIVERS)), order=st.data())
def test_segments_keep_their_promises_in_any_order_of_messages(dialect: str, order: st.DataObject) -> None:
    driver = opened(dialect)
    driver.send_audio(ONE_SECOND)
    if order.draw(st.booleans()):
        driver.finish()
    finals: set[str] = set()
    events: list[DriverEvent] = []
    for message in order.draw(st.lists(st.sampled_from(SESSIONS[dialect]), max_size=12)):
        try:
            events += driver.receive(message)
        except ProtocolError:
            return
    for event in events:
        if isinstance(event, Transcript):
            assert event.segment not in finals
            assert 0 <= (event.committed_chars or 0) <= len(event.text)
            finals |= {event.segment} if event.is_final else set()
    assert ending(events) in (None, events[-1] if events else None)
    assert events.count(Ready()) <= (len(events) if dialect == "native" else 1)


def test_the_dialects_that_are_ready_when_connected_send_audio_at_once() -> None:
    for dialect in READY_WHEN_CONNECTED - {"openai-rest"}:
        driver = opened(dialect)
        driver.send_audio(b"\1\0" * 1_600)
        assert driver.take_outgoing()
