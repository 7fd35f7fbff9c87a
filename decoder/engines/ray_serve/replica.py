"""One replica: an engine that Ray Serve runs in a process of its own, on any machine of the cluster.

Requests and answers are the frames of `decoder.engine_process.messages`. This module does not import Ray, which calls
`reconfigure` and `check_health`.
"""

import logging
from uuid import uuid4

import anyio

from decoder.engine_process.messages import (
    HEAD_BYTES,
    Answered,
    Command,
    Decode,
    Failed,
    Failure,
    Outcome,
    Report,
    Start,
    Started,
    decode_command,
    decode_report,
    encode,
    lengths,
)
from decoder.engine_selection import create_engine
from decoder.types import EngineError, EngineFailed

__all__ = ["Replica", "command_of", "frame_of", "report_of"]


def frame_of(message: Command | Report) -> bytes:
    """Return the frame of a message."""
    return b"".join(encode(message))


def command_of(frame: bytes) -> Command:
    """Return the command of a frame.

    Raises:
        msgspec.DecodeError, ValueError: the frame is no command.
    """
    return decode_command(*_split(frame))


def report_of(frame: bytes) -> Report:
    """Return the report of a frame.

    Raises:
        msgspec.DecodeError, ValueError: the frame is no report.
    """
    return decode_report(*_split(frame))


def _split(frame: bytes) -> tuple[bytearray, bytearray]:
    fields_bytes, audio_bytes = lengths(bytearray(frame[:HEAD_BYTES]))
    fields, audio = frame[HEAD_BYTES:][:fields_bytes], frame[HEAD_BYTES + fields_bytes :]
    if len(fields) != fields_bytes or len(audio) != audio_bytes:
        raise ValueError(f"a frame of {len(frame)} bytes: expected {HEAD_BYTES + fields_bytes + audio_bytes}")
    return bytearray(fields), bytearray(audio)


class Replica:
    """Decodes the batches of all gateways with one engine, at most `Engine.parallel` at the same time; others wait.

    Attributes:
        name: unique, of this process.
        engine: the engine.
    """

    def __init__(self, start: bytes) -> None:
        """Create the engine; `reconfigure` warms it up.

        Args:
            start: frame of a `Start`.

        Raises:
            ModelError: the engine cannot be created.
            ValueError: the frame is another one.
        """
        command = command_of(start)
        if not isinstance(command, Start):
            raise ValueError(f"a {type(command).__name__}: expected Start")
        logging.getLogger("livecue").setLevel(command.log_level)
        self.name = uuid4().hex
        self.engine = create_engine(command.settings)
        self._places = anyio.CapacityLimiter(self.engine.parallel)

    async def reconfigure(self, _user_config: object) -> None:
        """Warm the engine up. Ray calls this before the first request, and counts the replica as running afterwards.

        Raises:
            ModelError: the engine cannot be warmed up.
        """
        await self.engine.warm_up()
        self._places.total_tokens = self.engine.parallel

    def check_health(self) -> None:
        """Do nothing while the engine is usable; Ray starts a replica again after three failures.

        Raises:
            EngineFailed: the engine is unusable.
        """
        if not self._is_usable():
            raise EngineFailed("the engine is unusable")

    async def describe(self) -> bytes:
        """Return the frame of a `Started`: the properties of the engine."""
        return frame_of(Started.of(self.engine.info, self.engine.max_batch, self.engine.parallel))

    async def decode(self, frame: bytes) -> tuple[str, bytes]:
        """Decode a batch.

        Args:
            frame: of a `Decode`.

        Returns:
            The replica's name, and the frame of an `Answered` or `Failed` with the number of the call.

        Raises:
            ValueError: the frame is another one.
        """
        command = command_of(frame)
        if not isinstance(command, Decode):
            raise ValueError(f"a {type(command).__name__}: expected Decode")
        return self.name, frame_of(await self._report_of(command))

    async def poll(self, forgotten: tuple[str, ...]) -> bool:
        """Discard the state of sessions that have ended, and return whether the engine is usable."""
        for session_id in forgotten:
            self.engine.forget(session_id)
        return self._is_usable()

    def _is_usable(self) -> bool:
        is_usable = self.engine.info.is_usable
        return is_usable is None or is_usable()

    async def _report_of(self, command: Decode) -> Report:
        try:
            async with self._places:
                answers = await self.engine.decode(command.batch)
        except EngineError as error:
            return Failed(command.number, Failure.of(error))
        return Answered(command.number, tuple(Outcome.of(answer) for answer in answers), self.engine.work)
