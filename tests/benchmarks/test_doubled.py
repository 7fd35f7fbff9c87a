"""What each stream of the benchmark of doubled phrases says."""

from benchmarks.doubled import Utterances, Written, orders, said_until
from gateway.wire import Final, Latency

RECORDINGS = [Utterances(bytes(32_000 * seconds), (f"word{seconds}",)) for seconds in (1, 2, 3)]


def final(text: str, end_sample: int) -> Final:
    return Final(0, 0, 0, end_sample, text, "en", Latency(0, 0, 0, 0))


def test_each_stream_says_all_recordings_and_begins_at_another() -> None:
    first, second, third = orders(RECORDINGS, streams=3, seconds=7.0)

    assert first == RECORDINGS * 2
    assert second == [*RECORDINGS[1:], *RECORDINGS, RECORDINGS[0]]
    assert third == [RECORDINGS[2], *RECORDINGS, *RECORDINGS[:2]]


def test_what_was_said_by_a_sample_includes_the_recording_it_lies_in() -> None:
    assert said_until(RECORDINGS, 0) == []
    assert said_until(RECORDINGS, 16_000) == ["word1"]
    assert said_until(RECORDINGS, 16_001) == ["word1", "word2"]
    assert said_until(RECORDINGS, 10_000_000) == ["word1", "word2", "word3"]


def test_finals_without_text_are_not_counted() -> None:
    written = Written([[], []], [0, 0])

    written.note(0, final("one", 16_000), 0.0)
    written.note(1, final(" ", 8_000), 0.0)
    written.note(1, final("two", 32_000), 0.0)

    assert written.finals == 2
    assert written.texts == [["one"], [" ", "two"]]
    assert written.heard_samples == [16_000, 32_000]
