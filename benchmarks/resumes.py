"""The time until all sessions of a killed gateway have resumed.

A gateway with the scripted engine accepts resumable sessions, each with some seconds of speech, is killed and
restarted, and all clients resume at once. Times are measured from the moment at which it listens again.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles

import anyio
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.gateway import RECORDING, decoded
from benchmarks.processes import GatewayProcess
from benchmarks.report import print_table, write_json
from clients.paced_media import MEDIA_FORMAT
from gateway.wire import SAMPLE_RATE_HZ

_OPEN_TIMEOUT_S = 60.0

_SILENCE_S = 1.5
"""Ends the utterance, so that each session has a final in the journal."""


@dataclass(frozen=True, slots=True)
class Result:
    """One run.

    Attributes:
        sessions: open before the kill.
        back: number of resumed sessions.
        p50_s, p95_s, last_s: from the gateway listening again to a session's `ready`.
    """

    sessions: int
    back: int
    p50_s: float
    p95_s: float
    last_s: float


async def open_session(url: str, audio: bytes) -> tuple[ClientConnection, dict[str, object]]:
    """Return a connection whose session has received audio, and its first message."""
    websocket = await connect(f"{url}/v1/stream", open_timeout=_OPEN_TIMEOUT_S, ping_interval=None)
    await websocket.send(json.dumps({"type": "start", "resumable": True, "partials": False}))
    ready: dict[str, object] = json.loads(await websocket.recv())
    await websocket.send(audio)
    message: dict[str, object] = {}
    while message.get("type") != "final":
        message = json.loads(await websocket.recv())
    return websocket, ready | {"after_seq": message["seq"]}


async def resume(url: str, ready: dict[str, object], began_s: float) -> float | None:
    """Return the time at which a session has resumed, in seconds; None: it was refused."""
    async with connect(f"{url}/v1/stream", open_timeout=_OPEN_TIMEOUT_S, ping_interval=None) as websocket:
        fields = {"session_id": ready["session_id"], "token": ready["resume_token"], "after_seq": ready["after_seq"]}
        await websocket.send(json.dumps({"type": "resume"} | fields))
        reply = json.loads(await websocket.recv())
        return time.monotonic() - began_s if reply["type"] == "ready" else None


async def measure(sessions: int, seconds: float) -> Result:
    """Run the benchmark once."""
    frames = round(seconds * SAMPLE_RATE_HZ), round(_SILENCE_S * SAMPLE_RATE_HZ)
    audio = decoded(RECORDING)[: frames[0] * MEDIA_FORMAT.bytes_per_sample_frame] + MEDIA_FORMAT.silence(frames[1])
    back_s: list[float] = []
    with GatewayProcess("--engine", "scripted") as gateway:
        url = gateway.url.replace("http", "ws", 1)
        opened = [await open_session(url, audio) for _ in range(sessions)]
        gateway.kill()
        await anyio.to_thread.run_sync(gateway.begin)
        began_s = time.monotonic()

        async def back(ready: dict[str, object]) -> None:
            at_s = await resume(url, ready, began_s)
            if at_s is not None:
                back_s.append(at_s)

        async with anyio.create_task_group() as tasks:
            for _, ready in opened:
                tasks.start_soon(back, ready)
    cuts = quantiles(back_s, n=100) if len(back_s) > 1 else [0.0] * 99
    return Result(sessions, len(back_s), cuts[49], cuts[94], max(back_s, default=0.0))


def main() -> None:
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resumes", description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="+", default=[50, 200], help="concurrent sessions")
    parser.add_argument("--seconds", type=float, default=10.0, help="audio of each session before the kill")
    parser.add_argument("--json", type=Path, help="file for the results")
    arguments = parser.parse_args()
    results = [anyio.run(measure, sessions, arguments.seconds) for sessions in arguments.sessions]
    columns = ["sessions", "back", "p50 s", "p95 s", "last s"]
    print_table("all sessions resume after a kill", columns, [list(asdict(result).values()) for result in results])
    write_json(arguments.json, "resumes", [asdict(result) for result in results])


if __name__ == "__main__":
    main()
