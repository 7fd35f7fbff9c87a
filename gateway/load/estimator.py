"""Forecasts the load of the engine from what its sessions have cost so far. PURE.

Admission is measurement-based (Jamin, Danzig, Shenker, Zhang 1997: the measured sum): the cost of a stream is measured
as engine time per second of audio, a stream counts in full until its own audio has been measured, and another one is
admitted while the sum stays below the target.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, floor

__all__ = ["EngineTime", "LoadEstimator", "StreamSample"]

_RATE_S = 30.0
"""Time constant of the cost: a few utterances of one speaker. Batches grow with the load, so that the cost changes."""

_ACTIVITY_S = 10.0
"""Time constant of a stream's activity, its audio per second: longer than a pause of a client that sends none."""

_LEAST_AUDIO_S = 10.0
"""Audio below which the cost is unknown: about two utterances. The first ones are still being decoded before that."""

_FULL = 1e-9
"""A load on the target is not above it: room for rounding."""


@dataclass(frozen=True, slots=True)
class StreamSample:
    """One session that a client is connected to, or was until just now.

    Attributes:
        session_id: of the session.
        received_s: audio received since its begin, of all channels, in seconds, ≥ 0.
        channels: each is decoded as a stream of its own, ≥ 1.
        stretch: actual interval between partials, in multiples of the set one, ≥ 1.
        has_ended: whether it has ended since the last sample, so that only its audio counts.
    """

    session_id: str
    received_s: float
    channels: int = 1
    stretch: float = 1.0
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class EngineTime:
    """Time spent decoding, in seconds; of an engine that decodes two batches at once, half of their sum.

    Attributes:
        finals_s: of finals, eager ones included.
        partials_s: of partials.
    """

    finals_s: float = 0.0
    partials_s: float = 0.0


@dataclass(slots=True)
class _Activity:
    """The audio of one session per second, 0 to its channels; and how far it is ahead of real time."""

    received_s: float
    share: float
    lead_s: float = 0.0


class LoadEstimator:
    """The cost of a stream, and how many the engine can serve.

    A load is engine time needed per second, of all slots of the engine: at 1 it never idles.

    Args:
        target: load up to which streams are admitted, 0..1.
        admitted_stretch: stretch of the partials for which streams are admitted, ≥ 1.
    """

    def __init__(self, target: float, admitted_stretch: float) -> None:
        self._target = target
        self._admitted_stretch = admitted_stretch
        self._streams: dict[str, _Activity] = {}
        self._audio_s = 0.0
        self._finals_s = 0.0
        self._partials_audio_s = 0.0
        self._partials_s = 0.0

    @property
    def is_measured(self) -> bool:
        """Whether enough audio was decoded to know its cost."""
        return self._audio_s >= _LEAST_AUDIO_S

    def observe(
        self, elapsed_s: float, streams: Iterable[StreamSample], spent: EngineTime, *, has_partials: bool = True
    ) -> None:
        """Take what has happened since the last call.

        Args:
            elapsed_s: since the last call, > 0.
            streams: connected now, and those that have ended since the last call.
            spent: engine time since the last call.
            has_partials: whether partials were on; while they are off, their cost stays as last measured.
        """
        known, self._streams = self._streams, {}
        audio_s, stretched_s = 0.0, 0.0
        keep = exp(-elapsed_s / _ACTIVITY_S)
        for stream in streams:
            activity = known.get(stream.session_id) or _Activity(0.0, stream.channels)
            received_s = max(0.0, stream.received_s - activity.received_s)
            # a client that sends ahead does not send more in the long run
            if stream.session_id in known:
                recent = min(received_s / elapsed_s, stream.channels)
                activity.share = keep * activity.share + (1 - keep) * recent
            if not stream.has_ended:
                lead_s = max(0.0, activity.lead_s + received_s / stream.channels - elapsed_s)
                self._streams[stream.session_id] = _Activity(stream.received_s, activity.share, lead_s)
            audio_s += received_s
            stretched_s += received_s * stream.stretch
        stretch = stretched_s / audio_s if audio_s else 1.0
        keep = exp(-elapsed_s / _RATE_S)
        self._audio_s = keep * self._audio_s + audio_s
        self._finals_s = keep * self._finals_s + spent.finals_s
        if has_partials:
            self._partials_audio_s = keep * self._partials_audio_s + audio_s
            self._partials_s = keep * self._partials_s + spent.partials_s * stretch

    def active(self, streams: int) -> float:
        """Return how many streams that send audio all the time cost as much as those connected now.

        Args:
            streams: connected now; those that were not observed yet count in full.
        """
        shares = sum(activity.share for activity in self._streams.values())
        return shares + max(0, streams - len(self._streams))

    def lead_s(self, session_id: str) -> float:
        """Return how much audio a session has sent ahead of real time, in seconds, ≥ 0; 0 for an unknown one."""
        activity = self._streams.get(session_id)
        return 0.0 if activity is None else activity.lead_s

    def load(self, streams: float, stretch: float) -> float:
        """Return the load of some active streams; 0 while the cost is unknown.

        Args:
            streams: that send audio all the time.
            stretch: of their partials, ≥ 1.
        """
        if not self.is_measured:
            return 0.0
        each = self._finals_s / self._audio_s
        if self._partials_audio_s:
            each += self._partials_s / self._partials_audio_s / stretch
        return streams * each

    def admitted_load(self, streams: int) -> float:
        """Return the load of the streams connected now, at the stretch for which streams are admitted."""
        return self.load(self.active(streams), self._admitted_stretch)

    def free(self, streams: int) -> int | None:
        """Return how many more streams can be served, ≥ 0; None: unknown.

        Args:
            streams: connected now.
        """
        each = self.load(1, self._admitted_stretch)
        if each <= 0:
            return None
        return max(0, floor(self._target / each - self.active(streams) + _FULL))
