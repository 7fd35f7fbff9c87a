"""Gateways on hosts of their own that share a journal in Redis: one is killed, drained or cut off while clients speak.

Each host is a network namespace (`benchmarks.hosts`). Clients stream recordings in real time, spread over the
gateways, and go to the next one when their connection ends or is refused, as a load balancer would send them. Each
session has a viewer at another gateway, which does the same. The engine is the scripted one, whose words follow the
time line of the audio: what is measured is the gateways, and every lost or repeated word shows. The first run has no
fault; its finals are what all others are compared with.

- *Lost*: words of the finals of the first run that a client, a viewer, or the transcript that another gateway serves
  at the end does not have.
- *Doubled*: words that they have besides.
- *Moved*: sessions that another gateway continued.
- *Away*: from the loss of a client's connection, as it notices it, until it has its session again.
- *Gap*: the longest time without an event at each viewer from the fault on; compare with that of the first run.
- *Late*: the longest time from the end of an utterance's audio to its final at the viewer.

The exit status is 1 if a word was lost or doubled.
"""

import argparse
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import httpx
from anyio import to_thread

from benchmarks.hosts import Host, Network
from benchmarks.percentile import percentile
from benchmarks.recordings import SHARED_AUDIO
from benchmarks.report import print_table, write_json
from benchmarks.talks import read_talk, talk_from
from clients.connection import Connection, ConnectionFailed, connect
from clients.paced_media import MEDIA_FORMAT, paced
from clients.reconnect import BackOff, Change
from clients.stream import Lost, stream
from clients.watch import watch
from gateway.wire import SAMPLE_RATE_HZ, Final, Ready, ServerEvent, Start

__all__ = ["FAULTS", "Outcome", "Session", "differences", "longest_gap_s"]

CONNECT_S = 3.0
"""A load balancer gives up a gateway that does not accept a connection for so long."""

LINK_S = 1.0
"""From the start of a session until its viewer has the link. Other gateways know a session once it is written."""

STAGGER_S = 0.05
"""Between the starts of two sessions."""

WordKey = tuple[int, str]


