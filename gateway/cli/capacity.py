"""`livecue capacity`: measures how many streams this machine holds with an engine, and records it for the gateway."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from itertools import cycle
from math import ceil
from pathlib import Path
from typing import Annotated

import anyio
import typer

from clients.bench.capacity import CapacitySearch
from clients.paced_media import MEDIA_FORMAT, MediaFile
from clients.stream import stream
from decoder.engine import EngineInfo
from decoder.engine_selection import create_engine
from decoder.types import RequestKind
from gateway.cli import options
from gateway.cli.capacity_trial import Objective, StreamRecord, Trial, first_count
from gateway.cli.running import EXIT_FAILED, notices, run, set_up_logging
from gateway.cli.tables import print_table
from gateway.errors import ConfigurationError
from gateway.in_process import connection_to
from gateway.load.estimator import EngineTime
from gateway.load.recorded_capacity import RecordedCapacity, capacity_path, record_capacity
from gateway.runtime import open_sessions
from gateway.session.context import SessionContext
from gateway.settings import Settings
from gateway.wire import SAMPLE_RATE_HZ, CadenceChanged, Final, ServerEvent, SpeechEnded, Start

__all__ = ["capacity"]

_FRAME_S = 0.1
"""Audio in a message, as is usual for live clients."""


def capacity(
    engine: options.Engine = None,
    model: options.Model = None,
    device: options.Device = None,
    compute_type: options.ComputeType = None,
    offline: options.Offline = None,
    audio: Annotated[Path | None, typer.Option(help="Recording of speech; default: half a minute of English.")] = None,
    final_s: Annotated[float, typer.Option(min=0.1, help="SLO: 95 % of finals this soon after speech.")] = 2.0,
    run_s: Annotated[float, typer.Option(min=5, help="Length of a trial.")] = 15.0,
    seconds: Annotated[float, typer.Option(min=0, help="No trial begins later; the last one may last longer.")] = 60.0,
    max_streams: Annotated[int, typer.Option(min=1, help="Streams to try at most.")] = 1_000,
    write: Annotated[bool, typer.Option("--write/--no-write", help="Record the result for `serve`.")] = True,
    config: options.Config = None,
    settings_list: options.Set = None,
) -> None:
    """Measure how many streams this machine holds with an engine, in about a minute.

    The sessions run in this process as in a gateway, without a network. Exit code: 0, or 1 if not one stream is held.
    """
    flags = options.engine_flags(engine, model, device, compute_type, offline)
    settings = options.read_settings(flags, config, settings_list)
    set_up_logging("error")
    objective = Objective(final_s=final_s)
    held: list[int] = []

    async def measure() -> None:
        pcm = await anyio.to_thread.run_sync(_pcm_of, audio)
        async with open_sessions(settings, create_engine(settings.engine)) as sessions:
            bench = _Bench(sessions, pcm, run_s, time.monotonic() + seconds)
            found = await bench.search(objective, max_streams)
            held.append(found)
            _report(bench, found, objective)
            if write and found:
                _write(settings, sessions.engine, found, objective)

    run(measure)
    if not held[0]:
        raise typer.Exit(EXIT_FAILED)


class _Bench:
    """Plays streams to sessions in this process.

    Args:
        sessions: of the engine.
        pcm: speech in `MEDIA_FORMAT`; each stream begins elsewhere in it.
        run_s: audio of each stream of a trial.
        until_s: when no other trial begins, by `time.monotonic`.
    """

    def __init__(self, sessions: SessionContext, pcm: bytes, run_s: float, until_s: float) -> None:
        self.trials: list[Trial] = []
        self.run_s = run_s
        self._sessions = sessions
        self._pcm = pcm
        self._until_s = until_s

    async def search(self, objective: Objective, most: int) -> int:
        """Return the most streams of a trial that met the objective; 0: none did."""
        before = self._busy_of_s
        trial = await self._trial(1)
        if not trial.meets(objective):
            return 0
        spent = {kind: busy_s - before.get(kind, 0.0) for kind, busy_s in self._busy_of_s.items()}
        finals_s = spent.get(RequestKind.FINAL, 0.0) + spent.get(RequestKind.EAGER, 0.0)
        cost = EngineTime(finals_s / self._slots, spent.get(RequestKind.PARTIAL, 0.0) / self._slots)
        search = CapacitySearch(first_count(cost, self.run_s, objective, most), most)
        while search.count is not None and search.count > 1 and time.monotonic() < self._until_s:
            trial = await self._trial(search.count)
            search.note(is_met=trial.meets(objective))
        return max(1, search.streams)

    @property
    def _slots(self) -> int:
        return self._sessions.scheduler.slots

    @property
    def _busy_of_s(self) -> dict[RequestKind, float]:
        return dict(self._sessions.scheduler.statistics.busy_of_s)

    async def _trial(self, streams: int) -> Trial:
        notices.print(f"{streams} stream{'s' * (streams > 1)} for {self.run_s:g} s …", markup=False)
        players = [_Player(self._pcm, number / streams) for number in range(streams)]
        async with anyio.create_task_group() as tasks:
            for player in players:
                tasks.start_soon(player.play, self._sessions, ceil(self.run_s / _FRAME_S))
        trial = Trial([player.record() for player in players])
        self.trials.append(trial)
        return trial


class _Player:
    """One stream, paced by the clock: frame k is due k frames after the first, however late the one before was.

    Args:
        pcm: repeated as often as needed.
        offset: where in it the stream begins, 0..1; also when within the first frame.
    """

    def __init__(self, pcm: bytes, offset: float) -> None:
        frame_bytes = round(SAMPLE_RATE_HZ * _FRAME_S) * MEDIA_FORMAT.bytes_per_sample_frame
        frames = [pcm[start : start + frame_bytes] for start in range(0, len(pcm), frame_bytes)]
        first = int(offset * len(frames))
        self._frames = cycle(frames[first:] + frames[:first])
        self._offset_s = offset * _FRAME_S
        self._lags_s: list[float] = []
        self._ended = 0
        self._failed = 0
        self._set_samples: int | None = None
        self._interval_samples: int | None = None

    async def play(self, sessions: SessionContext, frames: int) -> None:
        """Play so many frames, and wait for the last final."""
        start = Start(MEDIA_FORMAT)
        self._set_samples = sessions.settings.segmenter.progress_interval_ms * SAMPLE_RATE_HZ // 1000
        await stream(partial(connection_to, sessions), start, self._paced(frames), self._take)

    def record(self) -> StreamRecord:
        """Return what the stream received."""
        stretch = 1.0
        if self._interval_samples is not None and self._set_samples is not None:
            stretch = max(1.0, self._interval_samples / self._set_samples)
        return StreamRecord(tuple(self._lags_s), self._ended - len(self._lags_s) + self._failed, stretch)

    async def _paced(self, frames: int) -> AsyncIterator[bytes]:
        begin_s = time.monotonic() + self._offset_s
        for number in range(frames):
            await anyio.sleep(max(0.0, begin_s + number * _FRAME_S - time.monotonic()))
            yield next(self._frames)

    def _take(self, event: ServerEvent) -> None:
        match event:
            case SpeechEnded():
                self._ended += 1
            case Final(latency=latency, error=error):
                parts = latency.endpoint_s, latency.queue_s, latency.decode_s, latency.delivery_s
                self._lags_s.append(sum(parts))
                self._failed += error is not None
            case CadenceChanged(partial_interval_samples=samples):
                self._interval_samples = samples
            case _:
                pass


def _pcm_of(audio: Path | None) -> bytes:
    """Return the audio of a recording.

    Raises:
        ConfigurationError: the recording of the package is not installed.
        MediaError: it cannot be read.
    """
    recording = Path(str(files("clients.demo") / "talk.flac")) if audio is None else audio
    if audio is None and not recording.is_file():
        raise ConfigurationError("the default recording is not installed: name one with --audio FILE")
    with MediaFile(str(recording)) as media:
        return b"".join(media.frames())


def _report(bench: _Bench, held: int, objective: Objective) -> None:
    rows = [
        (
            str(len(trial.streams)),
            _seconds(trial.final_p50_s),
            _seconds(trial.final_p95_s),
            f"x {trial.stretch:.1f}",
            str(trial.missing),
            "yes" if trial.meets(objective) else "no",
        )
        for trial in bench.trials
    ]
    print_table(("streams", "final p50", "final p95", "partial interval", "missing", "SLO met"), rows)
    typer.echo(f"holds {held} stream{'s' * (held != 1)} at SLO: {objective}")


def _write(settings: Settings, info: EngineInfo, held: int, objective: Objective) -> None:
    path = capacity_path(settings.limits)
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    record_capacity(path, info, RecordedCapacity.of(info, held, str(objective), measured_at))
    described = f"{info.engine} {info.model} on {info.device}"
    typer.echo(f"written to {path}; elsewhere, set limits.streams = {held} for {described}")


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f} s"
