"""Captions of sessions with several channels, in each format."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from clients.caption_writers import GAP_TEXT, OutputFailed, OutputFormat, open_output, opened
from gateway.wire import Correction, Cue, CueEvent, CueState, Final, Latency, OfChannel, ServerEvent

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


# --- corrections -----------------------------------------------------------------------------------------------------

OTHER_CUE = Cue("1.1", 1, 0, 32_000, 48_000, ("see you",), 7, CueState.FINAL)
OTHER = replace(FINAL, seq=4, utterance_id=1, start_sample=32_000, end_sample=48_000, text="see you")
FIXED = replace(CUE, revision=2, lines=("good evening",))
CORRECTION = Correction(5, 0, 1, "good evening", (FIXED,))

SESSION = (CueEvent(1, CUE), FINAL, CueEvent(3, OTHER_CUE), OTHER)
CORRECTED = (CueEvent(1, FIXED), replace(FINAL, text="good evening"), CueEvent(3, OTHER_CUE), OTHER)

DOCUMENTS = [OutputFormat.SRT, OutputFormat.VTT, OutputFormat.TXT, OutputFormat.JSON]


def document(output_format: OutputFormat, *events: ServerEvent, path: Path) -> str:
    with opened(path) as file:
        output = open_output(output_format, file)
        for event in events:
            output.event(event)
        output.close()
    return path.read_text()


@pytest.mark.parametrize("output_format", DOCUMENTS)
def test_a_file_with_a_correction_is_as_if_it_had_been_said_so(output_format: OutputFormat, tmp_path: Path) -> None:
    path = tmp_path / "captions"
    corrected = document(output_format, *SESSION[:2], CORRECTION, *SESSION[2:], path=path)
    assert corrected == document(output_format, *CORRECTED, path=path)
    assert document(output_format, *SESSION, CORRECTION, path=path) == corrected


@pytest.mark.parametrize("output_format", DOCUMENTS)
def test_a_removed_utterance_is_taken_out_and_can_come_back(output_format: OutputFormat, tmp_path: Path) -> None:
    path, removed = tmp_path / "captions", Correction(5, 0, 1, "", ())
    without = document(output_format, *SESSION, removed, path=path)
    assert without == document(output_format, *SESSION[2:], path=path)
    assert document(output_format, *SESSION, removed, CORRECTION, path=path) == document(
        output_format, *CORRECTED, path=path
    )


@pytest.mark.parametrize("output_format", DOCUMENTS)
def test_words_that_the_engine_missed_are_put_where_they_belong(output_format: OutputFormat, tmp_path: Path) -> None:
    path = tmp_path / "captions"
    for missed in (replace(FINAL, text=""), replace(FINAL, text="", error="engine_failed")):
        text = document(output_format, missed, *SESSION[2:], CORRECTION, path=path)
        assert text == document(output_format, *CORRECTED, path=path)


@pytest.mark.parametrize("output_format", [OutputFormat.SRT, OutputFormat.VTT, OutputFormat.TXT])
def test_standard_output_keeps_what_it_has(output_format: OutputFormat, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(None) as file:
        output = open_output(output_format, file)
        for event in (*SESSION[:2], CORRECTION, *SESSION[2:]):
            output.event(event)
    text = capsys.readouterr().out
    assert text.index("good morning") < text.index("see you")
    assert "good evening" not in text
    assert output_format is not OutputFormat.SRT or "\n2\n" in text


def test_json_lines_have_the_correction_itself(tmp_path: Path) -> None:
    lines = document(OutputFormat.JSONL, *SESSION, CORRECTION, path=tmp_path / "captions").splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["cue", "final", "cue", "final", "correction"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk at hand")
def test_a_full_disk_is_named() -> None:
    with opened(Path("/dev/full")) as file, pytest.raises(OutputFailed, match="/dev/full: No space left on device"):
        open_output(OutputFormat.TXT, file).event(FINAL)
