"""Tables beyond the summary: errors, finals, stability, delivery, load and the clock. PURE."""

from collections.abc import Callable, Sequence
from itertools import chain

from clients.bench.report.figures import NOTHING, count, decimal, duration, fraction, memory, percent, seconds
from clients.bench.report.markup import Markup, element
from clients.bench.report.tables import Field, run_table
from clients.bench.result import Cuts, Invented, Percentiles, Result, Run, ServerLoad, Terms

__all__ = ["accuracy", "clock", "delivery", "server_load"]


def accuracy(results: Sequence[Result]) -> list[Markup]:
    """Return the tables about words: errors, stability, terms, and words that nobody spoke."""
    return _present(
        run_table("Errors", results, _ERRORS, lambda run: run.errors.words > 0),
        run_table(
            "Stability of the display",
            results,
            _STABILITY,
            lambda run: run.stability.updates > 0 and "stability" not in run.withheld,
        ),
        run_table("Terms", results, _TERMS, lambda run: run.terms is not None),
        run_table("Words invented while nobody spoke", results, _INVENTED, lambda run: run.invented is not None),
    )


def delivery(results: Sequence[Result]) -> list[Markup]:
    """Return the tables about what arrived: finals, words on time, cuts, and other times."""
    return _present(
        run_table(
            "Finals", results, _FINALS, lambda run: run.finals.ends_of_speech > 0 and "finals" not in run.withheld
        ),
        run_table("On time, refused and failed", results, _GOODPUT, lambda run: True),
        run_table("Other times, p50 / p95 in seconds", results, _TIMES, lambda run: run.connect.count > 0),
        run_table("Cut connections", results, _CUTS, lambda run: run.cuts is not None),
    )


def server_load(results: Sequence[Result]) -> list[Markup]:
    """Return the table of the servers' resources."""
    return _present(run_table("Resources of the server", results, _LOAD, lambda run: run.server_load is not None))


def clock(results: Sequence[Result]) -> list[Markup]:
    """Return the table of how the client kept time."""
    return _present(run_table("Clock of the client", results, _CLOCK, lambda run: True))


def _present(*tables: Markup | None) -> list[Markup]:
    return [element("div", table, class_="part") for table in tables if table is not None]


def _pair(lag: Percentiles) -> str:
    return NOTHING if lag.p50 is None else f"{seconds(lag.p50)} / {seconds(lag.p95)}"


def _unless_withheld(run: Run, metric: str, text: str) -> str:
    return NOTHING if metric in run.withheld else text


def _on_time(run: Run, on_time: int, due: int) -> str:
    return _unless_withheld(run, "goodput", fraction(on_time, due))


def _milliseconds(value: float | None) -> str:
    return NOTHING if value is None else f"{1000 * value:.1f}"


def _of_terms(text: Callable[[Terms], str]) -> Callable[[Run], str]:
    return lambda run: NOTHING if run.terms is None else text(run.terms)


def _of_invented(text: Callable[[Invented], str]) -> Callable[[Run], str]:
    return lambda run: NOTHING if run.invented is None else text(run.invented)


def _of_cuts(text: Callable[[Cuts], str]) -> Callable[[Run], str]:
    return lambda run: NOTHING if run.cuts is None else text(run.cuts)


def _of_load(text: Callable[[ServerLoad], str]) -> Callable[[Run], str]:
    return lambda run: NOTHING if run.server_load is None else text(run.server_load)


def _refusals(run: Run) -> str:
    failures = (stream.failure for stream in run.per_stream if stream.failure is not None)
    refusals = (f"{code}: {streams} streams" for code, streams in sorted(run.goodput.refusals.items()))
    return "; ".join(dict.fromkeys(chain(refusals, failures)))


_ERRORS = (
    Field("words", lambda run: count(run.errors.words)),
    Field("substituted", lambda run: count(run.errors.substituted)),
    Field("inserted", lambda run: count(run.errors.inserted)),
    Field("deleted", lambda run: count(run.errors.deleted)),
    Field("words wrong, %", lambda run: percent(run.errors.wer)),
    Field("characters wrong, %", lambda run: percent(run.errors.cer)),
    Field("speech without a word, s", lambda run: _unless_withheld(run, "unanswered_s", seconds(run.unanswered_s))),
)

