"""One paced stream: clock, back-pressure, refusals, silence, cut connections, and leaving early."""

from collections.abc import Awaitable, Callable, Container, Sequence

import anyio

from clients.bench.endpoint import Conditions, Endpoint, StreamPlan
from clients.bench.self_test_dialect import FINISH, START, SelfTestDriver
from clients.bench.stream_run import StreamRun
from clients.bench.trace import StreamTrace
from clients.dialects.driver import DriverEvent, Failed, Finished, Ready, Transcript
from tests.clients.bench.scripted_peer import Peer, Serve, endpoint
from tests.clients.bench.virtual_time import run_virtually

RATE_HZ = 16_000
START_S = 1000.0
"""Of the virtual clock."""


def plan(seconds: float, connect_at_s: float = 0.0) -> StreamPlan:
    """Return a stream whose every sample is the number of its 10 ms."""
    samples = round(seconds * RATE_HZ)
    pcm = b"".join((index // 160).to_bytes(2, "little") for index in range(samples))
    return StreamPlan(3, "talk", pcm, connect_at_s)


def play(
    server: Endpoint, stream: StreamPlan, conditions: Conditions | None = None, leave_at_s: float | None = None
) -> StreamTrace:
    async def run() -> StreamTrace:
        made = StreamRun(stream, server, conditions or Conditions(), anyio.current_time())
        async with anyio.create_task_group() as tasks:
            if leave_at_s is not None:
                tasks.start_soon(leave_later, made, leave_at_s)
            await made.run()
        return made.trace

    return run_virtually(run)


async def leave_later(run: StreamRun, at_s: float) -> None:
    await anyio.sleep(at_s)
    run.leave()


def answering(text: str = "word", log: list[Peer] | None = None, ready_s: float = 0.0) -> Serve:
    """Return a server that answers at the end of the audio with one final."""

    async def serve(peer: Peer) -> None:
        if log is not None:
            log.append(peer)
        await anyio.sleep(ready_s)
        await peer.send(Ready())
        await peer.until_finish()
        await peer.send(Transcript("1", text, True), Finished())

    return serve


def test_audio_begins_when_the_server_is_ready_and_arrives_at_its_due_times() -> None:
    peers: list[Peer] = []
    trace = play(endpoint(answering(log=peers, ready_s=2.0)), plan(0.25, connect_at_s=0.5))
    arrived = [(round(at_s - START_S - 2.5, 6), message) for at_s, message in peers[0].received]
    assert [at_s for at_s, _ in arrived] == [0.0, 0.1, 0.2, 0.25, 0.25]
    assert b"".join(message for _, message in arrived if isinstance(message, bytes)) == plan(0.25).pcm
    assert (arrived[0][1], arrived[-1][1]) == (START, FINISH)
    assert (trace.stream, trace.recording, trace.audio_s, trace.failure) == (3, "talk", 0.25, None)
    assert trace.connect_s is not None
    assert (round(trace.connect_s, 6), round(trace.began_s, 6), round(trace.ended_s or 0.0, 6)) == (2.0, 2.5, 0.25)
    assert [round(each.at_s, 6) for each in trace.transcripts] == [0.25]
    assert (trace.pacing.frames, max(trace.pacing.late_s)) == (3, 0.0)


def test_a_server_that_does_not_read_blocks_sends_and_not_the_clock() -> None:
    async def serve(peer: Peer) -> None:
        await peer.send(Ready())
        await anyio.sleep(1.0)
        await peer.until_finish()
        await peer.send(Finished())

    trace = play(endpoint(serve), plan(1.5))
    assert max(trace.pacing.late_s) < 1e-6
    blocked_s = [round(each, 3) for each in trace.pacing.blocked_s]
    assert blocked_s[:3] == [0.0, 0.0, 0.0]  # the connection holds 4 messages, the start being one
    assert blocked_s[3:8] == [0.6, 0.5, 0.4, 0.3, 0.2]
    assert blocked_s[-1] == 0.0
    assert trace.pacing.frames == 15


def test_a_server_that_is_ready_when_connected_says_nothing_before_the_audio() -> None:
    async def serve(peer: Peer) -> None:
        await peer.until_finish()
        await peer.send(Finished())

    trace = play(endpoint(serve, is_ready_when_connected=True), plan(0.3))
    assert (trace.connect_s, trace.failure, trace.pacing.frames) == (0.0, None, 3)


def test_a_refused_connection_is_a_refusal_with_its_status() -> None:
    trace = play(endpoint(answering(), refused=[0]), plan(0.3))
    assert trace.failure == ("503", "full")
    assert (trace.was_refused, trace.connect_s, trace.audio_s) == (True, None, 0.3)


def test_a_server_that_cannot_be_reached_is_a_refusal() -> None:
    trace = play(endpoint(answering(), refused=[0], status=None), plan(0.3))
    assert (trace.failure, trace.was_refused) == (("unreachable", "full"), True)


def failing(*steps: Callable[[Peer], Awaitable[None]]) -> Endpoint:
    async def serve(peer: Peer) -> None:
        await peer.send(Ready())
        await peer.receive()
        for step in steps:
            await step(peer)

    return endpoint(serve)


def test_a_failure_in_mid_stream_ends_the_stream() -> None:
    trace = play(failing(lambda peer: peer.send(Failed("1011", "engine died"))), plan(5.0))
    assert (trace.failure, trace.was_refused, trace.audio_s) == (("1011", "engine died"), False, 5.0)


def test_a_connection_that_closes_in_mid_stream_is_a_failure() -> None:
    trace = play(failing(lambda peer: peer.close()), plan(5.0))
    assert trace.failure is not None
    assert trace.failure[0] == "closed"


def test_a_message_that_is_not_of_the_dialect_is_a_failure() -> None:
    trace = play(failing(lambda peer: peer.send_raw("?")), plan(5.0))
    assert trace.failure is not None
    assert trace.failure[0] == "protocol_error"


def test_silence_after_the_end_of_the_audio_is_a_failure_after_a_while() -> None:
    async def serve(peer: Peer) -> None:
        await peer.send(Ready())
        await peer.until_finish()
        await anyio.sleep(8.0)
        await peer.send(Transcript("1", "slow", False))
        await anyio.sleep_forever()

    started: list[float] = []

    async def run() -> tuple[StreamTrace, float]:
        started.append(anyio.current_time())
        trace = await StreamRun(plan(2.0), endpoint(serve), Conditions(answer_timeout_s=10.0), started[0]).run()
        return trace, anyio.current_time() - started[0]

    trace, took_s = run_virtually(run)
    limits = "10 s without a message, or 180 s in all"
    assert trace.failure == ("timeout", f"the server has not answered all audio after its end (limit {limits})")
    assert (trace.ended_s, round(took_s, 3)) == (None, 20.0)


class DriverWithoutRepetitions(SelfTestDriver):
    def receive(self, message: str | bytes) -> Sequence[DriverEvent]:
        return () if message == "the same" else super().receive(message)


def test_a_server_that_repeats_itself_is_given_more_time_but_not_for_ever() -> None:
    async def serve(peer: Peer) -> None:
        await peer.send(Ready())
        await peer.until_finish()
        while True:
            await anyio.sleep(8.0)
            await peer.send_raw("the same")

    started: list[float] = []

    async def run() -> tuple[StreamTrace, float]:
        started.append(anyio.current_time())
        conditions = Conditions(answer_timeout_s=10.0, drain_timeout_s=35.0)
        repeated = endpoint(serve, DriverWithoutRepetitions)
        trace = await StreamRun(plan(2.0), repeated, conditions, started[0]).run()
        return trace, anyio.current_time() - started[0]

    trace, took_s = run_virtually(run)
    assert trace.failure is not None
    assert (trace.failure[0], round(took_s, 3)) == ("timeout", 37.0)


def test_a_server_that_never_takes_audio_is_a_refusal_after_a_while() -> None:
    async def serve(peer: Peer) -> None:
        await anyio.sleep_forever()

    trace = play(endpoint(serve), plan(2.0), Conditions(ready_timeout_s=5.0))
    assert trace.failure == ("timeout", "the server took no audio within 5 s")
    assert trace.was_refused


class SettlingTestDriver(SelfTestDriver):
    """Asks for the end of the session 3 s after the last message."""

    settle_s: float = 3.0

    def settle(self) -> None:
        self._outgoing.append("settle")


def test_a_server_without_an_end_is_asked_for_it_once_it_has_been_quiet() -> None:
    async def serve(peer: Peer) -> None:
        await peer.send(Ready())
        await peer.until_finish()
        await anyio.sleep(2.0)
        await peer.send(Transcript("1", "late", True))
        assert await peer.receive() == "settle"
        await peer.send(Finished())

    trace = play(endpoint(serve, SettlingTestDriver), plan(1.0))
    assert (trace.failure, round(trace.ended_s or 0.0, 3)) == (None, 6.0)


class ResumingDriver(SelfTestDriver):
    """Takes its session up again, without replaying what was sent."""

    def lose(self) -> bool:
        self._outgoing.clear()
        return True


def bytes_of(peer: Peer) -> bytes:
    return b"".join(message for _, message in peer.received if isinstance(message, bytes))


def cut(make_driver: Callable[[], SelfTestDriver], refused: Container[int] = ()) -> tuple[StreamTrace, list[Peer]]:
    """Play 1 s that is cut after 0.45 s; the server takes 0.2 s to be ready."""
    peers: list[Peer] = []
    server = endpoint(answering(log=peers, ready_s=0.2), make_driver, refused)
    return play(server, plan(0.9), Conditions(cut_every_s=0.45)), peers


def test_a_session_that_cannot_be_resumed_gets_the_audio_captured_since_the_cut() -> None:
    trace, peers = cut(SelfTestDriver)
    assert trace.failure is None
    [only] = trace.cuts
    assert (round(only.at_s, 6), round(only.live_s or 0.0, 6), only.resumed) == (0.45, 0.65, False)
    assert bytes_of(peers[0]) + bytes_of(peers[1]) == plan(0.9).pcm
    assert len(bytes_of(peers[0])) == 2 * RATE_HZ * 4 // 10
    assert [each.transcript.segment for each in trace.transcripts] == ["2/1"]
    assert trace.pacing.frames == 9


def test_a_resumed_session_goes_on_with_the_audio_captured_since_the_cut() -> None:
    trace, peers = cut(ResumingDriver)
    assert [each.resumed for each in trace.cuts] == [True]
    assert bytes_of(peers[0]) + bytes_of(peers[1]) == plan(0.9).pcm
    assert [each.transcript.segment for each in trace.transcripts] == ["1"]


def test_audio_that_waited_for_a_connection_does_not_count_as_back_pressure() -> None:
    trace, _ = cut(SelfTestDriver, refused=[1])
    assert trace.failure is None
    assert round(trace.cuts[0].live_s or 0.0, 6) == 0.9
    assert max(trace.pacing.blocked_s) < 0.15  # 0.4 s of it were captured before


def test_a_server_that_refuses_to_come_back_has_failed_in_mid_stream() -> None:
    trace, _ = cut(SelfTestDriver, refused=range(1, 99))
    assert (trace.failure, trace.was_refused) == (("503", "full"), False)
    assert trace.cuts[0].live_s is None


def test_cuts_come_at_multiples_and_not_after_the_audio() -> None:
    server = endpoint(answering(), ResumingDriver)
    trace = play(server, plan(3.5), Conditions(cut_every_s=1.0))
    assert [round(each.at_s, 6) for each in trace.cuts] == [1.0, 2.0, 3.0]


def test_a_stream_that_leaves_ends_its_audio_and_waits_for_the_answer() -> None:
    trace = play(endpoint(answering()), plan(60.0), leave_at_s=0.55)
    assert (trace.failure, round(trace.audio_s, 6), trace.pacing.frames) == (None, 0.5, 5)
    assert round(trace.ended_s or 0.0, 6) == 0.55
    assert len(trace.transcripts) == 1


def test_a_stream_that_leaves_before_it_connects_was_never_there() -> None:
    trace = play(endpoint(answering()), plan(60.0, connect_at_s=5.0), leave_at_s=0.55)
    assert (trace.audio_s, trace.pacing.frames) == (0.0, 0)
    assert trace.failure is not None
    assert trace.failure[0] == "interrupted"


def test_the_position_is_the_audio_captured_so_far() -> None:
    positions: list[float] = []

    async def run() -> None:
        stream = StreamRun(plan(0.35), endpoint(answering(ready_s=1.0)), Conditions(), anyio.current_time())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream.run)
            for wait_s in (0.5, 0.75, 9.0):
                await anyio.sleep(wait_s)
                positions.append(round(stream.position_s, 6))

    run_virtually(run)
    assert positions == [0.0, 0.2, 0.35]


def test_a_driver_that_answers_messages_is_given_the_chance() -> None:
    class Polite(SelfTestDriver):
        def receive(self, message: str | bytes) -> Sequence[DriverEvent]:
            self._outgoing.append("thanks")
            return super().receive(message)

    peers: list[Peer] = []
    play(endpoint(answering(log=peers), Polite), plan(0.2))
    assert [message for _, message in peers[0].received][:2] == [START, "thanks"]
