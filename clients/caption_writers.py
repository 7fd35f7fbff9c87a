"""Writers of captions in file formats, while the captions arrive."""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Protocol, TextIO

from clients.caption_files import OutputFailed, opened, rewrite, write, write_bytes
from gateway.captions.subtitles import VTT_HEADER, srt_block, to_json, to_srt, to_vtt, vtt_block
from gateway.exports.document import Document, Passage, caption_of, most_spoken, passage_of
from gateway.exports.formats import DocumentFormat, export
from gateway.wire import Correction, Cue, CueEvent, CueState, Final, OfChannel, ServerEvent
from gateway.wire.native.codec import NativeCodec
from gateway.wire.server_events import channel_of, without_channel

__all__ = ["GAP_TEXT", "Output", "OutputFailed", "OutputFormat", "open_output", "opened"]

GAP_TEXT = "[missing]"
"""Replaces the text of an utterance that failed."""


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
    """Writes a session's captions to a file.

    A correction changes what is written. Standard output, a pipe or a device keeps what it has; JSON is written at the
    end, and JSON lines have the correction itself.
    """

    def event(self, event: ServerEvent) -> None:
        """Write the text that the event adds, or the file again if it is a correction."""
        ...

    def close(self) -> tuple[str, ...]:
        """Write the end of the document, and return what the format could not express; the file stays open."""
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
            if rewrite(self._file, to_srt(self._cues.all)):
                self._number = len(self._cues.all)
        elif (cue := self._cues.add(event)) is not None:
            self._number += 1
            write(self._file, srt_block(self._number, cue))

    def close(self) -> tuple[str, ...]:
        return ()


class _Vtt:
    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._cues = _Cues()
        write(file, VTT_HEADER)

    def event(self, event: ServerEvent) -> None:
        if self._cues.correct(event):
            rewrite(self._file, to_vtt(self._cues.all))
        elif (cue := self._cues.add(event)) is not None:
            write(self._file, vtt_block(cue))

    def close(self) -> tuple[str, ...]:
        return ()


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
                line = f"{_text_of(inner)}\n"
                self._lines[channel, utterance_id] = line
                write(self._file, line)
            case Final(utterance_id=utterance_id):
                self._lines[channel, utterance_id] = ""  # a correction may add words
            case Correction(utterance_id=utterance_id, text=text):
                self._lines[channel, utterance_id] = f"{text}\n" if text else ""
                rewrite(self._file, "".join(self._lines.values()))
            case _:
                pass

    def close(self) -> tuple[str, ...]:
        return ()


class _Json:
    """All final cues in one document, written at the end."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._cues = _Cues()

    def event(self, event: ServerEvent) -> None:
        if not self._cues.correct(event):
            self._cues.add(event)

    def close(self) -> tuple[str, ...]:
        write(self._file, to_json(self._cues.all))
        return ()


class _Whole:
    """A document that is written at the end."""

    def __init__(self, document_format: DocumentFormat, file: TextIO) -> None:
        self._format = document_format
        self._file = file
        self._cues = _Cues()
        self._finals: dict[_Key, Final] = {}
        """With the text that is written."""

    def event(self, event: ServerEvent) -> None:
        if not self._cues.correct(event):
            self._cues.add(event)
        channel, inner = channel_of(event)
        match inner:
            case Final():
                self._finals[channel, inner.utterance_id] = replace(inner, text=_text_of(inner))
            case Correction(utterance_id=utterance_id, text=text) if (channel, utterance_id) in self._finals:
                key = channel, utterance_id
                self._finals[key] = replace(self._finals[key], text=text)
            case _:
                pass

    def close(self) -> tuple[str, ...]:
        exported = export(self._document(), self._format)
        if self._format is DocumentFormat.DOCX:
            write_bytes(self._file, exported.content)
        else:
            write(self._file, exported.content.decode())
        return exported.notes

    def _document(self) -> Document:
        finals = sorted(self._finals.values(), key=lambda final: final.start_sample)
        passages: tuple[Passage, ...] = tuple(passage_of(final) for final in finals if final.text)
        return Document(tuple(map(caption_of, self._cues.all)), passages, language=most_spoken(finals))


class _JsonLines:
    """Every event as in the native dialect, one per line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._codec = NativeCodec()

    def event(self, event: ServerEvent) -> None:
        channel = f'"channel":{event.channel},' if isinstance(event, OfChannel) else ""
        for message in self._codec.send(without_channel(event)):
            write(self._file, f"{{{channel}{str(message)[1:]}\n")

    def close(self) -> tuple[str, ...]:
        return ()


def open_output(output_format: OutputFormat, file: TextIO) -> Output:
    """Return a writer of that format."""
    return _WRITERS[output_format](file)


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
