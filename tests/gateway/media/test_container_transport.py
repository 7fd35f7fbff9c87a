"""Recordings demultiplexed as they come, by a process of their own, over memory streams."""

import io
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import av
import numpy as np
import pytest
from anyio.abc import ObjectStream

from gateway.errors import Disconnected, PayloadTooLarge, UnsupportedMedia
from gateway.media.container_transport import ContainerTransport, demultiplexed
from gateway.settings import UploadSettings
from gateway.transport import MemoryTransport, memory_pair
from gateway.wire.deepgram.messages import is_close
from tests.media import encoded, with_hole
from vad.errors import LivecueError

CLOSE = '{"type":"CloseStream"}'
SETTINGS = UploadSettings()
BYTES_PER_S = 32_000
STREAMED = ("wav", "flac", "ogg", "webm", "mp3")
"""What recorders send; an MP4 is written back to front, but for a fragmented one."""


@asynccontextmanager
async def recorder(
    settings: UploadSettings = SETTINGS,
) -> AsyncIterator[tuple[ContainerTransport, ObjectStream[str | bytes]]]:
    """Yield the session's end and the recorder's end of a transport."""
    transport, peer = memory_pair()
    async with peer, demultiplexed(transport, is_close, settings) as decoded:
        yield decoded, peer
    await transport.close(1000, "")


async def audio_of(file: bytes, piece_bytes: int = 1_000, settings: UploadSettings = SETTINGS) -> bytes:
    """Return the audio of a recording that is sent in pieces."""
    audio = bytearray()
    async with recorder(settings) as (decoded, peer), anyio.create_task_group() as tasks:
        messages: list[str | bytes] = [*cut(file, piece_bytes), CLOSE]
        tasks.start_soon(send, peer, messages)
        while (message := await decoded.receive()) != CLOSE:
            assert isinstance(message, bytes)
            audio += message
    return bytes(audio)


async def send(peer: ObjectStream[str | bytes], messages: Sequence[str | bytes]) -> None:
    for message in messages:
        await peer.send(message)


def cut(file: bytes, piece_bytes: int) -> list[bytes]:
    return [file[start : start + piece_bytes] for start in range(0, len(file), piece_bytes)]


def fragmented_mp4() -> bytes:
    """Return what Safari's recorder sends."""
    file = io.BytesIO()
    with av.open(
        file, "w", format="mp4", options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    ) as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        for start in range(0, 96_000, 1_024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1_024), np.float32), format="fltp", layout="mono")
            frame.rate, frame.pts = 48_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize("kind", STREAMED)
@pytest.mark.parametrize("piece_bytes", [700, 100_000])
async def test_every_kind_that_recorders_send_is_decoded_whole(kind: str, piece_bytes: int) -> None:
    assert len(await audio_of(encoded(kind, 3.0), piece_bytes)) / BYTES_PER_S == pytest.approx(3.0, abs=0.1)


async def test_a_fragmented_mp4_is_decoded_whole() -> None:
    assert len(await audio_of(fragmented_mp4())) / BYTES_PER_S == pytest.approx(2.0, abs=0.15)


async def test_a_hole_in_a_recording_is_silence_of_its_length() -> None:
    assert len(await audio_of(with_hole("webm", "libopus", 1.0, 4.0))) / BYTES_PER_S == pytest.approx(6.0, abs=0.1)


async def test_audio_that_begins_late_is_decoded_when_it_begins() -> None:
    audio = await audio_of(with_hole("webm", "libopus", -1.0, 2.0))
    assert len(audio) / BYTES_PER_S == pytest.approx(6.0, abs=0.1)
    assert not any(audio[: round(1.9 * BYTES_PER_S)])


