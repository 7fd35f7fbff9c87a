"""An engine without a model, for tests and load tests: returns words from a script after a configured delay."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count, takewhile

import anyio

from decoder.engine import EngineInfo, EngineWork
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineError, Hypothesis, Word
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["CostModel", "Script", "ScriptedEngine", "create", "spoken_count"]

_WORD_SAMPLES = SAMPLE_RATE_HZ * 2 // 5
"""One word per 0.4 s: 150 words a minute, a usual speaking rate."""

_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

Script = Callable[[DecodeRequest], Hypothesis | EngineError]
"""Returns the answer to a request."""


@dataclass(frozen=True, slots=True)
class CostModel:
    """The time a batch takes, in seconds: a fixed cost, a cost per request, and a cost per second of audio."""

    batch_s: float = 0.0
    request_s: float = 0.0
    audio_second_s: float = 0.0

    def seconds(self, batch: Sequence[DecodeRequest]) -> float:
        """Return the time that a batch takes."""
        audio_s = sum(len(request.samples) for request in batch) / SAMPLE_RATE_HZ
        return self.batch_s + self.request_s * len(batch) + self.audio_second_s * audio_s


def spoken_count(request: DecodeRequest) -> Hypothesis:
    """Return one word per 0.4 s of the request's audio, counted from the session's first sample.

    The words follow the time line, so a longer request repeats the words of a shorter one and continues them.
    """
    starts = takewhile(
        lambda start: start + _WORD_SAMPLES <= request.end_sample,
        count(request.start_sample - request.start_sample % -_WORD_SAMPLES, _WORD_SAMPLES),
    )
    words = tuple(
        Word(f" {_NUMBERS[start // _WORD_SAMPLES % len(_NUMBERS)]}", start, start + _WORD_SAMPLES, 1.0)
        for start in starts
    )
    return Hypothesis.answering(request, words, request.language or "en")


class ScriptedEngine:
    """Answers each request from the script, after the delay of the cost model.

    Args:
        script: request → hypothesis or error.
        cost: the time a batch takes; None: no time.
        sleep: sleeps for some seconds; a test passes that of its own clock.
        max_batch, parallel: as in `Engine`.
    """

    def __init__(
        self,
        script: Script = spoken_count,
        cost: CostModel | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        max_batch: int = 16,
        parallel: int = 1,
    ) -> None:
        self.info = EngineInfo("scripted", "script", "none")
        self.work = EngineWork()
        self.max_batch = max_batch
        self.parallel = parallel
        self.batches: list[int] = []
        """The sizes of the batches decoded."""
        self._script = script
        self._cost = cost or CostModel()
        self._sleep = sleep

    async def warm_up(self) -> None:
        """Do nothing: there is no model."""

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return one answer per request, from the script."""
        self.batches.append(len(batch))
        await self._sleep(self._cost.seconds(batch))
        return [self._script(request) for request in batch]

    def forget(self, session_id: str) -> None:
        """Do nothing: the engine keeps no state."""

    async def aclose(self) -> None:
        """Do nothing: the engine holds no resources."""


def create(settings: EngineSettings) -> ScriptedEngine:
    """Return a scripted engine that takes no time, to measure the gateway's own work."""
    return ScriptedEngine(max_batch=settings.max_batch)
