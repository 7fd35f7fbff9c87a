"""The cost of the journal: on disk, when a session is read or reopened, and while sessions are written.

The events are synthetic: an utterance every 5 s with its partial cues, two final cues, its final of 14 words, and an
ack per second, as in a session of the native dialect. One session of `--hours` is written, each utterance once the
previous final was published, then read. After that, `--sessions` sessions emit events at the rate of speech for
`--seconds`, with the journal and, for the cost of the benchmark itself, without it; CPU is that of the whole process.
"""

import argparse
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from statistics import quantiles

import anyio

from benchmarks.report import print_table, write_json
from gateway.journal.journal import Journal, Opening
from gateway.journal.journal_file import JournalFile
from gateway.journal.session_log import SessionLog
from gateway.journal.sqlite_store import SqliteStore
from gateway.journal.transcript_export import TranscriptFormat, transcript
from gateway.settings import JournalSettings
from gateway.wire import (
    SAMPLE_RATE_HZ,
    Ack,
    CueEvent,
    Final,
    Latency,
    Ready,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
)
from gateway.wire.cue import Cue, CueState
from vad.errors import LivecueError

UTTERANCE_S = 5.0
STEPS = 10
"""Of an utterance: a partial cue at each step, an ack at every second one."""

LINES = ("and what I would like to come back", "to is the question of the harbour")
NO_LATENCY = Latency(0.5, 0.004, 0.06, 0.0)


@dataclass(frozen=True, slots=True)
class Kept:
    """One long session.

    Attributes:
        said: events emitted.
        kept: of these, in the file at the end.
        megabytes: of the file.
        write_us: CPU time per event, in microseconds.
        read_s: time to read all events.
        transcript_s: time to export them as SubRip.
        start_s: time to open the journal and reopen the session.
    """

    hours: float
    said: int
    kept: int
    megabytes: float
    write_us: float
    read_s: float
    transcript_s: float
    start_s: float


@dataclass(frozen=True, slots=True)
class Live:
    """Many sessions at the rate of speech.

    Attributes:
        journal: whether it is written.
        events_per_s: emitted by all sessions.
        cpu_percent: of one core.
        write_us: CPU time per event, in microseconds.
        told_p50_ms, told_p95_ms, told_p99_ms: from the emission of a final to its publication.
        lost: events.
    """

    sessions: int
    journal: bool
    events_per_s: float
    cpu_percent: float
    write_us: float
    told_p50_ms: float
    told_p95_ms: float
    told_p99_ms: float
    lost: int


def talk(session_id: str) -> Iterator[list[ServerEvent]]:
    """Yield the events of each step of half a second; the last step of an utterance ends with its final."""
    seq = count(1).__next__
    step_samples = round(UTTERANCE_S / STEPS * SAMPLE_RATE_HZ)
    events: list[ServerEvent] = [Ready(seq(), session_id, "whisper", "large-v3-turbo", "cuda", "en")]
    for number in count(1):
        start = (number - 1) * STEPS * step_samples
        events.append(SpeechStarted(seq(), number, start))
        for step in range(1, STEPS):
            end = start + step * step_samples
            events.append(CueEvent(seq(), cue(number, 1, step, start, end, CueState.PARTIAL)))
            events += [Ack(seq(), end, start)] if step % 2 else []
            yield events
            events = []
        end = start + STEPS * step_samples
        half = (start + end) // 2
        events.append(SpeechEnded(seq(), number, start, end, "silence"))
        events.append(CueEvent(seq(), cue(number, 1, STEPS, start, half, CueState.FINAL)))
        events.append(CueEvent(seq(), cue(number, 2, STEPS, half, end, CueState.FINAL)))
        events.append(Final(seq(), number, start, end, " ".join(LINES), "en", NO_LATENCY))
        yield events
        events = []


def cue(number: int, line: int, revision: int, start: int, end: int, state: CueState) -> Cue:
    """Return a cue of an utterance."""
    return Cue(f"{number}.{line}", number, revision, start, end, LINES, 0, state)