@dataclass(slots=True)
class Session:
    """What was observed of one session; times are of the event loop's clock.

    Attributes:
        begin_s: when its first frame was sent.
        finals, viewed: of the client and of its viewer; of the viewer with the time of arrival.
        viewer_s: when its viewer received an event.
        away_s: durations of the client's outages.
        gateways: that it was connected to, in order.
        transcript: as another gateway serves it at the end.
    """

    number: int
    begin_s: float = 0.0
    session_id: str = ""
    finals: list[Final] = field(default_factory=list)
    viewed: list[tuple[float, Final]] = field(default_factory=list)
    viewer_s: list[float] = field(default_factory=list)
    away_s: list[float] = field(default_factory=list)
    gateways: list[int] = field(default_factory=list)
    transcript: str = ""
    opened: anyio.Event = field(default_factory=anyio.Event)

    @property
    def lateness_s(self) -> list[float]:
        """Of each final at the viewer, from the end of the utterance's audio."""
        return [at_s - self.begin_s - final.end_sample / SAMPLE_RATE_HZ for at_s, final in self.viewed]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of one run; s of `gap`, `away` and `late` are p50, p95 and the greatest."""

    fault: str
    gateways: int
    sessions: int
    words: int
    lost: int
    doubled: int
    moved: int
    away_s: tuple[float, float, float]
    gap_s: tuple[float, float, float]
    late_s: tuple[float, float, float]
    exit_status: int | None


def differences(expected: Iterable[WordKey], received: Iterable[WordKey]) -> tuple[int, int]:
    """Return how many of the expected words are missing, and how many there are besides. PURE."""
    wanted, found = Counter(expected), Counter(received)
    return (wanted - found).total(), (found - wanted).total()


def longest_gap_s(times_s: Sequence[float], since_s: float) -> float:
    """Return the longest time between two neighbouring events of which the second is not before a time. PURE."""
    return max((after - before for before, after in pairwise(times_s) if after >= since_s), default=0.0)


class _Gateways:
    """The gateways as one client sees them through a load balancer: one after the other, until one accepts."""

    def __init__(self, hosts: Sequence[Host], first: int) -> None:
        self.at = first % len(hosts)
        self._hosts = hosts
        self._is_first = True

    @asynccontextmanager
    async def connect(self, path: str = "") -> AsyncIterator[Connection]:
        if not self._is_first:
            self.at = (self.at + 1) % len(self._hosts)
        self._is_first = False
        try:
            with anyio.fail_after(CONNECT_S) as opening:
                async with connect(f"http://{self._hosts[self.at].address}:8000{path}") as connection:
                    opening.deadline = float("inf")
                    yield connection
        except TimeoutError as error:
            raise ConnectionFailed(f"gateway {self.at + 1} does not answer") from error


async def _speak(hosts: Sequence[Host], session: Session, frames: Sequence[bytes]) -> None:
    """Stream a session's audio in real time, over any number of connections."""
    gateways = _Gateways(hosts, session.number)
    lost_s = 0.0

    def note(event: ServerEvent) -> None:
        match event:
            case Ready():
                session.session_id = event.session_id
                session.gateways.append(gateways.at)
                session.opened.set()
            case Final():
                session.finals.append(event)
            case _:
                pass

    def changed(change: Change) -> None:
        nonlocal lost_s
        if change is Change.LOST:
            lost_s = anyio.current_time()
        else:
            session.gateways.append(gateways.at)
            session.away_s.append(anyio.current_time() - lost_s)

    async def audio() -> AsyncIterator[bytes]:
        async for frame in paced(iter(frames), 1.0):
            session.begin_s = session.begin_s or anyio.current_time()
            yield frame

    start = Start(MEDIA_FORMAT, words=True, resumable=True)
    lost = Lost(is_live=True, on_change=changed)
    await stream(gateways.connect, start, audio(), note, lost)


async def _view(hosts: Sequence[Host], session: Session) -> None:
    """Watch a session at another gateway than its client's."""
    await session.opened.wait()
    await anyio.sleep(LINK_S)
    gateways = _Gateways(hosts, session.number + 1)

    def note(event: ServerEvent) -> None:
        session.viewer_s.append(anyio.current_time())
        if isinstance(event, Final):
            session.viewed.append((anyio.current_time(), event))

    def connect_after(seq: int) -> AbstractAsyncContextManager[Connection]:
        return gateways.connect(f"/v1/sessions/{session.session_id}/events?after={seq}")

    await watch(connect_after, note, back_off=BackOff(give_up_s=60.0))


async def _killed(host: Host) -> int | None:
    host.signal(signal.SIGKILL)
    return await to_thread.run_sync(host.wait)


async def _drained(host: Host) -> int | None:
    host.signal(signal.SIGTERM)
    return await to_thread.run_sync(host.wait)


async def _cut_off(host: Host) -> int | None:
    await to_thread.run_sync(host.unplug)
    await anyio.sleep(40)
    await to_thread.run_sync(host.plug)
    return None


async def _none(host: Host) -> int | None:
    return None


FAULTS = {"none": _none, "killed": _killed, "drained": _drained, "cut off": _cut_off}
"""What happens to the first gateway, by name; returns its exit status, None: it goes on."""


