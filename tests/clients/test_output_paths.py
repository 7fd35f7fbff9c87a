"""Which files are transcribed, and where their captions go."""

import os
from pathlib import Path

import pytest

from clients.caption_writers import OutputFormat
from clients.output_paths import Job, TargetRefused, plan

SRT, TXT = OutputFormat.SRT, OutputFormat.TXT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, with three recordings and a note."""
    for name in ("talk.mp4", "day/one.wav", "day/two.MP3", "day/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"recording")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(*sources: str, output: str | None = None, output_format: OutputFormat | None = None) -> str:
    with pytest.raises(TargetRefused) as refused:
        plan(sources, None if output is None else Path(output), output_format)
    return str(refused.value)


@pytest.mark.parametrize("output_format", list(OutputFormat))
def test_the_name_of_the_output_determines_the_format(folder: Path, output_format: OutputFormat) -> None:
    output = Path(f"talk.{output_format.upper()}")
    assert plan(["talk.mp4"], output, None) == [Job("talk.mp4", output, output_format)]


def test_without_a_format_it_is_plain_text(folder: Path) -> None:
    assert plan(["talk.mp4"], None, None) == [Job("talk.mp4", None, TXT)]
    assert plan(["talk.mp4"], Path("captions"), None)[0].format is TXT


def test_a_format_that_contradicts_the_name_is_refused(folder: Path) -> None:
    assert "contradict" in refusal("talk.mp4", output="talk.srt", output_format=OutputFormat.VTT)
    assert plan(["talk.mp4"], Path("talk.srt"), SRT)[0].format is SRT


def test_a_name_without_a_format_needs_one(folder: Path) -> None:
    assert "expected one of .srt, .vtt" in refusal("talk.mp4", output="talk.pdf")
    assert plan(["talk.mp4"], Path("talk.pdf"), TXT)[0].format is TXT


def test_several_files_and_folders_go_to_a_folder(folder: Path) -> None:
    jobs = plan(["talk.mp4", "day"], Path("out"), SRT)
    assert [(job.source, str(job.output)) for job in jobs] == [
        ("talk.mp4", "out/talk.srt"),
        ("day/one.wav", "out/one.srt"),
        ("day/two.MP3", "out/two.srt"),
    ]


def test_one_file_may_go_to_a_folder_too(folder: Path) -> None:
    assert plan(["talk.mp4"], Path("day"), SRT)[0].output == Path("day/talk.srt")


def test_recordings_of_one_name_keep_their_kind(folder: Path) -> None:
    Path("talk.wav").write_bytes(b"recording")
    outputs = [str(job.output) for job in plan(["talk.mp4", "talk.wav"], Path("out"), SRT)]
    assert outputs == ["out/talk.mp4.srt", "out/talk.wav.srt"]


def test_outputs_that_would_be_mixed_or_lost_are_refused(folder: Path) -> None:
    assert "expected -o FOLDER" in refusal("talk.mp4", "day")
    assert "expected a folder" in refusal("talk.mp4", "day", output="day/notes.txt")
    assert "two recordings" in refusal("day", "day/one.wav", output="out")
    (folder / "empty").mkdir()
    assert "no recordings" in refusal("empty", output="out")
    assert "no such folder" in refusal("talk.mp4", output="no/such/folder/x.srt")


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_captions_never_go_over_a_recording(folder: Path, link: object) -> None:
    output = "talk.mp4"
    if callable(link):
        output = "captions.txt"
        link("talk.mp4", output)
    assert "would overwrite the recording" in refusal("talk.mp4", output=output, output_format=TXT)
    assert Path("talk.mp4").read_bytes() == b"recording"


def test_captions_never_go_over_another_recording_of_the_same_call(folder: Path) -> None:
    Path("out").mkdir()
    Path("out/talk.txt").symlink_to(folder / "day" / "one.wav")
    assert "would overwrite the recording day/one.wav" in refusal("talk.mp4", "day", output="out")
