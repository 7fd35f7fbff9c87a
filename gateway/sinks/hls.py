"""The sink `hls`: a live playlist of WebVTT segments in a folder, for the subtitles of an HLS stream.

The stream's time is the wall clock's since the session was opened, so it goes on while the client pauses.
"""

import re
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import anyio
from anyio import to_thread

from gateway.errors import ConfigurationError
from gateway.sinks.hls_files import TimedCue, blocks_of, listed_in, playlist_text, segment_name, segment_text
from gateway.sinks.pacing import Pacing
from gateway.sinks.sink import Delivery, Item, SessionFacts, Sink, SinkKind, SinkTarget, SinkUnavailable
from gateway.wire import CueEvent
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["HLS", "PLAYLIST", "HlsOptions", "HlsSink", "folder_of"]

PLAYLIST = "captions.m3u8"

_TICKS_HZ = 90_000
"""Of MPEG-2 timestamps."""

_LISTED_FIRST = 3
"""Segments in the first playlist: players begin three target durations before its end, RFC 8216 §6.3.3."""

_NAMES = frozenset({"target", "window", "hold", "mpegts", "epoch"})

_PATIENCE_S = 3_600.0
"""No player goes back further in a live playlist."""


@dataclass(frozen=True, slots=True)
class HlsOptions:
    """The options of a target.

    Attributes:
        target_s: length of a segment; as Apple advises.
        window: segments in the playlist.
        hold_s: how long a segment is kept open for late finals.
        mpegts: the video's timestamp, at 90 kHz, when the session was opened; 10 s, as Apple's tools begin.
        epoch_s: when the video's timestamp was 0, in seconds since 1970; None: `mpegts` is known instead.
    """

    target_s: int = 6
    window: int = 10
    hold_s: int = 6
    mpegts: int = 900_000
    epoch_s: float | None = None

    @classmethod
    def of(cls, target: SinkTarget) -> "HlsOptions":
        """Read them.

        Raises:
            ConfigurationError: one has another value than allowed.
        """
        given = {name: value for name, value in target.options.items() if name != "epoch"}
        for name, value in given.items():
            if not (value.isascii() and value.isdigit()) or (int(value) < 1 and name in ("target", "window")):
                raise ConfigurationError(f"sink {target.name}: {name}={value!r}: expected a whole number")
        if "mpegts" in given and "epoch" in target.options:
            raise ConfigurationError(f"sink {target.name}: expected mpegts or epoch, not both")
        units = {"target": "target_s", "hold": "hold_s"}
        return cls(**{units.get(name, name): int(value) for name, value in given.items()}, epoch_s=_epoch_s(target))

    def mpegts_at(self, opened_s: float) -> int:
        """Return the video's timestamp when a session was opened."""
        return self.mpegts if self.epoch_s is None else round((opened_s - self.epoch_s) * _TICKS_HZ)


