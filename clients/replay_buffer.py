"""What a client has said of its sound and may have to say again, and what it has yet to say. PURE."""

from collections import deque
from math import inf

from gateway.wire import Audio, AudioFormat, Flush, ProtocolError, Stop

__all__ = ["KEPT_S", "ReplayBuffer"]

KEPT_S = 23.0
"""Sound kept from before what the newest ack calls processed: a gateway that was restarted goes back so far, two eras
of the detector and what may still begin an utterance. docs/protocol.md says so."""

_PIECE_S = 1.0
"""Of sound in one message, at most: 0.4 MB in the widest format, where a gateway takes 1 MiB."""


class ReplayBuffer:
    """The sound of a session and the controls among it: what has been sent and is kept, then what is yet to be sent.

    Sound is counted from the session's first byte on, and taken up again only between two sample frames. A flush or
    stop that has been sent is sent again with the sound around it: whether it arrived is not known.

    Args:
        audio: the sound's format.
        limit_s: sound kept at most; of more, the oldest is dropped. None: all that is not acknowledged is kept.
    """

    def __init__(self, audio: AudioFormat, limit_s: float | None = None) -> None:
        self._frame_bytes = audio.bytes_per_sample_frame
        self._bytes_per_second = audio.sample_rate_hz * self._frame_bytes
        self._limit_bytes = inf if limit_s is None else limit_s * self._bytes_per_second
        self._sent: deque[Audio | Flush | Stop] = deque()
        self._unsent: deque[Audio | Flush | Stop] = deque()
        self._held = 0
        """The first byte held; beyond the next one to be sent, that one has been dropped."""
        self._next = 0
        """The next byte to be sent."""
        self._end = 0
        self._processed = 0

    @property
    def held_sample(self) -> int:
        """First sample frame that can be sent."""
        return -(-self._held // self._frame_bytes)

    @property
    def sent_ahead_s(self) -> float:
        """Sound that has been sent and is unanswered, in seconds; what has been dropped does not count."""
        return (self._next - max(self._processed, self._held)) / self._bytes_per_second

    @property
    def unanswered_s(self) -> float:
        """The same, with what is yet to be sent."""
        return (self._end - max(self._processed, self._held)) / self._bytes_per_second

    @property
    def has_gap(self) -> bool:
        """Whether sound that was yet to be sent has been dropped: only a resume can go on."""
        return self._held > self._next

    def add(self, said: Audio | Flush | Stop) -> None:
        """Append what is said next; sound may be cut anywhere."""
        if not isinstance(said, Audio):
            self._unsent.append(said)
            return
        piece_bytes = round(_PIECE_S * self._bytes_per_second)
        for start in range(0, len(said.data), piece_bytes):
            self._unsent.append(Audio(said.data[start : start + piece_bytes]))
        self._end += len(said.data)
        while self._end - self._held > self._limit_bytes:
            self._drop_oldest()

    def take(self) -> Audio | Flush | Stop | None:
        """Return what is to be sent next, and count it as sent; None: there is nothing yet, or `has_gap`."""
        if not self._unsent or self.has_gap:
            return None
        said = self._unsent.popleft()
        self._sent.append(said)
        self._next += _bytes(said)
        return said

    def acked(self, processed_samples: int) -> None:
        """Forget what lies more than 23 s before sound that has been answered."""
        self._processed = processed_samples * self._frame_bytes
        kept = self._processed - KEPT_S * self._bytes_per_second
        while self._sent and self._held + _bytes(self._sent[0]) < kept:
            self._held += _bytes(self._sent.popleft())

    def go_on_from(self, next_sample: int) -> None:
        """Take back what lies from there on: it is to be sent again. Where it has been dropped, there is a gap.

        Raises:
            ProtocolError: there is no such sound yet.
        """
        begin = next_sample * self._frame_bytes
        if begin > self._end:
            last = self._end // self._frame_bytes
            raise ProtocolError(f"the gateway asks for sample frame {next_sample} where there are {last}")
        self._next = max(self._next, self._held)
        while self._sent and (self._next > begin or self._next - _bytes(self._sent[-1]) >= begin):
            self._take_back(self._sent.pop())
        while self._next < begin:
            self._skip(begin - self._next)
        if begin < self._held:
            self._next = begin

    def begin_anew(self) -> None:
        """Count from 0 again, for another session: what is unanswered is to be sent, all before it is forgotten."""
        self.go_on_from(max(self._processed // self._frame_bytes, self.held_sample))
        self._sent.clear()
        self._end -= self._next
        self._held = self._next = self._processed = 0

    def _take_back(self, said: Audio | Flush | Stop) -> None:
        self._unsent.appendleft(said)
        self._next -= _bytes(said)

    def _skip(self, count: int) -> None:
        """Count the next message as sent, or its first bytes."""
        said = self._unsent.popleft()
        if isinstance(said, Audio) and len(said.data) > count:
            self._unsent.appendleft(Audio(said.data[count:]))
            said = Audio(said.data[:count])
        self._sent.append(said)
        self._next += _bytes(said)

    def _drop_oldest(self) -> None:
        """Drop the oldest sound; controls stay, each at the sound that follows."""
        for said in (self._sent, self._unsent):  # pragma: no branch  # called while there is more than the limit
            for index, piece in enumerate(said):
                if isinstance(piece, Audio):
                    del said[index]
                    self._held += len(piece.data)
                    return


def _bytes(said: Audio | Flush | Stop) -> int:
    return len(said.data) if isinstance(said, Audio) else 0
