"""The result of a benchmark as JSON: its schema, version 1. PURE.

Times are in seconds, ratios are shares of 1, and null means that there was nothing to measure. `docs/benchmarking.md`
defines every metric. A field is added without a new version; one that changes its meaning or goes makes a new one.
"""

from collections.abc import Sequence

import msgspec

__all__ = [
    "SCHEMA",
    "Capacity",
    "Clock",
    "Correction",
    "Cuts",
    "Errors",
    "Finals",
    "Goodput",
    "Invented",
    "Machine",
    "Percentiles",
    "Recording",
    "Result",
    "Run",
    "Server",
    "ServerLoad",
    "SloOutcome",
    "Stability",
    "Stream",
    "Terms",
    "Testset",
    "Tool",
    "UnansweredStretch",
    "Word",
]

SCHEMA = "livecue-bench/1"


class Percentiles(msgspec.Struct, frozen=True):
    """Distribution of a lag."""

    count: int
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    mean: float | None = None


class Tool(msgspec.Struct, frozen=True):
    """What measured."""

    name: str
    version: str
    python: str
    command: Sequence[str]


class Machine(msgspec.Struct, frozen=True):
    """Where the client ran."""

    platform: str
    cpu: str
    cores: int
    memory_bytes: int
    gpu: str | None = None
    other_load_cores: float | None = None
    """Cores busy with processes other than the client and the measured server, while it ran."""


class Server(msgspec.Struct, frozen=True):
    """What was measured; `name` heads its column in reports."""

    name: str
    url: str
    dialect: str
    model: str | None = None
    version: str | None = None
    options: dict[str, str] = {}


class Recording(msgspec.Struct, frozen=True):
    """A recording of the test set, pinned by the hashes of its audio and its reference."""

    id: str
    language: str | None
    duration_s: float
    words: int
    audio_sha256: str
    reference_sha256: str
    times: str
    """Where the word times come from: `manifest`, `aligned` (with the model) or `none`."""


class Testset(msgspec.Struct, frozen=True):
    """The recordings, and the normaliser under which words are compared."""

    name: str
    recordings: Sequence[Recording]
    sha256: str
    normaliser: str
    normaliser_sha256: str


class Clock(msgspec.Struct, frozen=True):
    """Whether the client kept time: `late` is its own delay of frames, `blocked` the server's backpressure."""

    late: Percentiles
    blocked: Percentiles
    valid: bool
    reasons: Sequence[str] = ()
    """Why the run is invalid."""


class Errors(msgspec.Struct, frozen=True):
    """Words of the reference against those of the finals."""

    words: int
    substituted: int
    inserted: int
    deleted: int
    wer: float | None
    characters: int
    character_errors: int
    cer: float | None


class Finals(msgspec.Struct, frozen=True):
    """Ends of speech (words that a pause follows) and the finals that answer them."""

    ends_of_speech: int
    answered: int
    premature: int
    """Finals that ended a segment between two words without a pause."""
    missing: int
    """Ends of speech whose last word no final has."""


class Stability(msgspec.Struct, frozen=True):
    """How displayed text changes."""

    updates: int
    final_words: int
    erased_words: int
    """Words taken back between two partials, summed."""
    erased_by_final: int
    """Words taken back from the last partial by the final, summed."""
    normalised_erasure: float | None
    """Words erased between partials, per final word."""
    normalised_erasure_with_final: float | None
    withdrawn_words: int
    """Displayed words that are not in the final, by alignment."""
    changed_by_final: int
    """Words of the last partial that the final has differently, by alignment."""


class Terms(msgspec.Struct, frozen=True):
    """Terms spoken, recognized, and written where they were not spoken."""

    spoken: int
    recognized: int
    false_alarms: int
    recall: float | None


class Invented(msgspec.Struct, frozen=True):
    """Words written while nobody spoke, in recordings without speech."""

    audio_s: float
    words: int
    words_per_minute: float | None
    displayed_words: int
    """Partial ones included: the most in any display of each segment, summed."""


class Cuts(msgspec.Struct, frozen=True):
    """What cut connections cost, against the same words without a cut; words are null if their times are unknown."""

    cuts: int
    resumed: int
    words_lost: int | None
    words_doubled: int | None
    live_again: Percentiles


