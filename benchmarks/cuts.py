"""A session whose connection is cut repeatedly and whose gateway is killed, compared with an undisturbed one.

The gateway is a process with a journal; a proxy between it and the client cuts the connection at a random byte, in
either direction; both ends, one of them or neither detects the cut. The recording is streamed twice without a cut,
because an engine may not be deterministic, and once with cuts and kills. All three are compared with the first. Which
partials and eager finals arrive in time differs between sessions, so the comparison is made with and without them.

- *Changed*: wrong, missing or surplus words of the transcript; finals and final cues with such words.
- *Rebroken*: cues with the same words in other lines. A displayed line break is kept if the final has the same words,
  so it depends on the partials.
- *Repeated*: finals of an utterance that already had one.
- *Moved*: the largest difference of a time: first of finals; then of words and cues with the same text.
- *Gaps*: audio that the gateway reported as lost.
- *Journal*: whether the gateway's transcripts, as text and as cues, equal those that the client would write.
- *Back*: from a cut or kill to the answer to the client's resume. A client that does not detect a cut itself does so by
  its pings; one whose gateway was killed waits for the next one to load its model.
- *Sent again*: audio, including what a half-open connection swallowed.

The exit status is 1 if the disturbed session differs and the second undisturbed one does not.
"""

import argparse
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import asdict, dataclass
from io import StringIO
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import anyio
from anyio import to_thread

from benchmarks.differences import Difference, Received, compare
from benchmarks.percentile import percentile
from benchmarks.processes import GatewayProcess
from benchmarks.relay import RECORDING
from benchmarks.report import print_table, write_json
from clients.caption_writers import OutputFormat, open_output
from clients.connection import Connection, connect
from clients.paced_media import MEDIA_FORMAT, MediaFile, paced
from clients.reconnect import Change
from clients.stream import Lost, stream
from decoder.packaged_models import EMBEDDED
from gateway.journal.journal_file import JournalFile
from gateway.journal.transcript_export import TranscriptFormat, transcript
from gateway.wire import SAMPLE_RATE_HZ, ServerEvent, Start
from tools.fault_proxy import Cut, FaultProxy, Learns, Way, proxying

__all__ = ["Plan", "Served", "outages", "planned", "recording", "run_session"]

FRAME_S = 0.1
FRAME_BYTES = round(SAMPLE_RATE_HZ * FRAME_S) * MEDIA_FORMAT.bytes_per_sample_frame

CALM_S = 2.0
"""Undisturbed audio at either end: a session cannot be resumed before it has begun."""

CUT_BYTES = {Way.TO_GATEWAY: 2 * FRAME_BYTES, Way.TO_CLIENT: 400}
"""Bytes within which a cut is made: a few messages' worth."""

LEARNS = (*(Learns.BOTH, Learns.CLIENT) * 2, Learns.BOTH, Learns.GATEWAY, Learns.BOTH, Learns.NEITHER)
"""Which ends detect a cut, in turn. A client that does not takes up to 25 s to notice, so most do."""