async def test_audio_arrives_during_the_recording() -> None:
    file = encoded("webm", 10.0)
    async with recorder() as (decoded, peer):
        await send(peer, cut(file[: len(file) // 2], 1_000))
        await peer.send("where are we")
        audio = bytearray()
        while isinstance(message := await decoded.receive(), bytes):
            audio += message
    assert message == "where are we"
    assert len(audio) / BYTES_PER_S == pytest.approx(5.0, abs=0.2)


async def test_text_keeps_its_place_after_the_audio_before_it() -> None:
    pieces = cut(encoded("webm", 4.0), 5_000)
    until: list[int] = []
    async with recorder() as (decoded, peer), anyio.create_task_group() as tasks:
        tasks.start_soon(send, peer, [message for piece in pieces for message in (piece, "mark")] + [CLOSE])
        audio_bytes = 0
        while (message := await decoded.receive()) != CLOSE:
            if isinstance(message, bytes):
                audio_bytes += len(message)
            else:
                until.append(audio_bytes)
    expected = [4.0 * BYTES_PER_S * (number + 1) / len(pieces) for number in range(len(pieces))]
    assert until == pytest.approx(expected, abs=0.4 * BYTES_PER_S)


async def test_live_audio_is_never_preempted() -> None:
    async with recorder() as (decoded, peer):
        await send(peer, cut(encoded("webm", 2.0), 1_000))
        await decoded.receive()
        niceness = os.getpriority(os.PRIO_PROCESS, decoded._process.pid)
    assert niceness == os.getpriority(os.PRIO_PROCESS, 0)


async def test_bytes_after_the_end_of_a_recording_are_ignored_and_noted(caplog: pytest.LogCaptureFixture) -> None:
    async with recorder() as (decoded, peer), anyio.create_task_group() as tasks:
        messages: list[str | bytes] = [encoded("webm", 1.0), CLOSE, bytes(7), CLOSE]
        tasks.start_soon(send, peer, messages)
        for _ in range(2):
            while await decoded.receive() != CLOSE:
                pass
    assert "ignored_bytes=7" in caplog.text


async def test_text_before_any_audio_waits_for_nothing() -> None:
    async with recorder() as (decoded, peer):
        await peer.send("still here")
        assert await decoded.receive() == "still here"


async def test_a_file_that_is_no_recording_is_refused() -> None:
    with pytest.raises(UnsupportedMedia):
        await received_until_error(lambda: cut(np.random.default_rng(1).bytes(100_000), 1_000))


async def test_a_recording_that_is_cut_short_is_decoded_as_far_as_it_goes() -> None:
    file = encoded("webm", 4.0)
    assert len(await audio_of(file[: len(file) // 2])) / BYTES_PER_S == pytest.approx(2.0, abs=0.2)


async def test_no_audio_at_all_is_refused_when_it_ends() -> None:
    with pytest.raises(UnsupportedMedia):
        await received_until_error(lambda: [CLOSE])


async def test_a_recording_longer_than_allowed_is_decoded_up_to_there() -> None:
    with pytest.raises(PayloadTooLarge):
        await received_until_error(lambda: cut(encoded("webm", 4.0), 1_000), replace(SETTINGS, max_duration_s=2.0))


async def until_error(decoded: ContainerTransport) -> None:
    while True:
        await decoded.receive()


async def received_until_error(
    messages: Callable[[], Sequence[str | bytes]], settings: UploadSettings = SETTINGS
) -> None:
    failure: LivecueError | None = None
    async with recorder(settings) as (decoded, peer), anyio.create_task_group() as tasks:
        tasks.start_soon(send, peer, messages())
        try:
            await until_error(decoded)
        except LivecueError as error:  # a task group would wrap it
            failure = error
        tasks.cancel_scope.cancel()
    assert failure is not None
    raise failure


async def test_a_peer_that_goes_is_missed_and_leaves_no_process() -> None:
    async with recorder() as (decoded, peer):
        await peer.send(encoded("webm", 1.0))
        await peer.aclose()
        with pytest.raises(Disconnected):
            await until_error(decoded)
        process = decoded._process
    assert process.returncode is not None


async def test_a_session_that_ends_first_leaves_no_process() -> None:
    async with recorder() as (decoded, peer):
        await peer.send(encoded("webm", 1.0))
        process = decoded._process
    assert process.returncode is not None


async def test_answers_and_the_close_go_straight_to_the_peer() -> None:
    async with recorder() as (decoded, peer):
        await decoded.send("hello")
        assert await peer.receive() == "hello"
        await decoded.close(1000, "")
        with pytest.raises(anyio.EndOfStream):
            await peer.receive()
    assert isinstance(decoded._transport, MemoryTransport)
