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
    "ResponseFormat",
    "SchedulerSettings",
    "StabiliserSettings",
    "UpstreamSettings",
]

ResponseFormat = Literal["verbose_json", "json", "text", "srt", "vtt"]
"""What `POST /audio/transcriptions` answers in."""


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """One service that offers `POST {base_url}/audio/transcriptions`.

    Attributes:
        base_url: up to and with the version: `https://api.example.com/v1`. Audio goes to loopback as WAV, elsewhere as
            FLAC, which is half as large and holds the same.
        model: as the service calls it.
        key_env: environment variable that holds the API key; read again when the service has refused it.
        key_file: file that holds it, instead.
        formats: what to ask for, the best first. One that the service refuses the first time is not asked for again.
            verbose_json has the times of words, srt and vtt those of phrases; json is what every service answers.
        concurrency: most requests at once. 8: a talk needs one, and hosted services allow some hundred a minute.
        price_per_minute: of audio sent, in any currency.
        translates: whether it has `/audio/translations` too.

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
            # it may hold a password, so it is not repeated
            raise ValueError("base_url: allowed is http://HOST… or https://HOST… without user and password")
        if self.key_env is not None and self.key_file is not None:
            raise ValueError(f"key_env {self.key_env!r} and key_file '{self.key_file}': allowed is one of them")
        if not self.formats:
            raise ValueError("formats: allowed is at least one")
        _check_least("concurrency", self.concurrency, 1)
        _check_least("price_per_minute", self.price_per_minute, 0)


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How upstreams are used together.

    Attributes:
        partials: where partials come from: nowhere, the upstreams, or a local engine. off: the cheapest, and a service
            that answers in a second is no faster than the end of most utterances.
        local_engine: name of the engine for local partials and for `fallback`; its model and device are the engine's.
        fallback: whether the local engine makes the finals that no upstream could.
        final_patience_s: after that a final is given up, retries included. 25 s: below the scheduler's 30 s.
        partial_window_s: most audio of one upstream partial. 8 s: three times what a sentence's newest words need.
        partial_interval_s: least new speech between two upstream partials.
        partial_share: audio that upstream partials may send for each second of speech, beside its final.
        eager_share: audio that eager finals may send in vain for each second of speech; 0: none are asked for.
        retry_share: retries for each request, so that they never become the load a service breaks down under.
        failures_until_open: failures in a row after which a service is left alone for a while. 3: a listener waits for
            every one of them.
        hedge: whether a final that is later than 95 % of the others is asked for once more elsewhere. Costs up to 5 %.
        max_audio_per_speech: most audio sent for a second of speech, over the last hour; above 1, or None.
        max_cost_per_hour: most that the last hour may cost, or None. Partials stop at 80 % of either.

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
            raise ValueError("local_engine 'upstream': allowed is auto, or an engine of this machine")
        for name in ("final_patience_s", "partial_window_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} {getattr(self, name)}: allowed is above 0")
        for name in ("partial_interval_s", "partial_share", "eager_share", "retry_share"):
            _check_least(name, getattr(self, name), 0)
        _check_least("failures_until_open", self.failures_until_open, 1)
        if self.max_audio_per_speech is not None and not self.max_audio_per_speech > 1:
            raise ValueError(f"max_audio_per_speech {self.max_audio_per_speech}: allowed is above 1")
        if self.max_cost_per_hour is not None and not self.max_cost_per_hour > 0:
            raise ValueError(f"max_cost_per_hour {self.max_cost_per_hour}: allowed is above 0")


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Which engine decodes, with what model, on what.

    Attributes:
        name: auto, or a name of `decoder.engine.ENGINES`.
        model: a hub name (`small`, `large-v3-turbo`, `owner/name`) or a local directory; None: the engine's default.
        device: auto, cpu or cuda.
        compute_type: auto: int8 on a CPU, where it halves the work and costs no words, and on a GPU the type that the
            model is stored in; or CTranslate2's own: default, int8, int8_float16, float16, float32 …
        workers: batches decoded at once; 0: two on a CPU with two cores or more, so that a partial need not wait for a
            final; else one.
        cpu_threads: threads of one CPU decode; 0: the cores shared out among the workers.
        max_batch: most requests of one batch. 16: on a CPU more gains nothing, on a GPU a full 30 s window of a large
            model saturates it there.
        partial_window: how much Whisper's encoder computes for a partial: full is the 30 s it was trained on; trimmed
            is the audio and a margin, with the output for silence behind it, for a fraction of the work.
        final_window: the same for finals, eager ones included. full, until both were compared with the model in use, as
            `livecue doctor --compare-windows` does: tiny.en has 0.5 points more words wrong with trimmed windows, base
            0.3 (docs/performance.md).
        hasty_final_window: the same for finals while the engine is far behind, partials at half their rate or less: on
            a CPU a full window is several times the work of most trimmed ones.
        final_beam_size: beam of finals; 5 is Whisper's own default. Partials are greedy.
        final_temperatures: a final whose words are doubtful or repeat themselves is decoded once more at each of these
            until it is not, from 0, where nothing is left to chance. Whisper's own. One alone never tries again.
        offline: never ask the model hub.
        upstreams: services of the engine `upstream`, the preferred one first.
        pool: how these are used together.

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
    partial_window: Literal["trimmed", "full"] = "trimmed"
    final_window: Literal["trimmed", "full"] = "full"
    hasty_final_window: Literal["trimmed", "full"] = "trimmed"
    final_beam_size: int = 5
    final_temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    offline: bool = False
    upstreams: tuple[UpstreamSettings, ...] = ()
    pool: PoolSettings = field(default_factory=PoolSettings)

    def __post_init__(self) -> None:
        _check_least("workers", self.workers, 0)
        _check_least("cpu_threads", self.cpu_threads, 0)
        _check_least("max_batch", self.max_batch, 1)
        _check_least("final_beam_size", self.final_beam_size, 1)
        if self.final_temperatures[:1] != (0.0,) or list(self.final_temperatures) != sorted(
            set(self.final_temperatures)
        ):
            raise ValueError(f"final_temperatures {self.final_temperatures}: allowed is an ascending order from 0")


@dataclass(frozen=True, slots=True)
class PlannerSettings:
    """How waiting requests become batches.

    Attributes:
        bucket_edges_s: a final falls into the first bucket its audio fits, so that one batch has one padded length.
            Ascending; longer audio falls into the last; without any there is one bucket. Partials have one of their
            own, for an engine need not decode all of a long one again.
        max_wait_s: a live request that has waited this long goes before all that have not, whatever its kind.
        max_file_batch: most requests of files in one batch. 2: where one batch is decoded at a time, a live final waits
            for no more than these; a GPU has time for 16.

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
            raise ValueError(f"bucket_edges_s {self.bucket_edges_s}: allowed is an ascending order")


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """How long an engine may take, and when it counts as broken.

    Attributes:
        decode_timeout_s: a batch that takes longer is answered with `EngineTimeout`. 30 s: the longest utterance at the
            speed of its audio; slower than that no stream is ever caught up with.
        file_timeout_s: the same for files, which give way to all that is live. 300 s: one that waits longer had better
            be refused because the gateway is full.
        failures_until_unready: batches that must fail in a row before `/readyz` turns red.

    Raises:
        ValueError: a value is not allowed.
    """

    decode_timeout_s: float = 30.0
    file_timeout_s: float = 300.0
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
            They use 2, a second apart. At half a second 3 are as much evidence: with 2, words are promised half a
            second sooner, and the final takes back nearly twice as many (docs/performance.md).
        agreement_s: two are enough when one covers so much more audio than the other: a second, as theirs, less what
            the detector's windows take from an interval.
        unsure_avg_logprob: a hypothesis of less, in nats per token, is unsure: it promises only what one more
            hypothesis agrees on, and displays only what the one before has too. On noisy speech a fifth fewer words are
            withdrawn for it, and words are displayed 0.04 s later (docs/performance.md).

    Raises:
        ValueError: a value is not allowed.
    """

    agreement: int = 3
    agreement_s: float = 0.9
    unsure_avg_logprob: float = -0.6

    def __post_init__(self) -> None:
        _check_least("agreement", self.agreement, 1)
        _check_least("agreement_s", self.agreement_s, 0)
        _check_most("unsure_avg_logprob", self.unsure_avg_logprob, 0)


GuardMode = Literal["off", "flag", "drop"]
"""What becomes of words for one reason: nothing, a mark, or they are left out."""


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Which words count as hallucinated, and the action taken on them.

    Attributes:
        loop: text that repeats itself on and on. Dropped: readers cannot follow it, and it is never right.
        no_speech: the engine or the detector reports no speech, and the engine doubts its words; or there was no
            audio at all.
        too_fast: more than a voice can say in the time. Where it is only the end of the text, that is left out.
        silence_phrase: a phrase that Whisper learnt from subtitle files, where something else speaks against it too.
        prompt: words of the request's prompt, where something else speaks against them too.
        low_confidence: the engine doubts its words. Flagged only: somebody spoke, perhaps indistinctly, and half-right
            words are better than none.
        no_speech_probability: above this the engine says so. 0.6 is openai/whisper's, as are the next two.
        least_avg_logprob: below this it doubts its words, nats per token.
        hopeless_avg_logprob: below this the words are as good as drawn by chance, and nobody spoke. No answer to speech
            is that low, noisy, far and telephone speech included (tiny.en, 290 of them); those to music are.
        doubtful_speech_probability: below this the detector doubts that anybody speaks, and words that the engine
            doubts too are dropped. Utterances that the detector itself begins lie above.
        least_speech_probability: below this nobody speaks, and only words that the engine is certain of are kept. The
            detector is deaf to some voices, those of far and quiet speakers above all.
        compression_ratio: beyond this repeated text is a loop, UTF-8 bytes to zlib's.
        loop_bytes: text that repeats for less is none: people say no ten times in a row, but not twenty.
        syllables_per_s: no voice is faster. Languages have five to eight on average (Pellegrino et al. 2019); the
            fastest English on record has eleven words a second.
        quiet_dbfs: audio that stays below is a reason for doubt: telephony's nominal speech level is -26 (ITU-T P.56),
            and 24 dB less is a voice from the next room.

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
                raise ValueError(f"{reason} {getattr(self, reason)!r}: allowed are {', '.join(get_args(GuardMode))}")
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
        raise ValueError(f"{field} {value}: allowed is at least {least}")


def _check_most(field: str, value: float, most: float) -> None:
    if not value <= most:
        raise ValueError(f"{field} {value}: allowed is at most {most}")