SEVERAL = "several"
"""Cause of an outage with several cuts or kills."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The disturbances of a session, at positions in its audio.

    Attributes:
        cuts: each with its position in seconds.
        kills_s: positions at which the gateway is killed.
    """

    cuts: tuple[tuple[float, Cut], ...] = ()
    kills_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway and the database of its journal."""

    gateway: GatewayProcess
    journal: Path


def planned(seed: int, audio_s: float, cuts: int, kills: int) -> Plan:
    """Return a plan with cuts at random places, and kills in between. PURE."""
    chance = random.Random(seed)  # not for security: plans are repeatable

    def places(count: int) -> list[float]:
        return sorted(chance.uniform(CALM_S, audio_s - CALM_S) for _ in range(count))

    def cut(learns: Learns) -> Cut:
        way = chance.choice(list(Way))
        return Cut(way, chance.randrange(CUT_BYTES[way]), learns)

    kinds = islice(cycle(LEARNS), cuts)
    return Plan(
        tuple((at_s, cut(learns)) for at_s, learns in zip(places(cuts), kinds, strict=True)), tuple(places(kills))
    )


def recording(path: Path, audio_s: float) -> list[bytes]:
    """Return a recording in frames of 100 ms, looped if it is too short."""
    with MediaFile(str(path)) as media:
        audio = b"".join(islice(media.frames(), round(audio_s / FRAME_S)))
    frames = [audio[at : at + FRAME_BYTES] for at in range(0, len(audio) - FRAME_BYTES + 1, FRAME_BYTES)]
    return list(islice(cycle(frames), round(audio_s / FRAME_S)))


async def run_session(served: Served, frames: Sequence[bytes], start: Start, plan: Plan, speed: float) -> Received:
    """Stream audio through a proxy with disturbances.

    Args:
        served: the running gateway.
        frames: of the audio.
        start: options of the client.
        plan: the disturbances.
        speed: times real time.
    """
    received, texts, cues = Received(), StringIO(), StringIO()
    outputs = open_output(OutputFormat.TXT, texts), open_output(OutputFormat.JSON, cues)
    back_s: list[float] = []
    killed_s: list[float] = []

    def note(event: ServerEvent) -> None:
        received.note(event)
        for output in outputs:
            output.event(event)

    def changed(change: Change) -> None:
        if change is Change.RESTORED:
            back_s.append(time.monotonic())

    port = urlsplit(served.gateway.url).port
    assert port is not None, "the URL of a gateway process has a port"
    async with proxying(port) as (proxy, proxy_port), anyio.create_task_group() as tasks:
        restarting = anyio.Lock()

        async def restart() -> None:
            async with restarting:
                await to_thread.run_sync(served.gateway.kill)
                await to_thread.run_sync(served.gateway.begin)

        def kill() -> None:
            killed_s.append(time.monotonic())
            tasks.start_soon(restart)

        begin_s = time.monotonic()
        audio = _disturbed(paced(iter(frames), speed), plan, proxy, kill)
        await stream(_counting(f"ws://127.0.0.1:{proxy_port}", received), start, audio, note, Lost(on_change=changed))
        received.took_s = time.monotonic() - begin_s
    for output in outputs:
        output.close()
    disturbances = [*((at_s, learns.value) for at_s, learns in proxy.done_s), *((at_s, "killed") for at_s in killed_s)]
    received.cuts, received.kills, received.back_s = len(proxy.done_s), len(killed_s), outages(disturbances, back_s)
    received.journal = _transcripts(served.journal, received.session_id) == [texts.getvalue(), cues.getvalue()]
    return received


def outages(disturbances: Sequence[tuple[float, str]], back_s: Sequence[float]) -> dict[str, list[float]]:
    """Return the durations of the outages by their cause; several disturbances count from the first. PURE."""
    away_s: dict[str, list[float]] = {}
    before_s = float("-inf")
    for until_s in back_s:
        during = sorted(each for each in disturbances if before_s < each[0] < until_s)
        if during:
            kind = during[0][1] if len(during) == 1 else SEVERAL
            away_s.setdefault(kind, []).append(until_s - during[0][0])
        before_s = until_s
    return away_s


async def _disturbed(
    audio: AsyncIterator[bytes], plan: Plan, proxy: FaultProxy, kill: Callable[[], None]
) -> AsyncIterator[bytes]:
    """Yield audio, and cause each disturbance at its position."""
    cuts, kills = list(plan.cuts), list(plan.kills_s)
    at_s = 0.0
    async for frame in audio:
        yield frame
        at_s += FRAME_S
        while cuts and cuts[0][0] <= at_s:
            proxy.cut(cuts.pop(0)[1])
        while kills and kills[0] <= at_s:
            kills.pop(0)
            kill()


def _counting(url: str, received: Received) -> Callable[[], AbstractAsyncContextManager[Connection]]:
    @asynccontextmanager
    async def counted() -> AsyncIterator[Connection]:
        async with connect(url) as connection:
            yield _Counted(connection, received)

    return counted


class _Counted(anyio.abc.ObjectStream[str | bytes]):
    """A connection that counts the audio sent over it."""

    def __init__(self, connection: Connection, received: Received) -> None:
        self._connection = connection
        self._received = received

    async def receive(self) -> str | bytes:
        return await self._connection.receive()

    async def send(self, item: str | bytes) -> None:
        await self._connection.send(item)
        if isinstance(item, bytes):
            self._received.sent_s += len(item) / FRAME_BYTES * FRAME_S

    async def send_eof(self) -> None:
        await self._connection.send_eof()

    async def aclose(self) -> None:
        await self._connection.aclose()


def _transcripts(journal: Path, session_id: str) -> list[str]:
    with closing(JournalFile(journal)) as store:
        messages = [message for _, message in store.events(session_id)]
    return [transcript(messages, known).content.decode() for known in (TranscriptFormat.TXT, TranscriptFormat.JSON)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One session, and its differences from the first."""

    engine: str
    partials: bool
    session: str
    cuts: int
    kills: int
    difference: Difference
    back_s: dict[str, list[float]]
    sent_again_s: float
    took_s: float


