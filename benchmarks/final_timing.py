"""What the viewer of a live stream is told, and when."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

from clients.connection import Connection
from clients.paced_media import MEDIA_FORMAT, paced
from clients.stream import stream
from gateway.wire import Final, ServerEvent, SpeechEnded, SpeechStarted, Start

__all__ = ["Listener", "Told", "listen"]


@dataclass(frozen=True, slots=True)
class Told:
    """A final as it came.

    Attributes:
        at_s: when.
        late_s: since the word that the utterance had ended; infinite if that never came.
    """

    at_s: float
    late_s: float
    text: str
    error: str | None


@dataclass(slots=True)
class Listener:
    """What the viewer of one stream was told. PURE."""

    finals: list[Told] = field(default_factory=list)
    _spoken: set[int] = field(default_factory=set)
    _ended_s: dict[int, float] = field(default_factory=dict)
    _finals_of: Counter[int] = field(default_factory=Counter)

    def note(self, event: ServerEvent, at_s: float) -> None:
        """Take in the next event."""
        match event:
            case SpeechStarted():
                self._spoken.add(event.utterance_id)
            case SpeechEnded():
                self._ended_s[event.utterance_id] = at_s
            case Final():
                late_s = at_s - self._ended_s.get(event.utterance_id, float("-inf"))
                self.finals.append(Told(at_s, late_s, event.text, event.error))
                self._finals_of[event.utterance_id] += 1
            case _:
                pass

    @property
    def utterances(self) -> int:
        """How many there were."""
        return len(self._spoken)

    @property
    def text(self) -> str:
        """What was said, all finals together."""
        return " ".join(final.text for final in self.finals)

    @property
    def lost(self) -> int:
        """Utterances without exactly one final, and finals of no utterance."""
        return sum(
            self._finals_of[number] != (number in self._spoken) for number in self._spoken | self._finals_of.keys()
        )


async def listen(connection: Connection, frames: Iterator[bytes], listener: Listener, speed: float = 1.0) -> None:
    """Stream sound and let the listener hear of it.

    Args:
        connection: fresh; closed when this returns.
        frames: of 100 ms, in the format of files.
        listener: fresh.
        speed: times real time.
    """
    async with connection:
        sound = paced(frames, speed)
        await stream(
            lambda: nullcontext(connection),
            Start(MEDIA_FORMAT),
            sound,
            lambda event: listener.note(event, time.monotonic()),
        )
