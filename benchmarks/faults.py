"""Live streams through failing upstreams.

First the words of one livecue behind another (`benchmarks.relay`). Then upstreams fail during live sessions, each in
its own way, for a few seconds, with and without a second, healthy one. The upstreams are scripted and answer at once,
except the killed one: a livecue process with the scripted engine. The gateways that use them run in this process, one
per row; first all rows with one upstream run at the same time, then all with two. They run in real time: timeouts and
pauses are measured on the clock, so faster audio would change the result.

- *Finals, with words, errors*: of all streams of a row; errors by their code.
- *Lost*: utterances without exactly one final. If there are any, the exit status is 1.
- *Slowest*: from the event that an utterance has ended to its final, as received by the client.
- *Last error*: from the end of the fault to the last final with an error, 0 if it arrived before that.
- *Used again*: from the end of the fault until the failed upstream has answered a request made since.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Protocol

import anyio
from anyio import to_thread

from benchmarks.final_timing import FinalRecorder, stream_and_record
from benchmarks.gateway import decoded
from benchmarks.processes import GatewayProcess
from benchmarks.relay import RECORDING, print_relayed, relayed
from benchmarks.report import print_table, write_json
from clients.paced_media import MEDIA_FORMAT
from decoder.engines.upstream.client import HttpUpstream, UpstreamRequest
from decoder.engines.upstream.engine import UpstreamEngine
from decoder.engines.upstream.response_parsing import Transcription
from decoder.settings import PoolSettings, UpstreamSettings
from gateway.runtime import open_sessions
from gateway.session.connection import Connection
from gateway.settings import load_settings
from gateway.transport import memory_pair
from gateway.wire import SAMPLE_RATE_HZ
from gateway.wire.native.codec import NativeCodec
from tools.fault_server import FaultServer, Reply, Script, counting, refusal, serving_upstream

FRAME_BYTES = SAMPLE_RATE_HZ // 10 * MEDIA_FORMAT.bytes_per_sample_frame
FRAME_S = 0.1

KILLED = "killed"

FAULTS: Mapping[str, Script] = {
    "none": counting,
    "hangs": lambda _: Reply(fault="hang"),
    "slow, 3 s": lambda asked: replace(counting(asked), delay_s=3.0),
    "401": lambda _: refusal(401),
    "402": lambda _: refusal(402),
    "413": lambda _: refusal(413),
    "429, Retry-After 2": lambda _: refusal(429, retry_after="2"),
    "500": lambda _: refusal(500),
    "garbage": lambda _: Reply(body=b"<html>Welcome</html>", media_type="text/html"),
    "breaks off": lambda asked: replace(counting(asked), fault="cut"),
}
"""Faults of a scripted upstream; 3 s are below the timeout of a final's request."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time span of the fault."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one row.

    Attributes:
        upstreams: 1, or 2 of which the second is healthy.
        errors: finals with an error, by its code.
        slowest_s: None if there was no final.
        last_error_s: after the fault; None if there was no error.
        used_again_s: after the fault; None if it received no further request.
    """

    fault: str
    upstreams: int
    utterances: int
    finals: int
    with_words: int
    errors: dict[str, int]
    lost: int
    slowest_s: float | None
    last_error_s: float | None
    used_again_s: float | None


def outcome_of(
    fault: str, upstreams: int, recorders: Sequence[FinalRecorder], span: Span, answers: Sequence[tuple[float, float]]
) -> Outcome:
    """Return the result of a row. PURE.

    Args:
        fault: its name.
        upstreams: their number.
        recorders: one per stream.
        span: of the fault.
        answers: of the failed upstream: when each request was sent, and when it was answered.
    """
    finals = [final for recorder in recorders for final in recorder.finals]
    failed = [final for final in finals if final.error is not None]
    since = [answered_s for sent_s, answered_s in answers if sent_s >= span.end_s]
    return Outcome(
        fault=fault,
        upstreams=upstreams,
        utterances=sum(recorder.utterances for recorder in recorders),
        finals=len(finals),
        with_words=sum(final.error is None and bool(final.text) for final in finals),
        errors=dict(Counter(str(final.error) for final in failed)),
        lost=sum(recorder.lost for recorder in recorders),
        slowest_s=max((final.late_s for final in finals), default=None),
        last_error_s=max((max(0.0, final.at_s - span.end_s) for final in failed), default=None),
        used_again_s=min(since) - span.end_s if since else None,
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """The schedule of a row, in seconds of real time.

    Attributes:
        audio: played in a loop; each stream starts at another position.
    """

    audio: bytes
    streams: int
    before_s: float
    fault_s: float
    after_s: float

    def frames(self, stream_number: int) -> Iterator[bytes]:
        """Yield the frames of one stream."""
        frames = len(self.audio) // FRAME_BYTES
        first = stream_number * frames // self.streams
        count = round((self.before_s + self.fault_s + self.after_s) / FRAME_S)
        for place in islice(cycle(range(frames)), first, first + count):
            yield self.audio[place * FRAME_BYTES : (place + 1) * FRAME_BYTES]


class Failing(Protocol):
    """An upstream that fails on demand."""

    @property
    def base_url(self) -> str:
        """Base URL of its API."""
        ...

    async def fail(self) -> None:
        """Start to fail."""
        ...

    async def recover(self) -> None:
        """Stop failing before this returns."""
        ...


class KilledUpstream:
    """A livecue whose process is killed and restarted."""

    def __init__(self, process: GatewayProcess) -> None:
        self.base_url = f"{process.url}/v1"
        self._process = process

    async def fail(self) -> None:
        """Kill it."""
        await to_thread.run_sync(self._process.kill)

    async def recover(self) -> None:
        """Restart it on the same port."""
        await to_thread.run_sync(self._process.begin)


class ScriptedUpstream:
    """A scripted upstream that counts words, or fails."""

    def __init__(self, fault: Script) -> None:
        self.server = FaultServer(lambda request: self._script(request))
        self.base_url = self.server.base_url
        self._fault = fault
        self._script: Script = counting

    async def fail(self) -> None:
        """Answer with the fault."""
        self._script = self._fault

    async def recover(self) -> None:
        """Answer correctly again."""
        self._script = counting


class TimedUpstream(HttpUpstream):
    """Records the times of its requests and answers."""

    def __init__(self, settings: UpstreamSettings) -> None:
        super().__init__(settings)
        self.answers: list[tuple[float, float]] = []

    async def post(self, ask: UpstreamRequest, *, on_new_connection: bool) -> Transcription:
        """UpstreamRequest once, and note when."""
        asked_s = time.monotonic()
        received = await super().post(ask, on_new_connection=on_new_connection)
        self.answers.append((asked_s, time.monotonic()))
        return received


@asynccontextmanager
async def failing_upstream(fault: str) -> AsyncIterator[Failing]:
    """Run an upstream with that fault on demand."""
    if fault == KILLED:
        process = GatewayProcess("--engine", "scripted")
        await to_thread.run_sync(process.begin)
        try:
            yield KilledUpstream(process)
        finally:
            process.kill()
        return
    upstream = ScriptedUpstream(FAULTS[fault])
    await upstream.server.start()
    try:
        yield upstream
    finally:
        await upstream.server.stop()


async def measure(fault: str, upstreams: int, plan: Plan) -> Outcome:
    """Return the finals received while an upstream fails.

    Args:
        fault: `KILLED`, or in `FAULTS`.
        upstreams: 1 or 2; the second is always healthy.
        plan: of the row.
    """
    recorders = [FinalRecorder() for _ in range(plan.streams)]
    async with failing_upstream(fault) as failing, serving_upstream() as healthy:
        urls = (failing.base_url, healthy.base_url)[:upstreams]
        clients = [TimedUpstream(UpstreamSettings(url, "whisper-1")) for url in urls]
        async with (
            open_sessions(load_settings(), UpstreamEngine(clients, PoolSettings())) as sessions,
            anyio.create_task_group() as tasks,
        ):
            async with anyio.create_task_group() as streams:
                for number, recorder in enumerate(recorders):
                    transport, peer = memory_pair()
                    tasks.start_soon(Connection(transport, NativeCodec(), sessions).run)
                    streams.start_soon(stream_and_record, peer, plan.frames(number), recorder)
                span = await _fault(failing, plan)
            tasks.cancel_scope.cancel()
    return outcome_of(fault, upstreams, recorders, span, clients[0].answers)


async def _fault(failing: Failing, plan: Plan) -> Span:
    await anyio.sleep(plan.before_s)
    start_s = time.monotonic()
    await failing.fail()
    await anyio.sleep(plan.fault_s)
    await failing.recover()
    return Span(start_s, time.monotonic())


async def measure_all(faults: Sequence[str], plan: Plan) -> list[Outcome]:
    """Measure each fault with one upstream, and then with two, all faults at the same time."""
    outcomes: dict[tuple[str, int], Outcome] = {}

    async def row(fault: str, upstreams: int) -> None:
        outcomes[fault, upstreams] = await measure(fault, upstreams, plan)

    for upstreams in (1, 2):
        async with anyio.create_task_group() as tasks:
            for fault in faults:
                tasks.start_soon(row, fault, upstreams)
    return [outcomes[fault, upstreams] for fault in faults for upstreams in (1, 2)]


def main() -> int:
    """Measure, print the tables, write the JSON, and return the exit code: 1 if an utterance was lost."""
    options = _options()
    relay = anyio.run(relayed, options.speed) if options.relay else []
    if relay:
        print_relayed(relay)
    plan = Plan(decoded(RECORDING), options.streams, options.before_s, options.fault_s, options.after_s)
    outcomes = anyio.run(measure_all, options.faults, plan)
    columns = ["fault", "upstreams", "utterances", "finals", "with words", "errors", "lost"]
    columns += ["slowest s", "last error s", "used again s"]
    print_table(f"upstreams that fail for {plan.fault_s:g} s", columns, [_row(outcome) for outcome in outcomes])
    results = {"relay": [asdict(route) for route in relay], "faults": [asdict(outcome) for outcome in outcomes]}
    write_json(options.json, "faults", results)
    return int(any(outcome.lost for outcome in outcomes))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    every = (*FAULTS, KILLED)
    parser.add_argument("--faults", nargs="+", choices=every, default=every, metavar="FAULT", help=", ".join(every))
    parser.add_argument("--fault-s", type=float, default=5.0, help="how long the upstream fails")
    parser.add_argument("--before-s", type=float, default=10.0, help="how long it works before")
    parser.add_argument("--after-s", type=float, default=70.0, help="and after; a refused key is retried after 60 s")
    parser.add_argument("--streams", type=int, default=3, help="live streams of each row")
    parser.add_argument("--speed", type=float, default=1.0, help="of the meeting, times real time")
    parser.add_argument("--no-relay", dest="relay", action="store_false", help="only the failing upstreams")
    parser.add_argument("--json", type=Path, help="file for the results")
    return parser.parse_args()


def _row(outcome: Outcome) -> list[object]:
    errors = ", ".join(f"{count} {code}" for code, count in outcome.errors.items())
    cells = asdict(outcome) | {"errors": errors}
    return ["–" if cell is None or cell == "" else cell for cell in cells.values()]


if __name__ == "__main__":
    sys.exit(main())
