"""Deepgram's dialect of `/v2/listen`: turns, session by session, over memory streams."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engines.scripted import ScriptedEngine
from gateway.session.context import SessionContext
from gateway.wire import (
    Eager,
    Final,
    KeepAlive,
    Latency,
    Partial,
    ProtocolError,
    ServerEvent,
    SpeechEnded,
    Stop,
    Update,
    WordSpan,
)
from gateway.wire.deepgram.flux_codec import FluxCodec
from gateway.wire.deepgram.flux_params import Turns, confidence_of, read_turns
from tests.sessions import Message, call, open_context, settled, silence, speech, stuck_on_finals

RAW = (("model", "flux-general-en"), ("encoding", "linear16"), ("sample_rate", "16000"))
CLOSE: Message = {"type": "CloseStream"}
SPOKEN = (silence(0.5), speech(1.2), silence(0.7))


def wanted(**query: str) -> Turns:
    return read_turns((*RAW, *query.items()))


async def conversation(context: SessionContext, turns: Turns, *messages: Message | str | bytes) -> list[Message]:
    async with call(context, FluxCodec(turns, "request")) as peer:
        for message in messages:
            await peer.send(message)
            await settled()
        return await peer.receive_all()


async def answers(turns: Turns, *messages: Message | str | bytes) -> list[Message]:
    async with open_context() as context:
        return await conversation(context, turns, *messages)


def events(messages: list[Message]) -> list[object]:
    return [message["event"] for message in messages if message["type"] == "TurnInfo"]


def one(event: str, messages: list[Message]) -> Message:
    [found] = [message for message in messages if message.get("event") == event]
    return found


# --- turns -------------------------------------------------------------------------------------------------------


async def test_connected_comes_first_and_every_message_is_numbered() -> None:
    messages = await answers(wanted(), *SPOKEN, *SPOKEN, CLOSE)
    assert messages[0] == {"type": "Connected", "request_id": "request", "sequence_id": 0}
    assert [message["sequence_id"] for message in messages] == list(range(len(messages)))


async def test_a_turn_starts_updates_and_ends() -> None:
    messages = await answers(wanted(), silence(0.5), speech(0.6), speech(0.6), silence(0.7), CLOSE)
    names = events(messages)
    assert names == ["StartOfTurn", *["Update"] * (len(names) - 2), "EndOfTurn"]
    assert len(names) > 2
    end = messages[-1]
    assert end["transcript"] == "two three four"
    assert end["trigger"] == "model"
    assert end["end_of_turn_confidence"] == pytest.approx(0.7)
    assert (end["audio_window_start"], end["audio_window_end"]) == (0.18, 1.928)
    assert end["words"] == [
        {"word": "two", "confidence": 1.0, "start": 0.4, "end": 0.8},
        {"word": "three", "confidence": 1.0, "start": 0.8, "end": 1.2},
        {"word": "four", "confidence": 1.0, "start": 1.2, "end": 1.6},
    ]
    assert [message.get("trigger") for message in messages[:-1]] == [None] * (len(messages) - 1)


async def test_turns_are_counted_and_each_has_its_own_words() -> None:
    messages = await answers(wanted(), *SPOKEN, *SPOKEN, CLOSE)
    ends = [message for message in messages if message.get("event") == "EndOfTurn"]
    assert [(end["turn_index"], end["transcript"]) for end in ends] == [(0, "two three four"), (1, "eight nine ten")]


async def test_silence_is_no_turn() -> None:
    assert events(await answers(wanted(), silence(3.0), CLOSE)) == []


async def test_every_event_of_a_turn_has_words() -> None:
    messages = await answers(wanted(eager_eot_threshold="0.4"), *SPOKEN, *SPOKEN, CLOSE)
    assert all(message["words"] for message in messages if message["type"] == "TurnInfo")


async def test_a_pause_is_sent_early_and_its_words_are_those_of_the_end() -> None:
    messages = await answers(wanted(eager_eot_threshold="0.4"), *SPOKEN[:2], silence(0.3), silence(0.4), CLOSE)
    assert events(messages)[-2:] == ["EagerEndOfTurn", "EndOfTurn"]
    eager, end = one("EagerEndOfTurn", messages), one("EndOfTurn", messages)
    assert eager["transcript"] == end["transcript"] == "two three four"
    assert eager["end_of_turn_confidence"] == 0.4


async def test_resumed_speech_resumes_the_turn() -> None:
    messages = await answers(
        wanted(eager_eot_threshold="0.4"), silence(0.5), speech(1.2), silence(0.3), *SPOKEN[1:], CLOSE
    )
    names = events(messages)
    assert names.index("TurnResumed") == names.index("EagerEndOfTurn") + 1
    assert names.count("EndOfTurn") == 1


async def test_without_a_threshold_nothing_is_sent_early() -> None:
    messages = await answers(wanted(), silence(0.5), speech(1.2), silence(0.3), *SPOKEN[1:], CLOSE)
    assert not {"EagerEndOfTurn", "TurnResumed"} & set(events(messages))


async def test_a_turn_can_be_ended_by_the_client() -> None:
    messages = await answers(wanted(), silence(0.5), speech(1.2), {"type": "ForceEndTurn"}, CLOSE)
    assert one("EndOfTurn", messages)["trigger"] == "manual"


async def test_forcing_the_end_without_a_turn_sends_nothing() -> None:
    assert events(await answers(wanted(), silence(0.5), {"type": "ForceEndTurn"}, CLOSE)) == []


async def test_a_turn_that_never_seems_over_ends_by_the_timeout() -> None:
    messages = await answers(wanted(eot_threshold="1.0", eot_timeout_ms="600"), *SPOKEN, CLOSE)
    assert one("EndOfTurn", messages)["trigger"] == "timeout"


async def test_a_turn_longer_than_an_utterance_is_one_turn() -> None:
    end = one("EndOfTurn", await answers(wanted(), *[speech(2.0)] * 14, silence(0.7), CLOSE))
    assert end["turn_index"] == 0
    assert end["audio_window_start"] == 0.0
    assert '"start": 27.6' in json.dumps(end["words"])


def final(words: tuple[WordSpan, ...], utterance_id: int = 0) -> Final:
    text = " ".join(word.text for word in words)
    return Final(0, utterance_id, 0, 16_000, text, "en", Latency(0, 0, 0, 0), words)


def test_an_early_end_whose_partial_was_replaced_still_has_its_words() -> None:
    codec = FluxCodec(wanted(eager_eot_threshold="0.4"))
    messages = codec.send(Eager(0, 0, "two three", "en"))
    assert ['"StartOfTurn"' in message for message in messages] == [True, False]
    assert all('"transcript":"two three"' in message and '"word":"three"' in message for message in messages)


def test_a_turn_without_end_is_ended() -> None:
    codec, words = FluxCodec(wanted()), tuple(WordSpan("word", 0, 1, None) for _ in range(1_000))
    sent: list[str] = []
    for utterance_id in range(4):
        ended: list[ServerEvent] = [SpeechEnded(0, utterance_id, 0, 16_000, "max_length"), final(words, utterance_id)]
        sent += [message for event in ended for message in codec.send(event)]
    assert ['"EndOfTurn"' in message for message in sent] == [False, False, True, False]


def test_a_partial_without_words_is_not_sent() -> None:
    assert FluxCodec(wanted()).send(Partial(0, 0, 0, 16_000, (), (), None)) == []


# --- control messages --------------------------------------------------------------------------------------------


async def test_configure_is_answered_in_its_turn_with_all_that_holds_now() -> None:
    configure: Message = {
        "type": "Configure",
        "thresholds": {"eot_threshold": 0.8, "eager_eot_threshold": 0.5},
        "keyterms": ["livecue"],
    }
    messages = await answers(wanted(keyterm="before"), silence(0.5), configure, *SPOKEN[1:], silence(0.5), CLOSE)
    [success] = [message for message in messages if message["type"] == "ConfigureSuccess"]
    assert success == {
        "type": "ConfigureSuccess",
        "request_id": "request",
        "sequence_id": 1,
        "thresholds": {"eot_threshold": 0.8, "eager_eot_threshold": 0.5, "eot_timeout_ms": 5000},
        "keyterms": ["livecue"],
        "language_hints": [],
    }
    assert "EagerEndOfTurn" in events(messages)
    assert float(str(one("EndOfTurn", messages)["end_of_turn_confidence"])) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    "option",
    [
        {"thresholds": {"eot_threshold": 0.2}},
        {"thresholds": {"eager_eot_threshold": 0.8}},
        {"thresholds": {"eot_timeout_ms": 10}},
        {"keyterms": ["word"] * 501},
        {"language_hints": ["Klingon"]},
        {"language_hints": ["de"]},
    ],
)
async def test_a_configuration_that_is_not_allowed_changes_nothing(option: Message) -> None:
    engine = ScriptedEngine()
    engine.info = replace(engine.info, languages=("en",))
    turns = read_turns([*RAW, ("model", "flux-general-multi")])
    codec = FluxCodec(turns, "request", ("en",))
    async with open_context(engine) as context, call(context, codec) as peer:
        await peer.send({"type": "Configure", **option}, CLOSE)
        messages = await peer.receive_all()
    assert [message["type"] for message in messages] == ["Connected", "ConfigureFailure"]
    assert codec.receive("") == []
    assert codec.open() == [turns.start]


def test_a_parameter_that_is_nearly_right_is_named() -> None:
    with pytest.raises(ProtocolError, match="did you mean eot_threshold"):
        wanted(eotThreshold="0.8")


async def test_hints_that_leave_one_language_are_that_language() -> None:
    codec = FluxCodec(read_turns([("model", "flux-general-multi")]), languages=("en", "de"))
    [update, _] = codec.receive('{"type":"Configure","language_hints":["de-AT","fr"]}')
    assert isinstance(update, Update)
    assert update.start.language == "de"


async def test_language_is_detected_among_several_hints() -> None:
    codec = FluxCodec(read_turns([("model", "flux-general-multi")]), languages=("en", "de", "fr"))
    [update, _] = codec.receive('{"type":"Configure","language_hints":["de-AT","fr"]}')
    assert isinstance(update, Update)
    assert (update.start.language, update.start.languages) == (None, ("de", "fr"))


async def test_a_message_that_is_none_is_a_warning_and_harms_nothing() -> None:
    messages = await answers(wanted(), SPOKEN[0], "nonsense", *SPOKEN[1:], CLOSE)
    [warning] = [message for message in messages if message["type"] == "Warning"]
    assert warning["code"] == "PROTOCOL_ERROR"
    assert one("EndOfTurn", messages)["transcript"] == "two three four"


async def test_a_fatal_error_is_the_last_message() -> None:
    async with open_context(stuck_on_finals()) as context:
        messages = await conversation(context, wanted(), b"RIFF\0\0\0\0WAVEfmt ")
    assert (messages[-1]["type"], messages[-1]["code"]) == ("Error", "INVALID_AUDIO")


# --- the address -------------------------------------------------------------------------------------------------


def test_the_default_threshold_is_the_gateways_default_silence() -> None:
    assert wanted().start.endpointing.silence_ms == pytest.approx(500, abs=1)
    assert confidence_of(500) == pytest.approx(0.7, abs=0.001)


@pytest.mark.parametrize(
    ("query", "silence_ms"),
    [
        ({"eot_threshold": "0.5"}, 214),
        ({"eot_threshold": "0.9"}, 1926),
        ({"eot_threshold": "1"}, 5_000),
        ({"eot_threshold": "0.9", "eot_timeout_ms": "700"}, 700),
        ({"eot_threshold": "1", "eot_timeout_ms": "60000"}, 10_000),
    ],
)
def test_a_higher_confidence_threshold_waits_longer(query: dict[str, str], silence_ms: int) -> None:
    assert wanted(**query).start.endpointing.silence_ms == silence_ms


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eot_threshold", "0.4"),
        ("eot_threshold", "nan"),
        ("eot_threshold", "0"),
        ("eager_eot_threshold", "0.2"),
        ("eager_eot_threshold", "0.8"),
        ("eager_eot_threshold", "surely"),
        ("eot_timeout_ms", "499"),
        ("eot_timeout_ms", "60001"),
        ("eot_timeout_ms", "0"),
    ],
)
def test_a_threshold_out_of_range_is_refused(name: str, value: str) -> None:
    with pytest.raises(ProtocolError, match=name):
        wanted(**{name: value})


def test_a_model_of_one_language_receives_that() -> None:
    assert wanted().start.language == "en"
    assert read_turns([("model", "flux-general-multi")]).start.language is None
    assert read_turns([("model", "flux-general-multi"), ("language_hint", "de")]).start.language == "de"


_NAMES = ("eot_threshold", "eager_eot_threshold", "eot_timeout_ms", "language_hint", "keyterm", "encoding")


@given(st.lists(st.tuples(st.sampled_from(_NAMES), st.text(max_size=10) | st.floats().map(str)), max_size=6))
def test_any_address_is_understood_or_refused(pairs: list[tuple[str, str]]) -> None:
    with suppress(ProtocolError):
        turns = read_turns(pairs)
        assert FluxCodec(turns).open() == [turns.start]


def test_messages_after_the_end_are_not_read() -> None:
    codec = FluxCodec(wanted())
    assert codec.receive('{"type":"CloseStream"}') == [Stop()]
    assert codec.receive(b"\0\0") == []
    assert codec.receive("nonsense") == []


def test_keep_alive_is_no_audio() -> None:
    assert FluxCodec(wanted()).receive('{"type":"KeepAlive"}') == [KeepAlive()]


def test_an_eager_end_without_words_is_not_sent() -> None:
    codec = FluxCodec(wanted(eager_eot_threshold="0.5"))
    assert codec.send(Eager(1, 0, "", "en")) == []


def test_an_utterance_without_words_is_no_turn() -> None:
    codec = FluxCodec(wanted())
    assert codec.send(final(())) == []
    (started, ended) = [json.loads(message) for message in codec.send(final((WordSpan("two", 0, 1, None),), 1))]
    assert (started["event"], started["turn_index"]) == ("StartOfTurn", 0)
    assert (ended["event"], ended["turn_index"]) == ("EndOfTurn", 0)
