"""Jitter buffer: reorders a call's frames, drops duplicates, and inserts silence for lost ones. PURE."""

from bisect import insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.wire import Audio, AudioFormat, Encoding
from gateway.wire.twilio.messages import Media

__all__ = ["FrameOutcome", "JitterBuffer"]

WINDOW_FRAMES = 5
"""Maximum frames held back for a missing one: 0.1 s of Twilio's. Services do not guarantee the order; frames that
overtake each other are neighbours."""

DUPLICATE_FRAMES = 50
"""A frame that is older by more is no duplicate: the service restarted its numbering. One second of Twilio's."""

TOLERANCE_MS = 40
"""Timestamps of the sending instead of the speech jitter by a frame or two."""

MAX_GAP_MS = 60_000
"""A timestamp further ahead of all audio is not a gap but a new clock; a peer silent for as long counts as idle."""

MAX_BEHIND_MS = 1_000
"""A timestamp further behind the audio comes from a clock that was reset."""

_SILENCE = {Encoding.PCM_MULAW: b"\xff", Encoding.PCM_ALAW: b"\xd5"}
"""The byte of a silent sample, if it is not 0."""


class FrameOutcome(StrEnum):
    """What happened to a frame."""

    RELEASED = "heard"
    """Passed on."""
    REORDERED = "reordered"
    """Arrived after later frames, and sorted in."""
    DROPPED = "dropped"
    """A duplicate, or so late that silence has replaced it."""


@dataclass(slots=True)
class _Track:
    position_bytes: int = 0
    number: int | None = None
    """Of the last frame released."""
    timestamp_ms: int | None = None
    """Of the same frame."""
    held: list[Media] = field(default_factory=list)
    """Frames that wait for an earlier one, in order."""


class JitterBuffer:
    """Turns the frames of several tracks into each track's audio since the start of the call.

    A frame is released at once if it is the next by its number or its timestamp; otherwise when the one before it has
    arrived, or when `WINDOW_FRAMES` frames are held. Missing audio is replaced by silence if timestamps tell its
    length, so that the audio after it keeps its time.

    Args:
        audio: format of each track.
        tracks: their names.
    """

    def __init__(self, audio: AudioFormat, tracks: tuple[str, ...]) -> None:
        self.outcomes: Counter[FrameOutcome] = Counter()
        """Number of frames by outcome."""
        self.filled_ms = 0
        """Silence inserted, all tracks together."""
        self._frame_bytes = audio.bytes_per_sample_frame
        self._rate_hz = audio.sample_rate_hz
        self._second_of_silence = _SILENCE.get(audio.encoding, b"\0") * (self._rate_hz * self._frame_bytes)
        self._tracks = {name: _Track() for name in tracks}
        self._channels = {name: channel for channel, name in enumerate(tracks)}
        self._origin_ms = 0
        """Timestamp of the start of the call."""

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks; the index of a track is its channel."""
        return tuple(self._tracks)

    def push(self, media: Media) -> list[Audio]:
        """Add a frame of a known track, and return the audio that is next."""
        track = self._tracks[media.track]
        if self._is_duplicate(track, media):
            self.outcomes[FrameOutcome.DROPPED] += 1
            return []
        if track.held and _order(media) < _order(track.held[-1]):
            self.outcomes[FrameOutcome.REORDERED] += 1
        insort(track.held, media, key=_order)
        return [audio for frame in self._released(track, WINDOW_FRAMES) for audio in self._audio(track, frame)]

    def drain(self) -> list[Audio]:
        """Return the audio that is held back for frames that will not arrive."""
        tracks = self._tracks.values()
        return [audio for track in tracks for frame in self._released(track, 0) for audio in self._audio(track, frame)]

    def _released(self, track: _Track, max_held: int) -> Iterator[Media]:
        while track.held and (len(track.held) > max_held or self._is_next(track, track.held[0])):
            yield track.held.pop(0)

    def _is_duplicate(self, track: _Track, media: Media) -> bool:
        if media.number is None:
            return False
        if any((frame.number, frame.timestamp_ms) == (media.number, media.timestamp_ms) for frame in track.held):
            return True
        if track.number is None or not 0 <= track.number - media.number < DUPLICATE_FRAMES:
            return False
        if media.timestamp_ms is None or track.timestamp_ms is None:
            return True
        return media.timestamp_ms <= track.timestamp_ms

    def _is_next(self, track: _Track, media: Media) -> bool:
        if media.number is None or media.number <= (track.number or 0) + 1:
            return True
        ahead_bytes = self._ahead_bytes(track, media)
        return ahead_bytes is not None and 2 * abs(ahead_bytes) < len(media.data)

    def _audio(self, track: _Track, media: Media) -> Iterator[Audio]:
        channel = self._channels[media.track]
        for silence in self._missing(track, media):
            yield Audio(silence, channel)
            track.position_bytes += len(silence)
        yield Audio(media.data, channel)
        track.position_bytes += len(media.data)
        track.number, track.timestamp_ms = media.number, media.timestamp_ms
        self.outcomes[FrameOutcome.RELEASED] += 1

    def _missing(self, track: _Track, media: Media) -> Iterator[bytes]:
        """Yield the silence before a frame, in pieces of at most a second, as it may be long."""
        ahead_bytes = self._ahead_bytes(track, media)
        if ahead_bytes is None or media.timestamp_ms is None:
            return
        latest = max(each.position_bytes for each in self._tracks.values())
        beyond = track.position_bytes + ahead_bytes - latest
        if beyond > self._bytes(MAX_GAP_MS) or ahead_bytes < -self._bytes(MAX_BEHIND_MS):
            self._origin_ms = media.timestamp_ms - self._ms(track.position_bytes)
        elif ahead_bytes >= self._bytes(TOLERANCE_MS):
            self.filled_ms += self._ms(ahead_bytes)
            whole, rest = divmod(ahead_bytes, len(self._second_of_silence))
            yield from [self._second_of_silence] * whole
            yield self._second_of_silence[:rest]

    def _ahead_bytes(self, track: _Track, media: Media) -> int | None:
        """Return how far a frame's timestamp is ahead of its track's audio; None: it has no timestamp."""
        if media.timestamp_ms is None:
            return None
        return self._bytes(media.timestamp_ms - self._origin_ms) - track.position_bytes

    def _bytes(self, duration_ms: int) -> int:
        return duration_ms * self._rate_hz // 1_000 * self._frame_bytes

    def _ms(self, size_bytes: int) -> int:
        return size_bytes // self._frame_bytes * 1_000 // self._rate_hz


def _order(media: Media) -> int:
    return media.number if media.number is not None else 0
