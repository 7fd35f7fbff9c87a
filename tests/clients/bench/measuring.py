"""Runs without metrics, for tests of what plays them."""

from collections.abc import Callable, Mapping, Sequence

from clients.bench.benchmark import Judge
from clients.bench.reference import Reference
from clients.bench.result import (
    Clock,
    Errors,
    Finals,
    Goodput,
    Percentiles,
    Run,
    SloOutcome,
    Stability,
    Stream,
    Word,
)
from clients.bench.trace import StreamTrace

__all__ = ["judge", "run_of"]

NOTHING = Percentiles(0)


def run_of(traces: Sequence[StreamTrace], references: Mapping[str, Reference], *, is_valid: bool = True) -> Run:
    """Return a run in which the n-th word of a stream was displayed with its n-th transcript, and 0.5 s else."""
    refused = sum(trace.was_refused for trace in traces)
    failed = sum(trace.failure is not None for trace in traces) - refused
    return Run(
        streams=len(traces),
        audio_s=sum(trace.audio_s for trace in traces),
        wall_s=0.0,
        clock=Clock(NOTHING, NOTHING, is_valid, () if is_valid else ("the client was late",)),
        connect=NOTHING,
        first_shown=NOTHING,
        word_shown=NOTHING,
        word_committed=NOTHING,
        word_final=NOTHING,
        final=NOTHING,
        first_partial=NOTHING,
        update_gap=NOTHING,
        errors=Errors(0, 0, 0, 0, None, 0, 0, None),
        finals=Finals(0, 0, 0, 0),
        stability=Stability(0, 0, 0, 0, None, None, 0, 0),
        goodput=Goodput(0, 0, 0, 0, refused, failed, {}),
        unanswered_s=0.0,
        per_stream=[_stream(trace, references[trace.recording]) for trace in traces],
    )


def judge(
    is_met: Callable[[Run], bool] = lambda run: True, *, is_valid: Callable[[int], bool] = lambda n: True
) -> Judge:
    """Return a judge with one condition.

    Args:
        is_met: whether a run meets it.
        is_valid: whether a run of so many streams is valid.
    """
    return Judge(
        measure=lambda traces, references, uncut: run_of(traces, references, is_valid=is_valid(len(traces))),
        evaluate=lambda run: [SloOutcome("word_shown.p95<=1.5", 1.0, is_met(run))],
        word_s=1.5,
    )


def _stream(trace: StreamTrace, reference: Reference) -> Stream:
    times_s = [observed.at_s for observed in trace.transcripts]
    words = [
        Word(word.text, word.start_s, word.end_s, word.ends_speech, word.text, shown_s, shown_s)
        for word, shown_s in zip(reference.words, times_s, strict=False)
    ]
    return Stream(trace.stream, trace.recording, trace.audio_s, trace.connect_s, None, "", words, (), (), ())
