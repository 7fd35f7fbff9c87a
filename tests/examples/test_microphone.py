"""examples/microphone.py, with a PortAudio that a test plays."""

import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from decoder.engines.scripted import ScriptedEngine
from tests.examples.running import EXAMPLES, environment, two_utterances
from tests.servers import serving

SOUNDDEVICE = '''
"""Stands for `sounddevice`: a microphone that plays a file over and over, faster than real time."""
import threading, time
from pathlib import Path

class PortAudioError(Exception): ...

def query_devices(device, kind):
    return {"default_samplerate": 16_000.0}

class RawInputStream:
    def __init__(self, rate_hz, block, device, channels, kind, callback):
        self._block, self._callback, self._is_closed = 2 * block * channels, callback, threading.Event()
    def start(self):
        threading.Thread(target=self._play, daemon=True).start()
    def _play(self):
        audio = Path(__file__).with_name("audio.raw").read_bytes()
        while not self._is_closed.is_set():
            for at in range(0, len(audio), self._block):
                self._callback(audio[at : at + self._block], 0, None, None)
                time.sleep(0.02)
    def close(self):
        self._is_closed.set()
'''


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to another process")
async def test_words_are_printed_until_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text(SOUNDDEVICE)
    (tmp_path / "audio.raw").write_bytes(two_utterances())
    async with serving(ScriptedEngine()) as served:
        command = [sys.executable, str(EXAMPLES / "microphone.py"), served.url]
        async with await anyio.open_process(command, env=environment(tmp_path), stderr=subprocess.STDOUT) as process:
            assert process.stdout is not None
            printed = ""
            while printed.count("\n") < 3:
                printed += (await process.stdout.receive()).decode()
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0, printed

    first, *words = printed.splitlines()
    assert first == "speak; Ctrl-C ends"
    assert words[0].split()[0] == "one"
