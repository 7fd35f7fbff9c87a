"""Real-time streams against a gateway in this process, measured from the moment each word was spoken."""

import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import anyio
import numpy as np

from benchmarks.following import WORD_SAMPLES, first_word_sample
from clients.stream import SessionFailed, stream
from decoder.engine import Engine
from decoder.types import RequestKind
from gateway.runtime import open_sessions
from gateway.session.connection import Connection
from gateway.settings import Settings
from gateway.transport import memory_pair
from gateway.wire import SAMPLE_RATE_HZ, CueEvent, CueState, Final, ServerEvent, SpeechEnded, SpeechStarted, Start
from gateway.wire.native.codec import NativeCodec
from vad.events import EndReason

__all__ = [
    "Clock",
    "Load",
    "Paced",
    "StreamFigures",
    "WordClock",
    "growth_s",
    "measure_paced",
    "percentile",
    "play",
]

FRAME_S = 0.1

LAG_LIMIT_S = 2.5
"""Ofcom asks human live subtitlers to stay within 3 s."""

GROWTH_LIMIT_S = 0.5
"""Between the first and the last third of a run; more means a growing backlog."""


@dataclass(frozen=True, slots=True)
class Paced:
    """Results of concurrent streams in one mode; lags in seconds, None if there was nothing to measure.

    Attributes: mode: of the engine. streams: concurrent. wrong: words wrong over words spoken. final_p50_s,
    final_p95_s: from the end of speech to the final, for utterances ended by silence; with real speech, from the end of
    the utterance's last word. finals: number of these finals. shown_p50_s, shown_p95_s: from the end of each word to
    the first cue with it. newest_p50_s, newest_p95_s: from the end of the newest word of a partial cue to the cue.
    growth_s: of the median lag of the words, from the first third of the run to the last. interval_s: speech between
    two decoded partials. cpu_s_per_s: CPU time of the process for a second of one stream. late_s: delay of the latest
    frame sent; above a tenth, the client was the limit. failed: streams that the gateway ended. others_cores: cores
    busy with other processes; above a tenth, the lags are unreliable.
    """

    mode: str
    streams: int
    wrong: float | None
    final_p50_s: float | None
    final_p95_s: float | None
    finals: int
    shown_p50_s: float | None
    shown_p95_s: float | None
    newest_p50_s: float | None
    newest_p95_s: float | None
    growth_s: float
    interval_s: float | None
    cpu_s_per_s: float
    late_s: float
    failed: int
    others_cores: float | None

    @property
    def keeps_up(self) -> bool:
        """Whether the words are displayed in time, without growing lag."""
        shown_s = self.shown_p95_s
        return not self.failed and shown_s is not None and shown_s <= LAG_LIMIT_S and self.growth_s <= GROWTH_LIMIT_S


@dataclass(slots=True)
class StreamFigures:
    """Measurements of one stream.

    Attributes:
        shown: end time of each word, and the delay until it was displayed.
        newest_s: from the end of the newest word of each partial cue to the cue.
        finals_s: from the end of each utterance to its final.
        speech_s: in utterances.
        words: spoken; 0 if unknown.
        errors: words wrong.
    """

    shown: list[tuple[float, float]] = field(default_factory=list)
    newest_s: list[float] = field(default_factory=list)
    finals_s: list[float] = field(default_factory=list)
    speech_s: float = 0.0
    words: int = 0
    errors: int = 0


class Clock(Protocol):
    """Measures one stream."""

    def note(self, event: ServerEvent, at_s: float) -> None:
        """Record an event of the stream.

        Args:
            event: the next one.
            at_s: time of arrival since the stream's first sample.
        """

    def figures(self) -> StreamFigures:
        """Return the measurements, once the stream is over."""


