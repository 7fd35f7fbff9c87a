"""A scripted OBS, after the protocol of obs-websocket 5: Hello, Identify, Identified, Request, RequestResponse."""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

__all__ = ["PASSWORD", "Obs", "obs"]

PASSWORD = "very-secret"
_SALT, _CHALLENGE = "lM1GncleQOaCu9lT1yeUZhFYnqhsLLP1G5lAGo3ixaI=", "+IxH4CnCiqpX1rM9scsNynZzbOe4KhDeYcTNS3PDaeY="

_HELLO, _IDENTIFY, _IDENTIFIED, _REQUEST, _RESPONSE = 0, 1, 2, 6, 7
_AUTHENTICATION_FAILED = 4009


@dataclass
class Obs:
    """What it was asked, and what it displays.

    Attributes:
        url: of a sink with the text source `Captions`.
        shown: texts of that source, oldest first.
        streamed: captions of the stream.
        is_streaming: whether there is a stream.
        is_down: whether connections are closed at once.
    """

    url: str = ""
    shown: list[str] = field(default_factory=list)
    streamed: list[str] = field(default_factory=list)
    is_streaming: bool = True
    is_down: bool = False


@asynccontextmanager
async def obs() -> AsyncIterator[Obs]:
    """Run an OBS while the block lasts; skip the test where the extra `obs` is missing."""
    pytest.importorskip("simpleobsws")
    msgpack = pytest.importorskip("msgpack")
    made = Obs()

    def answer(request: dict[str, object]) -> tuple[int, str | None]:
        name, fields = request["requestType"], request.get("requestData")
        assert isinstance(fields, dict)
        if name == "SetInputSettings":
            if fields["inputName"] != "Captions":
                return 600, "No source was found by the name of `Other`."
            assert fields["overlay"] is True
            made.shown.append(fields["inputSettings"]["text"])
            return 100, None
        assert name == "SendStreamCaption"
        if not made.is_streaming:
            return 501, None
        made.streamed.append(fields["captionText"])
        return 100, None

    def was_taken_down() -> bool:
        return made.is_down

    async def handle(connection: ServerConnection) -> None:
        if made.is_down:
            await connection.close(1011)
            return
        challenge = {"challenge": _CHALLENGE, "salt": _SALT}
        hello = {"op": _HELLO, "d": {"obsWebSocketVersion": "5.1.0", "rpcVersion": 1, "authentication": challenge}}
        await connection.send(msgpack.packb(hello))
        identify = msgpack.unpackb(await connection.recv())
        secret = base64.b64encode(hashlib.sha256((PASSWORD + _SALT).encode()).digest())
        proof = base64.b64encode(hashlib.sha256(secret + _CHALLENGE.encode()).digest()).decode()
        if identify["op"] != _IDENTIFY or identify["d"].get("authentication") != proof:
            await connection.close(_AUTHENTICATION_FAILED)
            return
        await connection.send(msgpack.packb({"op": _IDENTIFIED, "d": {"negotiatedRpcVersion": 1}}))
        with suppress(ConnectionClosed):  # a network may be cut
            await converse(connection)

    async def converse(connection: ServerConnection) -> None:
        async for message in connection:
            request = msgpack.unpackb(message)
            assert request["op"] == _REQUEST
            if was_taken_down():
                await connection.close(1011)
                return
            code, comment = answer(request["d"])
            status = {"result": code == 100, "code": code, **({} if comment is None else {"comment": comment})}
            reply = {key: request["d"][key] for key in ("requestType", "requestId")}
            await connection.send(msgpack.packb({"op": _RESPONSE, "d": {**reply, "requestStatus": status}}))

    async with serve(handle, "127.0.0.1", 0, subprotocols=["obswebsocket.msgpack"]) as server:  # type: ignore[list-item]
        port = next(iter(server.sockets)).getsockname()[1]
        made.url = f"obs://:{PASSWORD}@127.0.0.1:{port}#source=Captions&stream=1"
        yield made
