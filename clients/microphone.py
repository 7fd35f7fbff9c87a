"""Audio from a microphone, through PortAudio (the `mic` extra)."""

import queue
from collections.abc import AsyncIterator
from contextlib import closing
from importlib import import_module
from types import ModuleType

from anyio import to_thread

from gateway.wire import AudioFormat, Encoding, LivecueError

__all__ = ["MicrophoneError", "microphone", "microphone_format"]

_FRAME_S = 0.05
"""As often as captions change; shorter frames only add overhead."""

_MAX_FRAMES = 200
"""Bound of the unsent audio, 10 s: longer than a short network outage, shorter than a tolerable delay."""


class MicrophoneError(LivecueError):
    """The microphone cannot be used."""

    code = "no_microphone"


def microphone_format(device: str | None) -> AudioFormat:
    """Return the recording format of the device: at its own rate, as the gateway resamples.

    Raises:
        MicrophoneError: PortAudio or the device is missing.
    """
    sounddevice = _sounddevice()
    try:
        rate_hz = round(sounddevice.query_devices(device, "input")["default_samplerate"])
    except (ValueError, sounddevice.PortAudioError) as error:
        raise MicrophoneError(f"no microphone {device or '(default)'}: {error}") from error
    return AudioFormat(Encoding.PCM_S16LE, min(max(rate_hz, 8_000), 48_000), 1)


async def microphone(device: str | None, audio_format: AudioFormat) -> AsyncIterator[bytes]:
    """Yield audio from a microphone until the consumer stops.

    Args:
        device: PortAudio's name or number of it; None: the default device.
        audio_format: of `microphone_format`.

    Raises:
        MicrophoneError: it cannot be opened, or its audio was not consumed for 10 s.
    """
    sounddevice = _sounddevice()
    frames: queue.Queue[bytes] = queue.Queue(_MAX_FRAMES)
    overflowed = False

    def enqueue(data: object, _frames: int, _time: object, _status: object) -> None:
        nonlocal overflowed
        try:
            frames.put_nowait(bytes(data))  # type: ignore[call-overload]  # a cffi buffer
        except queue.Full:
            overflowed = True

    block_samples = round(audio_format.sample_rate_hz * _FRAME_S)
    try:
        stream = sounddevice.RawInputStream(
            audio_format.sample_rate_hz, block_samples, device, audio_format.channels, "int16", callback=enqueue
        )
    except (ValueError, sounddevice.PortAudioError) as error:
        raise MicrophoneError(f"microphone {device or '(default)'}: {error}") from error
    with closing(stream):
        stream.start()
        while not overflowed:
            # the waiting thread is abandoned when the consumer stops: it ends with the next frame
            yield await to_thread.run_sync(frames.get, abandon_on_cancel=True)
    raise MicrophoneError(f"audio could not be sent for {_MAX_FRAMES * _FRAME_S:g} s")


def _sounddevice() -> ModuleType:
    try:
        return import_module("sounddevice")
    except (ImportError, OSError) as error:  # OSError: PortAudio itself is missing
        advice = "pip install 'livecue[mic]', and on Linux the package libportaudio2"
        raise MicrophoneError(f"the microphone needs PortAudio ({error}): {advice}") from error
