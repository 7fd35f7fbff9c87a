"""Figures of runs in which a gateway fails, on sessions made by hand."""

import pytest

from benchmarks.failover import Session, differences, longest_gap_s, outcome
from gateway.wire.server_events import Final, Latency, WordSpan

NO_LATENCY = Latency(0, 0, 0, 0)


def final(*starts_s: int) -> Final:
    words = tuple(WordSpan("word", 16_000 * start_s, 16_000 * start_s + 8_000, None) for start_s in starts_s)
    end_sample = words[-1].end_sample
    return Final(1, 0, words[0].start_sample, end_sample, " ".join("word" for _ in words), "en", NO_LATENCY, words)


def session(*finals: Final, viewed_s: float = 10.0) -> Session:
    made = Session(0, finals=list(finals), viewed=[(viewed_s, each) for each in finals])
    made.transcript = "".join(f"{each.text}\n" for each in finals)
    return made


def test_missing_and_repeated_words_are_told_apart() -> None:
    assert differences([(0, "a"), (1, "b")], [(1, "b"), (1, "b"), (1, "c")]) == (1, 2)


def test_a_gap_counts_if_it_ends_after_the_fault() -> None:
    assert longest_gap_s([0, 5, 6, 8, 9], since_s=5.5) == 2
    assert longest_gap_s([], since_s=0) == 0


def test_the_same_sessions_have_no_word_lost_or_doubled() -> None:
    found = outcome("none", 2, ([session(final(0, 1))], 0.0, None), [session(final(0, 1))])
    assert (found.words, found.lost, found.doubled, found.moved) == (2, 0, 0, 0)


@pytest.mark.parametrize("part", ["finals", "viewed", "transcript"])
def test_a_word_that_client_viewer_or_transcript_lacks_is_lost(part: str) -> None:
    faulty = session(final(0, 1), final(3))
    setattr(faulty, part, getattr(faulty, part)[: 1 if part != "transcript" else 9])
    found = outcome("killed", 2, ([faulty], 0.0, -9), [session(final(0, 1), final(3))])
    assert (found.lost, found.doubled) == (1, 0)


def test_a_final_that_is_received_twice_is_doubled() -> None:
    twice = session(final(0, 1), final(0, 1))
    found = outcome("killed", 2, ([twice], 0.0, -9), [session(final(0, 1))])
    assert (found.lost, found.doubled) == (0, 2)


def test_a_session_has_moved_if_another_gateway_continued_it() -> None:
    moved = session(final(0), viewed_s=2.0)
    moved.gateways, moved.away_s, moved.begin_s = [0, 1], [0.5], 1.0
    found = outcome("killed", 2, ([moved], 0.0, -9), [session(final(0))])
    assert (found.moved, found.away_s, found.late_s) == (1, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