@dataclass(slots=True)
class WordClock:
    """Measures the lag of the words of one stream of `benchmarks.following`. PURE.

    Args:
        pad_samples: audio that an utterance keeps after its last speech.
    """

    pad_samples: int
    _figures: StreamFigures = field(default_factory=StreamFigures)
    _starts: dict[int, int] = field(default_factory=dict)
    _lines: dict[str, int] = field(default_factory=dict)
    """Number of words of each cue of the current utterance."""
    _counts: dict[int, int] = field(default_factory=dict)
    _ended: dict[int, SpeechEnded] = field(default_factory=dict)

    def note(self, event: ServerEvent, at_s: float) -> None:
        """Record an event of the stream (see `Clock`)."""
        match event:
            case SpeechStarted():
                self._starts[event.utterance_id] = event.start_sample
            case SpeechEnded():
                self._ended[event.utterance_id] = event
                self._figures.speech_s += (event.end_sample - event.start_sample) / SAMPLE_RATE_HZ
            case CueEvent():
                self._cue(event, at_s)
            case Final():
                self._lines.clear()
                ended = self._ended[event.utterance_id]
                if ended.reason == EndReason.SILENCE:
                    self._figures.finals_s.append(at_s - (ended.end_sample - self.pad_samples) / SAMPLE_RATE_HZ)
            case _:
                pass

    def figures(self) -> StreamFigures:
        """Return the measurements so far."""
        return self._figures

    def _cue(self, event: CueEvent, at_s: float) -> None:
        cue = event.cue
        self._lines[cue.cue_id] = len(" ".join(cue.lines).split())
        before, count = self._counts.get(cue.utterance_id, 0), sum(self._lines.values())
        first = first_word_sample(self._starts[cue.utterance_id])
        ends_s = [(first + (number + 1) * WORD_SAMPLES) / SAMPLE_RATE_HZ for number in range(count)]
        self._figures.shown += [(end_s, at_s - end_s) for end_s in ends_s[before:]]
        self._counts[cue.utterance_id] = max(before, count)
        if count and cue.state is CueState.PARTIAL:
            self._figures.newest_s.append(at_s - ends_s[-1])


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the percentile; None for no values."""
    return float(np.percentile(values, percent)) if values else None


def growth_s(shown: Sequence[tuple[float, float]], length_s: float) -> float:
    """Return by how much the median lag of the last third exceeds that of the first; 0 if either is empty.

    Args:
        shown: end time of each word, and its lag.
        length_s: of the run.
    """
    first = [lag_s for end_s, lag_s in shown if end_s < length_s / 3]
    last = [lag_s for end_s, lag_s in shown if end_s >= length_s * 2 / 3]
    return float(np.median(last) - np.median(first)) if first and last else 0.0


@dataclass(slots=True)
class Load:
    """The load of concurrent streams on the machine.

    Attributes:
        audio_s: played, of all streams.
        longest_s: length of the longest stream.
        partials: number decoded.
        cpu_s: CPU time of this process.
        late_s: delay of the latest frame sent.
        failed: streams that the gateway ended.
        others_cores: cores busy with other processes; None if unknown.
    """

    audio_s: float = 0.0
    longest_s: float = 0.0
    partials: int = 0
    cpu_s: float = 0.0
    late_s: float = 0.0
    failed: int = 0
    others_cores: float | None = None


async def measure_paced(
    mode: str, engine: Engine, settings: Settings, start: Start, streams: Sequence[tuple[bytes, Clock]]
) -> Paced:
    """Stream all audio concurrently in real time, and return the lags of its words.

    Args:
        mode: name of the arm.
        engine: cold.
        settings: of the gateway.
        start: options of each stream.
        streams: the audio of each, in the format of `start`, and its clock.
    """
    clocks = [clock for _, clock in streams]
    load = await play(
        engine, settings, start, [audio for audio, _ in streams], lambda number, *noted: clocks[number].note(*noted)
    )
    return _summary(mode, [clock.figures() for clock in clocks], load)


async def play(
    engine: Engine,
    settings: Settings,
    start: Start,
    streams: Sequence[bytes],
    note: Callable[[int, ServerEvent, float], None],
    is_enough: Callable[[], bool] = lambda: False,
) -> Load:
    """Stream all audio concurrently in real time, the starts spread over one partial interval.

    Args:
        engine: cold.
        settings: of the gateway.
        start: options of each stream.
        streams: the audio of each, in the format of `start`.
        note: called with the stream's number, each event, and its time of arrival since the stream's first sample.
        is_enough: checked after each event; once it returns true, all streams are abandoned.
    """
    paces = [_Pace(audio, start) for audio in streams]
    interval_ms = start.endpointing.partial_interval_ms or settings.segmenter.progress_interval_ms
    load = Load()

    async with open_sessions(settings, engine) as sessions, anyio.create_task_group() as tasks:

        async def one(number: int, scope: anyio.CancelScope) -> None:
            transport, peer = memory_pair()
            tasks.start_soon(Connection(transport, NativeCodec(), sessions).run)
            pace = paces[number]
            pace.begin_s = began_s + number * interval_ms / 1000 / len(streams)

            def take(event: ServerEvent) -> None:
                note(number, event, pace.now_s)
                if is_enough():
                    scope.cancel()

            try:
                async with peer:
                    await stream(lambda: nullcontext(peer), start, pace.frames(), take)
            except SessionFailed:
                load.failed += 1

        began_s, began_cpu_s, began_busy_s = time.monotonic(), time.process_time(), _busy_s()
        async with anyio.create_task_group() as playing:
            for number in range(len(streams)):
                playing.start_soon(one, number, playing.cancel_scope)
        load.cpu_s = time.process_time() - began_cpu_s
        if began_busy_s is not None:
            others_s = (_busy_s() or 0.0) - began_busy_s - load.cpu_s
            load.others_cores = max(0.0, others_s) / (time.monotonic() - began_s)
        load.partials = sessions.scheduler.statistics.outcomes[RequestKind.PARTIAL, "ok"]
        tasks.cancel_scope.cancel()

    load.audio_s = sum(pace.sent_s for pace in paces)
    load.longest_s = max(pace.sent_s for pace in paces)
    load.late_s = max(pace.late_s for pace in paces)
    return load


def _summary(mode: str, streams: Sequence[StreamFigures], load: Load) -> Paced:
    shown = [word for figures in streams for word in figures.shown]
    lags_s = [lag_s for _, lag_s in shown]
    finals_s = [lag_s for figures in streams for lag_s in figures.finals_s]
    newest_s = [lag_s for figures in streams for lag_s in figures.newest_s]
    words, errors = sum(figures.words for figures in streams), sum(figures.errors for figures in streams)
    return Paced(
        mode=mode,
        streams=len(streams),
        wrong=errors / words if words else None,
        final_p50_s=percentile(finals_s, 50),
        final_p95_s=percentile(finals_s, 95),
        finals=len(finals_s),
        shown_p50_s=percentile(lags_s, 50),
        shown_p95_s=percentile(lags_s, 95),
        newest_p50_s=percentile(newest_s, 50),
        newest_p95_s=percentile(newest_s, 95),
        growth_s=growth_s(shown, load.longest_s),
        interval_s=sum(figures.speech_s for figures in streams) / load.partials if load.partials else None,
        cpu_s_per_s=load.cpu_s / load.audio_s,
        late_s=load.late_s,
        failed=load.failed,
        others_cores=load.others_cores,
    )


def _busy_s() -> float | None:
    """Return the CPU time of all processes since the machine started; None if unknown."""
    stat = Path("/proc/stat")
    if not stat.is_file():
        return None
    user, nice, system, _idle, _iowait, irq, softirq = map(int, stat.read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


class _Pace:
    """Sends the frames of one stream, each at the time of its last sample, whenever the one before was consumed."""

    def __init__(self, audio: bytes, start: Start) -> None:
        self.begin_s = 0.0
        self.late_s = 0.0
        self.sent_s = 0.0
        self._audio = audio
        bytes_per_second = start.audio.sample_rate_hz * start.audio.bytes_per_sample_frame
        self._frame_bytes = round(bytes_per_second * FRAME_S)

    @property
    def now_s(self) -> float:
        """Time since the stream's first sample."""
        return time.monotonic() - self.begin_s

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield the frames when they are due."""
        for number in range(len(self._audio) // self._frame_bytes):
            due_s = (number + 1) * FRAME_S
            await anyio.sleep(max(0.0, due_s - self.now_s))
            self.late_s = max(self.late_s, self.now_s - due_s)
            self.sent_s = due_s
            yield self._audio[number * self._frame_bytes : (number + 1) * self._frame_bytes]
