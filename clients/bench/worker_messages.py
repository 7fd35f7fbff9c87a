"""What the bench and its worker processes write to each other: a JSON object a line. PURE.

bench  → worker   WorkerPlan, then WorkerStart; the end of standard input lets the streams leave
worker → bench    WorkerReport: ready, then progress, then the traces
"""

from dataclasses import dataclass

import msgspec

from clients.bench.endpoint import Conditions
from clients.bench.targets import EndpointSpec
from clients.bench.trace import StreamTrace

__all__ = ["PlannedStream", "WorkerPlan", "WorkerReport", "WorkerStart", "line"]


@dataclass(frozen=True, slots=True)
class PlannedStream:
    """A stream, as of `StreamPlan`, with the file of its audio instead of the audio."""

    stream: int
    recording: str
    pcm_path: str
    connect_at_s: float


class WorkerPlan(msgspec.Struct, frozen=True):
    """What a worker plays."""

    endpoint: EndpointSpec
    conditions: Conditions
    streams: list[PlannedStream]


class WorkerStart(msgspec.Struct, frozen=True):
    """When all workers start: a time of the monotonic clock, which all processes of a machine share."""

    start_s: float


class WorkerReport(msgspec.Struct, frozen=True):
    """How far a worker is; the last report has the traces, the first one is that it is ready."""

    played_s: float = 0.0
    failed: int = 0
    traces: list[StreamTrace] | None = None


def line(message: WorkerPlan | WorkerStart | WorkerReport) -> bytes:
    """Return a message as a line."""
    return msgspec.json.encode(message) + b"\n"
