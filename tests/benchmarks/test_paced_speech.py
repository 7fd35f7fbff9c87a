"""Real speech for paced streams: where passages begin and end, and how their words are measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.paced_speech import Passage, Speech, SpeechClock, passages, timed
from benchmarks.recordings import SpokenWord
from clients.paced_media import MEDIA_FORMAT
from gateway.wire import SAMPLE_RATE_HZ, Cue, CueEvent, CueState, Final, Latency, SpeechEnded

WORDS = (
    SpokenWord("Red", 0.2, 0.5),
    SpokenWord("green,", 0.5, 0.9),
    SpokenWord("blue", 1.3, 1.6),
    SpokenWord("white.", 1.6, 1.9),
)
PAUSES_S = (0.0, 1.1)


def speech(words: tuple[SpokenWord, ...] = WORDS, seconds: float = 2.0) -> Speech:
    return Speech(np.arange(round(seconds * SAMPLE_RATE_HZ), dtype="<i2").tobytes(), words)


def length_s(passage: Passage) -> float:
    return len(passage.audio) / MEDIA_FORMAT.bytes_per_sample_frame / SAMPLE_RATE_HZ


def texts(passage: Passage) -> list[str]:
    return [word.text for word in passage.words]


def test_passages_begin_and_end_in_pauses() -> None:
    first, second = passages(speech(), count=2, seconds=1.0)

    assert texts(first) == ["Red", "green,"]
    assert texts(second) == ["blue", "white.", "Red", "green,"]
    assert [length_s(first), length_s(second)] == pytest.approx([1.1, 2.0])
    assert [word.start_s for word in second.words] == pytest.approx([0.2, 0.5, 1.1, 1.4])
    assert second.audio[:2] == speech().audio[round(1.1 * SAMPLE_RATE_HZ) * 2 :][:2]


@given(count=st.integers(1, 9), seconds=st.floats(0.1, 12.0))
def test_all_words_of_a_passage_are_streamed_in_full(count: int, seconds: float) -> None:
    for passage in passages(speech(), count, seconds):
        assert seconds - 1e-3 <= length_s(passage) <= seconds + 2.0
        spans = [(word.start_s, word.end_s) for word in passage.words]
        assert spans == sorted(spans)
        assert all(start_s >= 0 and end_s <= length_s(passage) for start_s, end_s in spans)
        # none is missing in between, as the recording loops
        order = [word.text for word in WORDS] * 8
        assert " ".join(texts(passage)) in " ".join(order)


def test_words_keep_their_spelling_and_get_the_times_of_the_compared_ones() -> None:
    words = [SpokenWord("fortytwo", 0.0, 0.4), SpokenWord("lines", 1.0, 1.2)]

    assert list(timed(["Forty-two", "--", "long", "lines."], words)) == [
        SpokenWord("Forty-two", 0.0, 0.4),
        SpokenWord("long", 0.4, 0.4),
        SpokenWord("lines.", 1.0, 1.2),
    ]


def test_words_are_late_by_the_time_since_they_were_spoken_and_wrong_ones_are_counted() -> None:
    clock = SpeechClock(Passage(b"", WORDS[:3]))

    def cue(text: str, state: CueState = CueState.PARTIAL, line: int = 0) -> CueEvent:
        return CueEvent(0, Cue(f"0.{line}", 0, 1, 0, 16_000, (text,), 0, state))

    clock.note(cue("red"), 0.8)
    clock.note(cue("red grin"), 1.2)
    clock.note(SpeechEnded(0, 0, 0, 2 * SAMPLE_RATE_HZ, "silence"), 1.9)
    clock.note(cue("Red", CueState.FINAL), 2.0)
    clock.note(cue("green, blew", CueState.FINAL, line=1), 2.001)
    clock.note(Final(0, 0, 0, 16_000, "Red green, blew", "en", Latency(0, 0, 0, 0)), 2.002)

    figures = clock.figures()
    assert figures.shown == [pytest.approx((0.5, 0.3)), pytest.approx((0.9, 1.1))]
    assert (figures.words, figures.errors, figures.speech_s) == (3, 1, 2.0)
    assert figures.finals_s == []  # its last word is wrong


def test_a_word_that_moves_to_another_cue_keeps_its_time() -> None:
    clock = SpeechClock(Passage(b"", WORDS[:2]))

    def cue(line: int, text: str) -> CueEvent:
        return CueEvent(0, Cue(f"0.{line}", 0, 1, 0, 16_000, (text,), 0, CueState.PARTIAL))

    clock.note(cue(0, "red green"), 1.0)
    clock.note(cue(0, "red"), 1.5)
    clock.note(cue(1, "green"), 1.501)
    clock.note(Final(0, 0, 0, 16_000, "red green", "en", Latency(0, 0, 0, 0)), 2.0)

    assert clock.figures().shown == [pytest.approx((0.5, 0.5)), pytest.approx((0.9, 0.1))]
