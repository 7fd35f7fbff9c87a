"""The scripted server, over a real socket: it is on time, refuses what it has no script for, and outlives clients."""

import anyio

from clients.bench.endpoint import Conditions, StreamPlan
from clients.bench.reference import Reference
from clients.bench.run import run_streams
from clients.bench.self_test_script import Expected, Script, ScriptedMessage
from clients.bench.self_test_server import READY_S, ScriptedServer, serving
from clients.bench.targets import SELF_TEST, EndpointSpec, endpoint_of
from clients.connection import connect_websocket
from clients.dialects.driver import Transcript

SCRIPT = Script(Reference("short", "en", 0.3, ()), (ScriptedMessage(0.2, Transcript("1", "one", True)),), Expected())


def plans(count: int) -> list[StreamPlan]:
    return [StreamPlan(number, "short", bytes(2 * 4800), number * 0.05) for number in range(count)]


async def test_a_stream_gets_its_script_and_the_next_one_is_refused() -> None:
    server = ScriptedServer([SCRIPT])
    async with serving(server) as url:
        endpoint = endpoint_of(EndpointSpec(url, SELF_TEST))
        first, second = await run_streams(plans(2), endpoint, Conditions(), anyio.Event())
    assert [observed.transcript.text for observed in first.transcripts] == ["one"]
    assert (first.failure, server.received_bytes, len(server.arrivals_s)) == (None, 2 * 4800, 3)
    assert first.transcripts[0].at_s > 0.19
    assert first.connect_s is not None
    assert first.connect_s >= READY_S
    assert (second.failure, second.was_refused) == (("busy", "all slots are taken"), True)


async def test_a_cut_connection_ends_without_a_goodbye_and_the_server_goes_on() -> None:
    server = ScriptedServer([SCRIPT, SCRIPT])
    async with serving(server) as url:
        async with connect_websocket(url, {}) as connection:
            await connection.send("start")
            await connection.receive()
            await anyio.aclose_forcefully(connection)
        endpoint = endpoint_of(EndpointSpec(url, SELF_TEST))
        [trace] = await run_streams(plans(1), endpoint, Conditions(), anyio.Event())
    assert trace.failure is None
