"""Audio files in every usual container, and malicious files."""

import io
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.stream import Disposition, Stream

from tests.audio import tone
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["CODECS", "attacks", "encoded", "tracks", "video", "with_hole", "without_length"]

CODECS = {
    "wav": "pcm_s16le",
    "flac": "flac",
    "ogg": "libopus",
    "webm": "libopus",
    "mp4": "aac",
    "m4a": "aac",
    "mp3": "libmp3lame",
    "aiff": "pcm_s16be",
}
"""Name of a kind of file → a codec that is usual in it."""

_MUXERS = {"m4a": "mp4"}

_PICTURES = {"flv": "flv1", "webm": "libvpx", "asf": "wmv2"}
"""Muxer → a codec of video that it takes, where that is not MPEG-1."""

_RATE_HZ, _BIT_RATE = 48_000, 128_000


def encoded(kind: str, content: Float32 | float = 1.0, codec: str | None = None, rate_hz: int = _RATE_HZ) -> bytes:
    """Return a file.

    Args:
        kind: its container, a key of `CODECS` or a muxer's name.
        content: float32[n], mono 16 kHz, or the duration of a 440 Hz tone in seconds.
        codec: other than the usual one.
        rate_hz: a multiple of 16 000, or 8 000.
    """
    samples = tone(content) if isinstance(content, float | int) else content
    file = io.BytesIO()
    with av.open(file, "w", format=_MUXERS.get(kind, kind)) as container:
        stream = container.add_stream(codec or CODECS[kind], rate=rate_hz)
        assert isinstance(stream, av.AudioStream)
        stream.layout, stream.bit_rate = "mono", _BIT_RATE
        for frame in _frames(samples, rate_hz):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def video(audio_s: float | None) -> bytes:
    """Return an MP4 video with an audio track of that duration, or without one."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=10)
        assert isinstance(picture, av.VideoStream)
        picture.width, picture.height, picture.pix_fmt = 16, 16, "yuv420p"
        stream = container.add_stream("aac", rate=_RATE_HZ, layout="mono") if audio_s else None
        for _ in range(10):
            container.mux(picture.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(picture.encode(None))
        if audio_s and stream:
            for frame in _frames(tone(audio_s), _RATE_HZ):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return file.getvalue()


def with_hole(kind: str, codec: str, start_s: float, end_s: float, duration_s: float = 6.0) -> bytes:
    """Return a file of a tone and, but for Ogg, a picture; packets of audio are missing from one time to another.

    Args:
        kind: a muxer's name.
        codec: of the audio.
        start_s, end_s: of the hole.
        duration_s: of the picture and the tone.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        packets = [] if kind == "ogg" else _picture(container, _PICTURES.get(kind, "mpeg1video"), duration_s)
        content = container.add_stream(codec, rate=_RATE_HZ, layout="mono")
        assert isinstance(content, av.AudioStream)
        content.bit_rate = _BIT_RATE
        for frame in (*_frames(tone(duration_s), _RATE_HZ), None):
            packets += [packet for packet in content.encode(frame) if not start_s <= _begin_s(packet) < end_s]
        for packet in sorted(packets, key=_begin_s):
            container.mux(packet)
    return file.getvalue()


def _picture(container: OutputContainer, codec: str, duration_s: float) -> "list[av.Packet[Stream]]":
    stream = container.add_stream(codec, rate=25)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
    frames = (av.VideoFrame(16, 16, "yuv420p") for _ in range(round(25 * duration_s)))
    return [packet for frame in (*frames, None) for packet in stream.encode(frame)]


def _begin_s(packet: "av.Packet[Stream]") -> float:
    assert packet.pts is not None
    assert packet.time_base is not None
    return float(packet.pts * packet.time_base)


def tracks(*frequencies_hz: float, default: int | None, duration_s: float = 1.0) -> bytes:
    """Return an MP4 with a tone in each audio track, of which one (from 0) may be flagged as the default."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        streams = [container.add_stream("aac", rate=_RATE_HZ, layout="mono") for _ in frequencies_hz]
        for number, stream in enumerate(streams):
            assert isinstance(stream, av.AudioStream)
            stream.disposition = Disposition.default if number == default else Disposition(0)
        for stream, frequency_hz in zip(streams, frequencies_hz, strict=True):
            for frame in (*_frames(tone(duration_s, frequency_hz), _RATE_HZ), None):
                container.mux(stream.encode(frame))
    return file.getvalue()


def without_length(flac: bytes) -> bytes:
    """Return a FLAC file without a duration, as recorders write it."""
    # 36 bits of STREAMINFO, RFC 9639 §8.2.
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


def attacks(folder: Path, port: int) -> dict[str, bytes]:
    """Return files that make their reader open other files or addresses.

    Args:
        folder: where `secret.wav` and `secret.ts` lie, which they are after.
        port: of loopback, where nothing should arrive.
    """
    return {
        "concat script": b"ffconcat version 1.0\nfile secret.wav\n",
        "concat script with an absolute path": f"ffconcat version 1.0\nfile {folder}/secret.wav\n".encode(),
        "playlist of a relative path": _playlist("secret.ts"),
        "playlist of an absolute path": _playlist(f"{folder}/secret.ts"),
        "playlist of a file URL": _playlist(f"file://{folder}/secret.ts"),
        "playlist of an address": _playlist(f"http://127.0.0.1:{port}/secret.ts"),
        "playlist of data": _playlist("data:audio/wav;base64,UklGRg=="),
        "playlist of a part of a file": _playlist(f"subfile,,start,0,end,0,,:{folder}/secret.ts"),
        "playlist of playlists": _playlist(f"concat:{folder}/secret.ts|{folder}/secret.ts"),
        "DASH manifest": f"""<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>
            <AdaptationSet mimeType="audio/mp4"><Representation id="a" bandwidth="1">
            <BaseURL>{folder}/secret.wav</BaseURL></Representation></AdaptationSet></Period></MPD>""".encode(),
        "session description": f"v=0\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n".encode(),
        "list of pictures": f"{folder}/secret%d.png".encode(),
        "zip of zeros": _zip_of_zeros(),
        "noise": np.random.default_rng(1).bytes(200_000),
        "text": b"The quick brown fox. " * 1_000,
        "page": b"<!doctype html><html><body>not audio</body></html>",
    }


def _playlist(uri: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{uri}\n#EXT-X-ENDLIST\n".encode()


def _zip_of_zeros() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("audio.wav", bytes(10_000_000))
    return file.getvalue()


def _frames(samples: Float32, rate_hz: int) -> Iterator[av.AudioFrame]:
    at_rate = samples[::2].copy() if rate_hz < SAMPLE_RATE_HZ else np.repeat(samples, rate_hz // SAMPLE_RATE_HZ)
    for start in range(0, len(at_rate), 1_024):
        frame = av.AudioFrame.from_ndarray(at_rate[start : start + 1_024].reshape(1, -1), format="fltp", layout="mono")
        frame.rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
        yield frame
