"""The sound of sessions, kept as FLAC beside the journal where that is asked for."""

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

_GATHER_S = 1.0
"""Between two visits to the disk; a process that is killed forgets no more than that."""

_MAX_WAITING_S = 30.0
"""Sound that may wait for the disk: 6 MB of the widest format, and a disk that takes longer will not catch up."""

_STOPPED = "the sound is not recorded any more; captions go on"


class Recording:
    """One session's sound, in one file a channel.

    A session that is taken up again after a restart goes on in further files, `.part-2` and so on. Where the files
    cannot be written, the recording stops, its user is warned, and nothing else changes.

    Args:
        folder: of the recordings; it is made when needed.
        session_id: of the session.
        start: what its sound is like.
        warn: called once at most, with the message of a warning `recording_stopped`; it must not raise.
    """

    def __init__(self, folder: Path, session_id: str, start: Start, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._session_id = session_id
        self._start = start
        self._warn = warn
        self._waiting: dict[int, bytearray] = defaultdict(bytearray)
        audio = start.audio
        self._max_waiting_bytes = round(_MAX_WAITING_S * audio.sample_rate_hz) * audio.bytes_per_sample_frame
        self._tracks: dict[int, _Track] = {}
        self._frame_bytes = audio.bytes_per_sample_frame
        self._has_sound, self._hurry, self._has_written = anyio.Event(), anyio.Event(), anyio.Event()
        self._is_closed = False
        self._has_stopped = False

    def write(self, data: bytes, channel: int = 0) -> None:
        """Append bytes of a channel, cut anywhere; they are decoded and written later, by `run`."""
        if self._has_stopped:
            return
        waiting = self._waiting[channel]
        waiting += data
        self._has_sound.set()
        if len(waiting) > self._max_waiting_bytes // 2:
            self._hurry.set()
        if len(waiting) > self._max_waiting_bytes:
            self._stop(f"{_MAX_WAITING_S:g} s of sound wait for the disk")

    async def caught_up(self) -> None:
        """Wait until the disk has what was appended, as long as `run` is at work."""
        while self._has_sound.is_set() and not self._has_stopped:  # what is being written may be older
            self._hurry.set()
            await self._has_written.wait()

    def drop_partial_frame(self) -> None:
        """Forget the bytes of a sample frame that is not whole: it will be sent again."""
        for waiting in self._waiting.values():
            del waiting[self._whole_bytes(waiting) :]

    def close(self) -> None:
        """Let `run` come to its end once all is written."""
        self._is_closed = True
        self._hurry.set()
        self._has_sound.set()

    async def run(self) -> None:
        """Write until closed, or cancelled, and then what is left."""
        try:
            while not self._is_closed:
                await self._has_sound.wait()
                with anyio.move_on_after(_GATHER_S):
                    await self._hurry.wait()
                await self._write_waiting()
        finally:
            with anyio.CancelScope(shield=True):
                await self._write_waiting(is_last=True)

    async def _write_waiting(self, *, is_last: bool = False) -> None:
        self._has_sound, self._hurry = anyio.Event(), anyio.Event()
        whole = {channel: bytes(waiting[: self._whole_bytes(waiting)]) for channel, waiting in self._waiting.items()}
        for channel, data in whole.items():
            del self._waiting[channel][: len(data)]
        try:
            await to_thread.run_sync(self._encode, {} if self._has_stopped else whole, is_last)
        except OSError as error:
            self._stop(error.strerror or str(error))
        except AudioError as error:  # the session ends for it
            self._stop(str(error))
        self._has_written.set()
        self._has_written = anyio.Event()

    def _whole_bytes(self, waiting: bytearray) -> int:
        return len(waiting) - len(waiting) % self._frame_bytes

    def _encode(self, waiting: dict[int, bytes], is_last: bool) -> None:
        for channel, data in waiting.items():
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
            self._waiting.clear()
            self._warn(_STOPPED)


class _Track:
    """One channel of a recording."""

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
    """Return the folder of the recordings that belong to a journal."""
    return database.parent / "recordings"


def delete_recordings(folder: Path, session_id: str) -> None:
    """Delete all recordings of a session."""
    for path in recordings_of(folder, session_id):
        path.unlink(missing_ok=True)


def recordings_of(folder: Path, session_id: str) -> list[Path]:
    """Return the files of a session's recordings, by name."""
    return sorted(folder.glob(f"{glob.escape(session_id)}.*flac"))


def _new_file(folder: Path, name: str) -> FlacWriter:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in count(1):
        try:
            return FlacWriter(folder / (f"{name}.flac" if part == 1 else f"{name}.part-{part}.flac"))
        except FileExistsError:
            continue
    raise AssertionError("there is always another part")
