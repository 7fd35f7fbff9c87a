"""HTTP and WebSockets with a certificate of the gateway's own."""

import logging
import signal
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from websockets.asyncio.client import ClientConnection, connect

from decoder.engines.scripted import ScriptedEngine
from gateway.errors import ConfigurationError
from gateway.http.tls import Certificate, open_certificate
from gateway.settings import ServerSettings, load_settings
from gateway.wire import Finished, Ready, Start, Stop
from gateway.wire.native.codec import NativeClientCodec
from tests.certificates import Authority
from tests.commands import serving_command
from tests.servers import Served, serving


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def wss(served: Served) -> str:
    assert served.stream_url.startswith("wss://")
    return served.stream_url


def serial_of(websocket: ClientConnection) -> int:
    """Return the number of the certificate that a gateway has shown."""
    certificate = websocket.transport.get_extra_info("ssl_object").getpeercert()
    return int(certificate["serialNumber"], 16)


async def test_a_session_over_tls(authority: Authority) -> None:
    files = authority.sign()
    codec = NativeClientCodec()
    settings = load_settings({"server": files.settings()})
    async with (
        serving(ScriptedEngine(), settings) as served,
        connect(wss(served), ssl=authority.trusted()) as websocket,
    ):
        assert serial_of(websocket) == files.serial
        for event in (Start(), Stop()):
            await websocket.send(codec.send(event)[0])
        events = [event async for message in websocket for event in codec.receive(message)]
    assert isinstance(events[0], Ready)
    assert isinstance(events[-1], Finished)


async def test_a_client_that_does_not_trust_the_certificate_gets_no_connection(authority: Authority) -> None:
    async with serving(ScriptedEngine(), load_settings({"server": authority.sign().settings()})) as served:
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(wss(served))


async def test_a_renewed_certificate_is_used_and_open_connections_stay(authority: Authority) -> None:
    old, codec = authority.sign(), NativeClientCodec()
    async with (
        serving(ScriptedEngine(), load_settings({"server": old.settings()})) as served,
        connect(wss(served), ssl=authority.trusted()) as before,
    ):
        renewed = authority.sign()
        reload(served)
        async with connect(wss(served), ssl=authority.trusted()) as after:
            assert serial_of(after) == renewed.serial
        await before.send(codec.send(Start())[0])
        assert isinstance(codec.receive(await before.recv())[0], Ready)
        assert serial_of(before) == old.serial != renewed.serial


def reload(served: Served) -> None:
    """Do what SIGHUP does."""
    assert served.certificate is not None
    served.certificate.try_reload()


async def test_a_broken_renewal_leaves_the_certificate_as_it_was(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    files = authority.sign()
    async with serving(ScriptedEngine(), load_settings({"server": files.settings()})) as served:
        files.key.write_text("nonsense")
        with caplog.at_level(logging.ERROR, "livecue"):
            reload(served)
        assert "not reloaded" in caplog.text
        async with connect(wss(served), ssl=authority.trusted()) as websocket:
            assert serial_of(websocket) == files.serial
    assert str(files.key) in caplog.text


def test_sighup_reads_the_certificate_again(authority: Authority, tmp_path: Path) -> None:
    files = authority.sign()
    flags = ("--tls-cert", str(files.cert), "--tls-key", str(files.key))
    with serving_command(tmp_path, *flags, "--set", "server.log_level=info") as command:
        host, port = command.url.removeprefix("https://").split(":")
        old, renewed = ssl.get_server_certificate((host, int(port))), authority.sign()
        command.process.send_signal(signal.SIGHUP)
        command.log_until("certificate reloaded")
        assert ssl.get_server_certificate((host, int(port))) == renewed.cert.read_text() != old


def test_a_certificate_that_is_half_renewed_changes_nothing(authority: Authority) -> None:
    files, other = authority.sign(), authority.sign("other")
    certificate = Certificate(files.cert, files.key)
    context = certificate.context
    files.cert.write_bytes(other.cert.read_bytes())
    with pytest.raises(ConfigurationError, match="certificate and key do not match"):
        certificate.reload()
    files.key.write_bytes(other.key.read_bytes())
    certificate.reload()
    assert certificate.context is context


def test_certificate_and_key_may_be_one_file(authority: Authority, tmp_path: Path) -> None:
    files = authority.sign()
    both = tmp_path / "both.pem"
    both.write_bytes(files.key.read_bytes() + files.cert.read_bytes())
    assert open_certificate(ServerSettings(tls_cert=both)) is not None
    assert open_certificate(ServerSettings()) is None


def test_an_invalid_certificate_is_refused_by_name(authority: Authority, tmp_path: Path) -> None:
    files, missing, empty = authority.sign(), tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.touch()
    other, encrypted = authority.sign("other"), tmp_path / "encrypted.pem"
    key = load_pem_private_key(files.key.read_bytes(), None)
    secret = BestAvailableEncryption(b"secret")
    encrypted.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
    for settings, expected in (
        (ServerSettings(tls_key=files.key), "without server.tls_cert"),
        (ServerSettings(tls_cert=missing), "missing.pem: No such file"),
        (ServerSettings(tls_cert=files.cert, tls_key=missing), "missing.pem: No such file"),
        (ServerSettings(tls_cert=empty), "PEM"),
        (ServerSettings(tls_cert=files.cert), "PEM"),
        (ServerSettings(tls_cert=files.cert, tls_key=other.key), "certificate and key do not match"),
        (ServerSettings(tls_cert=files.cert, tls_key=encrypted), "without a password"),
    ):
        with pytest.raises(ConfigurationError) as refused:
            open_certificate(settings)
        assert expected in str(refused.value)
        assert "server.tls_" in str(refused.value)