async def measure(options: argparse.Namespace, partials: bool, folder: Path) -> list[Outcome]:
    """Return the outcomes of three sessions: undisturbed, undisturbed again, and cut.

    Args:
        options: of the command line.
        partials: whether partials and eager finals are requested.
        folder: for the journal.
    """
    frames = recording(options.audio, options.seconds)
    audio_s = len(frames) * FRAME_S
    plan = planned(options.seed, audio_s, options.cuts, options.kills)
    plans = {"left alone": Plan(), "again": Plan(), "cut": plan}
    engine = options.engine
    model = ["--model", options.model, "--offline"] if engine == "whisper" else []
    start = Start(MEDIA_FORMAT, words=True, partials=partials, resumable=True, language="en")
    received: dict[str, Received] = {}
    journal = folder / "journal.db"
    settings = ["--set", f"journal.database={journal}", "--set", f"session.eager_finals={partials}"]
    with GatewayProcess("--engine", engine, *model, *settings) as gateway:
        for session, disturbance in plans.items():
            received[session] = await run_session(Served(gateway, journal), frames, start, disturbance, options.speed)
    return [
        Outcome(
            engine,
            partials,
            session,
            one.cuts,
            one.kills,
            compare(received["left alone"], one),
            one.back_s,
            one.sent_s - audio_s,
            one.took_s,
        )
        for session, one in received.items()
    ]


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print the differences of the transcripts, and the durations of the outages."""
    rows = []
    for one in outcomes:
        found = one.difference
        rows.append(
            [
                *("on" if one.partials else "off", one.session, one.cuts, one.kills, found.words, found.words_changed),
                *(found.finals, found.finals_changed, found.finals_repeated, found.finals_moved_ms, found.cues),
                *(found.cues_changed, found.cues_rebroken),
                *(found.moved_ms, found.gaps, found.errors, "same" if found.journal else "differs"),
                *(one.sent_again_s, one.took_s),
            ]
        )
    counted = "partials session cuts kills words changed finals changed repeated"
    columns = [
        *counted.split(),
        "moved ms",
        "cues",
        "changed",
        "rebroken",
        "moved ms",
        "gaps",
        "errors",
        "journal",
        "sent again s",
        "took s",
    ]
    print_table(f"engine {outcomes[0].engine}", columns, rows)
    times = [
        ["on" if one.partials else "off", who, len(back_s), percentile(back_s, 50), percentile(back_s, 95)]
        for one in outcomes
        for who, back_s in one.back_s.items()
    ]
    print_table("back after", ["partials", "detected by", "times", "p50 s", "p95 s"], times)


def is_same(outcomes: Sequence[Outcome]) -> bool:
    """Return whether no cut session differs unless the second undisturbed one does too. PURE."""
    again = {one.partials: one.difference for one in outcomes if one.session == "again"}
    cut = {one.partials: one.difference for one in outcomes if one.session == "cut"}
    return all(difference.is_none or not again[partials].is_none for partials, difference in cut.items())


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["scripted", "whisper"], default="whisper")
    parser.add_argument("--model", default=EMBEDDED, help="of the engine whisper")
    parser.add_argument("--audio", type=Path, default=RECORDING, help="the recording")
    parser.add_argument("--seconds", type=float, default=300.0, help="of audio")
    parser.add_argument("--speed", type=float, default=1.0, help="times real time")
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--partials", nargs="+", choices=["on", "off"], default=["on", "off"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    for partials in options.partials:
        with TemporaryDirectory() as folder:
            outcomes += anyio.run(measure, options, partials == "on", Path(folder))
    print_outcomes(outcomes)
    write_json(options.json, "cuts", [asdict(one) for one in outcomes])
    return 0 if is_same(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
