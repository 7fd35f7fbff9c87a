"""WhisperLiveKit's dialect of `/asr`: the whole transcript in each message. PURE.

One segment is one line of text. Its validated words are committed, and the buffer behind them is not; without speaker
labels, a line that is followed by another, or by a line of silence, does not change.
"""

import struct
from collections.abc import Sequence

import msgspec

from clients.dialects.addresses import address, query_of
from clients.dialects.driver import DriverEvent, DriverOptions, Failed, Finished, Target, Transcript
from clients.dialects.json_messages import parse
from clients.dialects.single_connection import SingleConnectionDriver, bearer

__all__ = ["WhisperLiveKitDriver"]

_PATH = "/asr"

_END_OF_AUDIO = b""

_UNKNOWN_BYTES = 0xFFFF_FFFF
"""Length in the header of a WAV file that is still being written."""


class _Line(msgspec.Struct):
    text: str | None = None
    """None: silence."""


class _Message(msgspec.Struct, rename={"takes_pcm": "useAudioWorklet"}):
    type: str | None = None
    takes_pcm: bool = False
    status: str | None = None
    error: str | None = None
    lines: tuple[_Line, ...] | None = None
    buffer_transcription: str = ""
    buffer_diarization: str = ""


class WhisperLiveKitDriver(SingleConnectionDriver):
    """A stream of PCM, or of a WAV file to a server that was not started with `--pcm-input`.

    Args:
        options: the user's; `extra` becomes parameters of the query.
    """

    def __init__(self, options: DriverOptions) -> None:
        super().__init__(options)
        self._withheld: list[bytes] = []
        """Audio that waits until the server has said which kind it takes."""
        self._final_lines = 0

    def target(self, url: str) -> Target:
        """Return the address of `/asr`."""
        options = self._options
        pairs = query_of([("language", options.language)], options.extra)
        return Target(address(url, _PATH, pairs), headers=bearer(options.api_key))

    def _audio_messages(self, pcm: bytes) -> Sequence[bytes]:
        return self._once_ready(pcm)

    def _last_messages(self) -> Sequence[bytes]:
        return self._once_ready(_END_OF_AUDIO)

    def _once_ready(self, data: bytes) -> Sequence[bytes]:
        if self._is_ready:
            return [data]
        self._withheld.append(data)
        return []

    def _events(self, message: str | bytes) -> Sequence[DriverEvent]:
        content = parse(message, _Message)
        if content.error is not None:
            return [Failed("error", content.error)]
        if content.type == "config":
            return self._configured(content)
        if content.type == "ready_to_stop":
            return [*self._segments.finish(self._final_lines), Finished()]
        return [] if content.lines is None else self._transcribed(content)

    def _configured(self, config: _Message) -> Sequence[DriverEvent]:
        withheld, self._withheld = self._withheld, []
        self._outgoing += [*([] if config.takes_pcm else [_wav_header(self.sample_rate_hz)]), *withheld]
        return self._ready()

    def _transcribed(self, content: _Message) -> list[Transcript]:
        lines = content.lines or ()
        texts = [line.text.strip() for line in lines if line.text]
        is_open = bool(lines) and bool(lines[-1].text)
        final_lines = len(texts) - is_open
        transcripts: list[Transcript] = []
        for index in range(self._final_lines, final_lines):
            text = texts[index]
            transcripts += self._segments.update(index, text, is_final=True, committed_chars=len(text))
        self._final_lines = max(self._final_lines, final_lines)
        validated = texts[-1] if is_open else ""
        buffers = (content.buffer_diarization, content.buffer_transcription)
        shown = " ".join(text for text in (validated, *(buffer.strip() for buffer in buffers)) if text)
        return transcripts + self._segments.update(len(texts) - is_open, shown, committed_chars=len(validated))


def _wav_header(rate_hz: int) -> bytes:
    """Return the header of an endless WAV file, mono in 16 bits."""
    form = struct.pack("<HHIIHH", 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    sizes = struct.pack("<I", _UNKNOWN_BYTES)
    return b"RIFF" + sizes + b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + sizes
