"""Streams side by side in one event loop."""

import anyio

from clients.bench.endpoint import Conditions
from clients.bench.load import Passage, plan_streams
from clients.bench.run import Progress, run_streams
from clients.bench.trace import StreamTrace
from clients.dialects.driver import Failed, Finished, Ready
from tests.clients.bench.scripted_peer import Peer, endpoint
from tests.clients.bench.virtual_time import run_virtually

PASSAGES = [Passage("talk", bytes(2 * 16_000))]


async def serve(peer: Peer) -> None:
    if peer.number == 2:
        await peer.send(Failed("busy", "only two streams"))
        return
    await peer.send(Ready())
    await peer.until_finish()
    await peer.send(Finished())


def play(leave_at_s: float | None = None) -> tuple[list[StreamTrace], list[Progress]]:
    seen: list[Progress] = []

    async def run() -> list[StreamTrace]:
        leaving = anyio.Event()

        async def leave() -> None:
            if leave_at_s is not None:
                await anyio.sleep(leave_at_s)
                leaving.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leave)
            traces.extend(
                await run_streams(plan_streams(PASSAGES, 4), endpoint(serve), Conditions(), leaving, seen.append)
            )
        return traces

    traces: list[StreamTrace] = []
    return run_virtually(run), seen


def test_streams_begin_one_after_the_other_and_one_refusal_stops_no_other() -> None:
    traces, _ = play()
    assert [trace.stream for trace in traces] == [0, 1, 2, 3]
    assert [round(trace.began_s, 3) for trace in traces] == [0.0, 0.25, 0.0, 0.75]
    assert [trace.failure for trace in traces] == [None, None, ("busy", "only two streams"), None]


def test_progress_counts_audio_and_failures_of_all_streams() -> None:
    _, seen = play()
    assert seen[0] == Progress(0.0, 0)
    assert seen[2].failed == 1
    assert 1.6 < seen[2].played_s < 2.0
    assert Progress(round(seen[-1].played_s, 3), seen[-1].failed) == Progress(3.0, 1)


def test_all_streams_leave_together() -> None:
    traces, _ = play(leave_at_s=0.55)
    assert [round(trace.audio_s, 3) for trace in traces] == [0.5, 0.3, 1.0, 0.0]
    assert traces[0].failure is None
