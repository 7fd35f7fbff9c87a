"""`livecue listen`, and Ctrl-C."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from unittest.mock import patch

import anyio
import pytest
from typer.testing import CliRunner, Result

from decoder.engines.scripted import ScriptedEngine
from gateway.cli.main import app
from gateway.wire import AudioFormat, Final, Finished, ServerEvent
from tests.sessions import LoudnessDetector, silence, speech, stuck_on_finals
from vad.detector import DETECTORS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="whose event loop has no signals")

PIECE_BYTES = 1_600


class View:
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.events: list[ServerEvent] = []

    def __enter__(self) -> "View":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def event(self, event: ServerEvent) -> None:
        self.events.append(event)


def listen(engine: ScriptedEngine, interrupts: int) -> tuple[Result, list[ServerEvent]]:
    """Run with a microphone that records one utterance, then press Ctrl-C that many times."""
    view = View()

    async def microphone(*_options: object) -> AsyncIterator[bytes]:
        audio = silence(0.5) + speech(1.2)
        for start in range(0, len(audio), PIECE_BYTES):
            yield audio[start : start + PIECE_BYTES]
        with anyio.CancelScope(shield=True):  # the first one ends the microphone
            for _ in range(interrupts):
                os.kill(os.getpid(), signal.SIGINT)
                await anyio.wait_all_tasks_blocked()
        while True:
            yield silence(0.05)

    with (
        patch.dict(DETECTORS, {"loudness": f"{LoudnessDetector.__module__}:LoudnessDetector"}),
        patch("gateway.in_process.create_engine", lambda settings: engine),
        patch("gateway.cli.main.microphone", microphone),
        patch("gateway.cli.main.microphone_format", lambda device: AudioFormat()),
        patch("gateway.cli.main.CaptionView", lambda console: view),
    ):
        result = CliRunner().invoke(app, ["listen", "--set", "session.detector=loudness"])
    return result, view.events


def test_ctrl_c_ends_the_audio_and_the_last_words_still_come() -> None:
    result, events = listen(ScriptedEngine(), interrupts=1)
    assert result.exit_code == 0, result.output
    assert [event.text for event in events if isinstance(event, Final)] == ["two three four"]
    assert isinstance(events[-1], Finished)


def test_a_second_ctrl_c_does_not_wait_for_them() -> None:
    result, events = listen(stuck_on_finals(), interrupts=2)
    assert result.exit_code == 130
    assert not [event for event in events if isinstance(event, Final)]
