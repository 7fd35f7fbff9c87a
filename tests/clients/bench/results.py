"""Plausible results of benchmarks, drawn by a seeded generator."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from clients.bench.result import (
    Capacity,
    Clock,
    Correction,
    Cuts,
    Errors,
    Finals,
    Goodput,
    Invented,
    Machine,
    Percentiles,
    Recording,
    Result,
    Run,
    Server,
    ServerLoad,
    SloOutcome,
    Stability,
    Stream,
    Terms,
    Testset,
    Tool,
    UnansweredStretch,
    Word,
)

__all__ = ["Behaviour", "a_result", "an_empty_result", "percentiles", "two_results"]

_TEXT = """
the committee will now hear the report on the harbour. we have had two months of heavy rain, and the pumps at the north
gate ran day and night. nobody was hurt. what did it cost the city? about four hundred thousand, most of it for diesel.
the new pumps are electric, so next year it should be a third of that. i move that we accept the report and thank the
crews who stood in the water.
"""

_HOMOPHONES = {"hear": "here", "two": "to", "night": "knight", "cost": "caused", "year": "ear", "crews": "cruise"}

SLO = ("word_shown.p95<=1.5", "final.p95<=1.0")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a server behaves.

    Attributes:
        name: of the server.
        shown_s: median lag of words.
        final_s: median time from the end of speech to the final.
        wrong: share of words.
        cores: per stream.
        holds: streams at which it begins to fall behind.
        commits: whether it promises parts of partials.
    """

    name: str
    shown_s: float
    final_s: float
    wrong: float
    cores: float
    holds: int
    commits: bool = True


FAST = Behaviour("livecue", shown_s=0.42, final_s=0.62, wrong=0.03, cores=0.21, holds=8)
SLOW = Behaviour("WhisperLive", shown_s=1.1, final_s=2.9, wrong=0.06, cores=0.9, holds=2, commits=False)


def two_results(loads: Sequence[int] = (1, 2, 4, 8)) -> list[Result]:
    """Return results of a fast server with capacity and of a slow one without, on the same test set."""
    return [a_result(FAST, loads, seed=1), a_result(SLOW, loads, seed=2, has_capacity=False)]


def a_result(
    behaviour: Behaviour = FAST, loads: Sequence[int] = (1, 2, 4, 8), seed: int = 1, has_capacity: bool = True
) -> Result:
    """Return a result with one run a load."""
    chance = random.Random(seed)
    runs = [_run(behaviour, streams, chance) for streams in loads]
    if has_capacity:
        runs.append(_run(behaviour, 2 * behaviour.holds, chance, purpose="overload"))
    return Result(
        created_at="2026-11-27T08:00:00Z",
        tool=Tool("livecue bench", "0.1.0", "3.12.4", ["livecue", "bench", "ws://127.0.0.1:8000", "-n", "1,2,4,8"]),
        machine=Machine("Linux 6.8 x86_64", "AMD EPYC 7B13", 2, 8_000_000_000, other_load_cores=0.03),
        server=Server(behaviour.name, "ws://127.0.0.1:8000/v1/stream", "native", "tiny.en", "0.1.0", {"beam": "1"}),
        testset=_testset(),
        runs=runs,
        capacity=_capacity(behaviour) if has_capacity else None,
        notes=["Both servers ran on this machine, in turn."],
    )


def an_empty_result() -> Result:
    """Return a result of one run in which nothing could be measured."""
    return Result(
        created_at="2026-11-27T08:00:00Z",
        tool=Tool("livecue bench", "0.1.0", "3.12.4", []),
        machine=Machine("Linux", "unknown", 1, 0),
        server=Server("silent", "ws://127.0.0.1:1", "vosk"),
        testset=Testset("none", [], "0" * 64, "none", "0" * 64),
        runs=[_empty_run()],
    )


def percentiles(values: Sequence[float]) -> Percentiles:
    """Return the percentiles of values, by the nearest rank."""
    if not values:
        return Percentiles(0)
    ordered = sorted(values)
    p50, p90, p95, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.9, 0.95, 0.99))
    return Percentiles(len(ordered), p50, p90, p95, p99, ordered[-1], sum(ordered) / len(ordered))


