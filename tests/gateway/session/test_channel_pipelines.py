"""Several channels of one session, seen as one."""

from collections.abc import Iterator, Sequence
from unittest.mock import patch

import pytest

from decoder.engine import EngineInfo
from decoder.engines.scripted import spoken_count
from decoder.scheduler import Answer
from decoder.settings import GuardSettings, StabiliserSettings
from decoder.types import DecodeRequest, RequestKind
from gateway.load.ladder import Step
from gateway.session.channel_pipelines import MAX_CHANNELS, SessionPipeline, open_pipeline
from gateway.session.pipeline import Effect
from gateway.session.stage_options import PipelineSettings
from gateway.settings import SessionSettings
from gateway.wire import (
    DialectMessage,
    Endpointing,
    Final,
    Finished,
    Flushed,
    OfChannel,
    Partial,
    ProtocolError,
    Ready,
    SpeechEnded,
    SpeechStarted,
    Start,
    Warning,
)
from tests.sessions import SEGMENTER, LoudnessDetector, silence, speech
from vad.detector import DETECTORS


@pytest.fixture(autouse=True)
def loudness() -> Iterator[None]:
    with patch.dict(DETECTORS, {"loudness": f"{LoudnessDetector.__module__}:LoudnessDetector"}):
        yield


def pipelines(start: Start) -> SessionPipeline:
    session = SessionSettings(detector="loudness", eager_finals=False)
    settings = PipelineSettings(SEGMENTER, StabiliserSettings(), GuardSettings(), session)
    return open_pipeline("a", start, settings, EngineInfo("scripted", "script", "none", languages=("en", "de")))


def answered(made: SessionPipeline, effects: Sequence[Effect]) -> list[Effect]:
    """Return the effects, after answering all requests."""
    results: list[Effect] = []
    for effect in effects:
        if isinstance(effect, DecodeRequest):
            outcome = spoken_count(effect)
            results += answered(made, made.answer(Answer(effect, outcome, 0.0, 0.0, 0.0), 0.0))
        else:
            results.append(effect)
    return results


def receive(made: SessionPipeline, channel: int, *pieces: bytes) -> list[Effect]:
    return [effect for piece in pieces for effect in answered(made, made.push_audio(piece, 0.0, channel))]


def of_channels(effects: Sequence[Effect], kind: type) -> list[int]:
    return [e.channel for e in effects if isinstance(e, OfChannel) and isinstance(e.event, kind)]


def test_each_channel_has_its_own_speech_and_finals() -> None:
    made = pipelines(Start(channels=2))
    effects = receive(made, 1, silence(0.5), speech(1.2), silence(0.8)) + receive(made, 0, silence(3.0))
    assert of_channels(effects, SpeechStarted) == [1]
    assert of_channels(effects, Final) == [1]
    assert made.stats.finals == 1
    assert made.audio_samples == pytest.approx(16_000 * 5.5, abs=600)


def test_numbers_go_on_over_all_channels() -> None:
    made = pipelines(Start(channels=2))
    effects = [
        made.ready(made.next_seq()),
        *receive(made, 1, silence(0.5), speech(1.2), silence(0.8)),
        *receive(made, 0, speech(1.0), silence(1.0)),
    ]
    numbers = [
        e.event.seq for e in effects if isinstance(e, OfChannel) and not isinstance(e.event, OfChannel | DialectMessage)
    ]
    assert isinstance(effects[0], Ready)
    assert (effects[0].seq, effects[0].session_id) == (1, "a")
    assert sorted(numbers) == list(range(2, 2 + len(numbers)))


def test_a_flush_is_answered_once_all_channels_have_answered() -> None:
    made = pipelines(Start(channels=2))
    receive(made, 0, silence(0.5), speech(1.2))
    receive(made, 1, silence(0.5), speech(1.2))
    effects = made.flush("now", 0.0)
    assert not any(isinstance(effect, Flushed) for effect in effects)
    effects = answered(made, effects)
    assert [type(e) for e in effects if isinstance(e, Flushed)] == [Flushed]
    assert isinstance(effects[-1], Flushed) or any(isinstance(e, Flushed) for e in effects[-2:])
    assert sorted(of_channels(effects, Final)) == [0, 1]


def test_the_end_is_emitted_once_with_all_finals() -> None:
    made = pipelines(Start(channels=2))
    receive(made, 0, silence(0.5), speech(1.2))
    receive(made, 1, silence(2.0))
    (finished,) = [e for e in answered(made, made.stop(0.0)) if isinstance(e, Finished)]
    assert finished.utterances == 1
    assert finished.audio_samples == pytest.approx(32_000, abs=600)


def test_one_channel_emits_the_events_of_its_pipeline() -> None:
    made = pipelines(Start())
    effects = receive(made, 0, silence(0.5), speech(1.2), silence(0.8))
    assert any(isinstance(effect, Final) for effect in effects)
    assert not any(isinstance(effect, OfChannel) for effect in effects)
    assert made.engine_sessions == ("a",)


@pytest.mark.parametrize("channel", [-1, 2])
def test_audio_of_an_unknown_channel_is_refused(channel: int) -> None:
    with pytest.raises(ProtocolError, match="channel"):
        pipelines(Start(channels=2)).push_audio(b"\0\0", 0.0, channel)


