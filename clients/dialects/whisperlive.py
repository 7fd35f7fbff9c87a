"""WhisperLive's dialect (Collabora): float32 audio, and the newest segments in each message. PURE.

One segment is one of the server's: the completed ones come in order, and at most one follows that may change. At the
message of the end, the server drops what is not completed; so the driver sends it once the last segment is completed,
or nothing has arrived for 15 s, as WhisperLive's own client does.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from clients.dialects.addresses import address
from clients.dialects.driver import DriverEvent, DriverOptions, Failed, Target, TimedText, Transcript
from clients.dialects.json_messages import encode, parse, with_options
from clients.dialects.single_connection import SingleConnectionDriver, bearer

__all__ = ["WhisperLiveDriver"]

_END_OF_AUDIO = b"END_OF_AUDIO"

_UID = "livecue"
"""The server repeats it in its messages, and distinguishes its clients by their connections."""

_MODEL = "small"
"""WhisperLive's own client's; a server that was started with a model ignores it."""

_LEAST_DECODED_S = 1.0
"""The server does not decode less than this."""

_FULL_SCALE = np.float32(32_768)
"""Of 16-bit samples."""


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float


class _Segment(msgspec.Struct, frozen=True):
    text: str
    start: float
    end: float
    completed: bool = False
    words: tuple[_Word, ...] | None = None

    @property
    def key(self) -> tuple[float, float, str]:
        """What stays the same in every message that repeats it."""
        return self.start, self.end, self.text


class _Message(msgspec.Struct):
    message: str | float | None = None
    status: str | None = None
    segments: tuple[_Segment, ...] | None = None


class WhisperLiveDriver(SingleConnectionDriver):
    """A stream; a `SettlingDriver`.

    Args:
        options: the user's; `extra` sets fields of the first message: `use_vad`, `send_last_n_segments`,
            `word_timestamps` …
    """

    ends_by_closing = True

    settle_s: float = 15.0
    """WhisperLive's own client waits as long after the last message."""

    def __init__(self, options: DriverOptions) -> None:
        super().__init__(options)
        self._sent_samples = 0
        self._completed = 0
        """Number of completed segments: the id of the next one."""
        self._newest: tuple[float, float, str] | None = None
        """The newest completed segment."""
        self._has_ended = False

    def target(self, url: str) -> Target:
        """Return the address: WhisperLive has no path."""
        return Target(address(url, "/"), headers=bearer(self._options.api_key))

    def settle(self) -> None:
        """Tell the server of the end: nothing more is expected from it."""
        if not self._has_ended:
            self._has_ended = True
            self._outgoing.append(_END_OF_AUDIO)

    def _first_messages(self) -> Sequence[str]:
        options = self._options
        request: dict[str, object] = {
            "uid": _UID,
            "language": options.language,
            "task": "transcribe",
            "model": options.model or _MODEL,
            "use_vad": True,
        }
        if options.terms:
            request["hotwords"] = ", ".join(options.terms)
        return [encode(with_options(request, options.extra))]

    def _audio_messages(self, pcm: bytes) -> Sequence[bytes]:
        samples = np.frombuffer(pcm, "<i2")
        self._sent_samples += len(samples)
        return [(samples.astype("<f4") / _FULL_SCALE).tobytes()]

    def _last_messages(self) -> Sequence[str | bytes]:
        return []

    def _events(self, message: str | bytes) -> Sequence[DriverEvent]:
        content = parse(message, _Message)
        if content.segments is not None:
            return self._segments_changed(content.segments)
        match content:
            case _Message(message="SERVER_READY"):
                return self._ready()
            case _Message(message="DISCONNECT"):
                return [Failed("DISCONNECT", "the server ended the session at its maximum connection time")]
            case _Message(status="WAIT", message=minutes):
                return [Failed("WAIT", f"the server is full: expected wait {minutes} min")]
            case _Message(status="ERROR", message=text):
                return [Failed("ERROR", str(text))]
            case _:
                return []

    def _segments_changed(self, segments: Sequence[_Segment]) -> list[Transcript]:
        transcripts: list[Transcript] = []
        for segment in self._new_completed([segment for segment in segments if segment.completed]):
            transcripts += self._update(segment)
            self._completed += 1
            self._newest = segment.key
        open_ones = [segment for segment in segments if not segment.completed]
        if open_ones:
            transcripts += self._update(open_ones[-1])
        else:
            transcripts += self._segments.update(self._completed, "")
            self._end_if_all_is_completed()
        return transcripts

    def _new_completed(self, completed: Sequence[_Segment]) -> Sequence[_Segment]:
        """Return the segments after the newest known one; all, if more than a message holds have been completed."""
        keys = [segment.key for segment in completed]
        known = keys.index(self._newest) + 1 if self._newest in keys else 0
        return completed[known:]

    def _update(self, segment: _Segment) -> list[Transcript]:
        words = tuple(TimedText(word.word.strip(), word.start, word.end) for word in segment.words or ())
        text = segment.text.strip()
        return self._segments.update(self._completed, text, is_final=segment.completed, words=words)

    def _end_if_all_is_completed(self) -> None:
        undecoded_s = self._sent_samples / self.sample_rate_hz - (self._newest[1] if self._newest else 0.0)
        if self._is_finishing and undecoded_s < _LEAST_DECODED_S:
            self.settle()
