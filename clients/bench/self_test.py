"""The self-test: measures a scripted server over the usual path, and compares every figure with the script."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import anyio

from clients.bench.endpoint import Conditions, Endpoint, StreamPlan
from clients.bench.load import Passage, plan_streams
from clients.bench.pacing import BYTES_PER_SAMPLE
from clients.bench.reference import Reference
from clients.bench.result import Percentiles, Run
from clients.bench.run import Progress, run_streams
from clients.bench.self_test_dialect import SAMPLE_RATE_HZ
from clients.bench.self_test_script import Expected, Script, percentile, silence_script, speech_script
from clients.bench.self_test_server import BUSY, READY_S, ScriptedServer
from clients.bench.trace import StreamTrace

__all__ = ["Comparison", "Measure", "SelfTest"]

_SEED = 17
"""Of the jitter: the figures are the same in each run."""

_TOLERANCE_S = 0.005
_TOLERANCE_WORDS = 1

_HANDSHAKE_S = 0.05
"""Connecting takes time of its own, which is not in the script."""

Measure = Callable[[Sequence[StreamTrace], Mapping[str, Reference]], Run]
"""`clients.bench.measure.measure_run`."""

_LAGS: Mapping[str, tuple[Callable[[Run], Percentiles], Callable[[Expected], Sequence[float]]]] = {
    "first_shown": (lambda run: run.first_shown, lambda expected: expected.first_shown_s),
    "word_shown": (lambda run: run.word_shown, lambda expected: expected.shown_s),
    "word_committed": (lambda run: run.word_committed, lambda expected: expected.committed_s),
    "word_final": (lambda run: run.word_final, lambda expected: expected.word_final_s),
    "final": (lambda run: run.final, lambda expected: expected.final_s),
    "first_partial": (lambda run: run.first_partial, lambda expected: expected.first_partial_s),
    "update_gap": (lambda run: run.update_gap, lambda expected: expected.update_gap_s),
}

_COUNTS: Mapping[str, tuple[Callable[[Run], int], Callable[[Expected], int]]] = {
    "errors.substituted": (lambda run: run.errors.substituted, lambda expected: expected.substituted),
    "errors.inserted": (lambda run: run.errors.inserted, lambda expected: expected.inserted),
    "errors.deleted": (lambda run: run.errors.deleted, lambda expected: expected.deleted),
    "finals.ends_of_speech": (lambda run: run.finals.ends_of_speech, lambda expected: expected.ends_of_speech),
    "finals.premature": (lambda run: run.finals.premature, lambda expected: expected.premature),
    "finals.missing": (lambda run: run.finals.missing, lambda expected: expected.missing),
    "stability.erased_words": (lambda run: run.stability.erased_words, lambda expected: expected.erased),
    "stability.erased_by_final": (lambda run: run.stability.erased_by_final, lambda expected: expected.erased_by_final),
    "stability.withdrawn_words": (lambda run: run.stability.withdrawn_words, lambda expected: expected.withdrawn),
    "invented.words": (lambda run: run.invented.words if run.invented else 0, lambda expected: expected.invented),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure of the script and what was measured.

    Attributes:
        figure: as in the result.
        expected: by the script.
        measured: None: nothing was.
        tolerance: most that they may differ by.
        unit: `s`, or what is counted.
    """

    figure: str
    expected: float
    measured: float | None
    tolerance: float
    unit: str

    @property
    def agrees(self) -> bool:
        """Whether the measurement is right."""
        return self.measured is not None and abs(self.measured - self.expected) <= self.tolerance


@dataclass(slots=True)
class SelfTest:
    """A scripted server, the streams that measure it, and the comparison: two streams of speech, one without, and one
    that is refused.
    """

    server: ScriptedServer = field(default_factory=lambda: ScriptedServer(_scripts()))

    @property
    def audio_s(self) -> float:
        """Audio of all streams together."""
        return sum(len(plan.pcm) for plan in self._plans) / (BYTES_PER_SAMPLE * SAMPLE_RATE_HZ)

    async def run(
        self,
        endpoint: Endpoint,
        measure: Measure,
        leaving: anyio.Event,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> Run:
        """Measure the server, which has to be reached by the endpoint and served no connection yet."""
        traces = await run_streams(self._plans, endpoint, Conditions(), leaving, on_progress)
        return measure(traces, {script.reference.recording: script.reference for script in self.server.scripts})

    def comparisons(self, run: Run) -> list[Comparison]:
        """Return every figure beside that of the script."""
        scripts = self.server.scripts
        rows = []
        for name, (measured, expected) in _LAGS.items():
            values = list(chain.from_iterable(expected(script.expected) for script in scripts))
            rows += _compared_lags(name, measured(run), values)
        for name, (counted, expected_count) in _COUNTS.items():
            total = sum(expected_count(script.expected) for script in scripts)
            rows.append(Comparison(name, total, counted(run), _TOLERANCE_WORDS, "words"))
        rows.append(Comparison("connect.count", len(scripts), run.connect.count, 0, "streams"))
        rows.append(Comparison("connect.p50", READY_S, run.connect.p50, _HANDSHAKE_S, "s"))
        refused = run.goodput.refusals.get(BUSY.code, 0)
        rows.append(Comparison(f"goodput.refusals.{BUSY.code}", 1, refused, 0, "streams"))
        late_s = percentile(self.server.arrivals_s, 0.95) if self.server.arrivals_s else None
        rows.append(Comparison("late arrival of frames (p95)", 0.0, late_s, _TOLERANCE_S, "s"))
        sent = sum(len(plan.pcm) for plan in self._plans[: len(scripts)])
        rows.append(Comparison("audio received", sent, self.server.received_bytes, 0, "bytes"))
        return rows

    def obstacles(self, run: Run) -> list[str]:
        """Return why the machine was too busy to compare: the client was late, or the server with its script."""
        server_s = max(self.server.late_s, default=0.0)
        is_late = server_s > _TOLERANCE_S
        server = [f"the scripted server was {server_s:.3f} s late (limit {_TOLERANCE_S:g} s)"] if is_late else []
        return [*run.clock.reasons, *server]

    @property
    def _plans(self) -> list[StreamPlan]:
        scripts = self.server.scripts
        passages = [Passage(each.reference.recording, _silence(each.reference.duration_s)) for each in scripts]
        return plan_streams([*passages, passages[0]], len(passages) + 1)


def _scripts() -> tuple[Script, ...]:
    jitter = random.Random(_SEED).random  # noqa: S311
    return speech_script(jitter), speech_script(jitter), silence_script()


def _compared_lags(name: str, measured: Percentiles, expected_s: Sequence[float]) -> list[Comparison]:
    return [
        Comparison(f"{name}.count", len(expected_s), measured.count, _TOLERANCE_WORDS, "words"),
        Comparison(f"{name}.p50", percentile(expected_s, 0.5), measured.p50, _TOLERANCE_S, "s"),
        Comparison(f"{name}.p95", percentile(expected_s, 0.95), measured.p95, _TOLERANCE_S, "s"),
        Comparison(f"{name}.max", max(expected_s), measured.max, _TOLERANCE_S, "s"),
        Comparison(f"{name}.mean", sum(expected_s) / len(expected_s), measured.mean, _TOLERANCE_S, "s"),
    ]


def _silence(seconds: float) -> bytes:
    return bytes(BYTES_PER_SAMPLE * round(seconds * SAMPLE_RATE_HZ))
