"""Settings of the decoder; every default has its reason."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

__all__ = [
    "EngineSettings",
    "GuardMode",
    "GuardSettings",
    "PlannerSettings",
    "PoolSettings",
    "RaySettings",
    "ResponseFormat",
    "SchedulerSettings",
    "StabiliserSettings",
    "UpstreamSettings",
]

ResponseFormat = Literal["verbose_json", "json", "text", "srt", "vtt"]
"""The formats of responses to `POST /audio/transcriptions`."""


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """One service that offers `POST {base_url}/audio/transcriptions`.

    Attributes:
        base_url: URL including the version: `https://api.example.com/v1`. Audio is sent to loopback as WAV, elsewhere
            as FLAC, which is lossless and half as large.
        model: the service's name of the model.
        key_env: environment variable that holds the API key; read again when the service refuses the key.
        key_file: file that holds the API key, instead.
        formats: response formats to request, in order of preference. A format that the service refuses the first time
            is not requested again. verbose_json has times of words, srt and vtt of phrases; every service supports
            json.
        concurrency: maximum concurrent requests. 8: a talk needs one, and hosted services allow about a hundred a
            minute.
        price_per_minute: price of a minute of audio sent, in any currency.
        translates: whether the service also offers `/audio/translations`.

    Raises:
        ValueError: a value is not allowed.
    """

    base_url: str
    model: str
    key_env: str | None = None
    key_file: Path | None = None
    formats: tuple[ResponseFormat, ...] = ("verbose_json", "json")
    concurrency: int = 8
    price_per_minute: float = 0.0
    translates: bool = False

    def __post_init__(self) -> None:
        scheme, separator, rest = self.base_url.partition("://")
        if scheme not in ("http", "https") or not separator or not rest or "@" in rest.partition("/")[0]:
            # the URL may contain a password, so the message does not quote it
            raise ValueError("base_url: expected http://HOST… or https://HOST… without user and password")
        if self.key_env is not None and self.key_file is not None:
            raise ValueError(f"key_env {self.key_env!r} and key_file '{self.key_file}': expected only one of them")
        if not self.formats:
            raise ValueError("formats is empty: expected at least one format")
        _check_least("concurrency", self.concurrency, 1)
        _check_least("price_per_minute", self.price_per_minute, 0)


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How upstreams are used together.

    Attributes:
        partials: the source of partials: off, the upstreams, or a local engine. off: the cheapest, and most utterances
            end before a service that takes a second returns a partial.
        local_engine: name of the engine for local partials and for `fallback`; it uses the engine's model and device.
        fallback: whether the local engine decodes finals that every upstream failed to transcribe.
        final_patience_s: timeout of a final, retries included. 25 s: below the scheduler's 30 s.
        partial_window_s: maximum audio of one upstream partial. 8 s: three times what the newest words of a sentence
            need.
        partial_interval_s: minimum new speech between two upstream partials.
        partial_share: audio that upstream partials may send per second of speech, in addition to its final.
        eager_share: audio of discarded eager finals allowed per second of speech; 0: eager finals are off.
        retry_share: retries allowed per request, so that retries do not overload a failing service.
        failures_until_open: consecutive failures that open the circuit breaker of a service. 3: the user waits for each
            of them.
        hedge: whether a final slower than 95 % of the others is sent to a second service too. Costs up to 5 %.
        max_audio_per_speech: maximum audio sent per second of speech, over the last hour; above 1, or None: unlimited.
        max_cost_per_hour: maximum cost of the last hour, or None: unlimited. Partials stop at 80 % of either limit.

    Raises:
        ValueError: a value is not allowed.
    """

    partials: Literal["off", "upstream", "local"] = "off"
    local_engine: str = "auto"
    fallback: bool = False
    final_patience_s: float = 25.0
    partial_window_s: float = 8.0
    partial_interval_s: float = 1.0
    partial_share: float = 1.35
    eager_share: float = 0.1
    retry_share: float = 0.1
    failures_until_open: int = 3
    hedge: bool = False
    max_audio_per_speech: float | None = None
    max_cost_per_hour: float | None = None

    def __post_init__(self) -> None:
        if self.local_engine == "upstream":
            raise ValueError("local_engine 'upstream': expected auto or a local engine")
        for name in ("final_patience_s", "partial_window_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} {getattr(self, name)}: expected more than 0")
        for name in ("partial_interval_s", "partial_share", "eager_share", "retry_share"):
            _check_least(name, getattr(self, name), 0)
        _check_least("failures_until_open", self.failures_until_open, 1)
        if self.max_audio_per_speech is not None and not self.max_audio_per_speech > 1:
            raise ValueError(f"max_audio_per_speech {self.max_audio_per_speech}: expected more than 1")
        if self.max_cost_per_hour is not None and not self.max_cost_per_hour > 0:
            raise ValueError(f"max_cost_per_hour {self.max_cost_per_hour}: expected more than 0")


