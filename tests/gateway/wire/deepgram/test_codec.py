"""Deepgram's dialect of `/v1/listen`, session by session, over memory streams."""

import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engines.scripted import ScriptedEngine
from gateway.session.context import SessionContext
from gateway.wire import (
    AudioFormat,
    DialectReply,
    Encoding,
    Final,
    Flush,
    Latency,
    Partial,
    ProtocolError,
    Start,
    Update,
    WordSpan,
)
from gateway.wire.deepgram.codec import DeepgramCodec, closing_of
from gateway.wire.deepgram.listen_params import Listen, read_listen
from gateway.wire.deepgram.messages import is_close
from tests.sessions import SETTINGS, Message, call, failing_finals, open_context, silence, speech

SPOKEN = (silence(0.5), speech(1.2), silence(0.7))
CLOSE: Message = {"type": "CloseStream"}
FINALIZE: Message = {"type": "Finalize"}
RAW = (("encoding", "linear16"), ("sample_rate", "16000"))


def wanted(**query: str) -> Listen:
    return read_listen((*RAW, *query.items()))


async def conversation(
    context: SessionContext, listen: Listen, *messages: Message | str | bytes
) -> tuple[list[Message], int | None]:
    """Return what the gateway answers, up to its closing_of, and the code of that."""
    async with call(context, DeepgramCodec(listen, "request", "2026-11-22T06:00:00.000Z")) as peer:
        await peer.send(*messages)
        return await peer.receive_all(), peer.transport.close_code


async def answers(listen: Listen, *messages: Message | str | bytes) -> list[Message]:
    async with open_context(session=replace(SETTINGS, ack_interval_s=0.2)) as context:
        return (await conversation(context, listen, *messages))[0]


def of(kind: str, messages: list[Message]) -> list[Message]:
    return [message for message in messages if message["type"] == kind]


def transcript(result: Message) -> str:
    match result:
        case {"channel": {"alternatives": [{"transcript": str(text)}]}}:
            return text
    raise AssertionError(result)


def flags(result: Message) -> tuple[object, object, object]:
    return result["is_final"], result["speech_final"], result["from_finalize"]


def windows(results: list[Message]) -> list[tuple[float, float]]:
    spans = [(float(str(result["start"])), float(str(result["duration"]))) for result in results]
    return [(start, round(start + duration, 3)) for start, duration in spans]


# --- results -----------------------------------------------------------------------------------------------------


async def test_an_utterance_is_one_result_and_metadata_comes_last() -> None:
    messages = await answers(wanted(), *SPOKEN, CLOSE)
    assert [message["type"] for message in messages] == ["Results", "Metadata"]
    assert transcript(messages[0]) == "two three four"
    assert flags(messages[0]) == (True, True, False)
    assert messages[1]["duration"] == 2.4
    assert messages[1]["request_id"] == "request"


async def test_close_stream_ends_in_a_normal_close() -> None:
    async with open_context() as context:
        _, close_code = await conversation(context, wanted(), *SPOKEN, CLOSE)
    assert close_code == 1000


async def test_an_empty_message_is_the_end_as_for_older_clients() -> None:
    assert (await answers(wanted(), *SPOKEN, b""))[-1]["type"] == "Metadata"


async def test_messages_after_the_end_are_not_received() -> None:
    messages = await answers(wanted(), *SPOKEN, CLOSE, speech(1.0), "nonsense", FINALIZE)
    assert [message["type"] for message in messages] == ["Results", "Metadata"]


async def test_every_result_has_all_that_clients_read() -> None:
    [result, _] = await answers(wanted(model="nova-3", extra="call:7"), *SPOKEN, CLOSE)
    alternatives = result["channel"]
    assert alternatives == {
        "alternatives": [
            {
                "transcript": "two three four",
                "confidence": 1.0,
                "words": [
                    {"word": "two", "start": 0.4, "end": 0.8, "confidence": 1.0, "punctuated_word": "two"},
                    {"word": "three", "start": 0.8, "end": 1.2, "confidence": 1.0, "punctuated_word": "three"},
                    {"word": "four", "start": 1.2, "end": 1.6, "confidence": 1.0, "punctuated_word": "four"},
                ],
            }
        ]
    }
    assert result["metadata"] == {
        "request_id": "request",
        "model_info": {"name": "nova-3", "version": "1", "arch": "script"},
        "model_uuid": "00000000-0000-0000-0000-000000000000",
        "extra": {"call": "7"},
    }
    assert result["channel_index"] == [0, 1]