def _testset() -> Testset:
    recordings = [
        Recording(
            f"harbour-{number}", "en", 32.5, len(_TEXT.split()), f"{number:064x}", f"{number + 9:064x}", "manifest"
        )
        for number in range(3)
    ]
    return Testset("harbour", recordings, "5e" * 32, "whisper-english 0.1.0", "a1" * 32)


def _capacity(behaviour: Behaviour) -> Capacity:
    tried = [(1, True), (2, True), (4, True), (behaviour.holds, True), (2 * behaviour.holds, False)]
    return Capacity(SLO, behaviour.holds, tried, 2 * behaviour.holds, 0.74, 3, 2, 6.5)


def _run(behaviour: Behaviour, streams: int, chance: random.Random, purpose: str = "load") -> Run:
    excess = max(0, streams - behaviour.holds) / behaviour.holds
    made = [_stream(number, behaviour, excess, chance) for number in range(streams)]
    words = [word for stream in made for word in stream.words]
    ends = [word for word in words if word.ends_speech]
    shown = percentiles([word.shown_s - word.end_s for word in words if word.shown_s is not None])
    final = percentiles([word.final_s - word.end_s for word in ends if word.final_s is not None])
    is_late = streams >= 4 * behaviour.holds
    return Run(
        streams=streams,
        audio_s=32.5 * streams,
        wall_s=34.0,
        clock=Clock(
            percentiles([chance.uniform(0, 0.002 if not is_late else 0.2) for _ in range(50)]),
            percentiles([chance.uniform(0, 0.001) for _ in range(50)]),
            valid=not is_late,
            reasons=["frames were late: p99 0.198 s, allowed 0.020 s"] if is_late else [],
        ),
        connect=percentiles([chance.uniform(0.002, 0.02) for _ in made]),
        first_shown=percentiles([word.first_shown_s - word.end_s for word in words if word.first_shown_s is not None]),
        word_shown=shown,
        word_committed=percentiles([word.committed_s - word.end_s for word in words if word.committed_s is not None]),
        word_final=percentiles([word.final_s - word.end_s for word in words if word.final_s is not None]),
        final=final,
        first_partial=percentiles([chance.uniform(0.4, 0.9) for _ in ends]),
        update_gap=percentiles([chance.uniform(0.2, 0.7) for _ in words]),
        errors=_errors(words),
        finals=Finals(len(ends), final.count, streams // 2, len(ends) - final.count),
        stability=Stability(9 * streams, len(words), 8 * streams, streams, 0.11 + excess / 9, 0.13 + excess / 9, 3, 4),
        goodput=Goodput(
            len(words),
            sum(word.shown_s is not None and word.shown_s - word.end_s <= 1.5 for word in words),
            len(ends),
            sum(word.final_s is not None and word.final_s - word.end_s <= 1.0 for word in ends),
            2 if excess else 0,
            0,
            {"503": 2} if excess else {},
        ),
        unanswered_s=1.2 * excess,
        terms=Terms(6 * streams, 5 * streams, 1, 5 / 6),
        invented=Invented(60.0, 1, 1.0, 2),
        cuts=Cuts(2, 2, 0, 1, percentiles([0.4, 0.7])),
        server_load=ServerLoad(
            behaviour.cores,
            min(2.0, behaviour.cores * streams),
            420_000_000 + 30_000_000 * streams,
            1 / behaviour.cores,
        ),
        slo=[_outcome(SLO[0], shown.p95, 1.5), _outcome(SLO[1], final.p95, 1.0)],
        per_stream=made,
        purpose=purpose,
        withheld={} if behaviour.commits else {"word_committed": "the dialect marks no committed text"},
    )


def _outcome(expression: str, value: float | None, limit: float) -> SloOutcome:
    return SloOutcome(expression, value, value is not None and value <= limit)


def _stream(number: int, behaviour: Behaviour, excess: float, chance: random.Random) -> Stream:
    words: list[Word] = []
    spoken: list[tuple[str, float, float]] = []
    at_s = 0.4 + chance.random() / 2
    for text in _TEXT.split():
        end_s = at_s + 0.08 + 0.045 * len(text)
        spoken.append((text, at_s, end_s))
        at_s = end_s + 0.03
        if text[-1] in ".?":
            words += _utterance(spoken, behaviour, excess, chance)
            spoken = []
            at_s += 1.1
    written = [word.written for word in words if word.written is not None]
    return Stream(
        stream=number,
        recording=f"harbour-{number % 3}",
        audio_s=32.5,
        connect_s=0.01,
        failure=None,
        transcript=" ".join([*written[:9], "um", *written[9:]]),
        words=words,
        corrections=_corrections(words),
        unanswered=[UnansweredStretch(12.0, 13.2, 4)] if excess else [],
        lag_over_time=[(word.end_s, word.shown_s - word.end_s) for word in words[::3] if word.shown_s is not None],
    )


def _utterance(
    spoken: Sequence[tuple[str, float, float]], behaviour: Behaviour, excess: float, chance: random.Random
) -> list[Word]:
    final_s = spoken[-1][2] + behaviour.final_s * chance.lognormvariate(0, 0.25) * (1 + 2 * excess)
    interval_s = behaviour.shown_s
    words = []
    for place, (text, start_s, end_s) in enumerate(spoken):
        ends_speech = place == len(spoken) - 1
        if chance.random() < behaviour.wrong:
            words.append(Word(text, start_s, end_s, ends_speech, None))
            continue
        bare = text.strip(".,?")
        written = _HOMOPHONES.get(bare, text) if chance.random() < 4 * behaviour.wrong else text
        first_s = end_s + interval_s * chance.lognormvariate(-0.1, 0.45) * (1 + 3 * excess)
        shown_s = first_s if chance.random() < 0.8 else first_s + interval_s
        first_s, shown_s = min(first_s, final_s), min(shown_s, final_s)
        committed_s = min(shown_s + 1.3 * interval_s, final_s) if behaviour.commits else None
        words.append(Word(text, start_s, end_s, ends_speech, written, first_s, shown_s, committed_s, final_s))
    return words


def _corrections(words: Sequence[Word]) -> list[Correction]:
    found = []
    for place, word in enumerate(words):
        if word.first_shown_s is not None and word.shown_s is not None and word.shown_s > word.first_shown_s:
            before = " ".join(other.written or "" for other in words[max(0, place - 6) : place])
            wrong = f"{before} {word.text.strip('.,?')[:-1]}"
            found.append(Correction(word.shown_s, "1", wrong, f"{before} {word.written}", word.shown_s == word.final_s))
    return found


def _errors(words: Sequence[Word]) -> Errors:
    deleted = sum(word.written is None for word in words)
    substituted = sum(word.written not in (None, word.text) for word in words)
    inserted = len(words) // 100
    wrong = deleted + substituted + inserted
    characters = sum(len(word.text) for word in words)
    return Errors(
        len(words), substituted, inserted, deleted, wrong / len(words), characters, 4 * wrong, 4 * wrong / characters
    )


def _empty_run() -> Run:
    nothing = Percentiles(0)
    return Run(
        streams=1,
        audio_s=0.0,
        wall_s=0.0,
        clock=Clock(nothing, nothing, valid=True),
        connect=nothing,
        first_shown=nothing,
        word_shown=nothing,
        word_committed=nothing,
        word_final=nothing,
        final=nothing,
        first_partial=nothing,
        update_gap=nothing,
        errors=Errors(0, 0, 0, 0, None, 0, 0, None),
        finals=Finals(0, 0, 0, 0),
        stability=Stability(0, 0, 0, 0, None, None, 0, 0),
        goodput=Goodput(0, 0, 0, 0, 0, 1, {}),
        unanswered_s=0.0,
        per_stream=[Stream(0, "nothing", 0.0, None, "1011: no model", "", [], [], [], [])],
    )