@pytest.mark.parametrize("channels", [0, MAX_CHANNELS + 1])
def test_more_channels_than_allowed_are_refused(channels: int) -> None:
    with pytest.raises(ProtocolError, match="allowed are 1 to"):
        pipelines(Start(channels=channels))


def test_flushes_of_the_same_id_are_each_answered_once() -> None:
    made = pipelines(Start(channels=2))
    effects = [effect for _ in range(3) for effect in answered(made, made.flush("again", 0.0))]
    assert sum(isinstance(effect, Flushed) for effect in effects) == 3


def test_with_manual_endpointing_all_audio_is_one_utterance_until_a_flush() -> None:
    made = pipelines(Start(endpointing=Endpointing(manual=True)))
    effects = receive(made, 0, silence(1.0), speech(1.0), silence(3.0))
    assert not any(isinstance(effect, SpeechEnded | Final) for effect in effects)
    effects = answered(made, made.flush("now", 0.0))
    assert [e.reason for e in effects if isinstance(e, SpeechEnded)] == ["flush"]
    assert sum(isinstance(effect, Final) for effect in effects) == 1


def test_an_update_changes_language_and_endpointing_from_here_on() -> None:
    made = pipelines(Start(language="en"))
    made.push_audio(silence(0.5), 0.0)
    made.update(Start(language="de", endpointing=Endpointing(silence_ms=2_000)))
    effects = made.push_audio(speech(1.2) + silence(0.8), 0.0)
    requests = [effect for effect in effects if isinstance(effect, DecodeRequest)]
    assert {request.language for request in requests} == {"de"}
    assert all(request.kind is RequestKind.PARTIAL for request in requests)


def test_a_list_of_languages_goes_with_every_request() -> None:
    made = pipelines(Start(languages=("German", "en-US", "fr")))
    effects = made.push_audio(silence(0.5) + speech(1.2) + silence(0.8), 0.0)
    requests = [effect for effect in effects if isinstance(effect, DecodeRequest)]
    assert {(request.language, request.languages) for request in requests} == {(None, ("de", "en"))}


@pytest.mark.parametrize("hint", ["Klingon", "fr"])
def test_a_hint_that_is_no_use_is_warned_of_once_and_the_language_detected(hint: str) -> None:
    made = pipelines(Start(language=hint, is_lenient=True))
    effects = made.push_audio(silence(0.5) + speech(1.2), 0.0) + made.push_audio(silence(0.8), 0.0)
    [warning] = [effect for effect in effects if isinstance(effect, Warning)]
    assert warning.code == "language_ignored"
    assert hint in warning.message
    assert {request.language for request in effects if isinstance(request, DecodeRequest)} == {None}


def test_an_update_that_cannot_be_met_leaves_all_as_it_was() -> None:
    made = pipelines(Start(language="en"))
    with pytest.raises(ProtocolError, match="language"):
        made.update(Start(language="xx", endpointing=Endpointing(silence_ms=2_000)))
    effects = made.push_audio(silence(0.5) + speech(1.2) + silence(0.8), 0.0)
    assert [e.kind for e in effects if isinstance(e, DecodeRequest)][-1] is RequestKind.FINAL


def test_the_words_of_an_open_utterance_are_emitted_if_requested() -> None:
    emitted = receive(pipelines(Start(transcripts=True)), 0, silence(0.5), speech(2.2))
    partials = [effect for effect in emitted if isinstance(effect, Partial)]
    assert [word.text for word in partials[-1].committed + partials[-1].tail][:2] == ["two", "three"]
    assert not [e for e in receive(pipelines(Start()), 0, silence(0.5), speech(2.2)) if isinstance(e, Partial)]


@pytest.mark.parametrize(
    ("start", "language"),
    [(Start(language="German"), "de"), (Start(language="x\ny", is_lenient=True), None), (Start(), None)],
)
def test_the_language_of_a_session_is_a_code_or_detected(start: Start, language: str | None) -> None:
    made = pipelines(start)

    assert made.language == made.ready(made.next_seq()).language == language


def test_the_lag_of_a_session_is_that_of_the_channel_that_is_furthest_behind() -> None:
    made = pipelines(Start(channels=2))
    made.push_audio(speech(1.2), 0.0, 1)
    made.push_audio(silence(2.0), 0.0, 1)
    assert 1.0 < made.lag_s < 2.1
    assert made.stretch == 1.0


@pytest.mark.parametrize("channels", [1, 2])
def test_the_silence_that_utterances_keep_follows_the_options(channels: int) -> None:
    made = pipelines(Start(channels=channels))
    made.update(Start(channels=channels, endpointing=Endpointing(pause_ms=200)))
    assert made.pad_after_samples == 3_200


def test_overload_and_changed_options_reach_every_channel() -> None:
    made = pipelines(Start(channels=2))
    made.drop_partial_frame()
    made.update(Start(channels=2, language="de"))
    assert made.language == "de"
    assert made.adapt(Step.PARTIALS_OFF) == []
    effects = made.push_audio(silence(0.5), 0.0, 0) + made.push_audio(speech(3.0), 0.0, 1)
    assert not any(isinstance(effect, DecodeRequest) for effect in effects)