async def test_interim_results_are_sent_only_if_requested() -> None:
    chunks = [silence(0.5), *[speech(0.1)] * 30, silence(0.7)]
    assert [result["is_final"] for result in of("Results", await answers(wanted(), *chunks, CLOSE))] == [True]
    interims = of("Results", await answers(wanted(interim_results="true"), *chunks, CLOSE))
    assert False in [result["is_final"] for result in interims]


async def test_finals_are_windows_side_by_side_and_interims_begin_where_the_last_ended() -> None:
    async with open_context() as context, call(context, DeepgramCodec(wanted(interim_results="true"))) as peer:
        results: list[Message] = []
        for _ in range(2):
            await peer.send(silence(0.5), speech(1.2), silence(0.7))
            results.append(await peer.receive())
            while not results[-1]["is_final"]:
                results.append(await peer.receive())
        await peer.send(CLOSE)
        await peer.receive_all()
    end = 0.0
    for (start, until), result in zip(windows(results), results, strict=True):
        assert start == end
        assert until > start
        end = until if result["is_final"] else end


async def test_speech_that_is_split_for_its_length_gives_finals_that_do_not_end_it() -> None:
    messages = await answers(wanted(interim_results="true"), *[speech(0.5)] * 60, silence(0.7), CLOSE)
    finals = [result for result in of("Results", messages) if result["is_final"]]
    assert [result["speech_final"] for result in finals] == [False, True]


def test_no_word_of_a_final_is_sent_as_one_before_the_final_is_known() -> None:
    codec = DeepgramCodec(wanted(interim_results="true"))
    words = tuple(WordSpan(f"word{number}", number * 16_000, (number + 1) * 16_000, None) for number in range(9))
    right = (WordSpan("other", 0, 16_000, None), *words[1:])
    partial = Partial(2, 0, 0, 9 * 16_000, words[:8], words[8:], "en", "")
    final = Final(3, 0, 0, 9 * 16_000, "other text", "en", Latency(0, 0, 0, 0), right)

    interim, last = (json.loads(message) for event in (partial, final) for message in codec.send(event))

    assert (interim["is_final"], transcript(interim).split()[0]) == (False, "word0")
    assert (last["is_final"], transcript(last), last["start"], last["duration"]) == (True, "other text", 0.0, 9.0)
    assert [word["word"] for word in last["channel"]["alternatives"][0]["words"]][:2] == ["other", "word1"]


async def test_endpointing_false_never_sends_speech_final() -> None:
    [result, _] = await answers(wanted(endpointing="false"), *SPOKEN, CLOSE)
    assert flags(result) == (True, False, False)


async def test_an_utterance_that_fails_is_sent_without_words() -> None:
    async with open_context(ScriptedEngine(failing_finals)) as context:
        messages, close_code = await conversation(context, wanted(), *SPOKEN, CLOSE)
    assert [transcript(result) for result in of("Results", messages)] == [""]
    assert close_code == 1000


async def test_languages_are_named_when_several_are_expected() -> None:
    [result, _] = await answers(wanted(language="multi"), *SPOKEN, CLOSE)
    assert '"languages": ["en"]' in str(result).replace("'", '"')
    assert '"language": "en"' in str(result).replace("'", '"')


# --- events ------------------------------------------------------------------------------------------------------


