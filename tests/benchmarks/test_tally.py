"""Sums over recordings, of hand-made sessions."""

import wave
from pathlib import Path

import pytest

from benchmarks.arms import Arm, Transcribed
from benchmarks.captions import Display, displays
from benchmarks.recordings import SpokenWord
from benchmarks.sets import Recording, Voice
from benchmarks.tally import Lags, Tally, WrittenWord, lags_of, written_words
from benchmarks.virtual import TimedEvents
from decoder.engine import EngineWork
from gateway.wire import Cue, CueEvent, CueState, Final, Latency


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    path = tmp_path / "two-seconds.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(64_000))
    return Recording("one", path, "en", (Voice("Red or blue, or green."),))


def partial(text: str, stable: int = 0) -> CueEvent:
    return CueEvent(0, Cue("1.1", 1, 1, 0, 100, (text,), stable, CueState.PARTIAL))


def final(text: str) -> tuple[Final, CueEvent]:
    cue = Cue("1.1", 1, 1, 0, 100, (text,), len(text), CueState.FINAL)
    return Final(0, 1, 0, 100, text, None, Latency(0, 0, 0, 0)), CueEvent(0, cue)


SAID = (
    TimedEvents(1.0, (partial("Red or"),)),
    TimedEvents(1.5, (partial("Red blew, for", stable=3),)),
    TimedEvents(2.0, (partial("Red, or blew", stable=4),)),
    TimedEvents(2.5, final("Red or blue, green.")),
)

SPOKEN = [
    [SpokenWord(text, number / 2, number / 2 + 0.5) for number, text in enumerate(["red", "or", "blue", "or", "green"])]
]


def test_a_streamed_set_has_all_figures(recording: Recording) -> None:
    tally = Tally("tiny", "clean", Arm.SHIPPED)

    tally.add(recording, Transcribed("Red or blue, green.", 1.0, SAID, EngineWork(3.0, 40), 4), SPOKEN)
    figures = tally.figures()

    assert (figures.words, figures.errors, figures.wrong) == (5, 1, 0.2)
    assert figures.withdrawn == 3 / 4  # "or", then "blew" and "for"
    assert figures.changed == 1 / 4
    assert figures.promised_changed == 0
    assert (figures.shown_p50_s, figures.committed_p50_s, figures.final_p50_s) == (0.75, 1.0, 0.0)
    assert (figures.encoder_s_per_s, figures.encoder_share, figures.steps_per_s) == (1.5, 3 / 120, 20)
    assert figures.cpu_s_per_s == 0.5
    assert [(score.recording, score.words, score.errors) for score in figures.scores] == [("one", 5, 1)]


def test_recordings_add_up(recording: Recording) -> None:
    tally = Tally("tiny", "clean", Arm.SHIPPED)

    for _ in range(2):
        tally.add(recording, Transcribed("Red or blue, green.", 1.0, SAID, EngineWork(3.0, 40), 4), SPOKEN)
    figures = tally.figures()

    assert (figures.words, figures.errors, figures.audio_s) == (10, 2, 4.0)
    assert (figures.withdrawn, figures.encoder_s_per_s, len(figures.scores)) == (3 / 4, 1.5, 2)


def test_a_whole_file_has_words_and_no_display_figures(recording: Recording) -> None:
    tally = Tally("tiny", "clean", Arm.WHOLE)

    tally.add(recording, Transcribed("red or blue or green", 1.0), ())
    figures = tally.figures()

    assert (figures.errors, figures.cpu_s_per_s) == (0, 0.5)
    assert figures.withdrawn is figures.shown_p50_s is figures.final_p50_s is figures.encoder_s_per_s is None


def test_without_speech_all_words_are_wrong(recording: Recording) -> None:
    tally = Tally("tiny", "speechless", Arm.WHOLE)

    tally.add(Recording("hum", recording.path, None, ()), Transcribed("Thank you.", 1.0), ())
    figures = tally.figures()

    assert (figures.words, figures.errors, figures.wrong) == (0, 2, None)


def test_written_words_are_those_displayed_last() -> None:
    finals = [(moment.at_s, event) for moment in SAID for event in moment.events if isinstance(event, Final)]
    split = str.split

    words = written_words(displays(SAID, split), finals)

    assert [word.text for word in words] == ["Red", "or", "blue,", "green."]
    assert [word.final_s for word in words] == [None, None, None, 2.5]


def test_a_final_that_was_never_displayed_has_no_words() -> None:
    [event, _] = final("")

    assert written_words({}, [(1.0, event)]) == []
    assert written_words({1: [Display(0.5, ("one",), 0), Display(1.0, (), 0, is_final=True)]}, [(1.0, event)]) == []


def test_only_correct_words_have_lags() -> None:
    spoken = [SpokenWord("one", 0.0, 1.0), SpokenWord("blue", 1.0, 2.0)]
    written = [WrittenWord("one", 1.5, 2.0, None), WrittenWord("blew", 2.5, 3.0, 3.0)]

    assert lags_of([spoken], written) == Lags(ended_s=[1.0], shown_s=[0.5], committed_s=[1.0])


def test_words_of_two_speakers_have_lags_in_any_written_order() -> None:
    spoken = [[SpokenWord("yes", 0.0, 1.0), SpokenWord("indeed", 1.0, 2.0)], [SpokenWord("no", 0.5, 1.5)]]
    written = [WrittenWord(text, 3.0, 3.0, None) for text in ("yes", "indeed", "no")]

    assert lags_of(spoken, written).shown_s == [2.0, 1.0, 1.5]


def test_withdrawn_words_count_as_displayed(recording: Recording) -> None:
    tally = Tally("tiny", "speechless", Arm.SHIPPED)
    moments = (TimedEvents(1.0, (partial("Thank you"),)), TimedEvents(2.0, (final("")[0], partial(""))))

    tally.add(Recording("hum", recording.path, None, ()), Transcribed("", 1.0, moments, EngineWork()), ())
    figures = tally.figures()

    assert (figures.errors, figures.displayed, figures.withdrawn) == (0, 2, None)
