"""Real-time streams against a gateway in this process, measured from the moment each sound was spoken."""

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import numpy as np

from benchmarks.following import WORD_SAMPLES, FollowingEngine, first_word_sample
from clients.stream import SessionFailed, stream
from decoder.types import RequestKind
from gateway.connections import Connection
from gateway.service import open_sessions
from gateway.settings import Settings
from gateway.transport import memory_pair
from gateway.wire import SAMPLE_RATE_HZ, CueEvent, CueState, Final, ServerEvent, SpeechEnded, SpeechStarted, Start
from gateway.wire.native import NativeCodec
from vad.events import EndReason

__all__ = ["Paced", "WordClock", "growth_s", "measure_paced", "percentile"]

FRAME_S = 0.1

LAG_LIMIT_S = 2.5
"""Human live subtitlers are asked to stay within 3 s (Ofcom)."""

GROWTH_LIMIT_S = 0.5
"""Between the first and the last third of a run; more is a backlog and not chance."""


@dataclass(frozen=True, slots=True)
class Paced:
    """So many streams at once, in one mode; lags in seconds, None where there was nothing to measure.

    Attributes:
        mode: of the engine.
        streams: at once.
        final_p50_s, final_p95_s: from the last speech of an utterance that a silence ended to its final.
        finals: of these.
        shown_p50_s, shown_p95_s: from the end of each word to the first cue that shows it.
        newest_p50_s, newest_p95_s: from the end of the newest word of a partial cue to the cue.
        growth_s: of the median lag of the words, from the first third of the run to the last.
        interval_s: speech between two partials that were decoded.
        cpu_s_per_s: CPU time of the process for a second of one stream.
        late_s: how late the worst frame was sent; above a tenth the measuring side was the limit.
        failed: streams that the gateway ended.
        others_cores: cores busy with anything else on the machine; above a tenth, the lags are worth little.
    """

    mode: str
    streams: int
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
        """Whether the words come soon enough, and no later towards the end."""
        shown_s = self.shown_p95_s
        return not self.failed and shown_s is not None and shown_s <= LAG_LIMIT_S and self.growth_s <= GROWTH_LIMIT_S


