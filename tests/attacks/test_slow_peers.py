"""Connections that send nothing, next to nothing, too much at once, or never read."""

import json
import logging
import resource
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from socket import create_connection
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
from anyio.abc import SocketStream
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from decoder.engines.scripted import ScriptedEngine
from gateway.http.connection_limits import ConnectionLimiter, allowed_connections
from gateway.http.server import _MAX_LINE_BYTES, _MAX_UNSENT_BYTES, _SMALL_FRAMES_PER_MINUTE
from gateway.settings import load_settings
from tests.commands import serving_command
from tests.servers import Served, serving
from tests.sessions import silence, speech
from tests.uploading import serving_files, wav

POLICY_VIOLATION = 1008

UPGRADE = (
    b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@asynccontextmanager
async def gateway(**limits: object) -> AsyncIterator[Served]:
    settings = load_settings({"session": {"detector": "webrtc"}, "limits": limits})
    async with serving(ScriptedEngine(), settings) as served:
        yield served


async def opened(served: Served) -> SocketStream:
    port = urlsplit(served.url).port
    assert port is not None
    return await anyio.connect_tcp("127.0.0.1", port)


async def answer(stream: SocketStream, *pieces: bytes) -> bytes:
    """Return all that the gateway sends in reply to the bytes, until it closes the connection."""
    reply = b""
    with anyio.fail_after(10):
        try:
            for piece in pieces:
                await stream.send(piece)
            while True:
                reply += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return reply


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


# --- heads of requests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ", b"G"])
async def test_an_endless_request_head_times_out(sent: bytes) -> None:
    async with gateway(header_timeout_s=0.05) as served, await opened(served) as stream:
        assert status(await answer(stream, sent) if sent else await answer(stream)) == 408


async def test_neither_is_that_of_a_second_request() -> None:
    async with gateway(header_timeout_s=0.2) as served, await opened(served) as stream:
        first = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
        reply = await answer(stream, first, b"GET /healthz HTTP/1.1\r\nhost: loc")
    assert reply.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in reply


LONG = b"x" * (_MAX_LINE_BYTES + 200)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET /v1/stream?a=" + LONG + b" HTTP/1.1\r\nhost: localhost\r\n" + UPGRADE, 414),
        (b"GET /" + LONG * 20, 414),
        (b"GET /v1/stream HTTP/1.1\r\nhost: localhost\r\nx-long: " + LONG + b"\r\n" + UPGRADE, 431),
        (b"GET /v1/stream HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 127 + UPGRADE, 431),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\n" + (b"x: " + LONG[:4_000] + b"\r\n") * 9, 431),
    ],
)
@pytest.mark.parametrize("piece_bytes", [100, 200_000])
async def test_a_head_without_an_end_is_answered(head: bytes, expected: int, piece_bytes: int) -> None:
    async with gateway() as served, await opened(served) as stream:
        sent = head + b"\r\n"
        reply = await answer(stream, *(sent[at : at + piece_bytes] for at in range(0, len(sent), piece_bytes)))
    assert status(reply) == expected
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["error"]["code"] in ("request_line_too_long", "headers_too_long")


