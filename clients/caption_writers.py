"""What `transcribe` writes: captions in a file format, while they come."""

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

__all__ = ["GAP_TEXT", "Output", "OutputFailed", "OutputFormat", "open_output", "opened"]

GAP_TEXT = "[missing]"
"""Stands where an utterance got no words."""


class OutputFailed(LivecueError):
    """Captions cannot be written."""

    code = "output_failed"


class OutputFormat(StrEnum):
    """The formats there are."""

    SRT = "srt"
    VTT = "vtt"
    TXT = "txt"
    JSON = "json"
    JSONL = "jsonl"


class Output(Protocol):
    """Writes a session's captions to a file."""

    def event(self, event: ServerEvent) -> None:
        """Write what the event adds."""
        ...

    def close(self) -> None:
        """Write what only the end can; the file stays open."""
        ...


class _Cues:
    """Picks the cues that are written: final ones, and one for each utterance that got no words."""

    def __init__(self) -> None:
        self._end_sample = 0
        """Of the cue before."""

    def of(self, event: ServerEvent) -> Cue | None:
        """Return the cue that the event makes final; None for most events, and for a cue that has no text left."""
        match _told(event):
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
    """One utterance a line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def event(self, event: ServerEvent) -> None:
        inner = _told(event)
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
    """Every event as the native dialect has it, one a line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._codec = NativeCodec()

    def event(self, event: ServerEvent) -> None:
        channel = f'"channel":{event.channel},' if isinstance(event, OfChannel) else ""
        for message in self._codec.send(_told(event)):
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
    """Open a file to write captions to, and make its folder; None: standard output.

    Raises:
        OutputFailed: it cannot be opened, or what was written cannot be kept.
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
        with suppress(OSError):  # each caption was flushed, and its failure raised
            file.close()


def _told(event: ServerEvent) -> ServerEvent:
    """Return what is said, of whichever channel."""
    return event.event if isinstance(event, OfChannel) else event


def _write(file: TextIO, text: str) -> None:
    """Write and flush, so that a reader following the file sees each caption at once.

    Raises:
        OutputFailed: the disk is full, or nobody reads any more.
    """
    try:
        file.write(text)
        file.flush()
    except BrokenPipeError as error:
        _give_up_standard_output()
        raise OutputFailed("nobody reads standard output any more") from error
    except OSError as error:
        if file is sys.stdout:
            _give_up_standard_output()
        raise OutputFailed(f"{file.name}: {error.strerror}") from error


def _give_up_standard_output() -> None:
    """Let Python flush nothing at exit, where it would complain once more."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
