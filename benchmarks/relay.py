"""livecue as the upstream of another livecue: two processes, and the words that come through both.

One gateway has the embedded engine, the other has the first as its upstream. A meeting is streamed to the first alone,
and then to the one in front of it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.captions import word_errors
from benchmarks.listening import Listener, listen
from benchmarks.paced import percentile
from benchmarks.processes import GatewayProcess
from benchmarks.report import print_table
from clients.connection import connect
from clients.paced_media import MediaFile

__all__ = ["RECORDING", "Relayed", "print_relayed", "relayed"]

_DEMO = Path(__file__).parents[1] / "clients" / "demo"

RECORDING = _DEMO / "talk.flac"


@dataclass(frozen=True, slots=True)
class Relayed:
    """What came back of the meeting.

    Attributes:
        route: direct, or through both gateways.
        wrong: words that are wrong, missing or too many, of those that were said.
        changed: the same, of those that came back directly.
        lost: utterances without exactly one final.
        final_p50_s, final_p95_s: from the word that an utterance had ended to its final.
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
    """Stream the meeting both ways, one after the other.

    Args:
        speed: times real time.
    """
    with GatewayProcess("--engine", "whisper", "--model", "tiny.en") as behind:
        upstream = ("--engine", "upstream", "--upstream-url", f"{behind.url}/v1")
        with GatewayProcess(*upstream) as front:
            direct, through = await _heard(behind.url, speed), await _heard(front.url, speed)
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


async def _heard(url: str, speed: float) -> Listener:
    listener = Listener()
    async with connect(url) as connection:
        with MediaFile(str(RECORDING)) as media:
            await listen(connection, media.frames(), listener, speed)
    return listener


def _result(route: str, heard: Listener, direct: Listener) -> Relayed:
    said = _words(" ".join(line.partition("\t")[2] for line in (_DEMO / "talk.txt").read_text("utf-8").splitlines()))
    late_s = [final.late_s for final in heard.finals]
    return Relayed(
        route=route,
        said=len(said),
        wrong=word_errors(said, _words(heard.text)),
        changed=word_errors(_words(direct.text), _words(heard.text)),
        utterances=heard.utterances,
        errors=sum(final.error is not None for final in heard.finals),
        lost=heard.lost,
        final_p50_s=percentile(late_s, 50),
        final_p95_s=percentile(late_s, 95),
    )


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())
