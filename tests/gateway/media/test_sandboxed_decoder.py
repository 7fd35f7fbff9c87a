"""Files of strangers, decoded in a process of their own."""

import io
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from gateway.errors import GatewayError, InvalidRequest, PayloadTooLarge, UnsupportedMedia
from gateway.media import sandboxed_decoder
from gateway.media.decoder_process import Outcome, _decode
from gateway.media.sandboxed_decoder import DecodedAudio, decoded
from gateway.settings import UploadSettings
from tests.audio import silence
from tests.media import CODECS, attacks, encoded, tracks, video, without_length

ROOT = Path(__file__).parents[3]
SETTINGS = UploadSettings()
BYTES_PER_S = 32_000


async def duration_s(file: bytes, folder: Path, settings: UploadSettings = SETTINGS) -> float:
    path = stored(file, folder)
    async with decoded(path, settings) as audio:
        return sum([len(block) async for block in audio]) / BYTES_PER_S


def stored(file: bytes, folder: Path) -> Path:
    """Its name says nothing."""
    path = folder / "upload"
    path.write_bytes(file)
    return path


def is_running(pid: int) -> bool:
    """Whether there is such a process, be it a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def pids(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the processes that were started."""
    started: list[int] = []
    begin = DecodedAudio.__init__

    def noted(self: DecodedAudio, process: anyio.abc.Process, settings: UploadSettings) -> None:
        started.append(process.pid)
        begin(self, process, settings)

    monkeypatch.setattr(DecodedAudio, "__init__", noted)
    return started


