"""Containers opened by their content, decoded within limits, and never a way to another file."""

import io
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from tests.audio import silence, tone
from tests.media import CODECS, attacks, encoded, tracks, video, with_hole, without_length
from vad.audio import SAMPLE_RATE_HZ
from vad.media_file import MEDIA_BYTES_PER_SAMPLE, MEDIA_RATE_HZ, Media, MediaError, MediaTooLong, NoSuchTrack

PADDING_S = 0.1
"""What coders add at either end."""


def decoded(file: bytes, max_duration_s: float | None = None) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    with Media(io.BytesIO(file), "it", max_duration_s) as media:
        return np.frombuffer(b"".join(media.blocks(0.5)), "<i2")


def wav(samples: bytes, rate_hz: int = 16_000, format_tag: int = 1, channels: int = 1) -> bytes:
    frame_bytes = 2 * channels
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, format_tag, channels, rate_hz, frame_bytes * rate_hz, frame_bytes, 16)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(samples)) + samples
    return struct.pack("<4sI", b"RIFF", len(body)) + body


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with what an attacker would like to read; relative paths begin there."""
    (tmp_path / "secret.wav").write_bytes(encoded("wav"))
    (tmp_path / "secret.ts").write_bytes(encoded("mpegts", codec="aac"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def test_media_are_decoded_to_what_the_core_takes() -> None:
    assert MEDIA_RATE_HZ == SAMPLE_RATE_HZ
    assert np.dtype("<i2").itemsize == MEDIA_BYTES_PER_SAMPLE


@pytest.mark.parametrize("kind", CODECS)
def test_every_usual_kind_is_known_by_its_content(kind: str) -> None:
    samples = decoded(encoded(kind))
    assert len(samples) / MEDIA_RATE_HZ == pytest.approx(1.0, abs=PADDING_S)
    spectrum = np.abs(np.fft.rfft(samples[4_000:12_000]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=4)


def test_audio_at_16_khz_comes_out_as_it_went_in() -> None:
    samples = (tone(1.23) * 32_767).astype("<i2")
    assert np.array_equal(decoded(wav(samples.tobytes())), samples)


@pytest.mark.parametrize("right", [1, 0, -1])
def test_of_stereo_that_cancels_or_is_half_empty_one_channel_is_taken(right: int) -> None:
    samples = (tone(1.0) * 32_767).astype("<i2")
    stereo = np.stack([samples, samples * right], axis=1).astype("<i2")
    assert np.array_equal(decoded(wav(stereo.tobytes(), channels=2))[1_000:], samples[1_000:])


def test_blocks_are_equal_but_for_the_last() -> None:
    with Media(io.BytesIO(encoded("wav", 1.2)), "it") as media:
        assert [len(block) for block in media.blocks(0.5)] == [16_000, 16_000, 6_400]


def test_the_audio_of_a_video_is_decoded() -> None:
    with Media(io.BytesIO(video(audio_s=2.0)), "it") as media:
        assert media.duration_s == pytest.approx(2.0, abs=PADDING_S)
        assert sum(map(len, media.blocks(0.5))) / 32_000 == pytest.approx(2.0, abs=PADDING_S)


def test_a_video_without_audio_is_refused() -> None:
    with pytest.raises(MediaError, match="it: the file has no audio track"):
        decoded(video(audio_s=None))


def test_a_stream_that_changes_its_rate_continues() -> None:
    """Two Ogg streams after each other, as radio stations send them."""
    samples = decoded(encoded("ogg", 1.0, codec="flac") + encoded("ogg", 1.0, codec="flac", rate_hz=16_000))
    assert len(samples) / MEDIA_RATE_HZ == pytest.approx(2.0, abs=PADDING_S)


@pytest.mark.parametrize("damage", [b"\x00", b"\xff"])
@pytest.mark.parametrize(("kind", "least_s"), [("mp4", 3.95), ("mp3", 3.0)])
def test_broken_pieces_are_silence_where_packets_have_stamps_and_counted(
    kind: str, least_s: float, damage: bytes
) -> None:
    file = encoded(kind, 4.0)
    third = len(file) // 3
    with Media(io.BytesIO(file[:third] + third // 2 * damage + file[third + third // 2 :]), "it") as media:
        duration_s = sum(map(len, media.blocks(0.5))) / 32_000
        assert media.broken_packets > 0
    assert least_s < duration_s < 4.05


STAMPED = [
    ("mp4", "aac"),
    ("matroska", "libopus"),
    ("webm", "libopus"),
    ("mpegts", "aac"),
    ("mpegts", "ac3"),
    ("mpeg", "mp2"),
    ("flv", "aac"),
    ("flv", "libmp3lame"),
    ("asf", "wmav2"),
    ("mov", "alac"),
    ("nut", "flac"),
    ("ogg", "libopus"),
]
"""Kind → codec, of those whose packets carry timestamps."""


def loud_spans_s(samples: "np.ndarray[tuple[int], np.dtype[np.int16]]") -> list[float]:
    """Return where a tone begins and ends, in turn, to 10 ms."""
    block = MEDIA_RATE_HZ // 100
    levels = np.abs(samples[: len(samples) // block * block].astype(float)).reshape(-1, block).mean(axis=1)
    is_loud = np.concatenate([[False], levels > 1_000, [False]])
    return [float(place) / 100 for place in np.flatnonzero(np.diff(is_loud))]


@pytest.mark.parametrize(("kind", "codec"), [(kind, codec) for kind, codec in STAMPED if kind != "ogg"])
def test_audio_that_begins_later_than_the_picture_has_the_time_of_the_file(kind: str, codec: str) -> None:
    spans = loud_spans_s(decoded(with_hole(kind, codec, -1.0, 2.0)))
    assert spans == pytest.approx([2.0, 6.0], abs=PADDING_S)


@pytest.mark.parametrize(("kind", "codec"), STAMPED)
def test_a_hole_in_a_track_is_silence(kind: str, codec: str) -> None:
    spans = loud_spans_s(decoded(with_hole(kind, codec, 1.0, 4.0)))
    assert spans == pytest.approx([0.0, 1.0, 4.0, 6.0], abs=PADDING_S)


def pitch_hz(file: bytes, track: int | None = None) -> float:
    with Media(io.BytesIO(file), "it", track=track) as media:
        samples = np.frombuffer(b"".join(media.blocks(0.5)), "<i2")
    return float(np.argmax(np.abs(np.fft.rfft(samples[4_000:12_000])))) * 2


@pytest.mark.parametrize(("default", "expected_hz"), [(None, 440), (0, 440), (1, 880)])
def test_the_track_that_the_file_plays_by_default_is_taken(default: int | None, expected_hz: float) -> None:
    assert pitch_hz(tracks(440, 880, default=default)) == pytest.approx(expected_hz, abs=4)


def test_a_track_can_be_chosen() -> None:
    file = tracks(440, 880, default=1)
    assert [pitch_hz(file, track) for track in (1, 2)] == pytest.approx([440, 880], abs=4)


def test_a_track_that_is_not_there_is_refused() -> None:
    with pytest.raises(NoSuchTrack, match="it: track 3 out of range: expected 1–2"):
        Media(io.BytesIO(tracks(440, 880, default=0)), "it", track=3)


@pytest.mark.parametrize(
    ("kind", "codec"),
    [
        ("ac3", "ac3"),
        ("eac3", "eac3"),
        ("flv", "aac"),
        ("flv", "libmp3lame"),
        ("tta", "tta"),
        ("wv", "wavpack"),
        ("mpeg", "mp2"),
        ("asf", "wmav2"),
        ("mp2", "mp2"),
        ("caf", "alac"),
        ("au", "pcm_s16be"),
        ("voc", "pcm_s16le"),
        ("latm", "aac"),
        ("avi", "libmp3lame"),
        ("rm", "ac3"),
    ],
)
def test_kinds_that_are_less_usual_are_read_too(kind: str, codec: str) -> None:
    file = encoded(kind, 3.0, codec)
    assert len(decoded(file)) / MEDIA_RATE_HZ == pytest.approx(3.0, abs=PADDING_S)
    assert pitch_hz(file) == pytest.approx(440, abs=4)


def test_a_file_that_is_broken_all_through_is_refused() -> None:
    file = encoded("mp4", 4.0)
    start, end = file.index(b"mdat") + 4, file.index(b"moov") - 4
    with pytest.raises(MediaError, match=r"all \d+ audio packets are corrupt"):
        decoded(file[:start] + b"\xff" * (end - start) + file[end:])


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "webm", "mp3", "aiff"])
def test_a_file_cut_short_gives_the_audio_that_is_left(kind: str) -> None:
    file = encoded(kind, 4.0)
    assert 1.5 < len(decoded(file[: len(file) // 2])) / MEDIA_RATE_HZ < 2.5


def test_an_mp4_needs_its_index_wherever_that_lies() -> None:
    file = encoded("mp4", 2.0)
    assert file.index(b"mdat") < file.index(b"moov")
    assert len(decoded(file)) / MEDIA_RATE_HZ == pytest.approx(2.0, abs=PADDING_S)
    with pytest.raises(MediaError):
        decoded(file[: file.index(b"moov")])


def test_audio_that_is_too_long_is_refused_at_once_if_the_header_declares_it() -> None:
    with pytest.raises(MediaTooLong, match=r"declared length of 60\.0 s exceeds the limit of 30 s"):
        Media(io.BytesIO(encoded("flac", silence(60), rate_hz=8_000)), "it", 30)


def test_audio_that_is_too_long_is_refused_once_it_is_decoded() -> None:
    bomb = without_length(encoded("flac", silence(600), rate_hz=8_000))
    assert len(bomb) < 120_000
    taken: list[bytes] = []
    with Media(io.BytesIO(bomb), "it", 30) as media:
        assert media.duration_s is None
        with pytest.raises(MediaTooLong, match=r"decoded length of 30\.5 s exceeds the limit of 30 s"):
            taken.extend(media.blocks(0.5))
    assert len(taken) == 60


def test_as_much_audio_as_is_allowed_is_decoded() -> None:
    assert len(decoded(encoded("wav", 2.0), max_duration_s=2.0)) == 32_000


@pytest.mark.parametrize("rate_hz", [1, 3_999])
def test_a_rate_that_would_inflate_the_audio_is_refused(rate_hz: int) -> None:
    with pytest.raises(MediaError, match=f"sample rate {rate_hz} Hz out of range: expected 4000–768000 Hz"):
        decoded(wav(bytes(10_000), rate_hz))


def test_an_unknown_codec_in_a_known_container_is_refused() -> None:
    with pytest.raises(MediaError):
        decoded(wav(bytes(10_000), format_tag=0x1234))


def test_a_title_in_an_unknown_alphabet_does_no_harm() -> None:
    title = struct.pack("<4sI4s4sI4s", b"LIST", 16, b"INFO", b"INAM", 4, b"\xff\xfe\xfd\x00")
    assert len(decoded(wav(bytes(32_000)) + title)) == 16_000


@pytest.mark.parametrize("name", attacks(Path("/"), 1))
def test_a_file_that_points_elsewhere_is_refused(name: str, secrets: Path, listener: socket.socket) -> None:
    file = attacks(secrets, listener.getsockname()[1])[name]
    with pytest.raises(MediaError):
        decoded(file)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_the_attacks_would_work_without_the_guard(secrets: Path) -> None:
    files = attacks(secrets, 1)
    with av.open(io.BytesIO(files["concat script"]), "r") as container:
        assert any(packet.decode() for packet in container.demux(audio=0))
    (secrets / "x.m3u8").write_bytes(files["playlist of an absolute path"])
    with av.open(str(secrets / "x.m3u8")) as container:
        assert any(packet.decode() for packet in container.demux(audio=0))


def test_the_module_is_light() -> None:
    """It is imported anew for every upload."""
    listing = subprocess.run(
        [sys.executable, "-c", "import vad.media_file, sys; print(*sys.modules)"],
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"numpy", "anyio", "asyncio", "fastapi", "pydantic", "torch", "onnxruntime"} & set(listing)
