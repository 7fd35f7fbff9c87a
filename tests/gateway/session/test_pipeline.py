"""The pipeline's requests: when partials, eager finals and finals are asked for, without any engine."""

from collections.abc import Iterator, Sequence
from unittest.mock import patch

import pytest

from decoder.engine import EngineInfo
from decoder.engines.scripted import spoken_count
from decoder.scheduler import Answer
from decoder.settings import GuardSettings, StabiliserSettings
from decoder.types import (
    DecodeRequest,
    EngineBusy,
    EngineError,
    EngineTimeout,
    Hypothesis,
    RequestCancelled,
    RequestKind,
    RequestReplaced,
)
from gateway.session.pipeline import Effect, Pipeline
from gateway.session.stage_options import PipelineSettings
from gateway.settings import SessionSettings
from gateway.wire import Ack, AudioFormat, CadenceChanged, Endpointing, Final, Flushed, Resumed, Start, Warning
from tests.sessions import SEGMENTER, LoudnessDetector, silence, speech
from vad.audio import Encoding
from vad.detector import DETECTORS

PARTIAL, EAGER, FINAL = RequestKind.PARTIAL, RequestKind.EAGER, RequestKind.FINAL


@pytest.fixture(autouse=True)
def loudness() -> Iterator[None]:
    with patch.dict(DETECTORS, {"loudness": f"{LoudnessDetector.__module__}:LoudnessDetector"}):
        yield


def pipeline(start: Start | None = None, *, eager_is_final: bool = True, eager_finals: bool = True) -> Pipeline:
    session = SessionSettings(detector="loudness", eager_finals=eager_finals)
    settings = PipelineSettings(SEGMENTER, StabiliserSettings(), GuardSettings(), session)
    info = EngineInfo("scripted", "script", "none", eager_is_final=eager_is_final)
    return Pipeline("a", start or Start(), settings, info)


def receive(made: Pipeline, *pieces: bytes) -> list[Effect]:
    return [effect for piece in pieces for effect in made.push_audio(piece, 0.0)]


def requests(effects: Sequence[Effect]) -> list[DecodeRequest]:
    return [effect for effect in effects if isinstance(effect, DecodeRequest)]


def kinds(effects: Sequence[Effect]) -> list[RequestKind]:
    return [request.kind for request in requests(effects)]


def finals(effects: Sequence[Effect]) -> list[Final]:
    return [effect for effect in effects if isinstance(effect, Final)]


def answer(
    made: Pipeline, request: DecodeRequest, error: EngineError | None = None, took_s: float = 0.0
) -> list[Effect]:
    outcome: Hypothesis | EngineError = error or spoken_count(request)
    return made.answer(Answer(request, outcome, 0.0, took_s, 0.0), 0.0)


def test_a_pause_that_becomes_the_end_needs_no_further_request() -> None:
    made = pipeline()
    effects = receive(made, silence(0.5), speech(1.2), silence(0.3))
    assert kinds(effects) == [PARTIAL, PARTIAL, EAGER]
    eager = requests(effects)[-1]
    answer(made, eager)
    ending = receive(made, silence(0.5))
    assert kinds(ending) == []
    assert finals(ending)[0].text == "two three four"
    assert (made.stats.eager_used, made.stats.eager_dropped) == (1, 0)


def test_an_eager_request_still_at_work_at_the_end_answers_the_utterance() -> None:
    made = pipeline()
    eager = requests(receive(made, silence(0.5), speech(1.2), silence(0.3)))[-1]
    assert kinds(receive(made, silence(0.5))) == []
    assert finals(answer(made, eager))[0].text == "two three four"
    assert made.stats.eager_used == 1


def test_an_eager_request_is_dropped_when_speech_resumes() -> None:
    made = pipeline(Start(eager=True))
    eager = requests(receive(made, silence(0.5), speech(1.2), silence(0.3)))[-1]
    answer(made, eager)
    effects = receive(made, speech(0.4))
    assert any(isinstance(effect, Resumed) for effect in effects)
    assert kinds(receive(made, silence(0.3)))[-1] is EAGER
    assert (made.stats.eager_used, made.stats.eager_dropped) == (0, 1)


def test_requests_state_whether_speech_lasts_to_their_end() -> None:
    made = pipeline()
    asked = [
        request for audio in (silence(0.5), speech(1.4), silence(0.8)) for request in requests(receive(made, audio))
    ]
    speaking = [request for request in asked if request.ends_in_speech]
    assert speaking
    assert {request.kind for request in speaking} == {PARTIAL}
    assert not any(request.ends_in_speech for request in asked if request.kind is not PARTIAL)


def test_committed_words_are_forced_in_partials_and_not_in_what_may_be_a_final() -> None:
    made = pipeline()
    asked: list[DecodeRequest] = []
    for piece in (silence(0.5), *[speech(0.5)] * 6, silence(0.3), speech(0.5), silence(0.8)):
        for request in requests(receive(made, piece)):
            asked.append(request)
            answer(made, request)
    assert any(request.prefix for request in asked if request.kind is PARTIAL)
    assert {request.kind for request in asked} == {PARTIAL, EAGER, FINAL}
    assert not any(request.forced for request in asked if request.kind is not PARTIAL)


