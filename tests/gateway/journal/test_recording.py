"""Recordings are kept beside the journal, survive the process, and never stop captions."""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import anyio
import numpy as np
import pytest

from gateway.journal.recording import Recording, delete_recordings, recordings_folder, recordings_of
from gateway.wire import AudioFormat, Encoding, Start
from vad.audio import Float32
from vad.media_file import Media

ROOT = Path(__file__).parents[3]

STREAM_UNTIL_KILLED = """
import sys
from pathlib import Path
import numpy as np
from vad.flac_writer import FlacWriter
writer = FlacWriter(Path(sys.argv[1]))
for _ in range(20):
    writer.write(np.full(1_600, 0.25, np.float32))
print("written", flush=True)
sys.stdin.read()
"""

RECORD_BEYOND_THE_LIMIT = """
import resource, sys
from pathlib import Path
import anyio, numpy as np
from gateway.journal.recording import Recording
from gateway.wire import Start
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
recording = Recording(Path(sys.argv[1]), "a", Start(), print)
recording.write(np.random.default_rng(1).integers(-9_000, 9_000, 160_000).astype("<i2").tobytes())
recording.close()
anyio.run(recording.run)
"""


def noise(seconds: float, seed: int = 1) -> Float32:
    return (np.random.default_rng(seed).integers(-9_000, 9_000, round(seconds * 16_000)) / 32_768).astype(np.float32)


def s16(samples: Float32) -> bytes:
    return (samples * 32_768).astype("<i2").tobytes()


def read(path: Path) -> bytes:
    with path.open("rb") as file, Media(file, path.name) as media:
        return b"".join(media.pieces())


async def recorded(folder: Path, start: Start, pieces: Sequence[tuple[bytes, int]]) -> list[str]:
    """Record pieces of channels in a session, and return what its user was warned of."""
    warnings: list[str] = []
    recording = Recording(folder, "a", start, warnings.append)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(recording.run)
        for data, channel in pieces:
            recording.write(data, channel)
        recording.close()
    return warnings


async def test_the_recording_is_bit_exact_and_private_to_its_owner(tmp_path: Path) -> None:
    whole = s16(noise(2.0))
    folder = recordings_folder(tmp_path / "journal.db")
    assert await recorded(folder, Start(), [(whole[:1_001], 0), (whole[1_001:], 0)]) == []
    (path,) = recordings_of(folder, "a")
    assert path.name == "a.flac"
    assert read(path) == whole
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_other_formats_are_decoded_to_mono_at_16_khz(tmp_path: Path) -> None:
    stereo = AudioFormat(Encoding.PCM_S16LE, 48_000, 2)
    await recorded(tmp_path, Start(stereo), [(bytes(48_000 * 4), 0)])
    assert len(read(tmp_path / "a.flac")) == 16_000 * 2


async def test_each_channel_has_a_file_and_a_session_taken_up_again_has_another(tmp_path: Path) -> None:
    first, second = s16(noise(1.0, 1)), s16(noise(1.0, 2))
    for _ in range(2):
        await recorded(tmp_path, Start(channels=2), [(first, 0), (second, 1)])
    names = ["a.channel-0.flac", "a.channel-0.part-2.flac", "a.channel-1.flac", "a.channel-1.part-2.flac"]
    assert [path.name for path in recordings_of(tmp_path, "a")] == names
    assert [read(tmp_path / name) for name in names] == [first, first, second, second]


def test_recordings_are_deleted_and_those_of_others_are_not(tmp_path: Path) -> None:
    for name in ("a.flac", "a.part-2.flac", "ab.flac", "[a].flac"):
        (tmp_path / name).touch()
    delete_recordings(tmp_path, "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["[a].flac", "ab.flac"]
    delete_recordings(tmp_path / "missing", "a")


async def test_an_unwritable_folder_is_reported_once_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    warnings = await recorded(tmp_path / "file" / "recordings", Start(), [(s16(noise(0.5)), 0)])
    assert warnings == ["audio is no longer recorded; captions continue"]


async def test_a_disk_that_does_not_keep_up_stops_the_recording(tmp_path: Path) -> None:
    warnings: list[str] = []
    recording = Recording(tmp_path, "a", Start(), warnings.append)  # never run
    for _ in range(40):
        recording.write(bytes(32_000))
    assert len(warnings) == 1


def test_a_full_disk_leaves_a_file_that_can_be_read(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RECORD_BEYOND_THE_LIMIT, str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    assert result.stdout.strip() == "audio is no longer recorded; captions continue"
    assert 0 < len(read(tmp_path / "a.flac")) < 320_000


def test_a_process_that_is_killed_leaves_all_but_the_last_third_of_a_second(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    command = [sys.executable, "-c", STREAM_UNTIL_KILLED, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        os.kill(child.pid, signal.SIGKILL)
    assert len(read(path)) >= (32_000 - 4_608) * 2


async def test_waiting_for_the_disk_covers_all_appended_audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    gate = threading.Event()

    def write_slowly(_: Recording, waiting: dict[int, bytes], is_last: bool) -> None:
        gate.wait(10)
        written.append(sum(map(len, waiting.values())))

    monkeypatch.setattr(Recording, "_encode", write_slowly)
    recording = Recording(tmp_path, "a", Start(), lambda message: None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(recording.run)
        recording.write(s16(noise(20.0)))
        await anyio.wait_all_tasks_blocked()  # the first write is under way
        recording.write(s16(noise(1.0)))
        tasks.start_soon(recording.caught_up)
        await anyio.wait_all_tasks_blocked()
        gate.set()
        await recording.caught_up()
        assert sum(written) == len(s16(noise(21.0)))
        recording.close()
