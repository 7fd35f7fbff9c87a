import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from clients.sources.errors import SourceError, SourceRefused
from clients.sources.tunnel import Tunnel

HOST = "127.0.0.1"
SOON_S = 5.0


def nothing(_: bytes) -> None:
    pass


def refuse(data: bytes) -> None:
    if b"elsewhere" in data:
        raise SourceRefused("it leads elsewhere")


@contextmanager
def echo_server() -> Iterator[int]:
    """Serve connections, each until it is closed, and yield the port."""
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            try:
                while True:
                    client, _ = listener.accept()
                    with client:
                        while data := client.recv(1_000):
                            client.sendall(data)
            except OSError:  # closed
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(SOON_S)


def connect(port: int) -> socket.socket:
    return socket.create_connection((HOST, port), SOON_S)


def test_bytes_pass_in_both_directions_over_one_connection_after_the_other() -> None:
    with echo_server() as port, Tunnel(partial(connect, port), lambda: (nothing, nothing)) as tunnel:
        for _ in range(2):
            with connect(tunnel.port) as client:
                client.sendall(b"hello")
                assert client.recv(5) == b"hello"
        assert tunnel.failure is None


def test_a_check_that_fails_closes_the_connection_and_says_why() -> None:
    with echo_server() as port, Tunnel(partial(connect, port), lambda: (nothing, refuse)) as tunnel:
        with connect(tunnel.port) as client:
            client.sendall(b"elsewhere")
            assert client.recv(100) == b""
        assert isinstance(tunnel.failure, SourceRefused)


def test_a_server_that_cannot_be_reached_is_named() -> None:
    def fail() -> socket.socket:
        raise SourceError("out of reach")

    with Tunnel(fail, lambda: (nothing, nothing)) as tunnel:
        with connect(tunnel.port) as client:
            assert client.recv(1) == b""
        assert str(tunnel.failure) == "out of reach"


def test_a_silent_server_is_given_up() -> None:
    with socket.create_server((HOST, 0)) as silent:

        def impatient() -> socket.socket:
            connection = connect(silent.getsockname()[1])
            connection.settimeout(0.01)
            return connection

        with Tunnel(impatient, lambda: (nothing, nothing)) as tunnel:
            with connect(tunnel.port) as client:
                assert client.recv(1) == b""
            assert "has sent nothing for 10 s" in str(tunnel.failure)


def test_leaving_closes_open_connections() -> None:
    with echo_server() as port:
        with Tunnel(partial(connect, port), lambda: (nothing, nothing)) as tunnel:
            tunnel_port = tunnel.port
            client = connect(tunnel_port)
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        with client:
            assert client.recv(1) == b""
        with pytest.raises(OSError, match="refused"):
            connect(tunnel_port)