async def test_the_beginning_of_speech_is_sent_if_requested() -> None:
    [started, _, _] = await answers(wanted(vad_events="true"), *SPOKEN, CLOSE)
    assert started == {"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.18}


async def test_the_end_of_an_utterance_is_sent_after_the_requested_silence() -> None:
    messages = await answers(wanted(utterance_end_ms="1000"), *SPOKEN, silence(1.0), *SPOKEN, CLOSE)
    assert [message["type"] for message in messages] == ["Results", "UtteranceEnd", "Results", "Metadata"]
    assert messages[1] == {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 1.6}


async def test_words_that_follow_soon_keep_the_utterance_going() -> None:
    messages = await answers(wanted(utterance_end_ms="1500"), *SPOKEN, *SPOKEN, CLOSE)
    assert of("UtteranceEnd", messages) == []


# --- control messages --------------------------------------------------------------------------------------------


async def test_finalize_is_answered_and_the_stream_continues() -> None:
    messages = await answers(wanted(), silence(0.5), speech(1.2), FINALIZE, *SPOKEN, CLOSE)
    results = of("Results", messages)
    assert [flags(result) for result in results] == [(True, True, True), (True, True, False)]
    assert [transcript(result) for result in results] == ["two three four", "six seven eight nine"]


async def test_finalize_of_silence_is_answered_without_words() -> None:
    [result, _] = await answers(wanted(), FINALIZE, CLOSE)
    assert flags(result) == (True, True, True)
    assert transcript(result) == ""


async def test_every_finalize_gets_one_answer() -> None:
    messages = await answers(wanted(), silence(0.5), speech(1.2), FINALIZE, FINALIZE, FINALIZE, CLOSE)
    assert [flags(result) for result in of("Results", messages)] == [(True, True, True)] * 3


async def test_keep_alive_is_not_answered() -> None:
    assert [message["type"] for message in await answers(wanted(), {"type": "KeepAlive"}, CLOSE)] == ["Metadata"]


async def test_configure_changes_the_keyterms_and_confirms_it() -> None:
    codec = DeepgramCodec(wanted(keyterm="before"), "request")
    [update, _] = codec.receive('{"type":"Configure","keyterms":["livecue","pocketsphinx"]}')
    assert isinstance(update, Update)
    assert update.start.prompt == "livecue, pocketsphinx."
    messages = await answers(wanted(), {"type": "Configure", "keyterms": ["livecue"]}, CLOSE)
    assert messages[0] == {"type": "ConfigureSuccess", "request_id": "request", "keyterms": ["livecue"]}


async def test_too_many_keyterms_are_refused_and_change_nothing() -> None:
    [failure, _] = await answers(wanted(), {"type": "Configure", "keyterms": ["word"] * 501}, CLOSE)
    assert (failure["type"], failure["code"]) == ("ConfigureFailure", "CONFIGURE_KEYTERM_LIMIT_EXCEEDED")


@pytest.mark.parametrize("text", ["nonsense", "{}", '{"type":"Begin"}', "[1]", '{"type":"Configure","keyterms":7}'])
async def test_an_invalid_message_is_refused_and_harmless(text: str) -> None:
    messages = await answers(wanted(), SPOKEN[0], text, *SPOKEN[1:], CLOSE)
    [error] = of("Error", messages)
    assert error["variant"] == "SchemaError"
    assert transcript(of("Results", messages)[0]) == "two three four"


async def test_audio_that_is_a_file_where_raw_was_announced_ends_it_as_undecodable() -> None:
    async with open_context() as context:
        messages, _ = await conversation(context, wanted(), b"RIFF\0\0\0\0WAVEfmt ")
    assert messages[-1]["variant"] == "invalid_audio"
    assert closing_of(1007, "invalid_audio") == (1008, "DATA-0000: the payload cannot be decoded as audio")


def test_a_silent_peer_is_left_as_clients_know_it() -> None:
    code, reason = closing_of(1008, "idle_timeout")
    assert code == 1011
    assert reason.startswith("NET-0001")
    assert closing_of(1013, "lagging") == (1013, "lagging")
    assert all(len(closing_of(0, error)[1]) <= 123 for error in ("idle_timeout", "internal_error", "invalid_audio"))


# --- several channels --------------------------------------------------------------------------------------------


def interleaved(*channels: bytes) -> bytes:
    samples = np.stack([np.frombuffer(channel, "<i2") for channel in channels], axis=1)
    return samples.astype("<i2").tobytes()


@pytest.mark.parametrize("cut", [1, 3, 4_000, 1_000_000])
async def test_each_channel_is_transcribed_by_itself(cut: int) -> None:
    audio = interleaved(b"".join(SPOKEN) + silence(2.4), silence(2.4) + b"".join(SPOKEN))
    pieces = [audio[:cut], audio[cut:]]
    messages = await answers(wanted(multichannel="true", channels="2"), *pieces, CLOSE)
    results = of("Results", messages)
    sent = [(result["channel_index"], transcript(result)) for result in results]
    assert sent == [([0, 2], "two three four"), ([1, 2], "eight nine ten")]
    assert messages[-1]["channels"] == 2
    assert messages[-1]["duration"] == 4.8


async def test_finalize_is_answered_on_every_channel_once() -> None:
    audio = interleaved(silence(0.5) + speech(1.2), silence(1.7))
    messages = await answers(wanted(multichannel="true", channels="2"), audio, FINALIZE, CLOSE)
    sent = [(result["channel_index"], flags(result), transcript(result)) for result in of("Results", messages)]
    assert sorted(sent, key=str) == [([0, 2], (True, True, True), "two three four"), ([1, 2], (True, True, True), "")]


async def test_channels_that_are_not_transcribed_separately_are_mixed() -> None:
    audio = interleaved(b"".join(SPOKEN), silence(2.4))
    [result, metadata] = await answers(wanted(channels="2"), audio, CLOSE)
    assert transcript(result) == "two three four"
    assert result["channel_index"] == [0, 1]
    assert metadata["duration"] == 2.4


# --- the address -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "eng", "english", "en-US"])
def test_a_language_is_understood_however_it_is_written(language: str) -> None:
    listen = read_listen([("language", language)], ("de", "en", "es"))
    assert (listen.start.language, listen.is_multilingual) == ("en", False)


@pytest.mark.parametrize(
    ("query", "languages"),
    [
        ([("language", "multi")], ()),
        ([("language", "auto")], ()),
        ([("detect_language", "true")], ()),
        ([("detect_language", "en"), ("detect_language", "es-419")], ("en", "es")),
    ],
)
def test_language_is_detected_among_those_of_the_address(
    query: list[tuple[str, str]], languages: tuple[str, ...]
) -> None:
    listen = read_listen(query, ("de", "en", "es"))
    assert (listen.start.language, listen.start.languages, listen.is_multilingual) == (None, languages, True)


def test_the_url_carries_the_options() -> None:
    listen = read_listen(
        [
            ("model", "nova-3"),
            ("encoding", "mulaw"),
            ("sample_rate", "8000"),
            ("language", "en-US"),
            ("interim_results", "True"),
            ("endpointing", "300"),
            ("keyterm", "livecue"),
            ("keyterm", "home assistant"),
            ("keywords", "sphinx:2"),
            ("smart_format", "whatever"),
            ("unheard_of", "x"),
        ]
    )
    assert listen.start == Start(
        audio=AudioFormat(Encoding.PCM_MULAW, 8_000),
        language="en",
        prompt="livecue, home assistant, sphinx.",
        endpointing=replace(Start().endpointing, silence_ms=300),
        words=True,
        transcripts=True,
    )
    assert not listen.is_containerized


@pytest.mark.parametrize(("value", "silence_ms"), [("10", 200), ("25", 200), ("0", 200), ("800", 800), ("true", None)])
def test_endpointing_that_would_cut_words_is_made_longer(value: str, silence_ms: int | None) -> None:
    assert wanted(endpointing=value).start.endpointing.silence_ms == silence_ms


@pytest.mark.parametrize("encoding", [None, "opus", "ogg-opus", "flac", "amr-nb"])
def test_containerized_audio_needs_no_format(encoding: str | None) -> None:
    assert read_listen([] if encoding is None else [("encoding", encoding)]).is_containerized


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"encoding": "g729"}, "encoding"),
        ({"encoding": "linear16"}, "sample_rate"),
        ({"encoding": "linear16", "sample_rate": "fast"}, "sample_rate"),
        ({"encoding": "linear16", "sample_rate": "4000"}, "encoding"),
        ({"encoding": "linear16", "sample_rate": "16000", "channels": "3"}, "encoding"),
        ({"channels": "9"}, "channels"),
        ({"channels": "٣"}, "channels"),
        ({"multichannel": "true"}, "multichannel"),
        ({"interim_results": "perhaps"}, "interim_results"),
        ({"endpointing": "-1"}, "endpointing"),
        ({"utterance_end_ms": "9" * 5_000}, "utterance_end_ms"),
        ({"language": "Klingon"}, "language"),
        ({"language": "en-" + "x" * 100}, "language"),
        ({"language": "de"}, "language"),
        ({"detect_language": "perhaps"}, "detect_language"),
        ({"callback": "http://127.0.0.1/"}, "callback"),
        ({"extra": "x" * 3_000}, "extra"),
        ({"keyterm": "x" * 6_000}, "keyterm"),
        ({"sampleRate": "8000"}, "sampleRate"),
        ({"interim-results": "true"}, "interim-results"),
        ({"Language": "en"}, "Language"),
    ],
)
def test_a_option_that_cannot_be_met_is_refused(query: dict[str, str], field: str) -> None:
    with pytest.raises(ProtocolError) as refusal:
        read_listen(query.items(), ("en",))
    assert refusal.value.field == field
    assert len(str(refusal.value)) < 500


