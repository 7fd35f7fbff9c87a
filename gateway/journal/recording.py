"""Records the audio of sessions as FLAC files beside the journal, if enabled."""

import glob
import logging
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from pathlib import Path

import anyio
from anyio import to_thread

from gateway.wire import Start
from vad.audio import PcmDecoder
from vad.errors import AudioError
from vad.flac_writer import FlacWriter

__all__ = ["Recording", "delete_recordings", "recordings_folder", "recordings_of"]

logger = logging.getLogger("livecue.recording")

_WRITE_INTERVAL_S = 1.0
"""Audio between two writes, which is lost if the process is killed."""

_MAX_BUFFERED_S = 30.0
"""Audio buffered for the disk: 6 MB of the widest format; a disk that is further behind will not catch up."""

_STOPPED = "audio is no longer recorded; captions continue"


class Recording:
    """Records the audio of one session, each channel in a file of its own.

    A session that is resumed after a restart continues in further files, `.part-2` and so on. If a file cannot be
    written, the recording stops and the client is warned; the session continues.

    Args:
        folder: of the recordings; created when needed.
        session_id: of the session.
        start: has the audio format and the number of channels.
        warn: called at most once, with the message of a warning `recording_stopped`; it must not raise.
    """

    def __init__(self, folder: Path, session_id: str, start: Start, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._session_id = session_id
        self._start = start
        self._warn = warn
        self._buffers: dict[int, bytearray] = defaultdict(bytearray)
        audio = start.audio
        self._max_buffered_bytes = round(_MAX_BUFFERED_S * audio.sample_rate_hz) * audio.bytes_per_sample_frame
        self._tracks: dict[int, _Track] = {}
        self._frame_bytes = audio.bytes_per_sample_frame
        self._has_audio, self._is_urgent, self._has_written = anyio.Event(), anyio.Event(), anyio.Event()
        self._is_closed = False
        self._has_stopped = False

    def write(self, data: bytes, channel: int = 0) -> None:
        """Append bytes of a channel, cut anywhere; `run` decodes and writes them later."""
        if self._has_stopped:
            return
        buffer = self._buffers[channel]
        buffer += data
        self._has_audio.set()
        if len(buffer) > self._max_buffered_bytes // 2:
            self._is_urgent.set()
        if len(buffer) > self._max_buffered_bytes:
            self._stop(f"the disk is more than {_MAX_BUFFERED_S:g} s behind")

    async def caught_up(self) -> None:
        """Wait until all appended audio is on the disk, while `run` runs."""
        while (
            self._has_audio.is_set() and not self._has_stopped
        ):  # a write in progress may have begun before the last append
            self._is_urgent.set()
            await self._has_written.wait()

    def drop_partial_frame(self) -> None:
        """Drop the bytes of an incomplete sample frame, which the client will send again."""
        for buffer in self._buffers.values():
            del buffer[self._whole_bytes(buffer) :]

    def close(self) -> None:
        """Let `run` end once everything is written."""
        self._is_closed = True
        self._is_urgent.set()
        self._has_audio.set()

    async def run(self) -> None:
        """Write until closed or cancelled, and then the rest."""
        try:
            while not self._is_closed:
                await self._has_audio.wait()
                with anyio.move_on_after(_WRITE_INTERVAL_S):
                    await self._is_urgent.wait()
                await self._write_buffers()
        finally:
            with anyio.CancelScope(shield=True):
                await self._write_buffers(is_last=True)

    async def _write_buffers(self, *, is_last: bool = False) -> None:
        self._has_audio, self._is_urgent = anyio.Event(), anyio.Event()
        whole = {channel: bytes(buffer[: self._whole_bytes(buffer)]) for channel, buffer in self._buffers.items()}
        for channel, data in whole.items():
            del self._buffers[channel][: len(data)]
        try:
            await to_thread.run_sync(self._encode, {} if self._has_stopped else whole, is_last)
        except OSError as error:
            self._stop(error.strerror or str(error))
        except AudioError as error:  # it ends the session
            self._stop(str(error))
        self._has_written.set()
        self._has_written = anyio.Event()

    def _whole_bytes(self, buffer: bytearray) -> int:
        return len(buffer) - len(buffer) % self._frame_bytes

    def _encode(self, audio: dict[int, bytes], is_last: bool) -> None:
        for channel, data in audio.items():
            if channel not in self._tracks:
                name = f"{self._session_id}.channel-{channel}" if self._start.channels > 1 else self._session_id
                self._tracks[channel] = _Track(self._folder, name, PcmDecoder(self._start.audio))
            self._tracks[channel].write(data)
        for track in self._tracks.values() if is_last else ():
            track.close()

    def _stop(self, cause: str) -> None:
        if not self._has_stopped:
            logger.warning("recording stopped session=%s: %s", self._session_id, cause)
            self._has_stopped = True
            self._buffers.clear()
            self._warn(_STOPPED)


class _Track:
    """The recording of one channel."""

    def __init__(self, folder: Path, name: str, decoder: PcmDecoder) -> None:
        self._decoder = decoder
        self._writer = _new_file(folder, name)

    def write(self, data: bytes) -> None:
        self._writer.write(self._decoder.push(data).samples)

    def close(self) -> None:
        try:
            self._writer.write(self._decoder.finish().samples)
        finally:
            self._writer.close()


def recordings_folder(database: Path) -> Path:
    """Return the folder of a journal's recordings."""
    return database.parent / "recordings"


def delete_recordings(folder: Path, session_id: str) -> None:
    """Delete all recordings of a session."""
    for path in recordings_of(folder, session_id):
        path.unlink(missing_ok=True)


def recordings_of(folder: Path, session_id: str) -> list[Path]:
    """Return the files of a session's recordings, sorted by name."""
    return sorted(folder.glob(f"{glob.escape(session_id)}.*flac"))


def _new_file(folder: Path, name: str) -> FlacWriter:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in count(1):
        try:
            return FlacWriter(folder / (f"{name}.flac" if part == 1 else f"{name}.part-{part}.flac"))
        except FileExistsError:
            continue
    raise AssertionError("part numbers never run out")
