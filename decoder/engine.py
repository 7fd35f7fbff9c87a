"""The engine seam: what turns requests into words, and the table of the engines there are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from decoder.types import DecodeRequest, EngineError, Hypothesis

__all__ = ["ENGINES", "Engine", "EngineInfo", "EngineWork", "PoolReport", "UpstreamReport"]


@dataclass(frozen=True, slots=True)
class UpstreamReport:
    """How one upstream fares now, and what it has done since the start.

    Attributes:
        name: host and port.
        model: as it is asked for.
        circuit: closed, open (it is not asked) or probing.
        failure: the last one, until a success.
        in_flight: requests under way.
        limit: most of them now.
        answers: requests by outcome: `ok`, or the failure.
        retries: requests that it had failed at before.
        audio_s: sound sent.
        cost: of it, in the currency of the settings.
    """

    name: str
    model: str
    circuit: str
    failure: str | None
    in_flight: int
    limit: int
    answers: Mapping[str, int]
    retries: int
    audio_s: float
    cost: float


@dataclass(frozen=True, slots=True)
class PoolReport:
    """How the upstreams of an engine fare together.

    Attributes:
        upstreams: each of them, the preferred one first.
        is_usable: whether a final asked now would be tried.
        speech_s: speech that was asked for, each second once.
        cost_last_hour: of the sound sent in the last hour.
        allowance: what the caps leave: everything, finals or nothing.
        hedges: finals asked for twice.
        fallbacks: finals the local engine made.
    """

    upstreams: tuple[UpstreamReport, ...]
    is_usable: bool
    speech_s: float
    cost_last_hour: float
    allowance: str
    hedges: int
    fallbacks: int

    @property
    def audio_per_speech(self) -> float | None:
        """Return the sound sent for a second of speech since the start; None before there was any."""
        return sum(upstream.audio_s for upstream in self.upstreams) / self.speech_s if self.speech_s else None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine says of itself, for `Ready`, `/readyz` and the log.

    Attributes:
        engine: its name in `ENGINES`.
        model: the model it has loaded, as a person would call it.
        device: cpu, cuda …
        languages: ISO-639-1 codes it can write; empty where it does not say.
        eager_is_final: whether the answer to an eager request is as good as the final's would be.
        translates: whether it does `Task.TRANSLATE`.
        partial_interval_s: least new speech between two partials; None: it wants to be asked for none.
        pool: says how its upstreams fare; None where it has none.
    """

    engine: str
    model: str
    device: str
    languages: tuple[str, ...] = ()
    eager_is_final: bool = True
    translates: bool = False
    partial_interval_s: float | None = 0.0
    pool: Callable[[], PoolReport] | None = None


@dataclass(slots=True)
class EngineWork:
    """What an engine has done since it was made: counts that do not depend on how fast the machine is.

    Attributes:
        encoder_s: sound encoded, padding included, in seconds.
        decoder_steps: tokens that went through the decoder one after the other, over all requests; forced ones count,
            for CTranslate2 takes a step for each of them too.
        features_s: CPU time spent on features, in seconds.
        redecoded: requests decoded once more because the first answer was no speech a person could have said.
    """

    encoder_s: float = 0.0
    decoder_steps: int = 0
    features_s: float = 0.0
    redecoded: int = 0

    def __add__(self, other: "EngineWork") -> "EngineWork":
        """Return what both have done together."""
        return EngineWork(
            self.encoder_s + other.encoder_s,
            self.decoder_steps + other.decoder_steps,
            self.features_s + other.features_s,
            self.redecoded + other.redecoded,
        )


class Engine(Protocol):
    """Turns batches of requests into words. One per process, driven by one scheduler.

    Requests of a batch come from different utterances, in any mixture of sessions, lengths, languages and kinds.
    `decode([a, b])` equals `decode([a]) + decode([b])`, one after the other or at the same time. A request that cannot
    be answered gets its own `EngineError` in its place; `decode` itself raises only when the engine is broken.
    Cancelling `decode` leaves the engine fit for the next batch, whosever requests it holds. Empty sound has no words.
    Sound up to 30 s is always accepted.
    """

    info: EngineInfo
    max_batch: int
    """The most requests `decode` takes at once, ≥ 1."""
    parallel: int
    """The most batches `decode` is given at the same time, ≥ 1; never two that hold requests of one session."""

    @property
    def work(self) -> EngineWork:
        """What it has done up to now."""
        ...

    async def warm_up(self) -> None:
        """Load the model and decode something, so that the first request is as fast as the next.

        Raises:
            ModelError: the model cannot be loaded.
        """
        ...

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return one answer a request, in the same order."""
        ...

    def forget(self, session_id: str) -> None:
        """Drop whatever is kept for that session (language, streaming state); it will ask no more."""
        ...

    async def aclose(self) -> None:
        """Free the model; `decode` is not called again."""
        ...


ENGINES: dict[str, str] = {
    "moonshine": "decoder.engines.moonshine.engine:create",
    "scripted": "decoder.engines.scripted:create",
    "upstream": "decoder.engines.upstream.engine:create",
    "whisper": "decoder.engines.whisper.engine:create",
}
"""Name in the settings → factory taking `EngineSettings`. Imported on use: libraries nobody asks for stay out."""
