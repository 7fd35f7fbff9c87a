"""Finds the capacity of a server by playing loads, and then overloads it for a while."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from clients.bench.benchmark import Benchmark, Played
from clients.bench.capacity import CapacitySearch, TimedWord, first_part, recovery_s, timed_words, words_on_time
from clients.bench.load import Passage, plan_streams
from clients.bench.pacing import BYTES_PER_SAMPLE
from clients.bench.reference import Reference
from clients.bench.result import Capacity

__all__ = ["Material", "find_capacity"]


@dataclass(frozen=True, slots=True)
class Material:
    """What streams play.

    Attributes:
        passages: in turn.
        references: of their recordings.
        sample_rate_hz: of their audio.
    """

    passages: tuple[Passage, ...]
    references: Mapping[str, Reference]
    sample_rate_hz: int


async def find_capacity(
    benchmark: Benchmark, material: Material, search: CapacitySearch, overload: float | None = None
) -> Capacity:
    """Return the most streams that meet the SLO for a whole run, and what an overload did to them.

    A run in which the client was late says nothing of the server, and so ends the search.

    Args:
        benchmark: plays the loads.
        material: to play.
        search: chooses them.
        overload: streams of the overload over those at capacity, above 1; None: there is none.
    """
    best: Played | None = None
    slo: Sequence[str] = ()
    while search.count is not None:
        played = await benchmark.load(material.passages, material.references, search.count, purpose="capacity")
        slo = [outcome.expression for outcome in played.run.slo]
        if benchmark.watch.leaving.is_set() or not played.run.clock.valid:
            break
        if played.is_met and (best is None or played.run.streams > best.run.streams):
            best = played
        search.note(is_met=played.is_met)
    capacity = Capacity(slo, search.streams, tuple(search.tried))
    if best is None or overload is None or benchmark.watch.leaving.is_set():
        return capacity
    return await _overload(benchmark, material, capacity, best, overload)


async def _overload(
    benchmark: Benchmark, material: Material, capacity: Capacity, best: Played, factor: float
) -> Capacity:
    """Let more streams join in the second third of a run at capacity."""
    third_s = min(trace.audio_s for trace in best.traces) / 3
    joining = max(1, math.ceil(best.run.streams * (factor - 1)))
    passages, references = _first_parts(material, third_s)
    plans = [
        *plan_streams(material.passages, best.run.streams),
        *plan_streams(passages, joining, first=best.run.streams, connect_at_s=third_s),
    ]
    played = await benchmark.play(
        plans, {**material.references, **references}, benchmark.conditions, purpose="overload"
    )
    limit_s = benchmark.judge.word_s
    before, during = _words(best, limit_s), _words(played, limit_s)
    on_time = words_on_time((word for words in before for word in words), third_s, 2 * third_s)
    on_time_overload = words_on_time((word for words in during for word in words), third_s, 2 * third_s)
    stayed = [word for words in during[: best.run.streams] for word in words]
    left_s = max((each.began_s + each.audio_s for each in played.traces[best.run.streams :]), default=0.0)
    return msgspec.structs.replace(
        capacity,
        overload_streams=len(plans),
        overload_goodput=on_time_overload / on_time if on_time else None,
        overload_refused=played.run.goodput.refused_streams,
        overload_finals_missing=played.run.finals.missing,
        recovery_s=recovery_s(stayed, max(left_s, 2 * third_s)),
    )


def _first_parts(material: Material, seconds: float) -> tuple[list[Passage], dict[str, Reference]]:
    passages, references = [], {}
    for passage in material.passages:
        reference = first_part(material.references[passage.recording], seconds)
        end = BYTES_PER_SAMPLE * round(reference.duration_s * material.sample_rate_hz)
        passages.append(Passage(reference.recording, passage.pcm[:end]))
        references[reference.recording] = reference
    return passages, references


def _words(played: Played, limit_s: float) -> list[list[TimedWord]]:
    """Return the words of each stream on the clock of the run."""
    streams = zip(played.run.per_stream, played.traces, strict=True)
    return [timed_words(stream.words, trace.began_s, limit_s) for stream, trace in streams]
