"""The sessions of `tests/golden`: read, replayed and written. Its README describes the files."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import anyio

from decoder.engine import Engine
from decoder.engines.scripted import ScriptedEngine
from tests.sessions import (
    SETTINGS,
    Message,
    Peer,
    call,
    failing_finals,
    open_context,
    settled,
    silence,
    speech,
    stuck_on_finals,
)

__all__ = ["GOLDEN", "Line", "of_client", "of_server", "read", "replay", "write"]

Line = dict[str, object]

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.jsonl"))

ENGINES: Mapping[str, Callable[[], Engine]] = {
    "counting": ScriptedEngine,
    "failing_finals": lambda: ScriptedEngine(failing_finals),
    "stuck_on_finals": stuck_on_finals,
}

PIECE_S = 0.1


def read(path: Path) -> list[Line]:
    """Return the lines of a session."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, lines: Sequence[Line]) -> None:
    """Write the lines of a session."""
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def of_server(lines: Sequence[Line]) -> list[Message]:
    """Return the gateway's messages in these lines."""
    return [message for line in lines if isinstance(message := line.get("server"), dict)]


def of_client(lines: Sequence[Line]) -> list[Message]:
    """Return the client's JSON messages in these lines."""
    return [message for line in lines if isinstance(message := line.get("client"), dict)]


async def replay(lines: Sequence[Line], piece_s: float = PIECE_S) -> list[Line]:
    """Return the lines of the same session with the present gateway.

    Args:
        lines: of a session; the gateway's lines are ignored.
        piece_s: audio in one message.
    """
    first, *steps = [line for line in lines if "server" not in line and "close" not in line]
    settings = first.get("settings", {})
    assert isinstance(settings, dict)
    engine = ENGINES[str(first.get("engine", "counting"))]()
    replayed: list[Line] = [first]
    received: list[Message] = []
    async with (
        open_context(engine, replace(SETTINGS, **settings)) as context,
        call(context) as peer,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(_receive, peer, received)
        for step in steps:
            replayed.append(step)
            for message in _messages(step, piece_s):
                if not peer.is_over.is_set():
                    await peer.send(message)
                    await settled()
            replayed += ({"server": message} for message in received)
            received.clear()
        assert peer.is_over.is_set(), "a golden session ends by itself"
    return [*replayed, {"close": peer.transport.close_code}]


async def _receive(peer: Peer, received: list[Message]) -> None:
    while True:
        try:
            message = await peer.receive()
        except anyio.EndOfStream:
            return
        received.append(message | {"session_id": "SESSION"} if "session_id" in message else message)


def _messages(step: Line, piece_s: float) -> Sequence[Message | str | bytes]:
    match step:
        case {"client": str(text)}:
            return [text]
        case {"client": dict(message)}:
            return [message]
        case {"base64": str(data)}:
            return [base64.b64decode(data)]
        case {"speech_s": float() | int() as duration_s}:
            return _pieces(speech(duration_s), piece_s)
        case {"silence_s": float() | int() as duration_s}:
            return _pieces(silence(duration_s), piece_s)
        case _:
            raise ValueError(f"line {step}: the README lists what there is")


def _pieces(data: bytes, piece_s: float) -> Sequence[bytes]:
    size = 2 * round(piece_s * 16_000)
    return [data[start : start + size] for start in range(0, len(data), size)]