@pytest.fixture(autouse=True)
def _nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pids: list[int]) -> Iterator[None]:
    spool = tmp_path / "temporary"
    spool.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spool))
    yield
    assert list(spool.iterdir()) == []
    assert [pid for pid in pids if is_running(pid)] == []


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def instead(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the decoder process by one with the given code."""
    monkeypatch.setattr(sandboxed_decoder, "_command", lambda _settings: [sys.executable, "-c", script])


@pytest.mark.parametrize("kind", CODECS)
async def test_every_usual_kind_is_decoded_in_blocks_of_half_a_second(kind: str, tmp_path: Path) -> None:
    async with decoded(stored(encoded(kind, 1.7), tmp_path), SETTINGS) as audio:
        blocks = [block async for block in audio]
    assert {len(block) for block in blocks[:-1]} == {BYTES_PER_S // 2}
    assert sum(map(len, blocks)) / BYTES_PER_S == pytest.approx(1.7, abs=0.1)
    assert audio.broken_packets == 0


async def test_a_video_gives_its_audio(tmp_path: Path) -> None:
    assert await duration_s(video(audio_s=2.0), tmp_path) == pytest.approx(2.0, abs=0.1)


async def test_a_file_may_be_gone_once_its_decoding_has_begun(tmp_path: Path) -> None:
    path = stored(encoded("mp3", 30.0), tmp_path)
    async with decoded(path, SETTINGS) as audio:
        await anyio.Path(path).unlink()
        assert sum([len(block) async for block in audio]) / BYTES_PER_S == pytest.approx(30, abs=0.1)


async def test_broken_pieces_are_silence_and_counted(tmp_path: Path) -> None:
    file = encoded("mp4", 4.0)
    third = len(file) // 3
    damaged = file[:third] + bytes(third // 2) + file[third + third // 2 :]
    async with decoded(stored(damaged, tmp_path), SETTINGS) as audio:
        blocks = [block async for block in audio]
    assert sum(map(len, blocks)) / BYTES_PER_S == pytest.approx(4, abs=0.1)
    assert audio.broken_packets > 0


async def test_a_track_is_chosen_and_one_that_is_not_there_refused(tmp_path: Path) -> None:
    path = stored(tracks(440, 880, default=1), tmp_path)
    decoded_tracks: list[bytes] = []
    for track in (1, 2, None):
        async with decoded(path, SETTINGS, track) as audio:
            decoded_tracks.append(b"".join([block async for block in audio]))
    assert decoded_tracks[0] != decoded_tracks[1] == decoded_tracks[2]
    with pytest.raises(InvalidRequest, match="track 3 out of range: expected 1–2") as refused:
        async with decoded(path, SETTINGS, track=3):
            pytest.fail("it was taken")
    assert refused.value.field == "track"


@pytest.mark.parametrize("name", ["concat script", "playlist of an absolute path", "playlist of an address", "noise"])
async def test_a_file_that_points_elsewhere_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: socket.socket
) -> None:
    (tmp_path / "secret.wav").write_bytes(encoded("wav"))
    (tmp_path / "secret.ts").write_bytes(encoded("mpegts", codec="aac"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsupportedMedia, match="file: "):
        await duration_s(attacks(tmp_path, listener.getsockname()[1])[name], tmp_path)
    with pytest.raises(BlockingIOError):
        listener.accept()


async def test_a_file_without_a_byte_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="file is empty") as caught:
        await duration_s(b"", tmp_path)
    assert caught.value.field == "file"


async def test_a_file_with_hardly_any_audio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"file has 0\.050 s of audio: expected at least 0\.1 s") as caught:
        await duration_s(encoded("wav", 0.05), tmp_path)
    assert caught.value.field == "file"
    assert await duration_s(encoded("wav", 0.1), tmp_path) == pytest.approx(0.1)


@pytest.mark.parametrize(("kind", "header_bytes"), [("wav", 78), ("flac", 86), ("ogg", 100), ("mp4", 40), ("mp3", 10)])
async def test_a_header_alone_is_refused(kind: str, header_bytes: int, tmp_path: Path) -> None:
    with pytest.raises((InvalidRequest, UnsupportedMedia)):
        await duration_s(encoded(kind)[:header_bytes], tmp_path)


async def test_a_video_without_audio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMedia, match="file: the file has no audio track"):
        await duration_s(video(audio_s=None), tmp_path)


async def test_a_file_cut_short_gives_the_audio_that_is_left(tmp_path: Path) -> None:
    file = encoded("flac", 4.0)
    assert 1.5 < await duration_s(file[: len(file) // 2], tmp_path) < 2.5


async def test_an_mp4_cut_before_its_index_is_refused(tmp_path: Path) -> None:
    file = encoded("mp4", 2.0)
    assert await duration_s(file, tmp_path) == pytest.approx(2.0, abs=0.1)
    with pytest.raises(UnsupportedMedia):
        await duration_s(file[: file.index(b"moov")], tmp_path)


async def test_a_file_that_declares_too_long_a_duration_is_refused_before_any_audio(tmp_path: Path) -> None:
    with pytest.raises(PayloadTooLarge, match=r"declared length of 60\.0 s exceeds the limit of 30 s"):
        async with decoded(
            stored(encoded("flac", silence(60), rate_hz=8_000), tmp_path), UploadSettings(max_duration_s=30)
        ):
            pytest.fail("it was taken")


async def test_a_file_that_turns_out_too_long_is_refused_then(tmp_path: Path) -> None:
    bomb = without_length(encoded("flac", silence(600), rate_hz=8_000))
    blocks: list[bytes] = []
    async with decoded(stored(bomb, tmp_path), UploadSettings(max_duration_s=30)) as audio:
        with pytest.raises(PayloadTooLarge, match=r"decoded length of 30\.5 s exceeds the limit of 30 s"):
            blocks.extend([block async for block in audio])


async def test_decoding_waits_until_its_audio_is_taken(tmp_path: Path) -> None:
    """Ten minutes do not fit into a pipe and what is read ahead of it."""
    async with decoded(stored(encoded("flac", silence(600), rate_hz=8_000), tmp_path), SETTINGS) as audio:
        taken = len(await anext(audio))
        with anyio.move_on_after(0.3) as patience:
            await audio._process.wait()
        assert patience.cancelled_caught
        assert (taken + sum([len(block) async for block in audio])) / BYTES_PER_S == 600


async def test_leaving_early_ends_the_process(tmp_path: Path, pids: list[int]) -> None:
    async with decoded(stored(encoded("flac", silence(600), rate_hz=8_000), tmp_path), SETTINGS) as audio:
        await anext(audio)
        assert is_running(pids[0])
    assert not is_running(pids[0])


async def test_being_cancelled_ends_the_process(
    tmp_path: Path, pids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    instead("import time; print('x' * 3200, flush=True); time.sleep(600)", monkeypatch)
    begun = anyio.Event()

    async def decode() -> None:
        async with decoded(stored(b"anything", tmp_path), SETTINGS) as audio:
            begun.set()
            await anext(audio)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(decode)
        await begun.wait()
        assert is_running(pids[0])
        tasks.cancel_scope.cancel()
    assert not is_running(pids[0])


async def test_being_cancelled_before_there_is_audio_ends_the_process(
    tmp_path: Path, pids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    instead("import time; time.sleep(600)", monkeypatch)
    with anyio.move_on_after(0.1):
        await duration_s(b"anything", tmp_path)
    assert not is_running(pids[0])


async def test_a_process_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instead("import time; time.sleep(600)", monkeypatch)
    with pytest.raises(PayloadTooLarge, match=r"decoding takes more than 0\.05 s"):
        await duration_s(b"anything", tmp_path, UploadSettings(decode_wait_s=0.05))


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        (f"import os; os.kill(os.getpid(), {int(signal.SIGXCPU)})", PayloadTooLarge, "300 s of CPU time"),
        (f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})", UnsupportedMedia, "decoder crashed .SIGSEGV"),
        ("raise SystemExit(3)", GatewayError, "failed with status 3"),
        ("import sys; sys.exit('not a report')", GatewayError, "failed with status 1"),
    ],
)
async def test_a_process_that_breaks_is_reported(
    script: str, kind: type[GatewayError], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(script, monkeypatch)
    with pytest.raises(kind, match=message):
        await duration_s(b"anything", tmp_path)


async def test_the_stderr_of_a_crashed_process_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    instead("raise ImportError('no such library')", monkeypatch)
    with caplog.at_level(logging.ERROR), pytest.raises(GatewayError):
        await duration_s(b"anything", tmp_path)
    assert "no such library" in caplog.text


async def test_a_process_that_writes_too_much_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instead("import sys; sys.stderr.write('x' * 10**6)", monkeypatch)
    with pytest.raises(PayloadTooLarge):
        await duration_s(b"anything", tmp_path, UploadSettings(decode_wait_s=0.2))


def test_running_out_of_memory_is_reported() -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise MemoryError

    assert _decode(Endless(), io.BytesIO(), max_duration_s=1).outcome is Outcome.OUT_OF_MEMORY


async def test_a_file_that_takes_too_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = '{"outcome": "out_of_memory", "message": "file: too hungry", "broken_packets": 0}'
    instead(f"import sys; print('a library complains', {report!r}, sep='\\n', file=sys.stderr)", monkeypatch)
    with pytest.raises(UnsupportedMedia, match="file: too hungry"):
        await duration_s(b"anything", tmp_path)


def confined(script: str) -> "subprocess.CompletedProcess[str]":
    command = f"import os, socket, gateway.media.decoder_process as p; p._confine(1, {2**28})\n{script}"
    return subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", command],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other limits")
@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("open('/etc/hostname')", "Too many open files"),
        ("socket.socket()", "Too many open files"),
        ("bytearray(2**28)", "MemoryError"),
    ],
)
def test_a_confined_process_reaches_nothing(script: str, error: str) -> None:
    assert error in confined(script).stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other limits")
def test_a_confined_process_has_its_time_and_makes_way() -> None:
    assert confined("print(os.nice(0))").stdout.strip() == str(os.nice(0) + 10)
    assert confined("while True: pass").returncode == -signal.SIGXCPU


def test_a_process_gets_no_environment_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECUE_SERVER__API_KEYS", "secret")
    assert set(sandboxed_decoder._environment()) <= {"PYTHONPATH", "SYSTEMROOT"}
