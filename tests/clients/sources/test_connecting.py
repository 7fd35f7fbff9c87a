import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from clients.sources.address_policy import AddressPolicy
from clients.sources.connecting import checked_addresses, connected, resolved
from clients.sources.errors import SourceError, SourceRefused
from tests.certificates import Authority, Files

HERE = AddressPolicy(("127.0.0.1",))


def test_a_name_is_resolved_once_and_that_address_is_connected_to() -> None:
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        policy = AddressPolicy(("a.example.com",))
        with connected("a.example.com", port, policy, uses_tls=False, resolve=lambda *_: answers.pop(0)) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)
    assert answers == [["10.0.0.1"]]


def test_a_name_that_stands_for_a_private_address_is_refused_without_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        policy = AddressPolicy(("a.example.com",), public_only=True)
        port = server.getsockname()[1]
        with pytest.raises(SourceRefused, match=r"private address 127\.0\.0\.1"):
            connected("a.example.com", port, policy, uses_tls=False, resolve=lambda *_: ["127.0.0.1"])
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_host_that_is_not_allowed_is_not_even_resolved() -> None:
    def resolve(host: str, _port: int) -> list[str]:
        raise AssertionError(host)

    with pytest.raises(SourceRefused):
        checked_addresses("other.example.com", 80, HERE, resolve)


def test_a_name_that_cannot_be_resolved_is_no_final_failure() -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        raise socket.gaierror("Name or service not known")

    with pytest.raises(SourceError, match="cannot be resolved") as failed:
        checked_addresses("a.example.com", 80, AddressPolicy(("a.example.com",)), resolve)
    assert not isinstance(failed.value, SourceRefused)


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        policy = AddressPolicy(("a.example.com",))
        port = server.getsockname()[1]
        with connected(
            "a.example.com", port, policy, uses_tls=False, resolve=lambda *_: ["127.0.0.3", "127.0.0.1"]
        ) as connection:
            assert connection.getpeername()[0] == "127.0.0.1"


def test_a_port_that_nobody_listens_on_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SourceError, match=f"127.0.0.1:{port} cannot be reached"):
        connected("127.0.0.1", port, HERE, uses_tls=False)


@contextmanager
def tls_server(files: Files) -> Iterator[int]:
    """Accept one TLS connection while the block lasts, and yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            client, _ = listener.accept()
            with suppress(OSError), client, context.wrap_socket(client, server_side=True) as connection:
                connection.sendall(b"hello")

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(5.0)


def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    with tls_server(Authority(tmp_path).sign()) as port, pytest.raises(SourceError, match="certificate verify failed"):
        connected("127.0.0.1", port, HERE, uses_tls=True)


def test_a_certificate_is_checked_for_the_name_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    files = authority.sign()
    policy = AddressPolicy(("localhost", "a.example.com"))
    with (
        tls_server(files) as port,
        connected("localhost", port, policy, uses_tls=True, resolve=lambda *_: ["127.0.0.1"]) as connection,
    ):
        assert connection.recv(5) == b"hello"
    with tls_server(files) as port, pytest.raises(SourceError, match=r"not valid for 'a\.example\.com'"):
        connected("a.example.com", port, policy, uses_tls=True, resolve=lambda *_: ["127.0.0.1"])


def test_an_address_is_its_own_name() -> None:
    assert resolved("127.0.0.1", 80) == ["127.0.0.1"]
