"""Deepgram's own client, unmodified, against a running gateway."""

from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeVar

import numpy as np
import pytest
from anyio import to_thread
from deepgram.core.api_error import ApiError
from deepgram.listen.v1.types.listen_v1configure import ListenV1Configure
from deepgram.listen.v1.types.listen_v1configure_success import ListenV1ConfigureSuccess
from deepgram.listen.v1.types.listen_v1error import ListenV1Error
from deepgram.listen.v1.types.listen_v1metadata import ListenV1Metadata
from deepgram.listen.v1.types.listen_v1results import ListenV1Results
from deepgram.listen.v1.types.listen_v1speech_started import ListenV1SpeechStarted
from deepgram.listen.v1.types.listen_v1utterance_end import ListenV1UtteranceEnd
from deepgram.listen.v2.types.listen_v2configure import ListenV2Configure
from deepgram.listen.v2.types.listen_v2configure_success import ListenV2ConfigureSuccess
from deepgram.listen.v2.types.listen_v2configure_thresholds import ListenV2ConfigureThresholds
from deepgram.listen.v2.types.listen_v2connected import ListenV2Connected
from deepgram.listen.v2.types.listen_v2force_end_turn import ListenV2ForceEndTurn
from deepgram.listen.v2.types.listen_v2turn_info import ListenV2TurnInfo
from deepgram.types.listen_v1response import ListenV1Response
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from decoder.engine_selection import create_engine
from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from tests.compatibility import exercises
from tests.deepgram_client import (
    RAW,
    Received,
    async_client,
    async_file_client,
    client,
    events,
    file_client,
    finals,
    listening,
    results,
    text_of,
)
from tests.media import encoded
from tests.meeting import RECORDING, spoken_frames, spoken_words, wrong_share
from tests.servers import EMBEDDED, Served, serving
from tests.sessions import silence, speech
from tests.uploading import SPOKEN, SPOKEN_TEXT, serving_files

pytestmark = pytest.mark.timeout(180)

FLUX = {"model": "flux-general-en", "encoding": "linear16", "sample_rate": "16000"}

_T = TypeVar("_T")


def of(kind: type[_T], received: Received) -> list[_T]:
    return [message for message in received.messages if isinstance(message, kind)]


def turns(received: Received) -> list[ListenV2TurnInfo]:
    return of(ListenV2TurnInfo, received)


def embedded_engine_serving() -> AbstractAsyncContextManager[Served]:
    settings = load_settings(EMBEDDED)
    return serving(create_engine(settings.engine), settings)


# --- /v1/listen --------------------------------------------------------------------------------------------------


@exercises("deepgram-sdk", "listen.v1, async: real speech, interim and final results, SpeechStarted, Metadata, close")
async def test_the_words_of_real_speech_are_right_and_events_are_in_order() -> None:
    async with embedded_engine_serving() as served:
        received = await events(served, spoken_frames(), **RAW, interim_results="true", vad_events="true")
    assert wrong_share(text_of(finals(received))) <= 0.05
    assert isinstance(received.messages[-1], ListenV1Metadata)
    assert received.messages[-1].duration == pytest.approx(27.8, abs=0.1)
    assert len(of(ListenV1SpeechStarted, received)) == 8
    assert received.errors == []
    assert received.is_closed
    end_s = 0.0
    for result in results(received):
        assert result.start == pytest.approx(end_s)
        end_s = result.start + result.duration if result.is_final else end_s
    for result in finals(received):
        spoken = result.channel.alternatives[0].words
        assert [word.punctuated_word for word in spoken] == result.channel.alternatives[0].transcript.split()
        assert all(result.start <= word.start <= word.end for word in spoken)


@exercises("deepgram-sdk", "listen.v1, sync: results, KeepAlive, Finalize without an end, CloseStream")
async def test_the_sync_client_finalizes_and_continues() -> None:
    def talk(served: Served) -> list[object]:
        with client(served).listen.v1.connect(model="nova-3", encoding="linear16", sample_rate=16_000) as connection:
            connection.send_keep_alive()
            connection.send_media(silence(0.5) + speech(1.2))
            connection.send_finalize()
            messages: list[object] = [connection.recv()]
            connection.send_media(silence(0.5) + speech(1.2) + silence(0.7))
            connection.send_close_stream()
            return messages + list(connection)

    async with serving_files() as served:
        first, second, last = await to_thread.run_sync(talk, served)
    assert isinstance(first, ListenV1Results)
    assert isinstance(second, ListenV1Results)
    assert (first.from_finalize, second.from_finalize) == (True, False)
    assert text_of([first, second]) == "two three four six seven eight nine"
    assert isinstance(last, ListenV1Metadata)


