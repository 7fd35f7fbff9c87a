"""The finals of a live stream as a client receives them, with their times."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

from clients.connection import Connection
from clients.paced_media import MEDIA_FORMAT, paced
from clients.stream import stream
from gateway.wire import Final, ServerEvent, SpeechEnded, SpeechStarted, Start

__all__ = ["FinalRecorder", "TimedFinal", "stream_and_record"]


@dataclass(frozen=True, slots=True)
class TimedFinal:
    """A final with its time of arrival.

    Attributes:
        at_s: time of arrival.
        late_s: time since the event that the utterance had ended; infinite if that never arrived.
    """

    at_s: float
    late_s: float
    text: str
    error: str | None


@dataclass(slots=True)
class FinalRecorder:
    """Records the finals that a client of one stream receives. PURE."""

    finals: list[TimedFinal] = field(default_factory=list)
    _spoken: set[int] = field(default_factory=set)
    _ended_s: dict[int, float] = field(default_factory=dict)
    _finals_of: Counter[int] = field(default_factory=Counter)

    def note(self, event: ServerEvent, at_s: float) -> None:
        """Record the next event."""
        match event:
            case SpeechStarted():
                self._spoken.add(event.utterance_id)
            case SpeechEnded():
                self._ended_s[event.utterance_id] = at_s
            case Final():
                late_s = at_s - self._ended_s.get(event.utterance_id, float("-inf"))
                self.finals.append(TimedFinal(at_s, late_s, event.text, event.error))
                self._finals_of[event.utterance_id] += 1
            case _:
                pass

    @property
    def utterances(self) -> int:
        """Number of utterances."""
        return len(self._spoken)

    @property
    def text(self) -> str:
        """The text of all finals."""
        return " ".join(final.text for final in self.finals)

    @property
    def lost(self) -> int:
        """Utterances without exactly one final, and finals of no utterance."""
        return sum(
            self._finals_of[number] != (number in self._spoken) for number in self._spoken | self._finals_of.keys()
        )


async def stream_and_record(
    connection: Connection, frames: Iterator[bytes], recorder: FinalRecorder, speed: float = 1.0
) -> None:
    """Stream audio and record its finals.

    Args:
        connection: new; closed when this returns.
        frames: of 100 ms, in the format of files.
        recorder: new.
        speed: times real time.
    """
    async with connection:
        await stream(
            lambda: nullcontext(connection),
            Start(MEDIA_FORMAT),
            paced(frames, speed),
            lambda event: recorder.note(event, time.monotonic()),
        )
