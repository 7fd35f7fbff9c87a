"""An engine without a model: words from a script, at a set cost. For tests and load runs."""

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
"""One word each 0.4 s: 150 words a minute, a usual speaking rate."""

_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

Script = Callable[[DecodeRequest], Hypothesis | EngineError]
"""What an engine answers to a request."""


@dataclass(frozen=True, slots=True)
class CostModel:
    """How long a batch takes: fixed, a request, and a second of audio."""

    batch_s: float = 0.0
    request_s: float = 0.0
    audio_second_s: float = 0.0

    def seconds(self, batch: Sequence[DecodeRequest]) -> float:
        """Return what a batch costs."""
        sound_s = sum(len(request.samples) for request in batch) / SAMPLE_RATE_HZ
        return self.batch_s + self.request_s * len(batch) + self.audio_second_s * sound_s


def spoken_count(request: DecodeRequest) -> Hypothesis:
    """Return a word for each 0.4 s of the request's audio, counted from the session's first sample.

    The words follow the time line, so a longer request repeats the words of a shorter one and goes on.
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
    """Answers each request with the words of the script, after the time the cost model sets.

    Args:
        script: request → hypothesis or error.
        cost: how long a batch takes.
        sleep: waits that long; a test passes its own clock's.
        max_batch, parallel: as of every engine.
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
        """Sizes of the batches decoded."""
        self._script = script
        self._cost = cost or CostModel()
        self._sleep = sleep

    async def warm_up(self) -> None:
        """Do nothing: there is no model."""

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return the script's answers."""
        self.batches.append(len(batch))
        await self._sleep(self._cost.seconds(batch))
        return [self._script(request) for request in batch]

    def forget(self, session_id: str) -> None:
        """Do nothing: nothing is kept."""

    async def aclose(self) -> None:
        """Do nothing: nothing is held."""


def create(settings: EngineSettings) -> ScriptedEngine:
    """Return a scripted engine that costs nothing: what is left is the gateway's own work."""
    return ScriptedEngine(max_batch=settings.max_batch)
