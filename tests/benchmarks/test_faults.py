"""The benchmark of failing upstreams: its counts."""

import math

import pytest

from benchmarks.faults import Outcome, Plan, Span, measure, outcome_of
from benchmarks.final_timing import FinalRecorder
from gateway.wire import Final, Latency, ServerEvent, SpeechEnded, SpeechStarted

FAULT = Span(start_s=10.0, end_s=15.0)


def started(utterance_id: int) -> ServerEvent:
    return SpeechStarted(1, utterance_id, 0)


def ended(utterance_id: int) -> ServerEvent:
    return SpeechEnded(1, utterance_id, 0, 16_000, "silence")


def final(utterance_id: int, text: str = "one", error: str | None = None) -> ServerEvent:
    return Final(1, utterance_id, 0, 16_000, text, "en", Latency(0.0, 0.0, 0.0, 0.0), error=error)


def recorder(*events: tuple[float, ServerEvent]) -> FinalRecorder:
    received = FinalRecorder()
    for at_s, event in events:
        received.note(event, at_s)
    return received


def outcome(*recorders: FinalRecorder, answers: tuple[tuple[float, float], ...] = ()) -> Outcome:
    return outcome_of("500", 1, recorders, FAULT, answers)


def test_a_final_is_late_by_the_time_since_its_utterance_ended() -> None:
    first = recorder((8.0, started(0)), (9.0, ended(0)), (9.5, final(0)))
    second = recorder((9.0, started(0)), (11.0, ended(0)), (14.0, final(0)))
    assert outcome(first, second).slowest_s == 3.0


def test_finals_are_counted_by_their_content() -> None:
    received = recorder(
        *[(1.0, event) for number in range(4) for event in (started(number), ended(number))],
        (2.0, final(0)),
        (3.0, final(1, "")),
        (12.0, final(2, error="upstream_failed")),
        (16.5, final(3, "half of", error="upstream_timeout")),
    )
    result = outcome(received)
    assert (result.utterances, result.finals, result.with_words, result.lost) == (4, 4, 1, 0)
    assert result.errors == {"upstream_failed": 1, "upstream_timeout": 1}
    assert result.last_error_s == 1.5


def test_an_error_before_the_end_of_the_fault_counts_as_0() -> None:
    assert outcome(recorder((9.0, started(0)), (11.0, final(0, error="rate_limited")))).last_error_s == 0.0
    assert outcome(recorder((9.0, started(0)), (11.0, final(0)))).last_error_s is None


@pytest.mark.parametrize(
    ("finals", "lost"),
    [((), 1), ((0,), 0), ((0, 0), 1), ((0, 1), 1)],
    ids=["none", "one", "two", "one of another"],
)
def test_an_utterance_without_exactly_one_final_is_lost(finals: tuple[int, ...], lost: int) -> None:
    received = recorder((1.0, started(0)), (2.0, ended(0)), *[(3.0, final(number)) for number in finals])
    assert outcome(received).lost == lost


def test_a_final_before_the_end_of_its_utterance_is_infinitely_late() -> None:
    assert outcome(recorder((1.0, started(0)), (3.0, final(0)))).slowest_s == math.inf


def test_an_upstream_is_used_again_once_it_answers_a_later_request() -> None:
    asked_and_came = ((9.0, 9.1), (14.9, 15.1), (17.0, 17.5), (18.0, 18.1))
    assert outcome(answers=asked_and_came).used_again_s == 2.5
    assert outcome(answers=asked_and_came[:2]).used_again_s is None


def test_each_stream_starts_at_another_position_and_loops() -> None:
    audio = bytes(range(4)) * 3_200  # four frames of 3200 bytes, each of the same bytes
    plan = Plan(audio, streams=2, before_s=0.1, fault_s=0.2, after_s=0.3)
    frames = [list(plan.frames(number)) for number in range(2)]
    whole = [audio[place : place + 3_200] for place in range(0, len(audio), 3_200)]
    assert frames[0] == [*whole, *whole[:2]]
    assert frames[1] == [*whole[2:], *whole]


async def test_a_row_runs_from_start_to_end() -> None:
    result = await measure("500", 2, Plan(bytes(32_000), streams=1, before_s=0.0, fault_s=0.0, after_s=0.2))
    assert result == Outcome("500", 2, 0, 0, 0, {}, 0, None, None, None)
