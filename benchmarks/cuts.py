"""A session whose connection is cut again and again, and whose gateway is killed, against one that is left alone.

The gateway is a process with a journal; between it and the client is a proxy that cuts the connection at a random byte,
either way, where both ends, one of them or neither learns of it. The recording is streamed twice without a cut, for an
engine may not say the same twice, and once with cuts and kills. All three are compared with the first. Which partials
and eager finals come in time differs from session to session, so the comparison is made with them and without.

- *Changed*: words of the transcript that are others, missing or too many; finals and final cues of which that is true.
- *Rebroken*: cues with the same words in other lines. A line break that has been shown stays where the final has the
  same words, so it depends on the partials there were.
- *Repeated*: finals of an utterance that had had one.
- *Moved*: the largest difference of a time: of finals first; then of words and cues, where the text is the same.
- *Gaps*: sound that the gateway said it had lost.
- *Journal*: whether the gateway's transcripts, as text and as cues, are what the client would have written.
- *Back*: from a cut or kill to the answer to the client's resume. A client that does not learn of a cut notices by its
  pings; one whose gateway was killed waits for the next one to load its model.
- *Sent again*: sound, that which a half-open connection swallowed included.

If the session that was cut differs where the one that was left alone again does not, the exit status is 1.
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

from benchmarks.differences import Difference, Heard, compare
from benchmarks.paced import percentile
from benchmarks.processes import GatewayProcess
from benchmarks.relay import RECORDING
from benchmarks.report import print_table, write_json
from clients.caption_writers import OutputFormat, open_output
from clients.connection import Connection, connect
from clients.paced_media import MEDIA_FORMAT, MediaFile, paced
from clients.reconnect import Change
from clients.stream import Lost, stream
from decoder.packaged_models import EMBEDDED
from gateway.journal.store import JournalStore
from gateway.journal.transcript_export import TranscriptFormat, transcript
from gateway.wire import SAMPLE_RATE_HZ, ServerEvent, Start
from tools.fault_proxy import Cut, FaultProxy, Learns, Way, proxying

__all__ = ["Plan", "Served", "hear", "outages", "planned", "recording"]

FRAME_S = 0.1
FRAME_BYTES = round(SAMPLE_RATE_HZ * FRAME_S) * MEDIA_FORMAT.bytes_per_sample_frame

CALM_S = 2.0
"""Sound at either end where nothing happens: a session that has not begun cannot be resumed."""

CUT_BYTES = {Way.TO_GATEWAY: 2 * FRAME_BYTES, Way.TO_CLIENT: 400}
"""Bytes within which a cut is made: a few messages' worth."""

LEARNS = (*(Learns.BOTH, Learns.CLIENT) * 2, Learns.BOTH, Learns.GATEWAY, Learns.BOTH, Learns.NEITHER)
"""Who learns of a cut, again and again. A client that does not needs up to 25 s to notice, so most do."""

