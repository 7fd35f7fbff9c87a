"""The engine seam: the protocol of an engine and the table of implementations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from decoder.types import DecodeRequest, EngineError, Hypothesis

__all__ = ["ENGINES", "WINDOWED_ENGINES", "Engine", "EngineInfo", "EngineWork", "PoolReport", "UpstreamReport"]


@dataclass(frozen=True, slots=True)
class UpstreamReport:
    """The state of one upstream, and its counts since the start.

    Attributes:
        name: host and port.
        model: as requested from it.
        circuit: closed, open (it gets no requests) or probing.
        failure: the latest failure; None after a success.
        in_flight: outstanding requests.
        limit: current maximum of outstanding requests.
        answers: finished requests by outcome: `ok`, or the failure.
        retries: requests sent to it again after a failed attempt.
        audio_s: audio sent, in seconds.
        cost: of that audio, in the currency of the settings.
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
    """The combined state of an engine's upstreams.

    Attributes:
        upstreams: their states, the preferred one first.
        is_usable: whether a final requested now would be attempted.
        speech_s: speech requested, each second counted once.
        cost_last_hour: of the audio sent in the last hour.
        allowance: requests that the caps allow: everything, finals or nothing.
        hedges: finals sent to a second upstream.
        fallbacks: finals decoded by the local engine.
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
        """Return the audio sent per second of speech since the start; None before any speech."""
        return sum(upstream.audio_s for upstream in self.upstreams) / self.speech_s if self.speech_s else None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The properties of an engine, for `Ready`, `/readyz` and the log.

    Attributes:
        engine: its name in `ENGINES`.
        model: the model it has loaded, by its common name.
        device: cpu, cuda …
        languages: ISO-639-1 codes of its output; empty if unknown.
        eager_is_final: whether the answer to an eager request can serve as the final.
        translates: whether it supports `Task.TRANSLATE`.
        partial_interval_s: minimum new speech between two partials, in seconds; None: it decodes no partials.
        pool: returns the state of its upstreams; None if it has no upstreams.
        is_usable: returns whether a request decoded now could succeed; None: only the answers show it. Any thread may
            call it.
    """

    engine: str
    model: str
    device: str
    languages: tuple[str, ...] = ()
    eager_is_final: bool = True
    translates: bool = False
    partial_interval_s: float | None = 0.0
    pool: Callable[[], PoolReport] | None = None
    is_usable: Callable[[], bool] | None = None


@dataclass(slots=True)
class EngineWork:
    """The work of an engine since it was created, in counts independent of the machine's speed.

    Attributes:
        encoder_s: audio encoded, padding included, in seconds.
        decoder_steps: sequential decoder steps, over all requests; forced tokens count, because CTranslate2 takes a
            step for each of them too.
        features_s: CPU time spent on features, in seconds.
        redecoded: requests decoded again because the first answer was implausible as speech.
    """

    encoder_s: float = 0.0
    decoder_steps: int = 0
    features_s: float = 0.0
    redecoded: int = 0

    def __add__(self, other: "EngineWork") -> "EngineWork":
        """Return the sum of both."""
        return EngineWork(
            self.encoder_s + other.encoder_s,
            self.decoder_steps + other.decoder_steps,
            self.features_s + other.features_s,
            self.redecoded + other.redecoded,
        )


class Engine(Protocol):
    """Turns batches of requests into words. One per process, driven by one scheduler.

    The requests of a batch come from different utterances, in any mixture of sessions, lengths, languages and kinds.
    `decode([a, b])` equals `decode([a]) + decode([b])`, sequential or concurrent. A request that cannot be answered
    gets its own `EngineError` in its place; `decode` itself raises only when the engine is broken. After a cancelled
    `decode` the engine can decode the next batch, of any session. Empty audio has no words. Audio up to 30 s is always
    accepted.
    """

    info: EngineInfo
    max_batch: int
    """Maximum requests per `decode`, ≥ 1."""
    parallel: int
    """Maximum concurrent calls of `decode`, ≥ 1; never two with requests of one session."""

    @property
    def work(self) -> EngineWork:
        """The work done so far."""
        ...

    async def warm_up(self) -> None:
        """Load the model and decode once, so that the first request is as fast as later ones.

        Raises:
            ModelError: the model cannot be loaded.
        """
        ...

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return one answer per request, in the same order."""
        ...

    def forget(self, session_id: str) -> None:
        """Discard the state (language, streaming state) of a session that has ended."""
        ...

    async def aclose(self) -> None:
        """Free the model; `decode` is not called again."""
        ...


ENGINES: dict[str, str] = {
    "moonshine": "decoder.engines.moonshine.engine:create",
    "ray": "decoder.engines.ray_serve.factory:create",
    "scripted": "decoder.engines.scripted:create",
    "torch": "decoder.engines.torch_whisper.engine:create",
    "upstream": "decoder.engines.upstream.engine:create",
    "whisper": "decoder.engines.whisper.engine:create",
}
"""Name in the settings → factory taking `EngineSettings`. Imported on use, so that unused libraries are not loaded."""

WINDOWED_ENGINES = frozenset({"torch", "whisper"})
"""Those that encode windows, whose length `EngineSettings.final_window` sets; the others encode the audio alone."""
