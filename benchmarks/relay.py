"""livecue as the upstream of another livecue: the words of a transcript through both processes.

One gateway has the embedded engine, the other uses the first as its upstream. A recording is streamed to the first
alone, then to the one in front of it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.captions import word_errors
from benchmarks.final_timing import FinalRecorder, stream_and_record
from benchmarks.percentile import percentile
from benchmarks.processes import GatewayProcess
from benchmarks.report import print_table
from clients.connection import connect
from clients.paced_media import MediaFile

__all__ = ["RECORDING", "Relayed", "print_relayed", "relayed"]

_DEMO = Path(__file__).parents[1] / "clients" / "demo"

RECORDING = _DEMO / "talk.flac"


@dataclass(frozen=True, slots=True)
class Relayed:
    """The transcript over one route.

    Attributes:
        route: direct, or through both gateways.
        said: words of the reference.
        wrong: wrong, missing or surplus words, compared with the reference.
        changed: the same, compared with the direct transcript.
        lost: utterances without exactly one final.
        final_p50_s, final_p95_s: from the event that an utterance had ended to its final.
    """

    route: str
    said: int
    wrong: int
    changed: int
    utterances: int
    errors: int
    lost: int
    final_p50_s: float | None
    final_p95_s: float | None


async def relayed(speed: float) -> list[Relayed]:
    """Stream the recording over both routes, one after the other.

    Args:
        speed: times real time.
    """
    with GatewayProcess("--engine", "whisper", "--model", "tiny.en") as behind:
        upstream = ("--engine", "upstream", "--upstream-url", f"{behind.url}/v1")
        with GatewayProcess(*upstream) as front:
            direct, through = await _transcribe(behind.url, speed), await _transcribe(front.url, speed)
    return [_result("direct", direct, direct), _result("through both", through, direct)]


def print_relayed(routes: list[Relayed]) -> None:
    """Print a table of both routes, and whether the words are the same."""
    columns = ["route", "words", "wrong", "wrong %", "not as direct", "utterances", "errors", "lost"]
    rows = [
        [
            *(route.route, route.said, route.wrong, 100 * route.wrong / route.said, route.changed),
            *(route.utterances, route.errors, route.lost, route.final_p50_s, route.final_p95_s),
        ]
        for route in routes
    ]
    print_table("one livecue behind another", [*columns, "final p50 s", "p95 s"], rows)
    print("the words are the same" if not any(route.changed for route in routes) else "the words differ")


async def _transcribe(url: str, speed: float) -> FinalRecorder:
    recorder = FinalRecorder()
    async with connect(url) as connection:
        with MediaFile(str(RECORDING)) as media:
            await stream_and_record(connection, media.frames(), recorder, speed)
    return recorder


def _result(route: str, received: FinalRecorder, direct: FinalRecorder) -> Relayed:
    spoken = _words(" ".join(line.partition("\t")[2] for line in (_DEMO / "talk.txt").read_text("utf-8").splitlines()))
    late_s = [final.late_s for final in received.finals]
    return Relayed(
        route=route,
        said=len(spoken),
        wrong=word_errors(spoken, _words(received.text)),
        changed=word_errors(_words(direct.text), _words(received.text)),
        utterances=received.utterances,
        errors=sum(final.error is not None for final in received.finals),
        lost=received.lost,
        final_p50_s=percentile(late_s, 50),
        final_p95_s=percentile(late_s, 95),
    )


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())
