"""Buffer of the client's audio and controls: sent but kept for a resume, and still unsent. PURE."""

from collections import deque
from math import inf

from gateway.wire import Audio, AudioFormat, Flush, LostAudio, ProtocolError, Stop

__all__ = ["KEPT_S", "SEND_AHEAD_S", "Buffered", "ReplayBuffer"]

Buffered = Audio | Flush | LostAudio | Stop
"""What a client sends after its start, in order."""

KEPT_S = 23.0
"""Audio kept from before what the newest ack calls processed: a restarted gateway rewinds by that much, two eras of the
detector and what may still begin an utterance (docs/protocol.md)."""

SEND_AHEAD_S = 45.0
"""Audio that may be sent and unanswered. An utterance is unanswered until its final, and the longest configurable one
with the longest endpoint silence takes 40 s. Half the lag that a gateway tolerates."""

_PIECE_S = 1.0
"""Maximum audio in one message: 0.4 MB in the widest format; a gateway accepts 1 MiB."""


class ReplayBuffer:
    """The audio of a session with its controls: a sent part that is kept, then an unsent part.

    Audio is counted from the session's first byte, and resumed only between two sample frames. A control that was
    sent is sent again together with the audio around it, as it may not have arrived.

    Args:
        audio: format of the audio.
        limit_s: maximum audio to keep; beyond it, the oldest is dropped. None: all unacknowledged audio is kept.
    """

    def __init__(self, audio: AudioFormat, limit_s: float | None = None) -> None:
        self._frame_bytes = audio.bytes_per_sample_frame
        self._bytes_per_second = audio.sample_rate_hz * self._frame_bytes
        self._limit_bytes = inf if limit_s is None else limit_s * self._bytes_per_second
        self._sent: deque[Buffered] = deque()
        self._unsent: deque[Buffered] = deque()
        self._held = 0
        """The first byte held; if beyond the next one to send, unsent audio has been dropped."""
        self._next = 0
        """The next byte to send."""
        self._end = 0
        self._processed = 0

    @property
    def held_sample(self) -> int:
        """First sample frame that can be sent."""
        return -(-self._held // self._frame_bytes)

    @property
    def sent_ahead_s(self) -> float:
        """Audio that was sent and is unanswered, in seconds; dropped audio does not count."""
        return (self._next - max(self._processed, self._held)) / self._bytes_per_second

    @property
    def unanswered_s(self) -> float:
        """The same, including unsent audio."""
        return (self._end - max(self._processed, self._held)) / self._bytes_per_second

    @property
    def has_gap(self) -> bool:
        """Whether unsent audio has been dropped; only a resume can continue then."""
        return self._held > self._next

    def add(self, item: Buffered) -> None:
        """Append audio, cut anywhere, or a control."""
        if not isinstance(item, Audio):
            self._unsent.append(item)
            return
        piece_bytes = round(_PIECE_S * self._bytes_per_second)
        for start in range(0, len(item.data), piece_bytes):
            self._unsent.append(Audio(item.data[start : start + piece_bytes]))
        self._end += len(item.data)
        while self._end - self._held > self._limit_bytes:
            self._drop_oldest()

    def take(self) -> Buffered | None:
        """Return the next item to send, and count it as sent; None: there is none yet, or `has_gap`."""
        if not self._unsent or self.has_gap:
            return None
        item = self._unsent.popleft()
        self._sent.append(item)
        self._next += _bytes(item)
        return item

    def acked(self, processed_samples: int) -> None:
        """Discard audio more than 23 s before the last answered sample."""
        self._processed = processed_samples * self._frame_bytes
        kept = self._processed - KEPT_S * self._bytes_per_second
        while self._sent and self._held + _bytes(self._sent[0]) < kept:
            self._held += _bytes(self._sent.popleft())

    def rewind_to(self, next_sample: int) -> None:
        """Rewind to a sample frame, so that the audio from there on is sent again; dropped audio leaves a gap.

        Raises:
            ProtocolError: it is beyond the end of the audio.
        """
        begin = next_sample * self._frame_bytes
        if begin > self._end:
            last = self._end // self._frame_bytes
            raise ProtocolError(f"the gateway requested sample frame {next_sample}: expected at most {last}")
        self._next = max(self._next, self._held)
        while self._sent and (self._next > begin or self._next - _bytes(self._sent[-1]) >= begin):
            self._take_back(self._sent.pop())
        while self._next < begin:
            self._skip(begin - self._next)
        if begin < self._held:
            self._next = begin

    def restart(self) -> None:
        """Restart at 0 for a new session: keep the unanswered audio to send, discard all before it."""
        self.rewind_to(max(self._processed // self._frame_bytes, self.held_sample))
        self._sent.clear()
        self._end -= self._next
        self._held = self._next = self._processed = 0

    def _take_back(self, item: Buffered) -> None:
        self._unsent.appendleft(item)
        self._next -= _bytes(item)

    def _skip(self, count: int) -> None:
        """Count the next item as sent, or its first bytes."""
        item = self._unsent.popleft()
        if isinstance(item, Audio) and len(item.data) > count:
            self._unsent.appendleft(Audio(item.data[count:]))
            item = Audio(item.data[:count])
        self._sent.append(item)
        self._next += _bytes(item)

    def _drop_oldest(self) -> None:
        """Drop the oldest audio; controls stay, each before the audio that follows it."""
        for queue in (self._sent, self._unsent):  # pragma: no branch  # called while there is more than the limit
            for index, piece in enumerate(queue):
                if isinstance(piece, Audio):
                    del queue[index]
                    self._held += len(piece.data)
                    return


def _bytes(item: Buffered) -> int:
    return len(item.data) if isinstance(item, Audio) else 0