def pauses(made: Pipeline, count: int) -> list[RequestKind]:
    """Hear speech that goes on after each of so many pauses, and return what the pauses were answered with."""
    return [kinds(receive(made, speech(0.2), silence(0.3)))[-1] for _ in range(count)]


def test_a_speaker_who_pauses_in_mid_sentence_gets_partials_there_until_he_takes_turns() -> None:
    made = pipeline()
    receive(made, silence(0.5), speech(1.2))
    assert pauses(made, 3) == [EAGER, PARTIAL, PARTIAL]
    for _ in range(4):
        for request in requests(receive(made, silence(0.5), speech(1.2), silence(0.8))):
            answer(made, request)
    assert kinds(receive(made, speech(1.2), silence(0.3)))[-1] is EAGER


def test_a_client_that_asks_for_eager_finals_gets_one_at_each_pause() -> None:
    made = pipeline(Start(eager=True))
    receive(made, silence(0.5), speech(1.2))
    assert pauses(made, 8) == [EAGER] * 8


def test_finals_are_requested_in_haste_only_while_the_engine_is_behind() -> None:
    made = pipeline(eager_finals=False)
    asked = requests(receive(made, silence(0.5), speech(6.0), silence(0.8)))
    assert not any(request.in_haste for request in asked)
    answer(made, asked[0], took_s=9.0)
    assert requests(receive(made, speech(1.2), silence(0.8)))[-1].in_haste


def test_an_engine_that_is_behind_gets_no_eager_requests() -> None:
    made = pipeline()
    for request in requests(receive(made, silence(0.5), speech(3.0))):
        answer(made, request, took_s=2.0)
    assert pauses(made, 1) == [PARTIAL]


def test_an_eager_request_that_failed_before_the_end_is_followed_by_a_final_one() -> None:
    made = pipeline()
    eager = requests(receive(made, silence(0.5), speech(1.2), silence(0.3)))[-1]
    assert answer(made, eager, EngineBusy("no room")) == []
    assert kinds(receive(made, silence(0.5))) == [FINAL]


def test_an_eager_request_that_fails_after_the_end_is_followed_by_a_final_of_the_same_audio() -> None:
    made = pipeline()
    eager = requests(receive(made, silence(0.5), speech(1.2), silence(0.3)))[-1]
    assert kinds(receive(made, silence(0.5))) == []
    (instead,) = requests(answer(made, eager, EngineBusy("no room")))
    assert instead.kind is FINAL
    assert instead.revision > eager.revision
    assert instead.samples is eager.samples
    assert finals(answer(made, instead))[0].error is None
    assert made.stats.eager_used == 0


def test_a_failed_final_is_emitted_with_its_error() -> None:
    made = pipeline(eager_finals=False)
    effects = receive(made, silence(0.5), speech(1.2), silence(0.8))
    assert kinds(effects) == [PARTIAL, PARTIAL, PARTIAL, FINAL]
    assert finals(answer(made, requests(effects)[-1], EngineBusy("no room")))[0].error == "engine_busy"


def test_engines_whose_eager_answer_is_not_final_get_a_partial_at_the_pause() -> None:
    made = pipeline(eager_is_final=False)
    assert kinds(receive(made, silence(0.5), speech(1.2), silence(0.8))) == [PARTIAL, PARTIAL, PARTIAL, FINAL]


def test_a_flush_in_a_pause_is_answered_by_the_eager_request() -> None:
    made = pipeline()
    eager = requests(receive(made, silence(0.5), speech(1.2), silence(0.3)))[-1]
    assert kinds(made.flush("now", 0.0)) == []
    effects = answer(made, eager)
    assert isinstance(effects[-1], Flushed) or any(isinstance(effect, Flushed) for effect in effects)
    assert len(finals(effects)) == 1


def test_a_flush_during_speech_requests_a_final() -> None:
    made = pipeline()
    receive(made, silence(0.5), speech(1.2))
    assert kinds(made.flush("now", 0.0)) == [FINAL]


def test_without_partials_only_eager_finals_are_requested() -> None:
    made = pipeline(Start(partials=False))
    assert kinds(receive(made, silence(0.5), speech(3.0), silence(0.8))) == [EAGER]


def test_partials_come_less_often_while_they_take_longer_than_their_interval() -> None:
    made = pipeline(eager_finals=False)
    announced = []
    for request in requests(receive(made, silence(0.5), speech(6.0))):
        announced += [e for e in answer(made, request, took_s=2.0) if isinstance(e, CadenceChanged)]
    slow = len(requests(receive(made, speech(6.0))))
    assert slow <= 4 < 12
    assert announced
    assert announced[-1].partial_interval_samples > 16_000


