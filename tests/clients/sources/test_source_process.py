"""What a stream becomes: messages with audio, or a failure that says whether it may pass."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clients.sources.messages import Ended, Failed, Message, Opened, Request
from clients.sources.source_process import answers
from clients.sources.timeline import TimedAudio
from tests.clients.sources.serving import HOST, OTHER_HOST, Page, WebServer, web_server
from tests.media import encoded, video
from tools.stream_servers import (
    FFMPEG_MISSING,
    HlsStream,
    LiveStream,
    RtmpStream,
    RtspStream,
    SrtStream,
    has_srt,
    playing,
)

TALK = Path(__file__).parents[3] / "clients" / "demo" / "talk.flac"


def answers_of(url: str, *hosts: str, track: int | None = None) -> list[Message]:
    return list(answers(Request(url, (HOST, *hosts), track=track)))


def audio_s(messages: list[Message]) -> float:
    return sum(each.duration_s for each in messages if isinstance(each, TimedAudio))


def failure(messages: list[Message]) -> Failed:
    [failed] = messages
    assert isinstance(failed, Failed)
    return failed


@pytest.mark.parametrize("kind", ["mp3", "mp4", "webm", "wav"])
def test_a_recording_by_http_is_read_whole(kind: str) -> None:
    with web_server() as web:
        web.pages["/talk"] = Page(encoded(kind, 3.0), takes_ranges=True)
        messages = answers_of(f"{web.url}/talk")
    opened, ended = messages[0], messages[-1]
    assert isinstance(opened, Opened)
    assert not opened.is_live
    assert ended == Ended(is_whole=True)
    assert audio_s(messages) == pytest.approx(3.0, abs=0.1)


def test_a_stream_by_http_without_a_length_is_live_and_its_end_may_be_a_loss() -> None:
    with web_server() as web:
        web.pages["/radio"] = Page(encoded("mp3", 3.0), has_length=False)
        messages = answers_of(f"{web.url}/radio")
    assert isinstance(messages[0], Opened)
    assert messages[0].is_live
    assert messages[-1] == Ended(is_whole=False)


def hls(web: WebServer, *, segment: str = "/1.ts", is_over: bool = True) -> str:
    web.pages["/1.ts"] = Page(encoded("mpegts", 2.0, codec="aac"))
    end = "#EXT-X-ENDLIST\n" if is_over else ""
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{segment}\n{end}"
    web.pages["/talk.m3u8"] = Page(text.encode())
    return f"{web.url}/talk.m3u8"


def test_hls_is_read_through_its_playlists() -> None:
    with web_server() as web:
        hls(web)
        web.pages["/all.m3u8"] = Page(b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=64000\ntalk.m3u8\n")
        messages = answers_of(f"{web.url}/all.m3u8")
    assert messages[-1] == Ended(is_whole=True)
    assert audio_s(messages) == pytest.approx(2.0, abs=0.1)


def test_hls_whose_segments_are_on_another_host_is_refused_and_that_host_is_not_contacted() -> None:
    with web_server() as web, web_server(OTHER_HOST) as other:
        other.pages["/1.ts"] = Page(encoded("mpegts", 2.0, codec="aac"))
        url = hls(web, segment=f"{other.url}/1.ts")
        failed = failure(answers_of(url))
        assert failed.is_refused
        assert "host 127.0.0.2 is not allowed" in failed.message
        assert other.paths == []
        assert audio_s(answers_of(url, OTHER_HOST)) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(
    "entry", ["file:///etc/passwd", "concat:a|b", "data:audio/mp2t;base64,AAAA", "crypto+http://127.0.0.1/x"]
)
def test_a_playlist_leads_to_no_other_protocol(entry: str) -> None:
    with web_server() as web:
        messages = answers_of(hls(web, segment=entry))
    assert isinstance(messages[-1], Failed)
    assert audio_s(messages) == 0


def test_a_page_that_is_no_audio_is_a_failure() -> None:
    with web_server() as web:
        web.pages["/"] = Page(b"<html>not found</html>" * 100)
        assert "127.0.0.1" in failure(answers_of(web.url)).message


def test_a_video_without_audio_is_refused() -> None:
    with web_server() as web:
        web.pages["/film"] = Page(video(None))
        failed = failure(answers_of(f"{web.url}/film"))
    assert failed == Failed(f"{web.url}/film: the file has no audio track", is_refused=True)


def test_a_track_that_is_not_there_is_refused() -> None:
    with web_server() as web:
        web.pages["/talk"] = Page(encoded("mp3", 1.0))
        assert failure(answers_of(f"{web.url}/talk", track=3)).is_refused


@contextmanager
def rtsp_server(reply: bytes) -> Iterator[str]:
    """Answer one request, and yield the URL."""
    with socket.create_server((HOST, 0)) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(4_096)
                client.sendall(reply)
                client.recv(4_096)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"rtsp://{HOST}:{listener.getsockname()[1]}/talk"
        thread.join(5.0)


def test_an_rtsp_redirect_is_refused_and_its_target_is_not_contacted() -> None:
    with socket.create_server((OTHER_HOST, 0)) as other:
        other.setblocking(False)
        target = f"rtsp://{OTHER_HOST}:{other.getsockname()[1]}/x"
        with rtsp_server(f"RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: {target}\r\n\r\n".encode()) as url:
            failed = failure(answers_of(url))
        assert failed.is_refused
        assert target in failed.message
        with pytest.raises(BlockingIOError):
            other.accept()


@pytest.mark.parametrize("protocol", ["rtsp", "rtmp"])
def test_a_port_that_nobody_listens_on_is_a_failure_that_may_pass(protocol: str) -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    failed = failure(answers_of(f"{protocol}://{HOST}:{port}/live/talk"))
    assert failed.message.startswith(f"{HOST}:{port} cannot be reached")
    assert not failed.is_refused


def test_a_host_that_is_not_allowed_is_refused_whatever_the_protocol() -> None:
    for url in ("rtsp://db.lan/x", "rtmp://db.lan/a/b", "srt://db.lan:9000", "http://db.lan/"):
        assert failure(answers_of(url)).is_refused


@pytest.mark.skipif(FFMPEG_MISSING is not None, reason=str(FFMPEG_MISSING))
def test_rtsp_is_read_as_it_is_played(tmp_path: Path) -> None:
    with playing(RtspStream, TALK, tmp_path) as stream:
        is_read(stream, seconds=1.0)


@pytest.mark.slow
@pytest.mark.skipif(FFMPEG_MISSING is not None, reason=str(FFMPEG_MISSING))
@pytest.mark.parametrize("kind", [RtmpStream, SrtStream, HlsStream])
def test_a_live_stream_of_each_protocol_is_read_as_it_is_played(
    kind: type[RtmpStream] | type[SrtStream] | type[HlsStream], tmp_path: Path
) -> None:
    if kind is SrtStream and not has_srt():
        pytest.skip("this ffmpeg is built without SRT")
    with playing(kind, TALK, tmp_path) as stream:
        is_read(stream, seconds=3.0)


def is_read(stream: LiveStream, seconds: float) -> None:
    """Read some seconds of a stream, once it is on the air."""
    stream.serve()
    messages: list[Message] = [Failed("")]
    while isinstance(messages[0], Failed):  # the encoder is starting
        messages = []
        for message in answers(Request(stream.url, (HOST,))):
            messages.append(message)
            if audio_s(messages) >= seconds:
                break
    assert messages[0] == Opened(is_live=True, begin_s=messages[0].begin_s if isinstance(messages[0], Opened) else None)
    assert audio_s(messages) >= seconds
