"""The frames of a call on one time line: put in order, each once, with silence where some are missing. PURE."""

from bisect import insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.wire import Audio, AudioFormat, Encoding
from gateway.wire.twilio.messages import Media

__all__ = ["Fate", "JitterBuffer"]

WINDOW_FRAMES = 5
"""Frames that wait for one before them: 0.1 s of Twilio's. Services say that order is not guaranteed; frames that
overtake each other are neighbours."""

SEEN_FRAMES = 50
"""A frame that is older by more is none that came twice: the service has begun to count anew. A second of Twilio's."""

TOLERANCE_MS = 40
"""Clocks that show when a frame was sent and not when it was spoken are unsteady by a frame or two."""

MAX_GAP_MS = 60_000
"""A clock that is further ahead of all sound shows something else; by then a peer that sends nothing is idle, too."""

MAX_BEHIND_MS = 1_000
"""A clock that is further behind the sound has been set anew."""

_SILENCE = {Encoding.PCM_MULAW: b"\xff", Encoding.PCM_ALAW: b"\xd5"}
"""The byte of a sample of silence, where it is not 0."""


class Fate(StrEnum):
    """What becomes of a frame."""

    HEARD = "heard"
    REORDERED = "reordered"
    """Heard after frames that came later."""
    DROPPED = "dropped"
    """It came twice, or so late that silence has taken its place."""


@dataclass(slots=True)
class _Track:
    position_bytes: int = 0
    number: int | None = None
    """Of the last frame heard."""
    timestamp_ms: int | None = None
    """Of the same."""
    held: list[Media] = field(default_factory=list)
    """Frames that wait for one before them, in order."""


class JitterBuffer:
    """Turns the frames of several tracks into each track's sound since the call began.

    A frame is heard at once when it is the next by its number or by its time; else when the one before it has come, or
    when `WINDOW_FRAMES` others wait with it. Missing sound is made up for by silence when its time shows how much it
    is, so that what follows is where it belongs.

    Args:
        audio: format of each track.
        tracks: their names.
    """

    def __init__(self, audio: AudioFormat, tracks: tuple[str, ...]) -> None:
        self.fates: Counter[Fate] = Counter()
        """How many frames went which way."""
        self.filled_ms = 0
        """Silence put in, all tracks together."""
        self._frame_bytes = audio.bytes_per_sample_frame
        self._rate_hz = audio.sample_rate_hz
        self._second_of_silence = _SILENCE.get(audio.encoding, b"\0") * (self._rate_hz * self._frame_bytes)
        self._tracks = {name: _Track() for name in tracks}
        self._channels = {name: channel for channel, name in enumerate(tracks)}
        self._origin_ms = 0
        """What the clock showed when the call began."""

    @property
    def tracks(self) -> tuple[str, ...]:
        """Their names; a track's place is its channel."""
        return tuple(self._tracks)

    def push(self, media: Media) -> list[Audio]:
        """Take in a frame of a track that there is, and return the sound that is next."""
        track = self._tracks[media.track]
        if self._is_seen(track, media):
            self.fates[Fate.DROPPED] += 1
            return []
        if track.held and _order(media) < _order(track.held[-1]):
            self.fates[Fate.REORDERED] += 1
        insort(track.held, media, key=_order)
        return [sound for frame in self._released(track, WINDOW_FRAMES) for sound in self._heard(track, frame)]

    def drain(self) -> list[Audio]:
        """Return the sound that still waits for some that will not come."""
        tracks = self._tracks.values()
        return [sound for track in tracks for frame in self._released(track, 0) for sound in self._heard(track, frame)]

    def _released(self, track: _Track, most: int) -> Iterator[Media]:
        while track.held and (len(track.held) > most or self._follows(track, track.held[0])):
            yield track.held.pop(0)

    def _is_seen(self, track: _Track, media: Media) -> bool:
        if media.number is None:
            return False
        if any((frame.number, frame.timestamp_ms) == (media.number, media.timestamp_ms) for frame in track.held):
            return True
        if track.number is None or not 0 <= track.number - media.number < SEEN_FRAMES:
            return False
        if media.timestamp_ms is None or track.timestamp_ms is None:
            return True
        return media.timestamp_ms <= track.timestamp_ms

    def _follows(self, track: _Track, media: Media) -> bool:
        if media.number is None or media.number <= (track.number or 0) + 1:
            return True
        ahead_bytes = self._ahead_bytes(track, media)
        return ahead_bytes is not None and 2 * abs(ahead_bytes) < len(media.data)

    def _heard(self, track: _Track, media: Media) -> Iterator[Audio]:
        channel = self._channels[media.track]
        for silence in self._missing(track, media):
            yield Audio(silence, channel)
            track.position_bytes += len(silence)
        yield Audio(media.data, channel)
        track.position_bytes += len(media.data)
        track.number, track.timestamp_ms = media.number, media.timestamp_ms
        self.fates[Fate.HEARD] += 1

    def _missing(self, track: _Track, media: Media) -> Iterator[bytes]:
        """Yield the silence before a frame, in pieces of at most a second, for it may be long."""
        ahead_bytes = self._ahead_bytes(track, media)
        if ahead_bytes is None or media.timestamp_ms is None:
            return
        furthest = max(each.position_bytes for each in self._tracks.values())
        beyond = track.position_bytes + ahead_bytes - furthest
        if beyond > self._bytes(MAX_GAP_MS) or ahead_bytes < -self._bytes(MAX_BEHIND_MS):
            self._origin_ms = media.timestamp_ms - self._ms(track.position_bytes)
        elif ahead_bytes >= self._bytes(TOLERANCE_MS):
            self.filled_ms += self._ms(ahead_bytes)
            whole, rest = divmod(ahead_bytes, len(self._second_of_silence))
            yield from [self._second_of_silence] * whole
            yield self._second_of_silence[:rest]

    def _ahead_bytes(self, track: _Track, media: Media) -> int | None:
        """Return by how much a frame's time is ahead of its track's sound; None: it has no time."""
        if media.timestamp_ms is None:
            return None
        return self._bytes(media.timestamp_ms - self._origin_ms) - track.position_bytes

    def _bytes(self, duration_ms: int) -> int:
        return duration_ms * self._rate_hz // 1_000 * self._frame_bytes

    def _ms(self, size_bytes: int) -> int:
        return size_bytes // self._frame_bytes * 1_000 // self._rate_hz


def _order(media: Media) -> int:
    return media.number if media.number is not None else 0
