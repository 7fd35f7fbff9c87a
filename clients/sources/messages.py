"""What the process that reads a stream is asked, and what it answers. PURE.

It gets one line of JSON on stdin, since a command line is visible to others and the URL may hold a password. It answers
on stdout: `opened`, audio, then `ended` or `failed`; each has a `HEADER`.
"""

import json
from dataclasses import asdict, dataclass
from math import isnan, nan
from struct import Struct

from clients.sources.timeline import TimedAudio

__all__ = ["HEADER", "Ended", "Failed", "Message", "Opened", "Request", "packed", "unpacked"]

HEADER = Struct("<cdI")
"""Kind, presentation time in seconds (NaN: none), and length of the body in bytes."""

_OPENED, _AUDIO, _ENDED, _FAILED = b"o", b"a", b"e", b"f"


@dataclass(frozen=True, slots=True)
class Request:
    """A stream to read.

    Attributes:
        url: of the stream.
        hosts, public_only: of its `AddressPolicy`.
        track: of its audio tracks, from 1; None: the default one.
        missed_s: time since the last audio of an earlier connection, which a server may have kept; None: there was no
            earlier connection.
    """

    url: str
    hosts: tuple[str, ...]
    public_only: bool = False
    track: int | None = None
    missed_s: float | None = None

    def to_line(self) -> bytes:
        """Return it as a line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Request":
        """Return the request of a line."""
        fields = json.loads(line)
        return cls(**{**fields, "hosts": tuple(fields["hosts"])})


@dataclass(frozen=True, slots=True)
class Opened:
    """The stream is open.

    Attributes:
        is_live: whether its audio comes as it happens; if not, as fast as it is read.
        begin_s: presentation time at which it begins; None: it does not say.
        duration_s: length that it declares; None: none.
    """

    is_live: bool
    begin_s: float | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The last message: the stream has ended.

    Attributes:
        is_whole: whether its end is known to be its end; if not, it may be a lost connection.
        broken_packets: packets that could not be decoded and were skipped.
    """

    is_whole: bool
    broken_packets: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """The last message: the stream cannot be opened, or not be read further.

    Attributes:
        message: for the user.
        is_refused: whether a later attempt cannot succeed.
    """

    message: str
    is_refused: bool = False


Message = Opened | TimedAudio | Ended | Failed


def packed(message: Message) -> bytes:
    """Return a message with its header."""
    if isinstance(message, TimedAudio):
        stamp_s = nan if message.stamp_s is None else message.stamp_s
        return HEADER.pack(_AUDIO, stamp_s, len(message.pcm)) + message.pcm
    kind = {Opened: _OPENED, Ended: _ENDED, Failed: _FAILED}[type(message)]
    body = json.dumps(asdict(message)).encode()
    return HEADER.pack(kind, nan, len(body)) + body


def unpacked(kind: bytes, stamp_s: float, body: bytes) -> Message:
    """Return the message of the fields of a header and a body."""
    if kind == _AUDIO:
        return TimedAudio(None if isnan(stamp_s) else stamp_s, body)
    types: dict[bytes, type[Opened] | type[Ended] | type[Failed]] = {_OPENED: Opened, _ENDED: Ended, _FAILED: Failed}
    return types[kind](**json.loads(body))
