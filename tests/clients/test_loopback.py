"""The audio that the computer plays; a scripted `parec` stands for the server of audio."""

from pathlib import Path

import pytest

from clients.loopback import LoopbackError, loopback


def parec(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Put a command of that name on the path, and return the file where it notes its arguments."""
    program, notes = folder / "parec", folder / "arguments"
    program.write_text(f'#!/bin/sh\necho "$@" > {notes}\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return notes


async def test_the_default_output_is_recorded_until_the_consumer_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = parec(tmp_path, monkeypatch, "printf abcd; exec sleep 60")
    audio = loopback(None)
    assert await anext(audio) == b"abcd"
    await audio.aclose()  # type: ignore[attr-defined]  # a generator
    assert notes.read_text().split() == [
        "--device=@DEFAULT_MONITOR@",
        "--raw",
        "--format=s16le",
        "--rate=16000",
        "--channels=1",
        "--latency-msec=50",
    ]


@pytest.mark.parametrize("name", ["hdmi", "hdmi.monitor"])
async def test_an_output_is_recorded_by_its_monitor(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = parec(tmp_path, monkeypatch, "echo 'Stream error: No such entity' >&2; exit 1")
    with pytest.raises(LoopbackError, match=f"output {name}: Stream error: No such entity"):
        await anext(loopback(name))
    assert notes.read_text().startswith("--device=hdmi.monitor ")


async def test_a_command_that_ends_without_a_word_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parec(tmp_path, monkeypatch, "exit 3")
    with pytest.raises(LoopbackError, match=r"output \(default\): status 3"):
        await anext(loopback(None))


async def test_without_the_command_the_message_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LoopbackError, match="pulseaudio-utils"):
        await anext(loopback(None))
