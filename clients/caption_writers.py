"""Writers of captions in file formats, while the captions arrive."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Protocol, TextIO

from gateway.captions.subtitles import VTT_HEADER, srt_block, to_json, vtt_block
from gateway.exports.document import Caption, Document, Passage, caption_of, most_spoken, passage_of
from gateway.exports.formats import DocumentFormat, export
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
    ASS = "ass"
    TTML = "ttml"
    SCC = "scc"
    DOCX = "docx"
    JSONL = "jsonl"


class Output(Protocol):
    """Writes a session's captions to a file."""

    def event(self, event: ServerEvent) -> None:
        """Write the text that the event adds."""
        ...

    def close(self) -> tuple[str, ...]:
        """Write the end of the document, and return what the format could not express; the file stays open."""
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

    def close(self) -> tuple[str, ...]:
        return ()


class _Vtt:
    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._cues = _Cues()
        _write(file, VTT_HEADER)

    def event(self, event: ServerEvent) -> None:
        if (cue := self._cues.of(event)) is not None:
            _write(self._file, vtt_block(cue))

    def close(self) -> tuple[str, ...]:
        return ()


class _Text:
    """One utterance per line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def event(self, event: ServerEvent) -> None:
        inner = without_channel(event)
        if isinstance(inner, Final) and (inner.text or inner.error):
            _write(self._file, f"{_text_of(inner)}\n")

    def close(self) -> tuple[str, ...]:
        return ()


class _Json:
    """All final cues in one document, written at the end."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._cues = _Cues()
        self._written: list[Cue] = []

    def event(self, event: ServerEvent) -> None:
        if (cue := self._cues.of(event)) is not None:
            self._written.append(cue)

    def close(self) -> tuple[str, ...]:
        _write(self._file, to_json(self._written))
        return ()


class _Whole:
    """A document that is written at the end."""

    def __init__(self, document_format: DocumentFormat, file: TextIO) -> None:
        self._format = document_format
        self._file = file
        self._cues = _Cues()
        self._captions: list[Caption] = []
        self._passages: list[Passage] = []
        self._finals: list[Final] = []

    def event(self, event: ServerEvent) -> None:
        if (cue := self._cues.of(event)) is not None:
            self._captions.append(caption_of(cue))
        inner = without_channel(event)
        if isinstance(inner, Final) and (inner.text or inner.error):
            self._finals.append(inner)
            self._passages.append(passage_of(replace(inner, text=_text_of(inner))))

    def close(self) -> tuple[str, ...]:
        document = Document(
            captions=tuple(sorted(self._captions, key=lambda caption: caption.start_ms)),
            passages=tuple(sorted(self._passages, key=lambda passage: passage.start_ms)),
            language=most_spoken(self._finals),
        )
        exported = export(document, self._format)
        if self._format is DocumentFormat.DOCX:
            _write_bytes(self._file, exported.content)
        else:
            _write(self._file, exported.content.decode())
        return exported.notes


class _JsonLines:
    """Every event as in the native dialect, one per line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._codec = NativeCodec()

    def event(self, event: ServerEvent) -> None:
        channel = f'"channel":{event.channel},' if isinstance(event, OfChannel) else ""
        for message in self._codec.send(without_channel(event)):
            _write(self._file, f"{{{channel}{str(message)[1:]}\n")

    def close(self) -> tuple[str, ...]:
        return ()


def open_output(output_format: OutputFormat, file: TextIO) -> Output:
    """Return a writer of that format."""
    return _WRITERS[output_format](file)


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


_WRITERS: dict[OutputFormat, Callable[[TextIO], Output]] = {
    OutputFormat.SRT: _Srt,
    OutputFormat.VTT: _Vtt,
    OutputFormat.TXT: _Text,
    OutputFormat.JSON: _Json,
    OutputFormat.JSONL: _JsonLines,
    **{OutputFormat(known): partial(_Whole, known) for known in DocumentFormat},
}


def _text_of(final: Final) -> str:
    return f"{final.text} {GAP_TEXT if final.error else ''}".strip()


def _write(file: TextIO, text: str) -> None:
    """Write and flush, so that a reader following the file sees each caption at once.

    Raises:
        OutputFailed: the disk is full, or the pipe is closed.
    """
    with _failures_reported(file):
        file.write(text)
        file.flush()


def _write_bytes(file: TextIO, content: bytes) -> None:
    """Write bytes to the file below the text.

    Raises:
        OutputFailed: as of `_write`.
    """
    with _failures_reported(file):
        file.buffer.write(content)
        file.buffer.flush()


@contextmanager
def _failures_reported(file: TextIO) -> Iterator[None]:
    try:
        yield
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
