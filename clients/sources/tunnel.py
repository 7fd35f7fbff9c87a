"""A TCP tunnel from FFmpeg, over the loopback interface, to the one address that was checked.

FFmpeg resolves names itself, follows RTSP redirects anywhere, and checks no certificate unless it is given a list of
authorities. So for RTSP and RTMP it connects to this, which connects to the server.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from clients.sources.connecting import TIMEOUT_S
from clients.sources.errors import SourceError

__all__ = ["Tunnel"]

_PIECE_BYTES = 65_536

Check = Callable[[bytes], None]
"""Checks the bytes of one direction; raises `SourceError`."""

_Checks = tuple[Check, Check]
"""Of what is sent, and of what is received."""


class Tunnel:
    """Listens on a free port, and forwards each connection over one of its own.

    Args:
        connect: connects to the server; raises `SourceError`.
        checks: returns the checks of a new connection.
    """

    def __init__(self, connect: Callable[[], socket.socket], checks: Callable[[], _Checks]) -> None:
        self._connect = connect
        self._checks = checks
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_closed = False
        self._failure: SourceError | None = None
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    @property
    def failure(self) -> SourceError | None:
        """Why a connection could not be made, or was closed."""
        with self._lock:
            return self._failure

    def __enter__(self) -> "Tunnel":
        return self

    def __exit__(self, *_: object) -> None:
        # `shutdown` wakes the threads that wait for these
        _shut_down(self._listener)
        self._listener.close()
        with self._lock:
            self._is_closed = True
            for each in self._open:
                _shut_down(each)
        self._thread.join()

    def _accept(self) -> None:
        connections: list[threading.Thread] = []
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                connections.append(threading.Thread(target=self._forward, args=(client,), daemon=True))
                connections[-1].start()
        for each in connections:
            each.join()

    def _forward(self, client: socket.socket) -> None:
        with client:
            try:
                server = self._connect()
            except SourceError as error:
                self._fail(error)
                return
            with server:
                self._open_until_closed(client, server)

    def _open_until_closed(self, client: socket.socket, server: socket.socket) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._open += [client, server]
        sent, received = self._checks()
        sending = threading.Thread(target=self._copy, args=(client, server, sent), daemon=True)
        sending.start()
        self._copy(server, client, received)
        sending.join()
        with self._lock:
            self._open.remove(client)
            self._open.remove(server)

    def _copy(self, source: socket.socket, target: socket.socket, check: Check) -> None:
        try:
            while data := source.recv(_PIECE_BYTES):
                check(data)
                target.sendall(data)
        except TimeoutError:
            self._fail(SourceError(f"the server has sent nothing for {TIMEOUT_S:g} s"))
        except SourceError as error:
            self._fail(error)
        except OSError:  # closed
            pass
        _shut_down(source)
        _shut_down(target)

    def _fail(self, error: SourceError) -> None:
        with self._lock:
            self._failure = self._failure or error


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
