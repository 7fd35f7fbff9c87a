"""vosk-server's clients: its own `test.py` and mod_vosk wait for each reply; Jitsi's jigasi does not."""

import json
from collections.abc import Iterable

from websockets.asyncio.client import ClientConnection, connect

from tests.servers import Served

__all__ = ["EOF", "Reply", "listened_to", "spoken_in_turn", "url_of"]

Reply = dict[str, object]

EOF = '{"eof" : 1}'


def url_of(served: Served) -> str:
    return served.url.replace("http", "ws", 1) + "/v1/vosk"


async def spoken_in_turn(served: Served, frames: Iterable[bytes], rate_hz: int = 16_000) -> list[Reply]:
    """Return the replies to audio sent in lock-step, message by message, and to its end."""
    async with connect(url_of(served)) as websocket:
        await websocket.send(f'{{ "config" : {{ "sample_rate" : {rate_hz} }} }}')
        replies = [await _answered(websocket, frame) for frame in frames]
        return [*replies, await _answered(websocket, EOF)]


async def listened_to(websocket: ClientConnection) -> list[Reply]:
    """Return all replies up to the gateway's close."""
    return [json.loads(message) async for message in websocket]


async def _answered(websocket: ClientConnection, message: str | bytes) -> Reply:
    await websocket.send(message)
    reply: Reply = json.loads(await websocket.recv())
    return reply
