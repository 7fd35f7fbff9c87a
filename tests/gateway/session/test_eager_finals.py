"""Eager finals are confirmed or revoked, in any order of answers and audio."""

import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engine import EngineInfo
from decoder.scheduler import Answer
from decoder.settings import GuardSettings, StabiliserSettings
from decoder.types import DecodeRequest, EngineBusy, Hypothesis, RequestKind, Word
from gateway.session.pipeline import Effect, Pipeline
from gateway.session.stage_options import PipelineSettings
from gateway.settings import SessionSettings
from gateway.wire import Eager, Endpointing, Final, Resumed, ServerEvent, SpeechEnded, Start
from gateway.wire.deepgram.flux_codec import FluxCodec
from gateway.wire.deepgram.flux_params import read_turns
from tests.sessions import SEGMENTER, LoudnessDetector, silence, speech
from vad.detector import DETECTORS

UNGUARDED = GuardSettings(
    loop="off", no_speech="off", too_fast="off", silence_phrase="off", prompt="off", low_confidence="off"
)
QUERY = ("encoding", "linear16"), ("sample_rate", "16000"), ("eager_eot_threshold", "0.4")
STEP_S = 0.15

STEPS = st.lists(
    st.sampled_from(["speech"] * 4 + ["silence"] * 4 + ["answer"] * 3 + ["fail", "flush", "shorter", "longer"]),
    max_size=60,
)
"""Steps of a conversation: audio arrives, the oldest request is answered, the client sends a control."""


@pytest.fixture(autouse=True)
def loudness() -> Iterator[None]:
    with patch.dict(DETECTORS, {"loudness": f"{LoudnessDetector.__module__}:LoudnessDetector"}):
        yield


class Conversation:
    """A session whose engine returns another hypothesis for each request."""

    def __init__(self, start: Start) -> None:
        settings = PipelineSettings(
            replace(SEGMENTER, max_utterance_s=4.0, long_utterance_s=2.0),
            StabiliserSettings(),
            UNGUARDED,
            SessionSettings(detector="loudness"),
        )
        self._start = start
        self._pipeline = Pipeline("a", start, settings, EngineInfo("scripted", "script", "none", eager_is_final=True))
        self._asked: deque[DecodeRequest] = deque()
        self.speaks = False
        """Whether the latest audio is speech."""

    def run(self, steps: Sequence[str]) -> Iterator[ServerEvent]:
        """Yield the events, up to the answer to the last request."""
        yield from self._take(self._pipeline.push_audio(silence(0.5), 0.0))
        for step in steps:
            yield from self._take(self._step(step))
        yield from self._take(self._pipeline.stop(0.0))
        while self._asked:
            yield from self._take(self._answer())

    def _take(self, effects: Sequence[Effect]) -> Iterator[ServerEvent]:
        for effect in effects:
            if isinstance(effect, DecodeRequest):
                self._asked.append(effect)
            else:
                yield effect

    def _step(self, step: str) -> list[Effect]:
        match step:
            case "speech" | "silence":
                self.speaks = step == "speech"
                return self._pipeline.push_audio((speech if self.speaks else silence)(STEP_S), 0.0)
            case "answer" | "fail" if self._asked:
                return self._answer(has_failed=step == "fail")
            case "flush":
                return self._pipeline.flush("a", 0.0)
            case "shorter" | "longer":
                endpointing = Endpointing(silence_ms=500, pause_ms=100 if step == "shorter" else 300)
                self._pipeline.update(replace(self._start, endpointing=endpointing))
        return []

    def _answer(self, *, has_failed: bool = False) -> list[Effect]:
        request = self._asked.popleft()
        words = (Word(f" {request.kind}{request.revision}", request.start_sample, request.end_sample, 0.9),)
        ids = request.session_id, request.utterance_id, request.revision
        is_final = request.kind is RequestKind.FINAL
        outcome = EngineBusy("no room") if has_failed and not is_final else Hypothesis(*ids, words, "en")
        return self._pipeline.answer(Answer(request, outcome, 0.0, 0.0, 0.0), 0.0)


@given(STEPS)
def test_an_eager_final_comes_in_a_pause_and_is_the_final_or_taken_back(steps: list[str]) -> None:
    conversation = Conversation(Start(eager=True))
    announced: dict[int, str] = {}
    ended: set[int] = set()
    for event in conversation.run(steps):
        match event:
            case SpeechEnded(utterance_id=utterance):
                ended.add(utterance)
            case Eager(_, utterance, text):
                assert utterance not in announced
                assert utterance not in ended
                assert not conversation.speaks
                announced[utterance] = text
            case Resumed(_, utterance):
                assert utterance in announced
                del announced[utterance]
            case Final(utterance_id=utterance, text=text):
                assert announced.pop(utterance, text) == text
    assert not announced


FOLLOWING = {
    None: {"StartOfTurn"},
    "StartOfTurn": {"Update", "EagerEndOfTurn", "EndOfTurn"},
    "Update": {"Update", "EagerEndOfTurn", "EndOfTurn"},
    "EagerEndOfTurn": {"TurnResumed", "EndOfTurn"},
    "TurnResumed": {"Update", "EagerEndOfTurn", "EndOfTurn"},
    "EndOfTurn": {"StartOfTurn"},
}
"""Event of a turn → those that may come next."""


@given(STEPS)
def test_flux_turns_end_as_predicted_or_resume(steps: list[str]) -> None:
    codec = FluxCodec(read_turns(QUERY))
    (start,) = codec.open()
    assert isinstance(start, Start)
    before, eager = None, ""
    for event in Conversation(start).run(steps):
        for message in codec.send(event):
            announced = json.loads(message)
            if announced["type"] != "TurnInfo":
                continue
            assert announced["event"] in FOLLOWING[before]
            if before == "EagerEndOfTurn" and announced["event"] == "EndOfTurn":
                assert announced["transcript"] == eager
            before, eager = announced["event"], announced["transcript"]
    assert before in (None, "EndOfTurn")