@exercises("deepgram-sdk", "listen.v1: UtteranceEnd, Configure, and an answer to a message that is none")
async def test_the_client_knows_every_message_it_is_sent() -> None:
    async with (
        serving_files() as served,
        async_client(served).listen.v1.connect(**RAW, interim_results="true", utterance_end_ms="1000") as connection,
        listening(connection) as received,
    ):
        await connection.send_configure(ListenV1Configure(keyterms=["livecue"]))
        await connection._send("nonsense")
        await connection.send_media(silence(0.5) + speech(1.2) + silence(1.5))
        await connection.send_close_stream()
    kinds = [type(message) for message in received.messages]
    assert kinds[:2] == [ListenV1ConfigureSuccess, ListenV1Error]
    assert kinds[-2:] == [ListenV1UtteranceEnd, ListenV1Metadata]


@exercises("deepgram-sdk", "listen.v1: WebM and FLAC as a recorder sends them, without an encoding")
@pytest.mark.parametrize("kind", ["flac", "webm"])
async def test_containers_are_understood_as_they_come(kind: str) -> None:
    samples = np.frombuffer(b"".join(spoken_frames(6.6)), "<i2") / 32_768
    file = encoded(kind, samples.astype(np.float32))
    async with embedded_engine_serving() as served:
        received = await events(served, [file[at : at + 4_000] for at in range(0, len(file), 4_000)], model="nova-3")
    assert wrong_share(text_of(finals(received)), spoken_words()[:13]) <= 0.1


@exercises("deepgram-sdk", "listen.v1: two channels, each transcribed by itself")
async def test_channels_are_separated() -> None:
    spoken, silent = silence(0.5) + speech(1.2) + silence(0.7), silence(2.4)
    stereo = np.stack([np.frombuffer(samples, "<i2") for samples in (silent, spoken)], axis=1).tobytes()
    async with serving_files() as served:
        received = await events(served, [stereo], **RAW, multichannel="true", channels="2")
    [result] = finals(received)
    assert result.channel_index == [1, 2]
    assert text_of([result]) == "two three four five"


@exercises("deepgram-sdk", "listen.v1: a connection that is cut, and another after it")
async def test_a_cut_connection_is_followed_by_another() -> None:
    async with serving_files() as served:
        with suppress(ConnectionClosedError):  # the client finds out when it wants to say goodbye
            async with async_client(served).listen.v1.connect(**RAW) as connection:
                await connection.send_media(speech(1.0))
                connection._websocket.transport.abort()
        received = await events(served, [silence(0.5), speech(1.2), silence(0.7)], **RAW)
    assert text_of(finals(received)) == "two three four five"


@exercises("deepgram-sdk", "listen.v1: a silent connection is closed with 1011 and NET-0001")
async def test_a_silent_connection_is_closed_as_there() -> None:
    settings = {"session": {"detector": "loudness", "idle_timeout_s": 0.1}}
    async with (
        serving_files(settings=settings) as served,
        async_client(served).listen.v1.connect(**RAW) as connection,
        listening(connection) as received,
    ):
        pass
    [error] = received.errors
    assert isinstance(error, ConnectionClosedError)
    assert error.rcvd is not None
    assert error.rcvd.code == 1011
    assert "NET-0001" in error.rcvd.reason


@exercises("deepgram-sdk", "a wrong key and a wish that cannot be met, sync and async")
async def test_refusals_are_the_clients_own_errors() -> None:
    async with serving(ScriptedEngine(), load_settings({"server": {"api_keys": ["secret"]}})) as served:
        with pytest.raises(ApiError) as refusal:
            await async_client(served, "wrong").listen.v1.connect(**RAW).__aenter__()
        assert refusal.value.status_code == 401
        with pytest.raises(ApiError) as refusal:
            await async_client(served, "secret").listen.v1.connect(model="nova-3", encoding="g729").__aenter__()
        assert refusal.value.status_code == 400
        async with async_file_client(served, "wrong") as files:
            with pytest.raises(ApiError) as refusal:
                await files.transcribe_file(request=SPOKEN)
        assert refusal.value.status_code == 401

        def connect() -> None:
            client(served, "wrong").listen.v1.connect(model="nova-3").__enter__()

        with pytest.raises((ApiError, InvalidStatus)):
            await to_thread.run_sync(connect)


# --- /v2/listen --------------------------------------------------------------------------------------------------


