"""What can be set of the decoder; every default has its reason."""

from dataclasses import dataclass

__all__ = ["EngineSettings", "PlannerSettings", "SchedulerSettings", "StabiliserSettings"]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Which engine decodes, with what model, on what.

    Attributes:
        name: auto, or a name of `decoder.engine.ENGINES`.
        model: a hub name (`small`, `large-v3-turbo`, `owner/name`) or a local directory; None: the engine's default.
        device: auto, cpu or cuda.
        compute_type: CTranslate2's type: default, auto, int8, int8_float16, float16, float32 …
        cpu_threads: threads of one CPU decode; 0 leaves it to the library.
        max_batch: most requests of one batch. 16: on a CPU more gains nothing, on a GPU a full 30 s window of a large
            model saturates it there (reference: CTranslate2 batch sweeps).
        final_beam_size: beam of finals; 5 is Whisper's own default. Partials are greedy.
        offline: never ask the model hub.
        sphinx_streams: utterances pocketsphinx follows at once, about 90 MB each.

    Raises:
        ValueError: a value is not allowed.
    """

    name: str = "auto"
    model: str | None = None
    device: str = "auto"
    compute_type: str = "default"
    cpu_threads: int = 0
    max_batch: int = 16
    final_beam_size: int = 5
    offline: bool = False
    sphinx_streams: int = 4

    def __post_init__(self) -> None:
        _check_least("cpu_threads", self.cpu_threads, 0)
        _check_least("max_batch", self.max_batch, 1)
        _check_least("final_beam_size", self.final_beam_size, 1)
        _check_least("sphinx_streams", self.sphinx_streams, 1)


@dataclass(frozen=True, slots=True)
class PlannerSettings:
    """How waiting requests become batches.

    Attributes:
        bucket_edges_s: a request falls into the first bucket its sound fits, so that one batch has one padded length.
            Ascending; longer sound falls into the last; without any there is one bucket.
        max_wait_s: a request that has waited this long goes before all that have not, whatever its kind.

    Raises:
        ValueError: a value is not allowed.
    """

    bucket_edges_s: tuple[float, ...] = (5.0, 10.0, 20.0, 30.0)
    max_wait_s: float = 2.0

    def __post_init__(self) -> None:
        _check_least("max_wait_s", self.max_wait_s, 0)
        if list(self.bucket_edges_s) != sorted(set(self.bucket_edges_s)):
            raise ValueError(f"bucket_edges_s {self.bucket_edges_s}: allowed is an ascending order")


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """How long an engine may take, and when it counts as broken.

    Attributes:
        decode_timeout_s: a batch that takes longer is answered with `EngineTimeout`. 30 s: the longest utterance at the
            speed of its sound; slower than that no stream is ever caught up with.
        failures_until_unready: batches that must fail in a row before `/readyz` turns red.

    Raises:
        ValueError: a value is not allowed.
    """

    decode_timeout_s: float = 30.0
    failures_until_unready: int = 3

    def __post_init__(self) -> None:
        if not self.decode_timeout_s > 0:
            raise ValueError(f"decode_timeout_s {self.decode_timeout_s}: allowed is above 0")
        _check_least("failures_until_unready", self.failures_until_unready, 1)


@dataclass(frozen=True, slots=True)
class StabiliserSettings:
    """When a word counts as stable.

    Attributes:
        agreement: hypotheses in a row that must agree, LocalAgreement-n (Liu et al. 2020, Macháček et al. 2023).
            They use 2, a second apart. At half a second 3 are as much evidence; with 2, committed words that later
            prove wrong cost pocketsphinx another point of word errors.

    Raises:
        ValueError: a value is not allowed.
    """

    agreement: int = 3

    def __post_init__(self) -> None:
        _check_least("agreement", self.agreement, 1)


def _check_least(field: str, value: float, least: int) -> None:
    if not value >= least:
        raise ValueError(f"{field} {value}: allowed is at least {least}")