class HlsSink:
    """Writes the segments of one session.

    The file of a segment is written with each of its cues, and listed when the segment is over. A cue whose segment is
    listed already goes into the next one, with its own time.

    The playlist is there from the beginning, with empty segments of the time before the session: players request it as
    soon as they have its address, and hls.js stops the whole video where it fails.

    Args:
        folder: of the session.
        options: of the target.
        session: whose cues it writes.
        pacing: its clock.
    """

    def __init__(self, folder: Path, options: HlsOptions, session: SessionFacts, pacing: Pacing) -> None:
        self._folder = folder
        self._target_s, self._window, self._hold_s = options.target_s, options.window, options.hold_s
        self._mpegts = options.mpegts_at(session.opened_s)
        self._opened_s = session.opened_s
        self._pacing = pacing
        self._before = -(-self._hold_s // self._target_s) + _LISTED_FIRST
        """Segments of the time before the session."""
        due = self._due()
        self._first = self._open = 0 if due <= self._before else due
        """Numbers of the first segment of the playlist, and of the first that is not listed."""
        self._cues: defaultdict[int, list[TimedCue]] = defaultdict(list)
        self._kept: dict[int, tuple[str, ...]] = {}
        """Segment → what an earlier run has written, whose cues do not come again."""
        self._resuming = anyio.Lock()
        self._has_resumed = False

    async def send(self, delivery: Delivery) -> None:
        """Write a cue into the segments in which it is displayed."""
        event = delivery.inner
        assert isinstance(event, CueEvent), "it takes cues only"
        await self._resume()
        start_s = max(0.0, delivery.spoken_at_s - self._opened_s)
        end_s = start_s + (event.cue.end_sample - event.cue.start_sample) / SAMPLE_RATE_HZ
        timed = TimedCue(event.cue, round(start_s * 1_000), round(end_s * 1_000))
        first = max(self._open, self._number_of(start_s))
        numbers = range(first, max(first, self._number_of(end_s)) + 1)
        for number in numbers:
            if timed not in self._cues[number]:
                self._cues[number].append(timed)
        await self._write(numbers)

    async def run(self) -> None:
        """List segments when they are over, until cancelled."""
        while not self._has_resumed:
            try:
                await self._resume()
            except SinkUnavailable:
                await self._pacing.sleep(1.0)
        while True:
            while self._open >= self._due():
                over_s = self._begins_s(self._open + 1) + self._hold_s
                await self._pacing.sleep(max(0.01, over_s - self._pacing.clock()))
            await self._list(self._due())

    async def finish(self) -> None:
        """List all segments that have cues, and end the playlist."""
        await self._list(max((*self._cues, self._open - 1)) + 1, is_over=True)

    async def _resume(self) -> None:
        """Go on with the playlist of an earlier run, if there was one.

        Raises:
            SinkUnavailable: it cannot be read.
        """
        async with self._resuming:
            if self._has_resumed:
                return
            try:
                playlist = await to_thread.run_sync(_read, self._folder / PLAYLIST)
            except OSError as error:
                raise SinkUnavailable(error.strerror or str(error)) from error
            if (listed := listed_in(playlist or "")) is not None:
                self._first, self._open = listed.start, listed.stop
            self._has_resumed = True

    async def _list(self, until: int, *, is_over: bool = False) -> None:
        """List the segments up to one, in a thread; where that fails, the next call does."""
        numbers = range(max(self._open, until - self._window), until)
        first = max(self._first, until - self._window)

        def work() -> None:
            for number in numbers:
                self._write_segment(number)
            text = playlist_text(range(first, until), self._target_s, self._begins_s(0), is_over=is_over)
            self._replace(PLAYLIST, text)
            for number in range(first - 2 * self._window, first - self._window):  # players may still load later ones
                (self._folder / segment_name(number)).unlink(missing_ok=True)

        start, self._open = self._open, until  # cues that come meanwhile belong into the next segment
        try:
            await to_thread.run_sync(work)
        except OSError:
            self._open = start
            await self._pacing.sleep(1.0)
            return
        for number in [number for number in {**self._cues, **self._kept} if number < until]:
            self._cues.pop(number, None)
            self._kept.pop(number, None)

    async def _write(self, numbers: range) -> None:
        def work() -> None:
            for number in numbers:
                self._write_segment(number)

        try:
            await to_thread.run_sync(work)
        except OSError as error:
            raise SinkUnavailable(error.strerror or str(error)) from error

    def _due(self) -> int:
        """Return the number of the first segment that is not over."""
        return max(0, self._number_of(self._pacing.clock() - self._opened_s - self._hold_s))

    def _number_of(self, time_s: float) -> int:
        """Return the number of the segment at a time, in seconds since the session was opened."""
        return int(time_s // self._target_s) + self._before

    def _begins_s(self, number: int) -> float:
        """Return when a segment begins, in seconds since 1970."""
        return self._opened_s + (number - self._before) * self._target_s

    def _write_segment(self, number: int) -> None:
        cues = sorted(self._cues.get(number, ()), key=lambda timed: timed.start_ms)
        if number not in self._kept:
            self._kept[number] = blocks_of(_read(self._folder / segment_name(number)) or "")
        self._replace(segment_name(number), segment_text(cues, self._mpegts, self._kept[number]))

    def _replace(self, name: str, text: str) -> None:
        """Write a file that a player sees either whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        new = self._folder / f".{name}.new"
        new.write_text(text, encoding="utf-8")
        new.replace(self._folder / name)


def _read(path: Path) -> str | None:
    """Return the text of a file; None: there is none."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None


def folder_of(target: SinkTarget, session_id: str) -> Path:
    """Return the folder of a session's files."""
    return Path(unquote(urlsplit(target.url).path), session_id)


@asynccontextmanager
async def _open(target: SinkTarget, session: SessionFacts) -> AsyncIterator[Sink]:
    sink = HlsSink(folder_of(target, session.session_id), HlsOptions.of(target), session, Pacing())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sink.run)
        yield sink
        tasks.cancel_scope.cancel()
    await sink.finish()


def _epoch_s(target: SinkTarget) -> float | None:
    """Return the option `epoch`; None: it is not given."""
    text = target.options.get("epoch")
    if text is None:
        return None
    if not re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
        raise ConfigurationError(f"sink {target.name}: epoch={text!r}: expected seconds since 1970")
    return float(text)


def _check(target: SinkTarget) -> None:
    parts = urlsplit(target.url)
    if parts.scheme != "hls" or parts.netloc or not Path(unquote(parts.path)).is_absolute():
        raise ConfigurationError(f"sink {target.name}: expected hls:///FOLDER")
    HlsOptions.of(target)


HLS = SinkKind(
    _open,
    lambda target: frozenset({Item.CUE}),
    check=_check,
    options=_NAMES,
    patience_s=_PATIENCE_S,
)
