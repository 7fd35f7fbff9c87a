"""What is measured, and the conditions under which: the server as a stream sees it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from clients.connection import Connection
from clients.dialects.driver import Driver, Target

__all__ = ["Conditions", "ConnectTarget", "Endpoint", "StreamPlan"]

ConnectTarget = Callable[[Target], AbstractAsyncContextManager[Connection]]
"""Opens the connection of a target for the duration of a block; raises `ConnectionFailed`.

Closing the stream forcefully (`anyio.aclose_forcefully`) drops the connection without a goodbye, as a cut wire does.
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server to measure.

    Attributes:
        url: as the user gives it.
        make_driver: makes the driver of a session.
        connect: opens the driver's target.
        is_ready_when_connected: whether the server takes audio as soon as the connection is open, without saying so.
    """

    url: str
    make_driver: Callable[[], Driver]
    connect: ConnectTarget
    is_ready_when_connected: bool = False


@dataclass(frozen=True, slots=True)
class Conditions:
    """How streams are played.

    Attributes:
        frame_s: audio in a frame, 0.02 to 1. 0.1 is what most SDKs send.
        ready_timeout_s: longest wait for a connection and for the server to take audio. A server that loads a model
            when the first client connects needs tens of seconds.
        answer_timeout_s: longest silence of a server after the end of the audio; beyond it, the stream has failed.
        drain_timeout_s: most time after the end of the audio, whatever the server sends.
        cut_every_s: audio between two cuts of the connection; None: it is not cut.
    """

    frame_s: float = 0.1
    ready_timeout_s: float = 60.0
    answer_timeout_s: float = 30.0
    drain_timeout_s: float = 180.0
    cut_every_s: float | None = None


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One stream to play.

    Attributes:
        stream: its number in the run, from 0.
        recording: id of its recording, or of its concatenation of recordings.
        pcm: s16le, mono, at the rate of the endpoint's driver.
        connect_at_s: when it connects, since the start of the run.
    """

    stream: int
    recording: str
    pcm: bytes
    connect_at_s: float = 0.0