@dataclass(slots=True)
class WordClock:
    """How late the words of one stream are shown. PURE.

    Args:
        pad_samples: that an utterance keeps after its last speech.
    """

    pad_samples: int
    shown: list[tuple[float, float]] = field(default_factory=list)
    """When each word ended, and how much later it was shown."""
    newest_s: list[float] = field(default_factory=list)
    finals_s: list[float] = field(default_factory=list)
    speech_s: float = 0.0
    _starts: dict[int, int] = field(default_factory=dict)
    _lines: dict[str, int] = field(default_factory=dict)
    """Words of each cue of the utterance that speaks."""
    _counts: dict[int, int] = field(default_factory=dict)
    _ended: dict[int, SpeechEnded] = field(default_factory=dict)

    def note(self, event: ServerEvent, at_s: float) -> None:
        """Take in an event of the stream.

        Args:
            event: the next one.
            at_s: when it came, after the stream's first sample was spoken.
        """
        match event:
            case SpeechStarted():
                self._starts[event.utterance_id] = event.start_sample
            case SpeechEnded():
                self._ended[event.utterance_id] = event
                self.speech_s += (event.end_sample - event.start_sample) / SAMPLE_RATE_HZ
            case CueEvent():
                self._cue(event, at_s)
            case Final():
                self._lines.clear()
                ended = self._ended[event.utterance_id]
                if ended.reason == EndReason.SILENCE:
                    self.finals_s.append(at_s - (ended.end_sample - self.pad_samples) / SAMPLE_RATE_HZ)
            case _:
                pass

    def _cue(self, event: CueEvent, at_s: float) -> None:
        cue = event.cue
        self._lines[cue.cue_id] = len(" ".join(cue.lines).split())
        before, count = self._counts.get(cue.utterance_id, 0), sum(self._lines.values())
        first = first_word_sample(self._starts[cue.utterance_id])
        ends_s = [(first + (number + 1) * WORD_SAMPLES) / SAMPLE_RATE_HZ for number in range(count)]
        self.shown += [(end_s, at_s - end_s) for end_s in ends_s[before:]]
        self._counts[cue.utterance_id] = max(before, count)
        if count and cue.state is CueState.PARTIAL:
            self.newest_s.append(at_s - ends_s[-1])


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the percentile, or None of nothing."""
    return float(np.percentile(values, percent)) if values else None


def growth_s(shown: Sequence[tuple[float, float]], length_s: float) -> float:
    """Return by how much the median lag of the last third exceeds that of the first; 0 where either is empty.

    Args:
        shown: when each word ended, and its lag.
        length_s: of the run.
    """
    first = [lag_s for end_s, lag_s in shown if end_s < length_s / 3]
    last = [lag_s for end_s, lag_s in shown if end_s >= length_s * 2 / 3]
    return float(np.median(last) - np.median(first)) if first and last else 0.0


async def measure_paced(
    mode: str, engine: FollowingEngine, settings: Settings, start: Start, sounds: Sequence[bytes]
) -> Paced:
    """Stream all sounds at once in real time, their starts spread over one partial interval.

    Args:
        mode: name of the arm.
        engine: cold.
        settings: of the gateway.
        start: what each stream wants.
        sounds: of each stream, in the format of `start`.
    """
    pad_ms = min(settings.segmenter.pause_ms, settings.segmenter.silence_ms)
    clocks = [WordClock(pad_ms * SAMPLE_RATE_HZ // 1000) for _ in sounds]
    paces = [_Pace(sound, start) for sound in sounds]
    failed = 0
    interval_ms = start.endpointing.partial_interval_ms or settings.segmenter.progress_interval_ms

    async with open_sessions(settings, engine) as sessions, anyio.create_task_group() as tasks:

        async def one(number: int) -> None:
            nonlocal failed
            transport, peer = memory_pair()
            tasks.start_soon(Connection(transport, NativeCodec(), sessions).run)
            pace, clock = paces[number], clocks[number]
            pace.begin_s = began_s + number * interval_ms / 1000 / len(sounds)
            try:
                async with peer:
                    await stream(
                        lambda: nullcontext(peer), start, pace.frames(), lambda event: clock.note(event, pace.now_s)
                    )
            except SessionFailed:
                failed += 1

        began_s, began_cpu_s, began_busy_s = time.monotonic(), time.process_time(), _busy_s()
        async with anyio.create_task_group() as streams:
            for number in range(len(sounds)):
                streams.start_soon(one, number)
        cpu_s = time.process_time() - began_cpu_s
        others_s = None if began_busy_s is None else (_busy_s() or 0.0) - began_busy_s - cpu_s
        others_cores = None if others_s is None else max(0.0, others_s) / (time.monotonic() - began_s)
        partials = sessions.scheduler.statistics.outcomes[RequestKind.PARTIAL, "ok"]
        tasks.cancel_scope.cancel()

    summary = _summary(mode, clocks, paces, partials, cpu_s)
    return replace(summary, failed=failed, others_cores=others_cores)


def _summary(mode: str, clocks: Sequence[WordClock], paces: Sequence["_Pace"], partials: int, cpu_s: float) -> Paced:
    shown = [word for clock in clocks for word in clock.shown]
    lags_s = [lag_s for _, lag_s in shown]
    finals_s = [lag_s for clock in clocks for lag_s in clock.finals_s]
    newest_s = [lag_s for clock in clocks for lag_s in clock.newest_s]
    return Paced(
        mode=mode,
        streams=len(clocks),
        final_p50_s=percentile(finals_s, 50),
        final_p95_s=percentile(finals_s, 95),
        finals=len(finals_s),
        shown_p50_s=percentile(lags_s, 50),
        shown_p95_s=percentile(lags_s, 95),
        newest_p50_s=percentile(newest_s, 50),
        newest_p95_s=percentile(newest_s, 95),
        growth_s=growth_s(shown, max(pace.length_s for pace in paces)),
        interval_s=sum(clock.speech_s for clock in clocks) / partials if partials else None,
        cpu_s_per_s=cpu_s / sum(pace.length_s for pace in paces),
        late_s=max(pace.late_s for pace in paces),
        failed=0,
        others_cores=None,
    )


def _busy_s() -> float | None:
    """Return the CPU time of all processes since the machine began, or None where it does not say."""
    stat = Path("/proc/stat")
    if not stat.is_file():
        return None
    user, nice, system, _idle, _iowait, irq, softirq = map(int, stat.read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


class _Pace:
    """Sends the frames of one stream, each when its last sample has been spoken, whenever the one before was taken."""

    def __init__(self, sound: bytes, start: Start) -> None:
        self.begin_s = 0.0
        self.late_s = 0.0
        self._sound = sound
        bytes_per_second = start.audio.sample_rate_hz * start.audio.bytes_per_sample_frame
        self._frame_bytes = round(bytes_per_second * FRAME_S)
        self.length_s = len(sound) / bytes_per_second

    @property
    def now_s(self) -> float:
        """Time since the stream's first sample was spoken."""
        return time.monotonic() - self.begin_s

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield the frames when they are due."""
        for number in range(len(self._sound) // self._frame_bytes):
            due_s = (number + 1) * FRAME_S
            await anyio.sleep(max(0.0, due_s - self.now_s))
            self.late_s = max(self.late_s, self.now_s - due_s)
            yield self._sound[number * self._frame_bytes : (number + 1) * self._frame_bytes]
