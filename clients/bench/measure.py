"""All metrics of one run, from what was observed of its streams and from what was spoken in them. PURE.

`docs/benchmarking.md` defines the metrics. A refused stream counts in the goodput only: nobody was asked to write its
words. Streams without speech count as invented words only.
"""

from collections.abc import Iterator, Mapping, Sequence

from clients.bench.clock_check import check_clock
from clients.bench.cut_costs import CutStream, cost_of_cuts
from clients.bench.goodput import goodput
from clients.bench.invented import invented_words
from clients.bench.lags import Lags, lags_of, update_gaps_s
from clients.bench.limits import Limits
from clients.bench.matched_words import match_words
from clients.bench.measured_stream import MeasuredStream, measure_stream
from clients.bench.percentiles import percentiles
from clients.bench.reference import Reference
from clients.bench.result import Finals, Run, Terms
from clients.bench.stability import stability_of
from clients.bench.terms import summed_terms
from clients.bench.trace import StreamTrace
from clients.bench.withheld import withhold
from clients.bench.word_errors import summed_errors
from clients.bench.word_timeline import WordTimeline

__all__ = ["measure_run"]


def measure_run(
    traces: Sequence[StreamTrace],
    references: Mapping[str, Reference],
    limits: Limits | None = None,
    uncut: Sequence[StreamTrace] = (),
) -> Run:
    """Return the metrics of a run; its `wall_s` is the end of its last stream, and what only the client knows is empty.

    Args:
        traces: of its streams.
        references: of their recordings, by `Reference.recording`.
        limits: of lags and of the audits; None: the defaults.
        uncut: the same streams without a cut, by their numbers, against which the cost of cuts is counted.

    Raises:
        KeyError: a recording has no reference.
        BenchExtraMissing: a library of the extra `bench` is not installed.
    """
    limits = limits or Limits()
    streams = [measure_stream(trace, references[trace.recording], limits) for trace in traces]
    return _summary(streams, limits, {trace.stream: trace for trace in uncut})


def _summary(streams: Sequence[MeasuredStream], limits: Limits, uncut: Mapping[int, StreamTrace]) -> Run:
    traces = [stream.trace for stream in streams]
    admitted = [stream for stream in streams if not stream.trace.was_refused]
    speech = [stream for stream in admitted if stream.is_speech]
    timed = [stream for stream in speech if stream.is_timed]
    lags, gaps_s, answers_s = _lags(timed)
    run = Run(
        streams=len(streams),
        audio_s=sum(trace.audio_s for trace in traces),
        wall_s=max((trace.audio_s if trace.ended_s is None else trace.ended_s for trace in traces), default=0.0),
        clock=check_clock([trace.pacing for trace in traces], limits),
        connect=percentiles([trace.connect_s for trace in traces if trace.connect_s is not None]),
        first_shown=percentiles(lags.first_shown_s),
        word_shown=percentiles(lags.shown_s),
        word_committed=percentiles(lags.committed_s),
        word_final=percentiles(lags.final_s),
        final=percentiles(answers_s),
        first_partial=percentiles(lags.first_partial_s),
        update_gap=percentiles(gaps_s),
        errors=summed_errors(stream.errors() for stream in speech),
        finals=_summed([stream.answers.finals for stream in timed]),
        stability=stability_of([stream.timeline for stream in speech]),
        goodput=goodput([(stream.trace, stream.timed_words) for stream in streams], limits),
        unanswered_s=sum(stream.unanswered_s for stream in timed),
        terms=_terms(speech),
        invented=invented_words([(each.trace.audio_s, each.timeline) for each in admitted if not each.is_speech]),
        cuts=cost_of_cuts(_with_uncut(speech, uncut)),
        per_stream=[stream.entry() for stream in streams],
    )
    return withhold(run, admitted)


def _lags(streams: Sequence[MeasuredStream]) -> tuple[Lags, list[float], list[float]]:
    """Return the lags of all words, the update gaps, and the lags of the finals."""
    lags = Lags()
    gaps_s: list[float] = []
    answers_s: list[float] = []
    for stream in streams:
        lags.add(lags_of(stream.matches.words))
        gaps_s += update_gaps_s(stream.matches.words, stream.timeline.counts.updates_s)
        answers_s += stream.answers.lags_s
    return lags, gaps_s, answers_s


def _terms(streams: Sequence[MeasuredStream]) -> Terms | None:
    has_terms = any(stream.reference.terms for stream in streams)
    return summed_terms(stream.terms() for stream in streams) if has_terms else None


def _summed(finals: Sequence[Finals]) -> Finals:
    return Finals(
        ends_of_speech=sum(each.ends_of_speech for each in finals),
        answered=sum(each.answered for each in finals),
        premature=sum(each.premature for each in finals),
        missing=sum(each.missing for each in finals),
    )


def _with_uncut(streams: Sequence[MeasuredStream], uncut: Mapping[int, StreamTrace]) -> Iterator[CutStream]:
    for stream in streams:
        trace = uncut.get(stream.trace.stream)
        matches = None
        if trace is not None:
            timeline = WordTimeline(trace.transcripts, stream.reference.language)
            matches = match_words(stream.reference, timeline.final_segments)
        yield CutStream(stream.trace.cuts, stream.matches if stream.is_timed else None, matches)
