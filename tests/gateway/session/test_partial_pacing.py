"""The pacing of partials by the engine's answers."""

from collections.abc import Iterator
from itertools import count
from unittest.mock import patch

import numpy as np
import pytest

from decoder.scheduler import Answer
from decoder.types import DecodeRequest, EngineError, EngineFailed, RequestKind, RequestReplaced
from gateway.load.ladder import Step
from gateway.session.partial_pacing import PartialPacing
from gateway.wire import AudioFormat, CadenceChanged
from tests.sessions import LoudnessDetector
from vad.audio import Encoding
from vad.detector import DETECTORS
from vad.settings import SegmenterSettings
from vad.speech_frontend import SpeechFrontend


@pytest.fixture(autouse=True)
def loudness() -> Iterator[None]:
    with patch.dict(DETECTORS, {"loudness": f"{LoudnessDetector.__module__}:LoudnessDetector"}):
        yield


def frontend(interval_ms: int = 500) -> SpeechFrontend:
    settings = SegmenterSettings(progress_interval_ms=interval_ms)
    return SpeechFrontend(AudioFormat(Encoding.PCM_S16LE, 16_000), LoudnessDetector(), settings)


def pacing(made: SpeechFrontend, engine_interval_s: float | None = 0.0, *, is_enabled: bool = True) -> PartialPacing:
    return PartialPacing(made, engine_interval_s, 4.0, count(1).__next__, is_enabled=is_enabled)


def answer(kind: RequestKind, took_s: float = 0.0, error: EngineError | None = None) -> Answer:
    request = DecodeRequest("a", 0, 1, kind, np.zeros(1, np.float32), 0, 0.0)
    return Answer(request, error or EngineFailed("the script fails"), took_s, 0.0, 0.0)


@pytest.mark.parametrize(
    ("engine_interval_s", "is_enabled", "expected"),
    [(0.0, True, True), (0.0, False, False), (None, True, False)],
    ids=["both", "not wanted", "engine without partials"],
)
def test_partials_need_a_client_and_an_engine(
    engine_interval_s: float | None, is_enabled: bool, expected: bool
) -> None:
    assert pacing(frontend(), engine_interval_s, is_enabled=is_enabled).is_enabled is expected


def test_an_engine_may_need_a_longer_interval_than_set() -> None:
    made = frontend()
    pacing(made, 2.0)
    assert made.progress_interval_samples == 32_000


def test_a_slow_partial_stretches_the_interval_and_the_change_is_announced() -> None:
    made = frontend()
    paced = pacing(made)
    assert paced.on_answer(answer(RequestKind.PARTIAL, took_s=9.0)) == [CadenceChanged(1, 10_000)]
    assert made.progress_interval_samples == 10_000
    assert paced.is_stretched


def test_a_replaced_partial_counts_as_slow() -> None:
    paced = pacing(frontend())
    paced.on_answer(answer(RequestKind.PARTIAL, error=RequestReplaced("a newer one came")))
    assert paced.is_stretched


def test_finals_do_not_change_the_interval() -> None:
    paced = pacing(frontend())
    assert paced.on_answer(answer(RequestKind.FINAL, took_s=9.0)) == []
    assert not paced.is_stretched


def test_a_restart_forgets_the_stretch_of_the_last_interval() -> None:
    made = frontend()
    paced = pacing(made)
    paced.on_answer(answer(RequestKind.PARTIAL, took_s=9.0))
    made.progress_interval_samples = 4_000
    paced.restart(is_enabled=True)
    assert not paced.is_stretched
    assert made.progress_interval_samples == 4_000


def test_partials_that_return_after_an_overload_do_so_at_the_set_interval() -> None:
    made = frontend()
    paced = pacing(made)
    paced.on_answer(answer(RequestKind.PARTIAL, took_s=9.0))
    assert paced.stretch == 1.25
    assert (paced.adapt(Step.FILES_PAUSED), paced.is_paused) == ([], True)
    assert (paced.adapt(Step.PARTIALS_OFF), paced.is_paused) == ([], True)
    assert paced.adapt(Step.STRETCHED) == [CadenceChanged(2, 8_000)]
    assert (paced.is_paused, paced.stretch, made.progress_interval_samples) == (False, 1.0, 8_000)


def test_without_partials_nothing_is_stretched() -> None:
    assert pacing(frontend(), None).stretch == 1.0