@asynccontextmanager
async def journal_at(path: Path, *, enabled: bool = True) -> AsyncIterator[Journal]:
    """Run a journal while the block lasts."""
    journal = Journal(SqliteStore(JournalFile(path)), JournalSettings(enabled), 60.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(journal.run)
        yield journal
        tasks.cancel_scope.cancel()


class Reader:
    """Receives the events of one session, and measures the delay of finals."""

    def __init__(self) -> None:
        self.waits_s: list[float] = []
        self.written_s = 0.0
        self.final = anyio.Event()

    def publish(self, event: ServerEvent) -> None:
        """Receive an event."""
        if isinstance(event, Final):
            self.waits_s.append(time.perf_counter() - self.written_s)
            self.final.set()

    def close(self, error: LivecueError | None) -> None:
        """Receive the end of the session."""


def opened(journal: Journal, session_id: str, reader: Reader) -> SessionLog:
    """Open a resumable session."""
    opening = Opening(session_id, "native", None, time.time(), {}, "{}", b"digest")
    return journal.open(opening, reader, count(10**9).__next__)


async def write_one(path: Path, hours: float) -> tuple[int, float]:
    """Write one long session, and return the number of its events and their CPU time."""
    emitted, spoken = 0, talk("a")
    async with journal_at(path) as journal:
        reader = Reader()
        log = opened(journal, "a", reader)
        began_s = time.process_time()
        for _ in range(round(hours * 3_600 / UTTERANCE_S * STEPS)):
            reader.final = anyio.Event()
            events = next(spoken)
            emitted += len(events)
            for event in events:
                log.append(event)
            if isinstance(events[-1], Final):
                await reader.final.wait()
        await journal.entries()
        return emitted, time.process_time() - began_s


def bytes_of(path: Path) -> int:
    """Return the size of a file."""
    return path.stat().st_size


async def measure_one(path: Path, hours: float) -> Kept:
    """Write one long session, reopen it, and read it."""
    emitted, cpu_s = await write_one(path, hours)
    size_bytes = bytes_of(path)
    started_s = time.perf_counter()
    async with journal_at(path) as journal:
        saved = await journal.load("a")
        assert saved is not None, "the session was written"
        journal.reopen(saved, Reader(), count(10**9).__next__)
        start_s = time.perf_counter() - started_s
        started_s = time.perf_counter()
        events = await journal.events("a")
        read_s = time.perf_counter() - started_s
    started_s = time.perf_counter()
    transcript([message for _, message in events], TranscriptFormat.SRT)
    transcript_s = time.perf_counter() - started_s
    return Kept(hours, emitted, len(events), size_bytes / 1e6, cpu_s / emitted * 1e6, read_s, transcript_s, start_s)


async def measure_many(path: Path, sessions: int, seconds: float, enabled: bool) -> Live:
    """Run many sessions in real time."""
    readers = [Reader() for _ in range(sessions)]
    emitted = 0
    step_s = UTTERANCE_S / STEPS

    async def speak(journal: Journal, number: int, began_s: float) -> None:
        nonlocal emitted
        session_id, reader = str(number), readers[number]
        log = opened(journal, session_id, reader)
        spoken = talk(session_id)
        for _ in range(number % STEPS):  # each starts at another position of its utterance
            next(spoken)
        for step in range(round(seconds / step_s)):
            await anyio.sleep_until(began_s + (step + number / sessions) * step_s)
            for event in next(spoken):
                emitted += 1
                reader.written_s = time.perf_counter()
                log.append(event)

    async with journal_at(path, enabled=enabled) as journal:
        cpu_s, began_s = time.process_time(), anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for number in range(sessions):
                tasks.start_soon(speak, journal, number, began_s)
        await journal.entries()
        cpu_s, took_s = time.process_time() - cpu_s, anyio.current_time() - began_s
    cuts_ms = [1_000 * cut for cut in quantiles([wait_s for reader in readers for wait_s in reader.waits_s], n=100)]
    return Live(
        sessions,
        enabled,
        emitted / took_s,
        100 * cpu_s / took_s,
        cpu_s / emitted * 1e6,
        cuts_ms[49],
        cuts_ms[94],
        cuts_ms[98],
        journal.counts.lost,
    )


def main() -> None:
    """Measure, print the tables and write the JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.journal", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=10.0, help="of the long session")
    parser.add_argument("--sessions", type=int, default=200, help="written concurrently")
    parser.add_argument("--seconds", type=float, default=10.0, help="of those sessions")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept = anyio.run(measure_one, Path(folder) / "one.db", options.hours)
        live = [
            anyio.run(measure_many, Path(folder) / "many.db", options.sessions, options.seconds, enabled)
            for enabled in (False, True)
        ]
    columns = ["hours", "emitted", "kept", "MB", "CPU µs / event", "read s", "SubRip s", "start s"]
    print_table("one long session", columns, [list(asdict(kept).values())])
    columns = ["sessions", "journal", "events / s", "CPU %", "CPU µs / event", "published p50 ms", "p95", "p99", "lost"]
    print_table("sessions at the rate of speech", columns, [list(asdict(each).values()) for each in live])
    write_json(options.json, "journal", {"kept": asdict(kept), "live": [asdict(each) for each in live]})


if __name__ == "__main__":
    main()
