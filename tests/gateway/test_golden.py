"""Sessions that were written down go the same way today."""

import os
from pathlib import Path

import pytest

from gateway.wire.native.codec import NativeClientCodec
from tests.golden_sessions import GOLDEN, Line, of_server, read, replay, write
from tests.sessions import Message

every_session = pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)


def finals(lines: list[Line]) -> list[Message]:
    """Return the events of utterances, without fields that depend on timing."""
    return [
        {key: value for key, value in message.items() if key != "seq"}
        for message in of_server(lines)
        if message["type"] in ("speech_started", "speech_ended", "final", "flushed", "finished")
    ]


@every_session
async def test_a_session_goes_as_it_was_written_down(path: Path) -> None:
    recorded = read(path)
    replayed = await replay(recorded)
    if os.environ.get("GOLDEN_UPDATE"):
        write(path, replayed)
    else:
        assert replayed == recorded


# What is left of a failed final depends on its partials, so only sessions with the engine that works are cut anew.
@pytest.mark.parametrize("path", [path for path in GOLDEN if "engine" not in read(path)[0]], ids=lambda path: path.stem)
@pytest.mark.parametrize("piece_s", [0.007, 0.31])
async def test_the_chunking_of_the_audio_changes_no_final(path: Path, piece_s: float) -> None:
    recorded = read(path)
    assert finals(await replay(recorded, piece_s)) == finals(recorded)


@every_session
def test_a_client_can_decode_all_messages(path: Path) -> None:
    codec = NativeClientCodec()
    for line in path.read_text().splitlines():
        if line.startswith('{"server": '):
            assert len(codec.receive(line.removeprefix('{"server": ').removesuffix("}"))) == 1