@pytest.mark.parametrize(
    "upgrade",
    [b"connection: upgrade\r\nupgrade: websocket\r\n", UPGRADE.replace(b"13", b"12"), UPGRADE.replace(b"dG", b"d")],
)
async def test_a_handshake_that_is_none_is_answered_and_logged_in_one_line(
    upgrade: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with gateway() as served, await opened(served) as stream:
        reply = await answer(stream, b"GET /v1/stream HTTP/1.1\r\nhost: localhost\r\n" + upgrade + b"\r\n")
    assert 400 <= status(reply) < 500
    assert len([record for record in caplog.records if "refused" in record.getMessage()]) == 1
    assert not [record for record in caplog.records if record.exc_info and record.name != "uvicorn.error"]


async def test_a_refused_websocket_is_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    settings = load_settings({"server": {"api_keys": ["secret"]}})
    async with serving(ScriptedEngine(), settings) as served:
        caplog.clear()
        with caplog.at_level(logging.INFO), pytest.raises(InvalidStatus):
            await connect(served.stream_url)
        lines = [record for record in caplog.records if record.name.startswith(("livecue.server", "uvicorn"))]
    assert [line.levelno for line in lines if line.levelno > logging.INFO] == []
    assert [line.getMessage() for line in lines if "refused" in line.getMessage()] == [
        "websocket refused address=127.0.0.1 path=/v1/stream status=401"
    ]


# --- how many --------------------------------------------------------------------------------------------------------


async def test_one_connection_too_many_is_refused_with_the_reason() -> None:
    async with gateway(max_connections=2) as served, await opened(served) as one, await opened(served) as two:
        for stream in (one, two):  # they are there, and counted
            await stream.send(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            await stream.receive()
        async with await opened(served) as third:
            assert status(await answer(third)) == 503
        await one.aclose()
        with anyio.fail_after(10):
            while True:
                async with await opened(served) as fourth:
                    request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
                    if status(await answer(fourth, request)) == 200:
                        break


async def test_closed_websockets_do_not_count() -> None:
    async with gateway(max_connections=2) as served:
        for _ in range(5):
            async with connect(served.stream_url) as websocket:
                await websocket.send('{"type":"start"}')
                await websocket.recv()
        async with httpx2.AsyncClient(base_url=served.url) as http:
            assert (await http.get("/healthz")).status_code == 200


def test_an_address_has_its_share_but_for_those_of_this_machine() -> None:
    peers = ConnectionLimiter(10, 2)
    assert [peers.enter("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert peers.enter("192.0.2.2")
    assert all(peers.enter("127.0.0.1") for _ in range(7))
    assert not peers.enter("192.0.2.3")
    peers.leave("192.0.2.1")
    assert peers.enter("192.0.2.1")
    assert peers.refused == 2


def test_connections_are_limited_by_the_descriptors(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1_024))
    most = allowed_connections(load_settings())
    assert asked == [(1_024, 1_024)]
    assert most < 1_024 - 128
    assert "may open 1024 files" in caplog.text
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 100_000))
    assert allowed_connections(load_settings()) == 200 + 1_000 + 256


def test_a_gateway_with_few_descriptors_refuses_connections_and_never_runs_out_of_them(tmp_path: Path) -> None:
    with serving_command(tmp_path, max_files=128) as command:
        assert "at most 16 connections" in command.log_until("LimitNOFILE")
        port = urlsplit(command.url).port
        assert port is not None
        request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
        with ExitStack() as stack:
            streams = [stack.enter_context(create_connection(("127.0.0.1", port), 10)) for _ in range(200)]
            for stream in streams[:16]:
                stream.sendall(request)
                assert stream.recv(100).startswith(b"HTTP/1.1 200")
            assert all(stream.recv(100).startswith(b"HTTP/1.1 503") for stream in streams[16:])
        command.process.send_signal(signal.SIGTERM)
        assert "Traceback" not in command.log.read()


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_without_a_descriptor_a_file_is_refused_and_sessions_go_on() -> None:
    file = {"file": ("a.wav", wav(silence(0.5) + speech(1.2) + silence(1.0)), "audio/wav")}
    async with serving_files() as served, httpx2.AsyncClient(base_url=served.url) as http:
        assert (await http.get("/healthz")).status_code == 200  # over a connection that stays
        async with connect(served.stream_url) as websocket:
            with no_descriptors_left():
                refused = await http.post("/v1/audio/transcriptions", data={"model": "x"}, files=file)
                await websocket.send('{"type":"start"}')
                assert json.loads(await websocket.recv())["type"] == "ready"
        taken = await http.post("/v1/audio/transcriptions", data={"model": "x"}, files=file)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
    assert taken.status_code == 200


# --- frames ----------------------------------------------------------------------------------------------------------


def frames(opcode: Opcode, data: bytes, count: int, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True) * count


@pytest.mark.parametrize(
    "flood",
    [
        frames(Opcode.BINARY, b"", 2 * _SMALL_FRAMES_PER_MINUTE),
        frames(Opcode.BINARY, b"", 1, fin=False) + frames(Opcode.CONT, b"", 2 * _SMALL_FRAMES_PER_MINUTE, fin=False),
        frames(Opcode.PING, b"", 2 * _SMALL_FRAMES_PER_MINUTE),
    ],
    ids=["empty", "continued", "pings"],
)
async def test_frames_with_nothing_in_them_are_counted(flood: bytes) -> None:
    async with gateway() as served:
        websocket = await connect(served.stream_url)
        await websocket.send('{"type":"start"}')
        await websocket.recv()
        websocket.transport.write(flood)
        with anyio.fail_after(20):
            await websocket.wait_closed()
    assert websocket.close_code == POLICY_VIOLATION


async def test_a_peer_that_does_not_read_gets_no_further_pongs() -> None:
    async with gateway() as served, await opened(served) as stream:
        await stream.send(b"GET /v1/stream HTTP/1.1\r\nhost: localhost\r\n" + UPGRADE + b"\r\n")
        pings = frames(Opcode.PING, b"p" * 100, 1_000)
        with anyio.move_on_after(5):
            for _ in range(100):  # 10 MB of them, none of whose answers is read
                await stream.send(pings)
        buffered = served.buffered_bytes()
    assert max(buffered) < _MAX_UNSENT_BYTES + 2**18, "what comes in one piece is answered together"


# --- what comes in containers -----------------------------------------------------------------------------------------


async def test_a_decoder_ends_with_its_client_though_it_has_not_decoded_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that never ends by itself stands for one that has much to do."""
    monkeypatch.setattr(
        "gateway.media.sandboxed_decoder._command", lambda _: [sys.executable, "-c", "import time; time.sleep(600)"]
    )
    async with gateway() as served:
        websocket = await connect(served.url.replace("http", "ws", 1) + "/v1/listen")
        await websocket.send(bytes(1_000))
        await websocket.send('{"type":"CloseStream"}')
        decoders = served.gateway.decoder_admission
        with anyio.fail_after(10):
            while not decoders.open:
                await anyio.lowlevel.checkpoint()
        websocket.transport.abort()
        with anyio.fail_after(10):
            await decoders.emptied()


async def test_there_are_only_so_many_decoders_at_once() -> None:
    async with gateway(max_decoders=1) as served:
        url = served.url.replace("http", "ws", 1) + "/v1/listen"
        async with connect(url):
            with anyio.fail_after(10):
                while not served.gateway.decoder_admission.open:
                    await anyio.lowlevel.checkpoint()
            with pytest.raises(InvalidStatus) as refused:
                await connect(url)
            assert refused.value.response.status_code == 503
            async with connect(f"{url}?encoding=linear16&sample_rate=16000"):
                pass  # raw audio needs none