_NAMES = ("encoding", "sample_rate", "channels", "multichannel", "language", "endpointing", "utterance_end_ms", "extra")


@given(st.lists(st.tuples(st.sampled_from((*_NAMES, "keyterm", "keywords", "tag")), st.text(max_size=20)), max_size=8))
def test_any_address_is_understood_or_refused(pairs: list[tuple[str, str]]) -> None:
    with suppress(ProtocolError):
        listen = read_listen(pairs)
        assert DeepgramCodec(listen).open() == [listen.start]


@given(chunks=st.lists(st.binary(max_size=50), max_size=10), channels=st.integers(2, 8))
def test_channels_are_separated_whatever_the_cuts(chunks: list[bytes], channels: int) -> None:
    codec = DeepgramCodec(wanted(multichannel="true", channels=str(channels)))
    received = [b""] * channels
    for audio in chunks:
        for event in codec.receive(audio) if audio else ():
            received[event.channel] += event.data  # type: ignore[union-attr]  # audio gives nothing else
    whole = b"".join(chunks)
    frames = len(whole) // (2 * channels)
    for channel, data in enumerate(received):
        places = [2 * (frame * channels + channel) for frame in range(frames)]
        assert data == b"".join(whole[place : place + 2] for place in places)


def test_finalize_is_a_flush() -> None:
    assert DeepgramCodec().receive('{"type":"Finalize"}') == [Flush("finalize")]


