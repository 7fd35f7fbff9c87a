"""Live captions in a terminal."""

import io
import sys
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from clients.terminal import CaptionView, styled_cue
from gateway.wire import Cue, CueEvent, CueState, Final, Gap, Latency, OfChannel, Warning
from tests.events import correction


def cue(text: str, stable_chars: int, state: CueState = CueState.PARTIAL) -> Cue:
    return Cue("0.1", 0, 1, 0, 16_000, (text,), stable_chars, state)


def final(text: str, start_sample: int = 0) -> Final:
    return Final(9, 0, start_sample, start_sample + 16_000, text, "en", Latency(0.5, 0.0, 0.1, 0.0))


def test_only_what_may_still_change_is_dimmed() -> None:
    text = styled_cue(cue("good morning every", stable_chars=12))
    assert [(span.start, span.end, span.style) for span in text.spans] == [(12, 18, "dim")]


def test_a_final_cue_is_not_dimmed_at_all() -> None:
    assert not styled_cue(cue("good morning", 12, CueState.FINAL)).spans


def test_a_pipe_gets_one_line_a_final_with_its_time_and_no_partials() -> None:
    output = StringIO()
    with CaptionView(Console(file=output, width=80)) as view:
        view.event(CueEvent(1, cue("good morn", 4)))
        view.event(final("good morning [everyone]", start_sample=75 * 16_000))
        view.event(Warning(3, "lagging", "20 s behind"))
    assert output.getvalue() == "01:15  good morning [everyone]\n! 20 s behind\n"


def test_a_terminal_shows_partials_while_they_last() -> None:
    output = StringIO()
    with CaptionView(Console(file=output, force_terminal=True, width=80)) as view:
        view.event(CueEvent(1, cue("good morn", 4)))
        view.event(final("good morning"))
    assert "good morning" in output.getvalue()


def test_a_long_utterance_shows_its_newest_lines() -> None:
    output = StringIO()
    with CaptionView(Console(file=output, force_terminal=True, width=80, height=4)) as view:
        for number in range(9):
            view.event(CueEvent(1, replace(cue(f"line {number}", 4), cue_id=f"0.{number}")))
        view.event(Warning(3, "lagging", "20 s behind"))
    assert "8\x1b" in output.getvalue()


def test_lost_audio_is_emitted() -> None:
    output = StringIO()
    with CaptionView(Console(file=output, width=80)) as view:
        view.event(Gap(1, 16_000, 56_000))
    assert output.getvalue() == "! 2.5 s of audio were lost\n"


def test_a_correction_is_printed_below_with_the_time_of_its_words() -> None:
    output = StringIO()
    with CaptionView(Console(file=output, width=80)) as view:
        view.event(final("good morning"))
        view.event(correction(2, 7, "good evening"))
        view.event(OfChannel(1, correction(3, 7, "", 2)))
    assert output.getvalue().splitlines()[1:] == ["00:07  corrected: good evening", "1: utterance 7 removed"]


def test_finals_of_several_channels_name_theirs() -> None:
    output = StringIO()
    with CaptionView(Console(file=output, width=80), times=False) as view:
        for channel in (0, 1):
            view.event(OfChannel(channel, CueEvent(1, cue("good morn", 4))))
            view.event(OfChannel(channel, final("good morning")))
    assert output.getvalue() == "0: good morning\n1: good morning\n"


def test_a_final_ends_its_cues_of_its_channel() -> None:
    output = StringIO()
    with CaptionView(Console(file=output, force_terminal=True, width=80)) as view:
        for channel in (0, 1):
            view.event(OfChannel(channel, CueEvent(1, cue(f"speaker {channel} speaks", 4))))
        view.event(OfChannel(0, final("good morning")))
        printed = output.getvalue()
        view.event(OfChannel(1, CueEvent(2, cue("speaker 1 goes on", 4))))
    assert "speaker 0" not in output.getvalue()[len(printed) :]


def test_a_log_that_goes_to_a_file_is_not_taken_into_the_display(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    display = io.StringIO()
    with CaptionView(Console(file=display, force_terminal=True, width=40)):
        sys.stderr.write("x" * 100 + "\n")

    assert log.getvalue() == "x" * 100 + "\n"
    assert "xxx" not in display.getvalue()