SEVERAL = "several"
"""What happened where a connection was cut, or the gateway killed, before the client was back."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to a session, in seconds of its sound.

    Attributes:
        cuts: each when the sound has come so far.
        kills_s: when the gateway is killed.
    """

    cuts: tuple[tuple[float, Cut], ...] = ()
    kills_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway and the database of its journal."""

    gateway: GatewayProcess
    journal: Path


def planned(seed: int, sound_s: float, cuts: int, kills: int) -> Plan:
    """Return a plan with cuts at random places, and kills in between. PURE."""
    chance = random.Random(seed)  # the same again is just what is wanted

    def places(count: int) -> list[float]:
        return sorted(chance.uniform(CALM_S, sound_s - CALM_S) for _ in range(count))

    def cut(learns: Learns) -> Cut:
        way = chance.choice(list(Way))
        return Cut(way, chance.randrange(CUT_BYTES[way]), learns)

    kinds = islice(cycle(LEARNS), cuts)
    return Plan(
        tuple((at_s, cut(learns)) for at_s, learns in zip(places(cuts), kinds, strict=True)), tuple(places(kills))
    )


def recording(path: Path, sound_s: float) -> list[bytes]:
    """Return a recording, from the beginning again where it is too short, 100 ms at a time."""
    with MediaFile(str(path)) as media:
        sound = b"".join(islice(media.frames(), round(sound_s / FRAME_S)))
    frames = [sound[at : at + FRAME_BYTES] for at in range(0, len(sound) - FRAME_BYTES + 1, FRAME_BYTES)]
    return list(islice(cycle(frames), round(sound_s / FRAME_S)))


async def hear(served: Served, frames: Sequence[bytes], start: Start, plan: Plan, speed: float) -> Heard:
    """Stream sound through a proxy and let things happen to it.

    Args:
        served: the gateway, begun.
        frames: the sound.
        start: what is wanted.
        plan: what happens.
        speed: times real time.
    """
    heard, texts, cues = Heard(), StringIO(), StringIO()
    outputs = open_output(OutputFormat.TXT, texts), open_output(OutputFormat.JSON, cues)
    back_s: list[float] = []
    killed_s: list[float] = []

    def note(event: ServerEvent) -> None:
        heard.note(event)
        for output in outputs:
            output.event(event)

    def changed(change: Change) -> None:
        if change is Change.BACK:
            back_s.append(time.monotonic())

    port = urlsplit(served.gateway.url).port
    assert port is not None, "the process says where it listens"
    async with proxying(port) as (proxy, proxy_port), anyio.create_task_group() as tasks:
        one_at_a_time = anyio.Lock()

        async def begin_again() -> None:
            async with one_at_a_time:
                await to_thread.run_sync(served.gateway.kill)
                await to_thread.run_sync(served.gateway.begin)

        def kill() -> None:
            killed_s.append(time.monotonic())
            tasks.start_soon(begin_again)

        begin_s = time.monotonic()
        sound = _disturbed(paced(iter(frames), speed), plan, proxy, kill)
        await stream(_counting(f"ws://127.0.0.1:{proxy_port}", heard), start, sound, note, Lost(on_change=changed))
        heard.took_s = time.monotonic() - begin_s
    for output in outputs:
        output.close()
    blows = [*((at_s, learns.value) for at_s, learns in proxy.done_s), *((at_s, "killed") for at_s in killed_s)]
    heard.cuts, heard.kills, heard.back_s = len(proxy.done_s), len(killed_s), outages(blows, back_s)
    heard.journal = _transcripts(served.journal, heard.session_id) == [texts.getvalue(), cues.getvalue()]
    return heard


def outages(blows: Sequence[tuple[float, str]], back_s: Sequence[float]) -> dict[str, list[float]]:
    """Return how long the client was away each time, by what happened; of several things from the first on. PURE."""
    away_s: dict[str, list[float]] = {}
    before_s = float("-inf")
    for until_s in back_s:
        during = sorted(blow for blow in blows if before_s < blow[0] < until_s)
        if during:
            kind = during[0][1] if len(during) == 1 else SEVERAL
            away_s.setdefault(kind, []).append(until_s - during[0][0])
        before_s = until_s
    return away_s


async def _disturbed(
    sound: AsyncIterator[bytes], plan: Plan, proxy: FaultProxy, kill: Callable[[], None]
) -> AsyncIterator[bytes]:
    """Yield sound, and let happen what is planned when it has come so far."""
    cuts, kills = list(plan.cuts), list(plan.kills_s)
    at_s = 0.0
    async for frame in sound:
        yield frame
        at_s += FRAME_S
        while cuts and cuts[0][0] <= at_s:
            proxy.cut(cuts.pop(0)[1])
        while kills and kills[0] <= at_s:
            kills.pop(0)
            kill()


def _counting(url: str, heard: Heard) -> Callable[[], AbstractAsyncContextManager[Connection]]:
    @asynccontextmanager
    async def counted() -> AsyncIterator[Connection]:
        async with connect(url) as connection:
            yield _Counted(connection, heard)

    return counted


class _Counted(anyio.abc.ObjectStream[str | bytes]):
    """A connection that counts the sound sent over it."""

    def __init__(self, connection: Connection, heard: Heard) -> None:
        self._connection = connection
        self._heard = heard

    async def receive(self) -> str | bytes:
        return await self._connection.receive()

    async def send(self, item: str | bytes) -> None:
        await self._connection.send(item)
        if isinstance(item, bytes):
            self._heard.sent_s += len(item) / FRAME_BYTES * FRAME_S

    async def send_eof(self) -> None:
        await self._connection.send_eof()

    async def aclose(self) -> None:
        await self._connection.aclose()


def _transcripts(journal: Path, session_id: str) -> list[str]:
    with closing(JournalStore(journal)) as store:
        messages = [message for _, message in store.events(session_id)]
    return [transcript(messages, TranscriptFormat.TXT), transcript(messages, TranscriptFormat.JSON)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One session, and how it differs from the first."""

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
    """Return the outcomes of three sessions: left alone, again, and cut.

    Args:
        options: of the command line.
        partials: whether they, and eager finals, are asked for.
        folder: for the journal.
    """
    frames = recording(options.audio, options.seconds)
    sound_s = len(frames) * FRAME_S
    plan = planned(options.seed, sound_s, options.cuts, options.kills)
    plans = {"left alone": Plan(), "again": Plan(), "cut": plan}
    engine = options.engine
    model = ["--model", options.model, "--offline"] if engine == "whisper" else []
    start = Start(MEDIA_FORMAT, words=True, partials=partials, resumable=True, language="en")
    heard: dict[str, Heard] = {}
    journal = folder / "journal.db"
    settings = ["--set", f"journal.database={journal}", "--set", f"session.eager_finals={partials}"]
    with GatewayProcess("--engine", engine, *model, *settings) as gateway:
        for session, disturbance in plans.items():
            heard[session] = await hear(Served(gateway, journal), frames, start, disturbance, options.speed)
    return [
        Outcome(
            engine,
            partials,
            session,
            one.cuts,
            one.kills,
            compare(heard["left alone"], one),
            one.back_s,
            one.sent_s - sound_s,
            one.took_s,
        )
        for session, one in heard.items()
    ]


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print what became of the transcripts, and how long the client was away."""
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
    print_table("back after", ["partials", "who learnt of it", "times", "p50 s", "p95 s"], times)


def is_same(outcomes: Sequence[Outcome]) -> bool:
    """Return whether no session that was cut differs where the one that was left alone again does not. PURE."""
    again = {one.partials: one.difference for one in outcomes if one.session == "again"}
    cut = {one.partials: one.difference for one in outcomes if one.session == "cut"}
    return all(difference.is_none or not again[partials].is_none for partials, difference in cut.items())


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["scripted", "whisper"], default="whisper")
    parser.add_argument("--model", default=EMBEDDED, help="of the engine whisper")
    parser.add_argument("--audio", type=Path, default=RECORDING, help="the recording")
    parser.add_argument("--seconds", type=float, default=300.0, help="of sound")
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