def test_the_prompt_has_as_many_keyterms_as_fit() -> None:
    terms = [f"term{number:03} {'x' * 40}" for number in range(40)]

    prompt = read_listen([("keyterm", term) for term in terms]).start.prompt
    assert prompt.startswith(f"{terms[0]}, {terms[1]}, ")
    assert prompt.endswith(f"{'x' * 40}.")
    assert terms[-1] not in prompt


@pytest.mark.parametrize(
    ("message", "ends"),
    [
        (b"", True),
        ('{"type":"CloseStream"}', True),
        ("", False),
        (b"\0\0", False),
        ("{}", False),
        ("CloseStream", False),
    ],
)
def test_the_end_is_a_close_stream_or_an_empty_binary_message(message: str | bytes, ends: bool) -> None:
    assert is_close(message) is ends


def test_a_configure_without_keyterms_keeps_those_before() -> None:
    codec = DeepgramCodec(wanted(keyterm="livecue"), "request")
    (reply,) = codec.receive('{"type":"Configure"}')
    assert isinstance(reply, DialectReply)
    assert isinstance(reply.message, str | bytes)
    assert json.loads(reply.message) == {"type": "ConfigureSuccess", "request_id": "request"}
    (start,) = codec.open()
    assert isinstance(start, Start)
    assert start.prompt == "livecue."
