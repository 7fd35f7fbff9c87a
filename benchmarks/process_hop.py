"""The cost of an engine in a process of its own: what the way of a request there and back takes.

The engine is scripted and takes no time. Each request waits for the one before. The gateway's CPU time is that of this
process, all of its threads included; the other process takes about as much.
"""

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio
import numpy as np

from benchmarks.percentile import percentile
from benchmarks.report import print_table, write_json
from decoder.engine import Engine
from decoder.engine_selection import create_engine
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, RequestKind
from vad.audio import s_to_samples

SECONDS = (1.0, 4.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Result:
    """Requests with audio of one length.

    Attributes:
        process: of the engine: the gateway's or its own.
        audio_s: of a request.
        p50_ms, p95_ms: time of a request.
        cpu_ms: of the gateway's process, for a request.
    """

    process: str
    audio_s: float
    p50_ms: float | None
    p95_ms: float | None
    cpu_ms: float


async def measure(engine: Engine, process: str, audio_s: float, requests: int) -> Result:
    """Decode requests one after the other."""
    samples = np.zeros(s_to_samples(audio_s), np.float32)
    taken_ms = []
    cpu_s = time.process_time()
    for revision in range(requests):
        began_s = time.perf_counter()
        await engine.decode([DecodeRequest("a", 0, revision, RequestKind.PARTIAL, samples, 0, 0.0)])
        taken_ms.append(1000 * (time.perf_counter() - began_s))
    cpu_ms = 1000 * (time.process_time() - cpu_s) / requests
    return Result(process, audio_s, percentile(taken_ms, 50), percentile(taken_ms, 95), cpu_ms)


async def measure_all(requests: int) -> list[Result]:
    """Measure the engine in the gateway's process, then in one of its own."""
    results = []
    for process, own_process in (("gateway's", False), ("own", True)):
        engine = create_engine(EngineSettings("scripted", own_process=own_process))
        await engine.warm_up()
        results += [await measure(engine, process, audio_s, requests) for audio_s in SECONDS]
        await engine.aclose()
    return results


def main() -> None:
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.process_hop", description=__doc__)
    parser.add_argument("--requests", type=int, default=500, help="of each length")
    parser.add_argument("--json", type=Path, help="file for the results")
    arguments = parser.parse_args()
    results = anyio.run(measure_all, arguments.requests)
    rows = [list(asdict(result).values()) for result in results]
    print_table("engine in a process of its own", ["process", "audio s", "p50 ms", "p95 ms", "CPU ms"], rows)
    write_json(arguments.json, "process_hop", [asdict(result) for result in results])


if __name__ == "__main__":
    main()