_STABILITY = (
    Field("updates", lambda run: count(run.stability.updates)),
    Field("words erased", lambda run: count(run.stability.erased_words)),
    Field("by finals", lambda run: count(run.stability.erased_by_final)),
    Field("erased per word", lambda run: decimal(run.stability.normalised_erasure)),
    Field("with finals", lambda run: decimal(run.stability.normalised_erasure_with_final)),
    Field("words withdrawn", lambda run: count(run.stability.withdrawn_words)),
    Field("words changed by finals", lambda run: count(run.stability.changed_by_final)),
)

_TERMS = (
    Field("spoken", _of_terms(lambda terms: count(terms.spoken))),
    Field("recognized", _of_terms(lambda terms: count(terms.recognized))),
    Field("recall, %", _of_terms(lambda terms: percent(terms.recall))),
    Field("false alarms", _of_terms(lambda terms: count(terms.false_alarms))),
)

_INVENTED = (
    Field("audio without speech", _of_invented(lambda invented: duration(invented.audio_s))),
    Field("words in finals", _of_invented(lambda invented: count(invented.words))),
    Field("per minute", _of_invented(lambda invented: decimal(invented.words_per_minute))),
    Field("displayed, partials included", _of_invented(lambda invented: count(invented.displayed_words))),
)

_FINALS = (
    Field("ends of speech", lambda run: count(run.finals.ends_of_speech)),
    Field("answered", lambda run: count(run.finals.answered)),
    Field("missing", lambda run: count(run.finals.missing)),
    Field("premature", lambda run: count(run.finals.premature)),
    Field("p50, s", lambda run: seconds(run.final.p50)),
    Field("p95, s", lambda run: seconds(run.final.p95)),
    Field("p99, s", lambda run: seconds(run.final.p99)),
    Field("longest, s", lambda run: seconds(run.final.max)),
)

_GOODPUT = (
    Field("words on time", lambda run: _on_time(run, run.goodput.words_on_time, run.goodput.words_due)),
    Field("finals on time", lambda run: _on_time(run, run.goodput.finals_on_time, run.goodput.finals_due)),
    Field("streams refused", lambda run: count(run.goodput.refused_streams)),
    Field("streams failed", lambda run: count(run.goodput.failed_streams)),
    Field("how", _refusals, is_text=True),
)

_TIMES = (
    Field("connect", lambda run: _pair(run.connect)),
    Field("start of speech → first partial", lambda run: _pair(run.first_partial)),
    Field("between updates", lambda run: _pair(run.update_gap)),
    Field("audio", lambda run: duration(run.audio_s)),
    Field("wall clock", lambda run: duration(run.wall_s)),
)

_CUTS = (
    Field("cuts", _of_cuts(lambda cuts: count(cuts.cuts))),
    Field("resumed", _of_cuts(lambda cuts: count(cuts.resumed))),
    Field("words lost", _of_cuts(lambda cuts: count(cuts.words_lost))),
    Field("words twice", _of_cuts(lambda cuts: count(cuts.words_doubled))),
    Field("live again p50 / p95, s", _of_cuts(lambda cuts: _pair(cuts.live_again))),
)

_LOAD = (
    Field("cores busy", _of_load(lambda load: decimal(load.cores))),
    Field("CPU s per audio s", _of_load(lambda load: decimal(load.cpu_s_per_audio_s))),
    Field("streams per core", _of_load(lambda load: decimal(load.streams_per_core))),
    Field("memory, most", _of_load(lambda load: memory(load.memory_bytes_max))),
    Field("GPU busy, %", _of_load(lambda load: percent(load.gpu_share))),
    Field("GPU memory, most", _of_load(lambda load: memory(load.gpu_memory_bytes_max))),
)

_CLOCK = (
    Field("late p50, ms", lambda run: _milliseconds(run.clock.late.p50)),
    Field("late p99, ms", lambda run: _milliseconds(run.clock.late.p99)),
    Field("late most, ms", lambda run: _milliseconds(run.clock.late.max)),
    Field("blocked p99, ms", lambda run: _milliseconds(run.clock.blocked.p99)),
    Field("blocked most, ms", lambda run: _milliseconds(run.clock.blocked.max)),
    Field(
        "verdict", lambda run: "valid" if run.clock.valid else f"INVALID: {'; '.join(run.clock.reasons)}", is_text=True
    ),
)
