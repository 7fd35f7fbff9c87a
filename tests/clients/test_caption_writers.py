"""Captions of sessions with several channels, in each format."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from clients.caption_writers import GAP_TEXT, OutputFailed, OutputFormat, open_output, opened
from gateway.wire import Cue, CueEvent, CueState, Final, Latency, OfChannel

CUE = Cue("0.1", 0, 1, 0, 16_000, ("good morning",), 12, CueState.FINAL)
FINAL = Final(2, 0, 0, 16_000, "good morning", "en", Latency(0.0, 0.0, 0.0, 0.0))


def written(output_format: OutputFormat) -> str:
    file = StringIO()
    output = open_output(output_format, file)
    output.event(OfChannel(1, CueEvent(1, CUE)))
    output.event(OfChannel(1, FINAL))
    output.close()
    return file.getvalue()


@pytest.mark.parametrize("output_format", list(OutputFormat))
def test_speech_of_a_channel_is_written_once_in_each_format(output_format: OutputFormat) -> None:
    expected = 2 if output_format is OutputFormat.JSONL else 1
    assert written(output_format).count("good morning") == expected


def test_every_event_names_its_channel() -> None:
    lines = [json.loads(line) for line in written(OutputFormat.JSONL).splitlines()]
    assert [(line["type"], line["channel"]) for line in lines] == [("cue", 1), ("final", 1)]


@pytest.mark.parametrize("output_format", [OutputFormat.SRT, OutputFormat.VTT, OutputFormat.TXT, OutputFormat.JSON])
def test_an_utterance_without_words_is_a_marked_gap(output_format: OutputFormat) -> None:
    file = StringIO()
    output = open_output(output_format, file)
    output.event(CueEvent(1, CUE))
    output.event(FINAL)
    output.event(replace(FINAL, utterance_id=1, start_sample=8_000, end_sample=48_000, text="", error="engine_failed"))
    output.close()
    assert file.getvalue().count(GAP_TEXT) == 1
    assert file.getvalue().index("good morning") < file.getvalue().index(GAP_TEXT)
    if output_format is OutputFormat.SRT:
        assert "00:00:01,000 --> 00:00:03,000" in file.getvalue()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk at hand")
def test_a_full_disk_is_named() -> None:
    with opened(Path("/dev/full")) as file, pytest.raises(OutputFailed, match="/dev/full: No space left on device"):
        open_output(OutputFormat.TXT, file).event(FINAL)
