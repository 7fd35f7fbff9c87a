"""Sessions that outlive their connections, and their gateway."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path

import anyio
import numpy as np
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream
from anyio.streams.stapled import StapledObjectStream

from decoder.engine import Engine
from gateway.journal.journal import open_journal
from gateway.session.context import SessionContext
from gateway.settings import JournalSettings, SessionSettings, Settings
from tests.sessions import SETTINGS, Message, Peer, call, open_context, settled, silence, speech
from vad.audio import AudioFormat, Encoding

START: Message = {"type": "start", "resumable": True}
STOP: Message = {"type": "stop"}
RATE_HZ = 16_000


@asynccontextmanager
async def gateway(
    path: Path, engine: Engine | None = None, session: SessionSettings = SETTINGS, *, is_enabled: bool = True
) -> AsyncIterator[SessionContext]:
    """A gateway with a journal; a second one on the same path is the first one started again."""
    settings = Settings(journal=JournalSettings(is_enabled, path / "journal.db"), session=session)
    async with open_journal(settings) as journal, open_context(engine, session, journal=journal) as context:
        yield context


def resume(ready: Message, after_seq: object = 0, held_sample: int = 0) -> Message:
    """Return the message that resumes the session of that ready message."""
    return {
        "type": "resume",
        "session_id": ready["session_id"],
        "token": ready["resume_token"],
        "after_seq": after_seq,
        "held_sample": held_sample,
    }


def encoded(spoken_audio: bytes, encoding: str, rate_hz: int) -> bytes:
    """Return 16 kHz audio in another format; quality does not matter, as it is only loud or silent."""
    samples = np.frombuffer(spoken_audio, "<i2").astype(np.float32) / 32768
    places = np.arange(len(samples) * rate_hz // RATE_HZ) * RATE_HZ / rate_hz
    resampled = np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
    match encoding:
        case "pcm_f32le":
            return resampled.tobytes()
        case "pcm_mulaw":
            return (
                np.where(np.abs(resampled) > 0.01, np.where(resampled > 0, 0x90, 0x10), 0xFF).astype(np.uint8).tobytes()
            )
        case _:
            return np.round(resampled * 32767).astype("<i2").tobytes()


def kinds(messages: list[Message]) -> list[object]:
    return [message["type"] for message in messages]


def texts(messages: list[Message]) -> list[object]:
    return [message["text"] for message in messages if message["type"] == "final"]


def spoken_audio() -> bytes:
    """Three utterances: of one, two and three words."""
    return b"".join([silence(1.0), speech(0.5), silence(1.5), speech(1.0), silence(1.5), speech(1.5), silence(1.5)])


async def uncut(path: Path) -> list[Message]:
    """Return the events of `spoken_audio` over one connection."""
    async with gateway(path) as context, call(context) as peer:
        await peer.send(START, spoken_audio(), STOP)
        return await peer.receive_all()


def spans(messages: list[Message]) -> list[tuple[object, ...]]:
    return [(m["utterance_id"], m["text"], m["start_s"], m["end_s"]) for m in messages if m["type"] == "final"]


def cues(messages: list[Message]) -> list[tuple[object, ...]]:
    finals = [m for m in messages if m["type"] == "cue" and m["state"] == "final"]
    return [(m["id"], m["lines"], m["start_s"], m["end_s"]) for m in finals]


async def killed(context: SessionContext, path: Path) -> Path:
    """Return a folder with what the journal of a gateway has on the disk soon, as a SIGKILL would leave it."""
    assert context.journal is not None
    await context.journal.entries()  # after what is on its way there
    left = path / "killed"
    left.mkdir()
    with (
        closing(sqlite3.connect(path / "first" / "journal.db")) as database,
        closing(sqlite3.connect(left / "journal.db")) as copy,
    ):
        database.backup(copy)
    return left


async def received_so_far(peer: Peer) -> list[Message]:
    """Return the messages received so far."""
    await settled()
    messages: list[Message] = []
    assert isinstance(peer.stream, StapledObjectStream)
    assert isinstance(peer.stream.receive_stream, MemoryObjectReceiveStream)
    with suppress(anyio.WouldBlock):
        while True:
            messages.append(json.loads(peer.stream.receive_stream.receive_nowait()))
            await settled()
    return messages


async def part(peer: Peer) -> None:
    """Cut the connection; the session stays."""
    await peer.stream.aclose()
    await peer.is_over.wait()


@pytest.mark.parametrize("cut_s", [0.3, 1.2, 1.6, 2.5, 3.3, 4.6, 5.9, 6.6, 8.4])
async def test_a_session_continues_where_the_connection_was_cut(tmp_path: Path, cut_s: float) -> None:
    whole, at = spoken_audio(), round(cut_s * RATE_HZ) * 2 + 1  # in the middle of a sample
    async with gateway(tmp_path / "cut") as context:
        async with call(context) as first:
            await first.send(START, whole[:at])
            ready = await first.receive()
            await settled()
            await part(first)
        async with call(context) as second:
            await second.send(resume(ready))
            again = await second.receive()
            assert (again["type"], again["session_id"]) == ("ready", ready["session_id"])
            assert again["next_sample"] == at // 2
            await second.send(whole[at // 2 * 2 :], STOP)
            messages = [again, *await second.receive_all()]
    expected = await uncut(tmp_path / "uncut")
    assert spans(messages) == spans(expected)
    assert cues(messages) == cues(expected)


@pytest.mark.parametrize("cut_s", [0.3, 1.2, 1.6, 2.5, 3.3, 4.6, 5.9, 6.6, 8.4])
async def test_a_session_continues_after_its_gateway_was_killed(tmp_path: Path, cut_s: float) -> None:
    whole, at = spoken_audio(), round(cut_s * RATE_HZ) * 2
    async with gateway(tmp_path / "first") as context, call(context) as first:
        await first.send(START, whole[:at])
        messages = [await first.receive(), *await received_so_far(first)]
        left = await killed(context, tmp_path)
    async with gateway(left) as context, call(context) as second:
        await second.send(resume(messages[0], after_seq=messages[-1]["seq"]))
        again = await second.receive()
        assert again["seq"] == messages[-1]["seq"]
        assert isinstance(again["next_sample"], int)
        await second.send(whole[again["next_sample"] * 2 :], STOP)
        messages += await second.receive_all()
    expected = await uncut(tmp_path / "uncut")
    assert spans(messages) == spans(expected)
    assert cues(messages) == cues(expected)
    seqs = [message["seq"] for message in messages]
    assert seqs == sorted(set(map(int, map(str, seqs))))


async def test_a_session_keeps_its_details_when_its_gateway_was_killed(tmp_path: Path) -> None:
    ann = {"channel": 0, "name": "Ann", "color": None}
    async with gateway(tmp_path / "first") as context, call(context) as first:
        await first.send(START | {"title": "Council", "names": [ann]})
        ready, details = await first.receive(), await first.receive()
        assert (details["type"], details["title"], details["names"]) == ("details", "Council", [ann])
        left = await killed(context, tmp_path)
    async with gateway(left) as context, call(context) as second:
        await second.send(resume(ready))
        assert (await second.receive())["type"] == "ready"
        assert await second.receive() == details, "a client that has missed it gets it once"
        (live,) = context.live
        shown = live.parts.output.broadcast.details
        assert (shown and shown.title) == "Council"
        live.parts.output.change_details(lambda before: replace(before, title="Court"))
        renamed = await second.receive()
        assert (renamed["title"], renamed["names"]) == ("Court", [ann])


@pytest.mark.parametrize("audio", [("pcm_s16le", 48_000), ("pcm_f32le", 44_100), ("pcm_mulaw", 8_000)])
@pytest.mark.parametrize("is_killed", [False, True])
async def test_any_format_is_taken_up_at_the_same_place(
    tmp_path: Path, audio: tuple[str, int], is_killed: bool
) -> None:
    encoding, rate_hz = audio
    start = {**START, "audio": {"encoding": encoding, "sample_rate_hz": rate_hz}}
    whole, size = (
        encoded(spoken_audio(), encoding, rate_hz),
        AudioFormat(Encoding(encoding), rate_hz).bytes_per_sample_frame,
    )
    at = round(3.3 * rate_hz) * size
    async with gateway(tmp_path / "uncut") as context, call(context) as peer:
        await peer.send(start, whole, STOP)
        expected = await peer.receive_all()
    async with gateway(tmp_path / "first") as context:
        async with call(context) as first:
            await first.send(start, whole[:at])
            messages = [await first.receive(), *await received_so_far(first)]
            left = await killed(context, tmp_path)
            await part(first)
        async with gateway(left) as next_context, call(next_context if is_killed else context) as second:
            await second.send(resume(messages[0], after_seq=messages[-1]["seq"]))
            next_sample = (await second.receive())["next_sample"]
            assert isinstance(next_sample, int)
            await second.send(whole[next_sample * size :], STOP)
            messages += await second.receive_all()
    assert [(span[0], span[1]) for span in spans(messages)] == [(span[0], span[1]) for span in spans(expected)]
    for (*_, start_s, end_s), (*_, expected_start_s, expected_end_s) in zip(
        spans(messages), spans(expected), strict=True
    ):
        assert (start_s, end_s) == (
            pytest.approx(expected_start_s, abs=0.032),
            pytest.approx(expected_end_s, abs=0.032),
        )


async def test_split_speech_continues_after_its_gateway_was_killed(tmp_path: Path) -> None:
    whole = b"".join([silence(1.0), speech(9.0), silence(1.5)])
    start = {**START, "endpointing": {"max_utterance_s": 3.0}}
    async with gateway(tmp_path / "uncut") as context, call(context) as peer:
        await peer.send(start, whole, STOP)
        expected = await peer.receive_all()
    async with gateway(tmp_path / "first") as context, call(context) as first:
        await first.send(start, whole[: round(5.0 * RATE_HZ) * 2])
        messages = [await first.receive(), *await received_so_far(first)]
        left = await killed(context, tmp_path)
    async with gateway(left) as context, call(context) as second:
        await second.send(resume(messages[0], after_seq=messages[-1]["seq"]))
        next_sample = (await second.receive())["next_sample"]
        assert isinstance(next_sample, int)
        await second.send(whole[next_sample * 2 :], STOP)
        messages += await second.receive_all()
    assert len(spans(expected)) > 2
    assert spans(messages) == spans(expected)


async def test_a_second_connection_takes_the_session_from_the_first(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context, call(context) as first:
        await first.send(START, silence(0.5))
        ready = await first.receive()
        async with call(context) as second:
            await second.send(resume(ready))
            assert (await second.receive_until("ready"))[-1]["next_sample"] == RATE_HZ // 2
            assert (await first.receive_all())[-1]["code"] == "resumed_elsewhere"
            assert first.transport.close_code == 1008
            await second.send(silence(0.5), STOP)
            assert (await second.receive_all())[-1]["audio_s"] == 1.0


async def test_audio_of_a_replaced_connection_is_ignored(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context, call(context) as first:
        await first.send(START)
        ready = await first.receive()
        async with call(context) as second:
            await second.send(resume(ready))
            await second.receive()
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await first.send(speech(3.0))
            await settled()
            await second.send(STOP)
            assert (await second.receive_all())[-1]["audio_s"] == 0.0


async def test_audio_lost_by_the_client_counts_as_silence_and_is_reported(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context:
        async with call(context) as first:
            await first.send(START, silence(0.5), speech(1.0))
            ready = await first.receive()
            await settled()
            await part(first)
        async with call(context) as second:
            await second.send(resume(ready, held_sample=5 * RATE_HZ))
            assert (await second.receive())["next_sample"] == 5 * RATE_HZ
            await second.send(speech(1.0), silence(1.0), STOP)
            messages = await second.receive_all()
    gap = next(message for message in messages if message["type"] == "gap")
    assert (gap["start_s"], gap["end_s"]) == (1.5, 5.0)
    assert [span[0] for span in spans(messages)] == [0, 1]
    assert messages[-1]["audio_s"] == 7.0


async def test_silence_in_place_of_lost_audio_is_a_gap_once_however_often_the_client_says_so(tmp_path: Path) -> None:
    lost = {"type": "lost", "duration_s": 2.0}
    async with gateway(tmp_path) as context:
        async with call(context) as first:
            await first.send(START, silence(0.5), speech(1.0), silence(1.0), lost, lost)
            ready = await first.receive()
            await settled()
            await part(first)
        async with call(context) as second:
            await second.send(
                resume(ready), lost, silence(1.0), lost, silence(1.0), lost, speech(1.0), silence(1.0), STOP
            )
            messages = await second.receive_all()
    gaps = [(message["start_s"], message["end_s"]) for message in messages if message["type"] == "gap"]
    assert gaps == [(2.5, 4.5), (4.5, 6.5)]
    assert [span[0] for span in spans(messages)] == [0, 1]
    assert messages[-1]["audio_s"] == 6.5


async def test_audio_lost_by_the_client_while_the_gateway_was_down_is_a_gap_too(tmp_path: Path) -> None:
    async with gateway(tmp_path / "first") as context, call(context) as first:
        await first.send(START, spoken_audio()[: 4 * RATE_HZ * 2])
        messages = [await first.receive(), *await received_so_far(first)]
        left = await killed(context, tmp_path)
    async with gateway(left) as context, call(context) as second:
        await second.send(resume(messages[0], messages[-1]["seq"], held_sample=20 * RATE_HZ))
        assert (await second.receive())["next_sample"] == 20 * RATE_HZ
        await second.send(speech(1.0), silence(1.0), STOP)
        received = await second.receive_all()
    gap = next(message for message in received if message["type"] == "gap")
    assert gap["end_s"] == 20.0
    *_, final = (message for message in received if message["type"] == "final")
    assert isinstance(final["start_s"], float)
    assert final["start_s"] >= 20.0


async def test_more_than_an_hour_cannot_be_missed(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context, call(context) as first:
        await first.send(START)
        ready = await first.receive()
        async with call(context) as second:
            await second.send(resume(ready, held_sample=3601 * RATE_HZ))
            (error,) = await second.receive_all()
            assert (error["code"], error["field"]) == ("protocol_error", "held_sample")
        await first.send(STOP)  # which is not disturbed
        assert (await first.receive_all())[-1]["type"] == "finished"


async def test_a_session_that_finished_while_detached_is_delivered_to_its_end(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context:
        async with call(context) as first:
            await first.send(START, silence(0.5), speech(1.0), STOP)
            ready = await first.receive()
            await part(first)
        while len(context.live):
            await settled()
        async with call(context) as second:
            await second.send(resume(ready, after_seq=1))
            messages = await second.receive_all()
            assert second.transport.close_code == 1000
    assert kinds(messages)[0] == "ready"
    assert kinds(messages)[-1] == "finished"
    assert texts(messages) == ["two three"]


@pytest.mark.parametrize("wrong", [{"token": "guess"}, {"session_id": "0" * 32}, {"token": "", "session_id": ""}])
@pytest.mark.parametrize("is_live", [True, False])
async def test_only_the_token_of_a_session_resumes_it(tmp_path: Path, wrong: Message, is_live: bool) -> None:
    async with gateway(tmp_path) as context, call(context) as first:
        await first.send(START)
        ready = await first.receive()
        if not is_live:
            await first.send(STOP)
            await first.receive_all()
        async with call(context) as second:
            await second.send(resume(ready) | wrong)
            (error,) = await second.receive_all()
        assert (error["code"], error["fatal"]) == ("session_not_found", True)
        assert second.transport.close_code == 1008


async def test_after_the_grace_the_session_is_gone_but_all_words_are_written(tmp_path: Path) -> None:
    async with gateway(tmp_path, session=replace(SETTINGS, grace_s=0.01)) as context:
        async with call(context) as first:
            await first.send(START, silence(0.5), speech(1.0))
            ready = await first.receive()
            await settled()
            await part(first)
        while len(context.live):
            await settled()
        assert context.journal is not None
        name = str(ready["session_id"])
        entry = await context.journal.find(name)
        assert entry is not None
        assert (entry.outcome, entry.finals) == ("disconnected", 1)
        async with call(context) as second:
            await second.send(resume(ready))
            assert [message["code"] for message in await second.receive_all()] == ["session_not_found"]


async def test_beyond_the_limit_the_longest_detached_session_is_evicted(tmp_path: Path) -> None:
    async with gateway(tmp_path, session=replace(SETTINGS, max_waiting=2)) as context:
        names = []
        for _ in range(3):
            async with call(context) as peer:
                await peer.send(START)
                names.append((await peer.receive())["session_id"])
                await part(peer)
        while len(context.live) > 2:
            await settled()
        assert [session.session_id for session in context.live] == names[1:]


async def test_a_silent_connection_of_a_resumable_session_is_cut_and_the_session_waits(tmp_path: Path) -> None:
    async with gateway(tmp_path, session=replace(SETTINGS, idle_timeout_s=0.02)) as context:
        async with call(context) as first:
            await first.send(START, silence(0.5))
            await first.receive_all()
            assert first.transport.close_code == 1008
        assert [session.is_detached for session in context.live] == [True]


@pytest.mark.parametrize("start", [START, {"type": "start"}])
@pytest.mark.parametrize("is_enabled", [True, False])
async def test_a_token_is_issued_on_request_if_there_is_a_journal(
    tmp_path: Path, start: Message, is_enabled: bool
) -> None:
    async with gateway(tmp_path, is_enabled=is_enabled) as context, call(context) as peer:
        await peer.send(start)
        assert ("resume_token" in await peer.receive()) is (is_enabled and start is START)


async def test_a_session_that_is_not_resumable_ends_with_its_connection(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context:
        async with call(context) as peer:
            await peer.send({"type": "start"}, speech(1.0))
            await peer.receive()
            await peer.hang_up()
        assert len(context.live) == 0


async def test_the_token_is_sent_to_no_one_else(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context, call(context) as peer:
        await peer.send(START)
        ready = await peer.receive()
        name, token = str(ready["session_id"]), str(ready["resume_token"])
        with context.broadcaster.open_sessions()[name].subscribe(0) as viewer:
            assert token not in str(viewer.backlog)
        assert context.journal is not None
        assert token not in str(await context.journal.events(name))


async def test_a_fatal_error_ends_a_resumable_session_too(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context:
        async with call(context) as first:
            await first.send(START, b"RIFF\0\0\0\0WAVEfmt ")
            messages = await first.receive_all()
        assert messages[-1]["code"] == "invalid_audio"
        async with call(context) as second:
            await second.send(resume(messages[0]))
            assert [message["code"] for message in await second.receive_all()] == ["session_not_found"]


async def test_a_client_may_go_at_any_message_and_come_back(tmp_path: Path) -> None:
    """The connection is lost after each single message of the gateway, until the session is over."""
    messages: list[Message] = []
    async with gateway(tmp_path / "cut") as context:
        while kinds(messages)[-1:] != ["finished"]:
            async with call(context) as peer:
                if not messages:
                    await peer.send(START)
                    messages.append(await peer.receive())
                    held = 0
                else:
                    await peer.send(resume(messages[0], messages[-1]["seq"]))
                    held = int(str((await peer.receive())["next_sample"]))
                with suppress(anyio.BrokenResourceError):
                    await peer.send(spoken_audio()[held * 2 :], STOP)
                messages.append(await peer.receive())
                await part(peer)
    assert spans(messages) == spans(await uncut(tmp_path / "uncut"))
    finals = [message["utterance_id"] for message in messages if message["type"] == "final"]
    assert finals == [0, 1, 2]