@dataclass(frozen=True, slots=True)
class RaySettings:
    """Replicas of an engine on Ray Serve.

    Attributes:
        address: `HOST:PORT` of a Ray cluster, or `auto` for the one that runs on this machine; its nodes need the same
            version of livecue. None: start one on this machine, on loopback, which ends with the gateway.
        engine: name of the engine in each replica; auto: as without Ray, on the replica's machine.
        replicas: replicas at first, and at least. Each holds the model once.
        max_replicas: Ray adds replicas up to this number while they are busy, and removes them again; None: there are
            always as many as `replicas`.
        cpus: cores that a replica reserves, which decides how many fit on a machine.
        gpus: GPUs that a replica reserves; a fraction shares one.

    Raises:
        ValueError: a value is not allowed.
    """

    address: str | None = None
    engine: str = "auto"
    replicas: int = 1
    max_replicas: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if self.engine in ("ray", "upstream"):
            raise ValueError(f"engine {self.engine!r}: expected auto or a local engine")
        _check_least("replicas", self.replicas, 1)
        if self.max_replicas is not None:
            _check_least("max_replicas", self.max_replicas, self.replicas)
        _check_least("cpus", self.cpus, 0)
        _check_least("gpus", self.gpus, 0)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The engine, its model and its device.

    Attributes:
        name: auto, or a name of `decoder.engine.ENGINES`.
        model: a hub name (`small`, `large-v3-turbo`, `owner/name`) or a local directory; None: the engine's default.
        device: auto, cpu or cuda.
        compute_type: auto: int8 on a CPU, where it halves the work at the same word error rate, and on a GPU the type
            that the model is stored in; or one of CTranslate2's: default, int8, int8_float16, float16, float32 … The
            engine torch has float32, its default on a CPU, float16, its default on a GPU, and bfloat16.
        workers: batches decoded in parallel; 0: two on a CPU with two cores or more, so that a partial need not wait
            for a final; else one.
        cpu_threads: threads of each decode on a CPU; 0: the cores divided among the workers.
        max_batch: maximum requests per batch. 16: larger batches gain nothing on a CPU, and 16 full 30 s windows of a
            large model saturate a GPU.
        slots: requests in flight of the engine torch on each device; 0: 64 on a GPU, and 4 on a CPU; a partial in
            flight can no longer be replaced by a newer one.
        partial_window: audio that Whisper's encoder computes for a partial: full is the 30 s it was trained on; trimmed
            is the audio and a margin, followed by the encoder output of silence, for a fraction of the work.
        final_window: the same for finals, eager ones included. full unless both were compared on the model in use, as
            `livecue doctor --compare-windows` does: trimmed windows raise the word error rate of tiny.en by 0.5 points,
            and that of base by 0.3 (docs/performance.md).
        hasty_final_window: the same for finals while the engine is behind, so that partials come less often than set.
            trimmed: on a CPU a full window is several times the work of most trimmed ones, and in live streams tiny.en
            then has 0.1 points fewer of its words wrong, and base 0.2 more (docs/performance.md).
        final_beam_size: beam size of finals; 5 is Whisper's own default. Partials are greedy.
        final_temperatures: a final with doubtful or repetitive words is decoded again at the next of these
            temperatures, starting at 0, which is deterministic. Whisper's defaults. A single one disables this.
        offline: never access the model hub.
        own_process: run the engine in a process of its own, which is started again if it dies, and leaves the gateway's
            to the streams: Python runs on one core per process, and above some 300 streams that is the limit. Of the
            engine `upstream` this holds for the local engine.
        upstreams: services of the engine `upstream`, the preferred one first.
        pool: how the upstreams are used together.
        ray: replicas of the engine `ray`.

    Raises:
        ValueError: a value is not allowed.
    """

    name: str = "auto"
    model: str | None = None
    device: str = "auto"
    compute_type: str = "auto"
    workers: int = 0
    cpu_threads: int = 0
    max_batch: int = 16
    slots: int = 0
    partial_window: Literal["trimmed", "full"] = "trimmed"
    final_window: Literal["trimmed", "full"] = "full"
    hasty_final_window: Literal["trimmed", "full"] = "trimmed"
    final_beam_size: int = 5
    final_temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    offline: bool = False
    own_process: bool = False
    upstreams: tuple[UpstreamSettings, ...] = ()
    pool: PoolSettings = field(default_factory=PoolSettings)
    ray: RaySettings = field(default_factory=RaySettings)

    def __post_init__(self) -> None:
        _check_least("workers", self.workers, 0)
        _check_least("cpu_threads", self.cpu_threads, 0)
        _check_least("max_batch", self.max_batch, 1)
        _check_least("slots", self.slots, 0)
        _check_least("final_beam_size", self.final_beam_size, 1)
        if self.final_temperatures[:1] != (0.0,) or list(self.final_temperatures) != sorted(
            set(self.final_temperatures)
        ):
            raise ValueError(f"final_temperatures {self.final_temperatures}: expected ascending numbers from 0")


@dataclass(frozen=True, slots=True)
class PlannerSettings:
    """How queued requests are batched.

    Attributes:
        bucket_edges_s: upper limits of the buckets, ascending. A final belongs to the first bucket that its audio fits,
            so that one batch has one padded length; longer audio belongs to the last. Empty: one bucket. Partials have
            a bucket of their own, because an engine need not decode all of a long one again.
        max_wait_s: a live request queued for this long precedes all newer ones, whatever its kind.
        max_file_batch: maximum requests of files per batch. 2: where batches are decoded one at a time, a live final
            waits for no more than these; a GPU has time for 16.

    Raises:
        ValueError: a value is not allowed.
    """

    bucket_edges_s: tuple[float, ...] = (5.0, 10.0, 20.0, 30.0)
    max_wait_s: float = 2.0
    max_file_batch: int = 2

    def __post_init__(self) -> None:
        _check_least("max_wait_s", self.max_wait_s, 0)
        _check_least("max_file_batch", self.max_file_batch, 1)
        if list(self.bucket_edges_s) != sorted(set(self.bucket_edges_s)):
            raise ValueError(f"bucket_edges_s {self.bucket_edges_s}: expected ascending numbers")


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """How long an engine may take, and when it counts as broken.

    Attributes:
        decode_timeout_s: a batch that takes longer is answered with `EngineTimeout`. 30 s: the longest utterance in
            real time; a slower engine never catches up with a stream.
        file_timeout_s: the same for files, which yield to live requests. 300 s: a gateway where files take longer is
            full, and should refuse them.
        failures_until_unready: consecutive failed batches until `/readyz` reports not ready.

    Raises:
        ValueError: a value is not allowed.
    """

    decode_timeout_s: float = 30.0
    file_timeout_s: float = 300.0
    failures_until_unready: int = 3

    def __post_init__(self) -> None:
        if not self.decode_timeout_s > 0:
            raise ValueError(f"decode_timeout_s {self.decode_timeout_s}: expected more than 0")
        _check_least("failures_until_unready", self.failures_until_unready, 1)


@dataclass(frozen=True, slots=True)
class StabiliserSettings:
    """When a word counts as stable.

    Attributes:
        agreement: consecutive hypotheses that must agree, LocalAgreement-n (Liu et al. 2020, Macháček et al. 2023).
            They use 2, a second apart. At half a second 3 are as much evidence: with 2, words are committed half a
            second sooner, but the final changes nearly twice as many (docs/performance.md).
        agreement_s: two hypotheses suffice if one covers this much more audio than the other: one second, as in these
            papers, less the audio that an interval loses to the detector's windows.
        unsure_avg_logprob: a hypothesis below this, in nats per token, is unsure: it commits only words that one more
            hypothesis agrees on, and displays only those that the previous one has too. On noisy speech this withdraws
            a fifth fewer words, and displays words 0.04 s later (docs/performance.md).
        settled_s: two hypotheses suffice for a word that ends so long before the end of their audio, where the engine
            measures the times of partials' words (the engine torch does).
        settled_avg_logprob: and the hypothesis has at least this mean log probability, in nats per token. Below it, on
            noisy speech and telephone calls, finals change a quarter to a half more of the words committed so
            (docs/performance.md).

    Raises:
        ValueError: a value is not allowed.
    """

    agreement: int = 3
    agreement_s: float = 0.9
    unsure_avg_logprob: float = -0.6
    settled_s: float = 0.5
    settled_avg_logprob: float = -0.4

    def __post_init__(self) -> None:
        _check_least("agreement", self.agreement, 1)
        _check_least("agreement_s", self.agreement_s, 0)
        _check_least("settled_s", self.settled_s, 0)
        _check_most("unsure_avg_logprob", self.unsure_avg_logprob, 0)
        _check_most("settled_avg_logprob", self.settled_avg_logprob, 0)


GuardMode = Literal["off", "flag", "drop"]
"""The action on words for one reason: none, flag them, or drop them."""


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Which words count as hallucinated, and the action taken on them.

    Attributes:
        loop: text that keeps repeating itself. Dropped: it is unreadable, and never right.
        no_speech: the engine or the detector reports no speech, and the engine doubts its words; or the audio is
            silent.
        too_fast: more words than can be spoken in the time. If this holds only for the end of the text, only that is
            dropped.
        silence_phrase: a phrase that Whisper learned from subtitle files, with further evidence against it.
        prompt: words of the request's prompt, with further evidence against them.
        low_confidence: the engine doubts its words. Flagged only: there was speech, perhaps indistinct, and half-right
            words are better than none.
        no_speech_probability: above this the engine reports no speech. 0.6 is openai/whisper's value, as is the next.
        least_avg_logprob: below this the engine doubts its words, nats per token.
        hopeless_avg_logprob: below this the words are essentially random, and there was no speech. No hypothesis of
            speech is that low, noisy, far and telephone speech included (tiny.en, 290 of them); those of music are.
        doubtful_speech_probability: below this the detector doubts that there is speech, and words that the engine
            doubts too are dropped. Utterances that the detector starts itself lie above.
        least_speech_probability: below this the detector finds no speech, and only words that the engine is certain of
            are kept. The detector misses some speakers, mostly far and quiet ones.
        compression_ratio: above this repeated text is a loop, its UTF-8 bytes to those compressed by zlib.
            openai/whisper's value.
        loop_bytes: minimum length of a loop: people say no ten times in a row, but not twenty.
        syllables_per_s: speaking rate that no speaker exceeds. Languages average five to eight (Pellegrino et al.
            2019); the fastest English on record has eleven words a second.
        quiet_dbfs: audio that stays below this level is evidence against its words: the nominal speech level in
            telephony is -26 (ITU-T P.56), and a voice from the next room is 24 dB lower.

    Raises:
        ValueError: a value is not allowed.
    """

    loop: GuardMode = "drop"
    no_speech: GuardMode = "drop"
    too_fast: GuardMode = "drop"
    silence_phrase: GuardMode = "drop"
    prompt: GuardMode = "drop"
    low_confidence: GuardMode = "flag"
    no_speech_probability: float = 0.6
    least_avg_logprob: float = -1.0
    hopeless_avg_logprob: float = -1.6
    doubtful_speech_probability: float = 0.3
    least_speech_probability: float = 0.1
    compression_ratio: float = 2.4
    loop_bytes: int = 60
    syllables_per_s: float = 12.0
    quiet_dbfs: float = -50.0

    def __post_init__(self) -> None:
        for reason in ("loop", "no_speech", "too_fast", "silence_phrase", "prompt", "low_confidence"):
            if getattr(self, reason) not in get_args(GuardMode):
                raise ValueError(f"{reason} {getattr(self, reason)!r}: expected {', '.join(get_args(GuardMode))}")
        _check_least("no_speech_probability", self.no_speech_probability, 0)
        _check_most("no_speech_probability", self.no_speech_probability, 1)
        _check_most("least_avg_logprob", self.least_avg_logprob, 0)
        _check_most("hopeless_avg_logprob", self.hopeless_avg_logprob, self.least_avg_logprob)
        _check_most("doubtful_speech_probability", self.doubtful_speech_probability, 1)
        _check_least("least_speech_probability", self.least_speech_probability, 0)
        _check_most("least_speech_probability", self.least_speech_probability, self.doubtful_speech_probability)
        _check_least("compression_ratio", self.compression_ratio, 1)
        _check_least("loop_bytes", self.loop_bytes, 1)
        _check_least("syllables_per_s", self.syllables_per_s, 1)
        _check_most("quiet_dbfs", self.quiet_dbfs, 0)


def _check_least(field: str, value: float, least: int) -> None:
    if not value >= least:
        raise ValueError(f"{field} {value}: expected at least {least}")


def _check_most(field: str, value: float, most: float) -> None:
    if not value <= most:
        raise ValueError(f"{field} {value}: expected at most {most}")
