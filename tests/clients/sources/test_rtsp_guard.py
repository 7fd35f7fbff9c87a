import pytest

from clients.sources.errors import SourceError, SourceRefused
from clients.sources.rtsp_guard import RtspGuard

REDIRECT = b"RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://10.0.0.1:554/x\r\n\r\n"


def receive(guard: RtspGuard, data: bytes, piece_bytes: int) -> None:
    for begin in range(0, len(data), piece_bytes):
        guard.received(data[begin : begin + piece_bytes])


@pytest.mark.parametrize("piece_bytes", [1, 7, len(REDIRECT)])
def test_a_redirect_is_refused_however_it_is_cut(piece_bytes: int) -> None:
    with pytest.raises(SourceRefused, match=r"redirects to 'rtsp://10\.0\.0\.1:554/x'"):
        receive(RtspGuard(), REDIRECT, piece_bytes)


@pytest.mark.parametrize("line", [b"LOCATION:rtsp://x", b"l\rocation: x", b"location:"])
def test_a_redirect_is_recognised_as_ffmpeg_recognises_it(line: bytes) -> None:
    with pytest.raises(SourceRefused):
        RtspGuard().received(b"RTSP/1.0 301 x\n" + line + b"\n")


def test_replies_without_a_redirect_pass() -> None:
    guard = RtspGuard()
    guard.sent(b"DESCRIBE rtsp://127.0.0.1/x RTSP/1.0\r\n\r\n")
    guard.received(
        b"RTSP/1.0 200 OK\r\nContent-Location: rtsp://10.0.0.1/\r\nContent-Base: rtsp://10.0.0.1/\r\n\r\nv=0\r\n"
    )


def test_audio_before_it_is_requested_is_refused_as_it_could_hide_a_redirect() -> None:
    with pytest.raises(SourceError, match="before it was requested"):
        RtspGuard().received(b"RTSP/1.0 200 OK\r\n\r\n$\x00\x00\x01xLocation: rtsp://10.0.0.1/\r\n")


def test_an_endless_line_is_refused() -> None:
    with pytest.raises(SourceError, match="more than 65536 bytes"):
        receive(RtspGuard(), b"x" * 70_000, 1_000)


def test_audio_is_not_checked() -> None:
    guard = RtspGuard()
    guard.sent(b"PLAY rtsp://127.0.0.1/x RTSP/1.0\r\n\r\n")
    guard.sent(b"GET_PARAMETER rtsp://127.0.0.1/x RTSP/1.0\r\n\r\n")
    guard.received(b"$\x00\x00\x01x\nLocation: rtsp://10.0.0.1/\n")