class ServerLoad(msgspec.Struct, frozen=True):
    """Resources of the server's process and its children, where its pid was given."""

    cpu_s_per_audio_s: float
    cores: float
    memory_bytes_max: int
    streams_per_core: float | None
    gpu_share: float | None = None
    gpu_memory_bytes_max: int | None = None


class Goodput(msgspec.Struct, frozen=True):
    """Words and finals that were on time, by the limits of the SLO, over all that were due."""

    words_due: int
    words_on_time: int
    finals_due: int
    finals_on_time: int
    refused_streams: int
    failed_streams: int
    refusals: dict[str, int] = {}
    """Code → streams."""


class SloOutcome(msgspec.Struct, frozen=True):
    """One condition, its value and whether it was met; value null: nothing to measure, so it was not met."""

    expression: str
    value: float | None
    met: bool


class Word(msgspec.Struct, frozen=True):
    """A spoken word, and when it was displayed; null: never."""

    text: str
    start_s: float
    end_s: float
    ends_speech: bool
    written: str | None
    """The word that the finals have in its place; null: none."""
    first_shown_s: float | None = None
    """When it first appeared, whether or not it stayed."""
    shown_s: float | None = None
    """Since when it was displayed without interruption."""
    committed_s: float | None = None
    final_s: float | None = None


class Correction(msgspec.Struct, frozen=True):
    """A displayed text that changed in more than what was added."""

    at_s: float
    segment: str
    before: str
    after: str
    by_final: bool


class UnansweredStretch(msgspec.Struct, frozen=True):
    """A stretch of speech, at least as long as the limit of the audit, of which no final has a word."""

    start_s: float
    end_s: float
    words: int


class Stream(msgspec.Struct, frozen=True):
    """One stream."""

    stream: int
    recording: str
    audio_s: float
    connect_s: float | None
    failure: str | None
    transcript: str
    words: Sequence[Word]
    corrections: Sequence[Correction]
    unanswered: Sequence[UnansweredStretch]
    lag_over_time: Sequence[tuple[float, float]]
    """End of word, and lag of its display: at most one entry a second."""


class Run(msgspec.Struct, frozen=True):
    """All streams of one load."""

    streams: int
    audio_s: float
    wall_s: float
    clock: Clock
    connect: Percentiles
    first_shown: Percentiles
    """End of a word → its first display, right or wrong."""
    word_shown: Percentiles
    """End of a word → since when it is displayed without interruption."""
    word_committed: Percentiles
    word_final: Percentiles
    final: Percentiles
    """End of speech → the final with its last word (TTFS)."""
    first_partial: Percentiles
    """Start of an utterance's first word → its first display of anything."""
    update_gap: Percentiles
    """Between two updates while somebody speaks."""
    errors: Errors
    finals: Finals
    stability: Stability
    goodput: Goodput
    unanswered_s: float
    """Speech of which no final has a word, by the audit."""
    terms: Terms | None = None
    invented: Invented | None = None
    cuts: Cuts | None = None
    server_load: ServerLoad | None = None
    slo: Sequence[SloOutcome] = ()
    per_stream: Sequence[Stream] = ()
    purpose: str = "load"
    """`load`, `capacity` (a try of the search), `overload` or `silence` (recordings without speech)."""
    withheld: dict[str, str] = {}
    """Metric → why it cannot be measured in this dialect or run."""


class Capacity(msgspec.Struct, frozen=True):
    """The most streams that met the SLO for the whole run, and what happened beyond."""

    slo: Sequence[str]
    streams: int
    tried: Sequence[tuple[int, bool]]
    """Streams, and whether the SLO was met, in the order of the search."""
    overload_streams: int | None = None
    overload_goodput: float | None = None
    """Words on time at the overload, over those at capacity."""
    overload_refused: int | None = None
    overload_finals_missing: int | None = None
    recovery_s: float | None = None
    """From the end of the overload until the words are on time again; null: never, or not measured."""


class Result(msgspec.Struct, frozen=True):
    """A benchmark of one server."""

    created_at: str
    """ISO 8601, UTC."""
    tool: Tool
    machine: Machine
    server: Server
    testset: Testset
    runs: Sequence[Run]
    capacity: Capacity | None = None
    notes: Sequence[str] = ()
    schema: str = SCHEMA
