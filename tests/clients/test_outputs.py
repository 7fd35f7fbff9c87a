"""What is written of the sessions that have several channels."""

import json
from io import StringIO

import pytest

from clients.outputs import OutputFormat, open_output
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
def test_what_is_said_in_a_channel_is_written_once_in_each_format(output_format: OutputFormat) -> None:
    expected = 2 if output_format is OutputFormat.JSONL else 1
    assert written(output_format).count("good morning") == expected


def test_every_event_says_of_which_channel_it_is() -> None:
    lines = [json.loads(line) for line in written(OutputFormat.JSONL).splitlines()]
    assert [(line["type"], line["channel"]) for line in lines] == [("cue", 1), ("final", 1)]