async def run(
    options: argparse.Namespace, hosts: Sequence[Host], fault: str
) -> tuple[list[Session], float, int | None]:
    """Return what was observed of the sessions of one run, the time of the fault, and the gateway's exit status."""
    sessions = [Session(number) for number in range(options.sessions)]
    talk = read_talk(options.audio)
    starts = [number * len(talk) // options.sessions for number in range(options.sessions)]
    frames = [talk_from(talk, start, options.seconds) for start in starts]
    fault_s, status = 0.0, None
    async with anyio.create_task_group() as tasks:
        for session, audio in zip(sessions, frames, strict=True):
            tasks.start_soon(_speak, hosts, session, audio)
            tasks.start_soon(_view, hosts, session)
            await anyio.sleep(STAGGER_S)
        await anyio.sleep(options.fault_s)
        fault_s = anyio.current_time()
        status = await FAULTS[fault](hosts[0])
    async with httpx.AsyncClient(timeout=20.0) as client:
        for session in sessions:
            url = f"http://{hosts[-1].address}:8000/v1/sessions/{session.session_id}/transcript.txt"
            session.transcript = (await client.get(url)).raise_for_status().text
    return sessions, fault_s, status


def outcome(
    fault: str, gateways: int, observed: tuple[Sequence[Session], float, int | None], expected: Sequence[Session]
) -> Outcome:
    """Return the figures of a run, compared with the sessions of one without a fault. PURE."""
    sessions, fault_s, status = observed
    lost = doubled = 0
    for session, other in zip(sessions, expected, strict=True):
        texts = [other.transcript.split(), session.transcript.split()]
        found = [
            differences(_words(other.finals), _words(session.finals)),
            differences(_words(other.finals), _words(final for _, final in session.viewed)),
            differences(*([(0, word) for word in text] for text in texts)),
        ]
        lost += max(missing for missing, _ in found)
        doubled += max(surplus for _, surplus in found)
    return Outcome(
        fault=fault,
        gateways=gateways,
        sessions=len(sessions),
        words=sum(len(final.words) for session in expected for final in session.finals),
        lost=lost,
        doubled=doubled,
        moved=sum(len(set(session.gateways)) > 1 for session in sessions),
        away_s=_spread([away_s for session in sessions for away_s in session.away_s]),
        gap_s=_spread([longest_gap_s(session.viewer_s, fault_s) for session in sessions]),
        late_s=_spread([max(session.lateness_s, default=0.0) for session in sessions]),
        exit_status=status,
    )


def _words(finals: Iterable[Final]) -> list[WordKey]:
    return [(word.start_sample, word.text) for final in finals for word in final.words]


def _spread(times_s: Sequence[float]) -> tuple[float, float, float]:
    if not times_s:
        return 0.0, 0.0, 0.0
    return percentile(times_s, 50) or 0.0, percentile(times_s, 95) or 0.0, max(times_s)


def _print(outcomes: Sequence[Outcome]) -> None:
    columns = ["gateways, fault", "sessions", "words", "lost", "doubled", "moved"]
    columns += [f"{name} {part}" for name in ("away s", "gap s", "late s") for part in ("p50", "p95", "max")]
    rows = [
        [
            f"{one.gateways}, {one.fault}",
            *(one.sessions, one.words, one.lost, one.doubled, one.moved),
            *one.away_s,
            *one.gap_s,
            *one.late_s,
            "goes on" if one.exit_status is None else one.exit_status,
        ]
        for one in outcomes
    ]
    print_table("failover", [*columns, "exit status"], rows)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, default=SHARED_AUDIO / "en_librispeech", help="folder of recordings")
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0, help="of audio in each session")
    parser.add_argument("--fault-s", type=float, default=20.0, help="after the last session has begun")
    parser.add_argument("--gateways", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--faults", nargs="+", choices=[name for name in FAULTS if name != "none"])
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    expected: Sequence[Session] = ()
    faults = options.faults or [name for name in FAULTS if name != "none"]
    for count, fault in [(min(options.gateways), "none"), *((n, each) for n in options.gateways for each in faults)]:
        with TemporaryDirectory() as folder, Network() as network:
            serve = ("--engine", "scripted", "--log-level", "error")
            with network.gateways(count, Path(folder), *serve) as hosts:
                observed = anyio.run(run, options, hosts, fault)
        expected = expected or observed[0]
        outcomes.append(outcome(fault, count, observed, expected))
        _print(outcomes)
    write_json(options.json, "failover", [asdict(one) for one in outcomes])
    return 0 if not any(one.lost or one.doubled for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
