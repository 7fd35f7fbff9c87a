"""Servers of streams on loopback, scripted."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["HOST", "OTHER_HOST", "Page", "WebServer", "web_server"]

HOST = "127.0.0.1"
OTHER_HOST = "127.0.0.2"
"""The same machine by an address that no test allows, unless it says so."""


@dataclass(frozen=True, slots=True)
class Page:
    """A response.

    Attributes:
        body: of it.
        status: of HTTP.
        headers: beside its length.
        sent_bytes: after which the connection is cut; None: the body is whole.
        takes_ranges: whether a part can be requested.
        has_length: whether the length is declared.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    sent_bytes: int | None = None
    takes_ranges: bool = False
    has_length: bool = True


class WebServer:
    """Serves pages, and notes what was requested."""

    def __init__(self, host: str) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self.server = ThreadingHTTPServer((host, 0), self._handler())
        self.url = f"http://{host}:{self.server.server_address[1]}"

    @property
    def paths(self) -> list[str]:
        """What was requested, in order."""
        return [path for path, _ in self.requests]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.requests.append((self.path, dict(self.headers)))
                self._send(served.pages.get(self.path, Page(b"none", 404)))

            def _send(self, page: Page) -> None:
                body, requested = page.body, self.headers.get("Range")
                is_part = page.takes_ranges and requested is not None
                if is_part:
                    begin, _, last = str(requested).removeprefix("bytes=").partition("-")
                    body = body[int(begin) : int(last) + 1 if last else None]
                self.send_response(206 if is_part else page.status)
                for name, value in page.headers.items():
                    self.send_header(name, value)
                if page.takes_ranges:
                    self.send_header("Accept-Ranges", "bytes")
                if page.has_length:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body if page.sent_bytes is None else body[: page.sent_bytes])

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def web_server(host: str = HOST) -> Iterator[WebServer]:
    """Run a server while the block lasts."""
    web = WebServer(host)
    thread = threading.Thread(target=web.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        web.server.shutdown()
        thread.join()
        web.server.server_close()
