"""Live streams on loopback, served by the command `ffmpeg`: RTSP, RTMP, SRT and HLS, which can be cut.

An encoder plays a recording at the speed of speech, from its start to its end, whether or not it is served. A server
that is stopped and started again therefore goes on where a live stream would be.
"""

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

__all__ = ["FFMPEG_MISSING", "HlsStream", "LiveStream", "RtmpStream", "RtspStream", "SrtStream", "has_srt", "playing"]

FFMPEG_MISSING = None if shutil.which("ffmpeg") else "no ffmpeg: apt-get install ffmpeg"

_HOST = "127.0.0.1"
_SEGMENT_S = 2
_KEPT_SEGMENTS = 6

_AUDIO = ("-map", "0:a", "-ar", "44100", "-c:a", "aac", "-b:a", "96k")
_TO_UDP = ("-f", "mpegts", "-pes_payload_size", "0", "-flush_packets", "1")
_RTP_BYTES = 2_048


class LiveStream(Protocol):
    """A stream that is on the air while its encoder runs; it is served from `serve` to `cut`."""

    url: str

    def serve(self) -> None:
        """Begin to serve it."""
        ...

    def cut(self) -> None:
        """Close all connections, and accept no more."""
        ...


def has_srt() -> bool:
    """Return whether the `ffmpeg` of this machine can serve SRT."""
    if FFMPEG_MISSING:
        return False
    command = ["ffmpeg", "-hide_banner", "-protocols"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    return re.search(r"^\s*srt$", listed.stdout, re.MULTILINE) is not None


@contextmanager
def playing(
    kind: type["_Served"] | type["RtspStream"] | type["HlsStream"], recording: Path, folder: Path
) -> Iterator[LiveStream]:
    """Play a recording as a live stream while the block lasts; it is not served yet.

    Args:
        kind: of stream.
        recording: any file that FFmpeg reads.
        folder: an empty one, for the stream's files.
    """
    with ExitStack() as running:
        stream = kind(folder)
        running.callback(stream.cut)
        encoder = _ffmpeg("-re", "-i", str(recording), *_AUDIO, *stream.encoder_output())
        running.callback(_stop, encoder)
        yield stream


class _Served:
    """A stream that a second `ffmpeg` serves, to one client at a time, from what the encoder sends by UDP."""

    url: str
    _output: Sequence[str]

    def __init__(self, _folder: Path) -> None:
        self._feed_port, self._port = free_udp_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_served = False
        self._lock = threading.Lock()

    def encoder_output(self) -> Sequence[str]:
        return (*_TO_UDP, f"udp://{_HOST}:{self._feed_port}?pkt_size=1316")

    def serve(self) -> None:
        self._is_served = True
        threading.Thread(target=self._serve_clients, daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            self._is_served = False
            if self._process is not None:
                _stop(self._process)

    def _serve_clients(self) -> None:
        while True:
            with self._lock:
                if not self._is_served:
                    return
                feed = f"udp://{_HOST}:{self._feed_port}?overrun_nonfatal=1"
                self._process = _ffmpeg(
                    "-fflags", "nobuffer", "-analyzeduration", "300000", "-i", feed, "-c", "copy", *self._output
                )
                process = self._process
            process.wait()


class RtmpStream(_Served):
    """RTMP; each connection's timestamps begin at 0."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"rtmp://{_HOST}:{self._port}/live/talk"
        self._output = ("-f", "flv", "-listen", "1", self.url)


class SrtStream(_Served):
    """SRT; each connection's timestamps begin anew."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port = free_udp_port()
        self.url = f"srt://{_HOST}:{self._port}"
        self._output = (*_TO_UDP, f"{self.url}?mode=listener")


class HlsStream:
    """HLS: segments of 2 s, of which a playlist has the newest 6, so that a long cut loses some."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._server: ThreadingHTTPServer | None = None
        self.url = f"http://{_HOST}:{self._port}/talk.m3u8"

    def encoder_output(self) -> Sequence[str]:
        numbers = ("-hls_time", str(_SEGMENT_S), "-hls_list_size", str(_KEPT_SEGMENTS))
        return ("-f", "hls", *numbers, "-hls_flags", "delete_segments+temp_file", str(self._folder / "talk.m3u8"))

    def serve(self) -> None:
        handler = partial(_QuietHandler, directory=str(self._folder))
        self._server = ThreadingHTTPServer((_HOST, self._port), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def cut(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


class RtspStream:
    """RTSP, interleaved over TCP, of the RTP packets that the encoder sends: the timestamps of a camera go on."""

    def __init__(self, folder: Path) -> None:
        self._sdp_path = folder / "talk.sdp"
        self._feed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._feed.bind((_HOST, 0))
        self._port = free_port()
        self._clients: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()
        self.url = f"rtsp://{_HOST}:{self._port}/talk"
        threading.Thread(target=self._distribute, daemon=True).start()

    def encoder_output(self) -> Sequence[str]:
        return ("-f", "rtp", "-sdp_file", str(self._sdp_path), f"rtp://{_HOST}:{self._feed.getsockname()[1]}")

    def serve(self) -> None:
        self._listener = socket.create_server((_HOST, self._port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            clients, self._clients = self._clients, []
        for client in clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()

    def _distribute(self) -> None:
        while packet := self._feed.recv(_RTP_BYTES):
            with self._lock:
                for client in self._clients:
                    with suppress(OSError):
                        client.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._converse, args=(client,), daemon=True).start()

    def _converse(self, client: socket.socket) -> None:
        with suppress(OSError), client, client.makefile("rb") as lines:
            while (method := lines.readline().split(b" ")[0].decode()) != "":
                headers = dict(line.decode().split(": ", 1) for line in iter(lines.readline, b"\r\n") if b": " in line)
                reply = self._reply(method)
                client.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {headers['CSeq'].strip()}\r\n{reply}".encode())
                if method == "PLAY":
                    with self._lock:
                        self._clients.append(client)

    def _reply(self, method: str) -> str:
        match method:
            case "DESCRIBE":
                sdp = re.sub(r"m=audio \d+", "m=audio 0", self._sdp_path.read_text().removeprefix("SDP:\n"))
                return f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n{sdp}"
            case "SETUP":
                return "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
            case "PLAY":
                return "Session: 1\r\nRange: npt=now-\r\n\r\n"
            case _:
                return "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n"


def free_port() -> int:
    """Return a free TCP port."""
    with socket.create_server((_HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def free_udp_port() -> int:
    """Return a free UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.bind((_HOST, 0))
        return int(endpoint.getsockname()[1])


def _ffmpeg(*arguments: str) -> subprocess.Popen[bytes]:
    command = ["ffmpeg", "-nostdin", "-y", "-loglevel", "error", *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