def test_a_partial_that_was_replaced_in_the_queue_stretches_the_interval() -> None:
    made = pipeline(eager_finals=False)
    first, *_ = requests(receive(made, silence(0.5), speech(1.0)))
    (event,) = answer(made, first, RequestReplaced("a newer one came"))
    assert isinstance(event, CadenceChanged)
    assert event.partial_interval_samples == 10_000


def test_the_same_audio_causes_the_same_requests_whatever_the_cuts() -> None:
    piece = silence(0.5) + speech(1.2) + silence(0.3) + speech(1.0) + silence(0.8)
    whole = [(r.kind, r.end_sample) for r in requests(receive(pipeline(), piece))]
    cut = [
        (r.kind, r.end_sample)
        for r in requests(receive(pipeline(), *(piece[i : i + 333] for i in range(0, len(piece), 333))))
    ]
    assert whole == cut


def test_a_prompt_reaches_the_engine_without_its_repetitions() -> None:
    made = pipeline(Start(prompt="Grafana and Kubernetes are tools. " * 20))
    [first, *_] = requests(receive(made, silence(0.5), speech(1.2)))
    assert first.prompt == "Grafana and Kubernetes are tools."
    made.update(Start(prompt="Ada. Ada. Ada."))
    [*_, last] = requests(receive(made, speech(0.6)))
    assert last.prompt == "Ada."


@pytest.mark.parametrize(("pieces", "probability"), [([silence(1.0)], 0.0), ([silence(0.5), speech(0.5)], 1.0)])
def test_a_request_states_whether_the_detector_found_speech_even_with_manual_endpointing(
    pieces: list[bytes], probability: float
) -> None:
    made = pipeline(Start(endpointing=Endpointing(manual=True), partials=False))
    receive(made, *pieces)
    [request] = requests(made.flush("1", 0.0))
    assert request.speech_probability == probability


def test_a_file_has_no_deadline_no_eager_finals_and_is_never_behind() -> None:
    made = pipeline(Start(file=True, partials=False))
    effects = receive(made, *[silence(0.5) + speech(1.2) + silence(0.8)] * 100)
    assert kinds(effects) == [RequestKind.FILE] * 100
    assert not [effect for effect in effects if isinstance(effect, Warning)]


@pytest.mark.parametrize("failures", [1, 2])
def test_the_final_of_a_file_is_retried_if_the_engine_fails(failures: int) -> None:
    made = pipeline(Start(file=True, partials=False))
    asked = requests(receive(made, silence(0.5), speech(1.2), silence(0.8)))
    for _ in range(failures):
        asked = requests(answer(made, asked[0], EngineTimeout("too slow")))
    assert kinds(asked) == [RequestKind.FILE]
    assert [final.error for final in finals(answer(made, asked[0]))] == [None]


def test_an_utterance_that_fails_three_times_is_a_gap() -> None:
    made = pipeline(Start(file=True, partials=False))
    asked = requests(receive(made, silence(0.5), speech(1.2), silence(0.8)))
    for _ in range(2):
        asked = requests(answer(made, asked[0], EngineTimeout("too slow")))
    effects = answer(made, asked[0], EngineTimeout("too slow"))
    assert kinds(effects) == []
    assert [(final.text, final.error) for final in finals(effects)] == [("", "engine_timeout")]


def test_nothing_is_retried_once_the_session_is_over() -> None:
    made = pipeline(Start(file=True, partials=False))
    [asked] = requests(receive(made, silence(0.5), speech(1.2), silence(0.8)))
    assert kinds(answer(made, asked, RequestCancelled("closing"))) == []


def test_after_failures_in_vain_the_next_finals_are_tried_once_until_one_succeeds() -> None:
    """An upstream that is down would otherwise be waited for at each utterance anew."""
    made = pipeline(Start(file=True, partials=False))
    asked = requests(receive(made, *[silence(0.5) + speech(1.2) + silence(0.8)] * 5))
    down = EngineTimeout("too slow")
    first = requests(answer(made, asked[0], down))[0]
    last = requests(answer(made, first, down))[0]
    assert kinds(answer(made, last, down)) == []
    assert kinds(answer(made, asked[1], down)) == []
    assert kinds(answer(made, asked[2])) == []
    assert kinds(answer(made, asked[3], down)) == [RequestKind.FILE]


def test_an_update_does_not_change_the_unit_of_the_acks() -> None:
    made = pipeline(Start(audio=AudioFormat(Encoding.PCM_S16LE, 8_000), partials=False))
    made.update(Start(partials=False))
    acks = [effect for effect in receive(made, bytes(2 * 16_000)) if isinstance(effect, Ack)]
    assert [ack.received_samples for ack in acks] == [16_000]
    assert [ack.processed_samples for ack in acks] == [16_000]
    made.flush("now", 0.0)
    effects = receive(made, bytes(2 * 7_999))
    assert not any(isinstance(effect, Ack) for effect in effects)
    assert any(isinstance(effect, Ack) for effect in receive(made, bytes(2)))
