"""Writers of captions in file formats, while the captions arrive."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TextIO

from gateway.captions.subtitles import VTT_HEADER, srt_block, to_json, vtt_block
from gateway.wire import Cue, CueEvent, CueState, Final, LivecueError, OfChannel, ServerEvent
from gateway.wire.native.codec import NativeCodec
from gateway.wire.server_events import without_channel

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
    """Writes a session's captions to a file."""

    def event(self, event: ServerEvent) -> None:
        """Write the text that the event adds."""
        ...

    def close(self) -> None:
        """Write the end of the document; the file stays open."""
        ...


class _Cues:
    """Selects the cues to write: final ones, and one for each failed utterance."""

    def __init__(self) -> None:
        self._end_sample = 0
        """End of the previous cue."""

    def of(self, event: ServerEvent) -> Cue | None:
        """Return the cue that the event completes; None for other events and for a cue without text."""
        match without_channel(event):
            case CueEvent(cue=cue) if cue.state is CueState.FINAL and cue.lines:
                self._end_sample = cue.end_sample
                return cue
            case Final(error=str(), text="") as final:
                start_sample = max(self._end_sample, final.start_sample)
                self._end_sample = max(start_sample + 1, final.end_sample)
                name = f"{final.utterance_id}.0"
                span = start_sample, self._end_sample
                return Cue(name, final.utterance_id, 1, *span, (GAP_TEXT,), len(GAP_TEXT), CueState.FINAL)
        return None


class _Srt:
    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._cues = _Cues()
        self._number = 0

    def event(self, event: ServerEvent) -> None:
        if (cue := self._cues.of(event)) is not None:
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
        if (cue := self._cues.of(event)) is not None:
            _write(self._file, vtt_block(cue))

    def close(self) -> None:
        pass


class _Text:
    """One utterance per line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def event(self, event: ServerEvent) -> None:
        inner = without_channel(event)
        if isinstance(inner, Final) and (inner.text or inner.error):
            _write(self._file, f"{inner.text} {GAP_TEXT if inner.error else ''}".strip() + "\n")

    def close(self) -> None:
        pass


class _Json:
    """All final cues in one document, written at the end."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._cues = _Cues()
        self._written: list[Cue] = []

    def event(self, event: ServerEvent) -> None:
        if (cue := self._cues.of(event)) is not None:
            self._written.append(cue)

    def close(self) -> None:
        _write(self._file, to_json(self._written))


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
