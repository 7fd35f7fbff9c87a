"""What this computer plays: the monitor of an output of PulseAudio or PipeWire (Linux), by the command `parec`."""

import shutil
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
from anyio import CancelScope
from anyio.abc import Process

from gateway.wire import SAMPLE_RATE_HZ, AudioFormat, Encoding, LivecueError

__all__ = ["LOOPBACK_FORMAT", "LoopbackError", "loopback"]

LOOPBACK_FORMAT = AudioFormat(Encoding.PCM_S16LE, SAMPLE_RATE_HZ, 1)
"""The server of the audio resamples and mixes to it."""

_PAREC = "parec"
_DEFAULT_MONITOR = "@DEFAULT_MONITOR@"
_LATENCY_MS = 50
"""As often as captions change; as for the microphone."""


class LoopbackError(LivecueError):
    """What the computer plays cannot be recorded."""

    code = "no_loopback"


async def loopback(output: str | None) -> AsyncIterator[bytes]:
    """Yield what an output plays until the consumer stops, in `LOOPBACK_FORMAT`.

    Args:
        output: its name, as in `pactl list short sinks`; None: the default output.

    Raises:
        LoopbackError: there is no such output, no server of audio, or no `parec`.
    """
    program = shutil.which(_PAREC)
    if program is None:
        advice = "it is part of the package pulseaudio-utils, and works with PipeWire too"
        raise LoopbackError(f"what the computer plays is recorded by the command {_PAREC}, which is missing: {advice}")
    device = _DEFAULT_MONITOR if output is None else f"{output.removesuffix('.monitor')}.monitor"
    wanted = ("--raw", "--format=s16le", f"--rate={SAMPLE_RATE_HZ}", "--channels=1", f"--latency-msec={_LATENCY_MS}")
    process = await anyio.open_process([program, f"--device={device}", *wanted])
    try:
        assert process.stdout is not None
        with suppress(anyio.EndOfStream):
            while True:
                yield await process.stdout.receive()
        raise LoopbackError(f"output {output or '(default)'}: {await _reason(process)}")
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        with CancelScope(shield=True):
            await process.aclose()


async def _reason(process: Process) -> str:
    """Return the last line that the command has written about its failure."""
    assert process.stderr is not None
    text = b""
    with suppress(anyio.EndOfStream):
        while True:
            text += await process.stderr.receive()
    return text.decode(errors="replace").strip().rpartition("\n")[2] or f"status {await process.wait()}"
