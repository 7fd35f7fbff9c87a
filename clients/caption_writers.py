"""Writers of captions in file formats, while the captions arrive."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TextIO

from gateway.captions.subtitles import VTT_HEADER, srt_block, to_json, to_srt, to_vtt, vtt_block
from gateway.wire import Correction, Cue, CueEvent, CueState, Final, LivecueError, OfChannel, ServerEvent
from gateway.wire.native.codec import NativeCodec
from gateway.wire.server_events import channel_of, without_channel

__all__ = ["GAP_TEXT", "Output", "OutputFailed", "OutputFormat", "open_output", "opened"]

GAP_TEXT = "[missing]"
"""Replaces the text of an utterance that failed."""


class OutputFailed(LivecueError):
    """Captions cannot be written."""

    code = "output_failed"


class OutputFormat(StrEnum):
    """The output formats."""

    SRT = "srt"
    VTT = "vtt"
    TXT = "txt"
    JSON = "json"
    JSONL = "jsonl"


class Output(Protocol):
    """Writes a session's captions to a file.

    A correction changes what is written. Standard output, a pipe or a device keeps what it has; JSON is written at the
    end, and JSON lines have the correction itself.
    """

    def event(self, event: ServerEvent) -> None:
        """Write the text that the event adds, or the file again if it is a correction."""
        ...

    def close(self) -> None:
        """Write the end of the document; the file stays open."""
        ...


_Key = tuple[int | None, int]
"""Channel and utterance."""


class _Cues:
    """Selects the cues to write: final ones, one for each failed utterance, and those of corrections."""

    def __init__(self) -> None:
        self._end_sample = 0
        """End of the previous cue."""
        self._by_utterance: dict[_Key, tuple[Cue, ...]] = {}

    @property
    def all(self) -> list[Cue]:
        """All cues so far, sorted by start."""
        cues = (cue for own in self._by_utterance.values() for cue in own)
        return sorted(cues, key=lambda cue: cue.start_sample)

    def add(self, event: ServerEvent) -> Cue | None:
        """Return the cue that the event completes; None for other events and for a cue without text."""
        channel, inner = channel_of(event)
        cue = self._cue_of(inner)
        if cue is not None:
            self._end_sample = cue.end_sample
            key = channel, cue.utterance_id
            self._by_utterance[key] = (*self._by_utterance.get(key, ()), cue)
        return cue

    def correct(self, event: ServerEvent) -> bool:
        """Replace the cues of an utterance if the event is a correction; return whether it is."""
        channel, inner = channel_of(event)
        if isinstance(inner, Correction):
            self._by_utterance[channel, inner.utterance_id] = inner.cues
        return isinstance(inner, Correction)

    def _cue_of(self, event: ServerEvent) -> Cue | None:
        match event:
            case CueEvent(cue=cue) if cue.state is CueState.FINAL and cue.lines:
                return cue
            case Final(error=str(), text="") as final:
                start_sample = max(self._end_sample, final.start_sample)
                span = start_sample, max(start_sample + 1, final.end_sample)
                name = f"{final.utterance_id}.0"
                return Cue(name, final.utterance_id, 1, *span, (GAP_TEXT,), len(GAP_TEXT), CueState.FINAL)
        return None


class _Srt:
    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._cues = _Cues()
        self._number = 0

    def event(self, event: ServerEvent) -> None:
        if self._cues.correct(event):
            if _rewrite(self._file, to_srt(self._cues.all)):
                self._number = len(self._cues.all)
        elif (cue := self._cues.add(event)) is not None:
            self._number += 1
            _write(self._file, srt_block(self._number, cue))

    def close(self) -> None:
        pass


class _Vtt:
    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._cues = _Cues()
        _write(file, VTT_HEADER)

    def event(self, event: ServerEvent) -> None:
        if self._cues.correct(event):
            _rewrite(self._file, to_vtt(self._cues.all))
        elif (cue := self._cues.add(event)) is not None:
            _write(self._file, vtt_block(cue))

    def close(self) -> None:
        pass


class _Text:
    """One utterance per line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lines: dict[_Key, str] = {}
        """In the order of their finals."""

    def event(self, event: ServerEvent) -> None:
        channel, inner = channel_of(event)
        match inner:
            case Final(utterance_id=utterance_id) if inner.text or inner.error:
                line = f"{inner.text} {GAP_TEXT if inner.error else ''}".strip() + "\n"
                self._lines[channel, utterance_id] = line
                _write(self._file, line)
            case Final(utterance_id=utterance_id):
                self._lines[channel, utterance_id] = ""  # a correction may add words
            case Correction(utterance_id=utterance_id, text=text):
                self._lines[channel, utterance_id] = f"{text}\n" if text else ""
                _rewrite(self._file, "".join(self._lines.values()))
            case _:
                pass

    def close(self) -> None:
        pass


class _Json:
    """All final cues in one document, written at the end."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._cues = _Cues()

    def event(self, event: ServerEvent) -> None:
        if not self._cues.correct(event):
            self._cues.add(event)

    def close(self) -> None:
        _write(self._file, to_json(self._cues.all))


class _JsonLines:
    """Every event as in the native dialect, one per line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._codec = NativeCodec()

    def event(self, event: ServerEvent) -> None:
        channel = f'"channel":{event.channel},' if isinstance(event, OfChannel) else ""
        for message in self._codec.send(without_channel(event)):
            _write(self._file, f"{{{channel}{str(message)[1:]}\n")

    def close(self) -> None:
        pass


def open_output(output_format: OutputFormat, file: TextIO) -> Output:
    """Return a writer of that format."""
    writers: dict[OutputFormat, type[_Srt] | type[_Vtt] | type[_Text] | type[_Json] | type[_JsonLines]] = {
        OutputFormat.SRT: _Srt,
        OutputFormat.VTT: _Vtt,
        OutputFormat.TXT: _Text,
        OutputFormat.JSON: _Json,
        OutputFormat.JSONL: _JsonLines,
    }
    return writers[output_format](file)


@contextmanager
def opened(path: Path | None) -> Iterator[TextIO]:
    """Open a file for captions, and create its folder; None: standard output.

    Raises:
        OutputFailed: it cannot be opened.
    """
    if path is None:
        yield sys.stdout
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputFailed(f"--output {path}: {error.strerror}") from error
    try:
        yield file
    finally:
        with suppress(OSError):  # each caption was flushed when written, so that errors were raised then
            file.close()


def _rewrite(file: TextIO, text: str) -> bool:
    """Replace what was written to a file, and return whether that is possible: not to a pipe.

    Raises:
        OutputFailed: the disk is full.
    """
    if file is sys.stdout or not file.seekable():  # what `>>` appends to must not be truncated
        return False
    file.seek(0)
    file.truncate()
    _write(file, text)
    return True


def _write(file: TextIO, text: str) -> None:
    """Write and flush, so that a reader following the file sees each caption at once.

    Raises:
        OutputFailed: the disk is full, or the pipe is closed.
    """
    try:
        file.write(text)
        file.flush()
    except BrokenPipeError as error:
        _discard_standard_output()
        raise OutputFailed("standard output was closed") from error
    except OSError as error:
        if file is sys.stdout:
            _discard_standard_output()
        raise OutputFailed(f"{file.name}: {error.strerror}") from error


def _discard_standard_output() -> None:
    """Prevent Python from flushing at exit, which would report the error again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
