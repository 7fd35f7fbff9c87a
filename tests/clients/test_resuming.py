"""A session with a real gateway over cut connections: the transcript equals that of an uncut one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from clients.connection import connect
from clients.paced_media import MEDIA_FORMAT, MediaFile, paced
from clients.reconnect import BackOff
from clients.stream import CaptionStream, Lost, SessionFailed, stream
from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from gateway.wire import (
    CueEvent,
    CueState,
    DialectMessage,
    Final,
    Finished,
    OfChannel,
    Ready,
    Resume,
    ServerEvent,
    Start,
)
from gateway.wire.native.codec import NativeClientCodec
from tests.clients.playing import at_once
from tests.meeting import RECORDING
from tests.servers import Served, serving

START = Start(MEDIA_FORMAT, words=True, resumable=True)


@dataclass
class Relay:
    """Passes bytes on between a client and a gateway, and loses each of the first connections after so many of them.

    Attributes:
        port: of the gateway.
        cuts: bytes, in both directions together; the connections that follow stay.
    """

    port: int
    cuts: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Yield the URL under which the gateway is reached through it."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._pass_on)
            yield f"ws://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"  # noqa: S610  # no Django
            tasks.cancel_scope.cancel()

    async def _pass_on(self, client: SocketStream) -> None:
        try:
            gateway = await anyio.connect_tcp("127.0.0.1", self.port)
        except OSError:  # it is being restarted
            await client.aclose()
            return
        left = self.cuts.pop(0) if self.cuts else 10**12

        async def pump(source: SocketStream, sink: SocketStream) -> None:
            nonlocal left
            try:
                async for data in source:
                    await sink.send(data[:left])
                    left -= len(data)
                    if left <= 0:
                        break
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass
            tasks.cancel_scope.cancel()

        async with client, gateway, anyio.create_task_group() as tasks:
            tasks.start_soon(pump, client, gateway)
            tasks.start_soon(pump, gateway, client)


async def spoken(served: Served, cuts: Sequence[int] = ()) -> list[ServerEvent]:
    """Return the events of the recording over cut connections."""
    events: list[ServerEvent] = []
    relay = Relay(port_of(served), list(cuts))
    with MediaFile(str(RECORDING)) as media:
        audio, lost = paced(media.frames(), None), Lost(back_off=at_once())
        async with relay.serving() as url:
            await stream(partial(connect, url), START, audio, events.append, lost)
    assert not relay.cuts, "all cuts have been made"
    return events


def port_of(served: Served) -> int:
    return int(served.url.rpartition(":")[2])


def finals(events: list[ServerEvent]) -> list[tuple[object, ...]]:
    return [
        (event.utterance_id, event.start_sample, event.end_sample, event.text, event.words)
        for event in events
        if isinstance(event, Final)
    ]


def cues(events: list[ServerEvent]) -> list[tuple[object, ...]]:
    """Return the final cues; where a line was broken depends on which partials there was time for."""
    return [
        (event.cue.cue_id, event.cue.start_sample, event.cue.end_sample, " ".join(event.cue.lines))
        for event in events
        if isinstance(event, CueEvent) and event.cue.state is CueState.FINAL
    ]


@pytest.mark.parametrize("cuts", [[2_000], [10_000, 40_000, 1_000, 100, 300_000, 200_001], [400_000, 200_003, 100_000]])
async def test_a_session_whose_connection_is_cut_repeatedly_has_the_same_transcript(cuts: list[int]) -> None:
    async with serving(ScriptedEngine()) as served:
        whole = await spoken(served)
        cut = await spoken(served, cuts)
    assert len(finals(whole)) > 3
    assert finals(cut) == finals(whole)
    assert cues(cut) == cues(whole)
    assert isinstance(cut[-1], Finished)
    assert sum(isinstance(event, Ready) for event in cut) == 1
    numbers = [event.seq for event in cut if not isinstance(event, DialectMessage | OfChannel)]
    assert numbers == sorted(set(numbers))


async def test_a_session_continues_with_a_restarted_gateway(tmp_path: Path) -> None:
    settings = load_settings({"journal": {"database": str(tmp_path / "journal.db")}})
    events: list[ServerEvent] = []
    is_under_way = anyio.Event()

    def note(event: ServerEvent) -> None:
        events.append(event)
        if isinstance(event, Final):
            is_under_way.set()

    async def speak(url: str) -> None:
        with MediaFile(str(RECORDING)) as media:
            lost = Lost(back_off=BackOff(first_s=0.01, longest_s=0.05))
            await stream(partial(connect, url), START, paced(media.frames(), None), note, lost)

    relay = Relay(0)
    async with relay.serving() as url, anyio.create_task_group() as tasks:
        async with serving(ScriptedEngine(), settings) as served:
            whole = await spoken(served)
            relay.port = port_of(served)
            tasks.start_soon(speak, url)
            await is_under_way.wait()
        async with serving(ScriptedEngine(), settings) as served:
            relay.port = port_of(served)
            with anyio.fail_after(30):
                while not isinstance(events[-1], Finished):
                    await anyio.lowlevel.checkpoint()
    assert finals(events) == finals(whole)
    assert cues(events) == cues(whole)


async def test_a_session_resumed_elsewhere_ends_here() -> None:
    async with serving(ScriptedEngine()) as served:
        session = CaptionStream(partial(connect, served.url), START, Lost(back_off=at_once()))

        async def take_over(ready: Ready) -> None:
            assert ready.resume_token is not None
            async with connect(served.url) as connection:
                codec = NativeClientCodec()
                for message in codec.send(Resume(ready.session_id, ready.resume_token)):
                    await connection.send(message)
                (again,) = codec.receive(await connection.receive())
                assert isinstance(again, Ready)
                await anyio.sleep_forever()

        def note(event: ServerEvent) -> None:
            if isinstance(event, Ready):
                tasks.start_soon(take_over, event)

        async with anyio.create_task_group() as tasks:
            with pytest.raises(SessionFailed, match="resumed_elsewhere"):
                await session.run(note)
            tasks.cancel_scope.cancel()


async def test_a_session_that_is_over_cannot_be_resumed() -> None:
    settings = load_settings({"session": {"grace_s": 0.01}})
    async with serving(ScriptedEngine(), settings) as served:
        relay = Relay(port_of(served), [300_000])

        async def wait(seconds: float) -> None:
            while len(served.gateway.sessions.live):
                await anyio.lowlevel.checkpoint()

        lost = Lost(back_off=BackOff(sleep=wait))
        with MediaFile(str(RECORDING)) as media:
            audio = paced(media.frames(), None)
            async with relay.serving() as url:
                with pytest.raises(SessionFailed, match="session_not_found"):
                    await stream(partial(connect, url), START, audio, lambda _: None, lost)