@exercises("deepgram-sdk", "listen.v2, async: turns of real speech")
async def test_turns_of_real_speech_have_the_right_words() -> None:
    async with (
        embedded_engine_serving() as served,
        async_client(served).listen.v2.connect(**FLUX, eager_eot_threshold="0.4") as connection,
        listening(connection) as received,
    ):
        for frame in spoken_frames():
            await connection.send_media(frame)
        await connection.send_close_stream()
    assert isinstance(received.messages[0], ListenV2Connected)
    ends = [turn for turn in turns(received) if turn.event == "EndOfTurn"]
    assert wrong_share(" ".join(end.transcript for end in ends)) <= 0.05
    assert [end.turn_index for end in ends] == list(range(len(ends)))
    assert all(turn.words and 0 <= turn.end_of_turn_confidence <= 1 for turn in turns(received))
    state = "EndOfTurn"
    for turn in turns(received):
        assert turn.event in FOLLOWS[state]
        state = turn.event


FOLLOWS = {
    "EndOfTurn": {"StartOfTurn"},
    "StartOfTurn": {"Update", "EagerEndOfTurn", "EndOfTurn"},
    "Update": {"Update", "EagerEndOfTurn", "EndOfTurn"},
    "EagerEndOfTurn": {"TurnResumed", "EndOfTurn"},
    "TurnResumed": {"Update", "EagerEndOfTurn", "EndOfTurn"},
}
"""What may come after an event, as Flux's documentation draws it."""


@exercises("deepgram-sdk", "listen.v2: EagerEndOfTurn, TurnResumed, Configure, ForceEndTurn")
async def test_a_turn_is_resumed_configured_and_forced_to_its_end() -> None:
    async with (
        serving_files() as served,
        async_client(served).listen.v2.connect(**FLUX, eager_eot_threshold="0.4") as connection,
        listening(connection) as received,
    ):
        await connection.send_media(silence(0.5) + speech(1.2))
        await connection.send_media(silence(0.3))
        await received.until(lambda message: getattr(message, "event", "") == "EagerEndOfTurn")
        await connection.send_media(speech(1.2))
        await received.until(lambda message: getattr(message, "event", "") == "TurnResumed")
        thresholds = ListenV2ConfigureThresholds(eot_threshold=0.9)
        await connection.send_configure(ListenV2Configure(thresholds=thresholds, keyterms=["livecue"]))
        await received.until(lambda message: isinstance(message, ListenV2ConfigureSuccess))
        await connection.send_force_end_turn(ListenV2ForceEndTurn())
        await received.until(lambda message: getattr(message, "trigger", "") == "manual")
        await connection.send_close_stream()
    [success] = of(ListenV2ConfigureSuccess, received)
    assert success.thresholds.eot_threshold == 0.9
    numbers = [message.sequence_id for message in received.messages]  # type: ignore[attr-defined]  # every one has it
    assert numbers == list(range(len(numbers)))


@exercises("deepgram-sdk", "listen.v2, sync: a turn")
async def test_the_sync_client_receives_a_turn() -> None:
    def talk(served: Served) -> list[object]:
        with client(served).listen.v2.connect(model="flux-general-en", encoding="linear16", sample_rate=16_000) as turn:
            turn.send_media(silence(0.5) + speech(1.2) + silence(0.7))
            turn.send_close_stream()
            return list(turn)

    async with serving_files() as served:
        messages = await to_thread.run_sync(talk, served)
    assert isinstance(messages[0], ListenV2Connected)
    assert isinstance(messages[-1], ListenV2TurnInfo)
    assert (messages[-1].event, messages[-1].transcript) == ("EndOfTurn", "two three four five")


# --- files -------------------------------------------------------------------------------------------------------


@exercises("deepgram-sdk", "listen.v1.media.transcribe_file, async: real speech")
async def test_a_file_of_real_speech_has_the_right_words() -> None:
    async with embedded_engine_serving() as served, async_file_client(served) as files:
        answer = await files.transcribe_file(request=RECORDING.read_bytes(), model="nova-3", utterances=True)
    assert isinstance(answer, ListenV1Response)
    channels = answer.results.channels
    assert channels[0].alternatives is not None
    assert wrong_share(str(channels[0].alternatives[0].transcript)) <= 0.05
    assert answer.results.utterances is not None
    assert len(answer.results.utterances) == 8
    assert answer.metadata.duration == pytest.approx(27.8, abs=0.1)


@exercises("deepgram-sdk", "listen.v1.media.transcribe_file, sync: a file, and one that is none")
async def test_the_sync_client_sends_files() -> None:
    def send(served: Served) -> str:
        with file_client(served) as files:
            with pytest.raises(ApiError) as refusal:
                files.transcribe_file(request=b"no audio at all", model="nova-3")
            answer = files.transcribe_file(request=SPOKEN, model="nova-3")
        assert refusal.value.status_code == 400
        assert isinstance(answer, ListenV1Response)
        assert answer.results.channels[0].alternatives is not None
        return str(answer.results.channels[0].alternatives[0].transcript)

    async with serving_files() as served:
        assert await to_thread.run_sync(send, served) == SPOKEN_TEXT
