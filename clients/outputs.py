"""What `transcribe` writes: captions in a file format, while they come."""

from enum import StrEnum
from typing import Protocol, TextIO

from gateway.subtitles import VTT_HEADER, srt_block, to_json, vtt_block
from gateway.wire import Cue, CueEvent, CueState, Final, OfChannel, ServerEvent
from gateway.wire.native import NativeCodec

__all__ = ["Output", "OutputFormat", "open_output"]


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


class _Srt:
    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._number = 0

    def event(self, event: ServerEvent) -> None:
        if (cue := _final_cue(event)) is not None:
            self._number += 1
            _write(self._file, srt_block(self._number, cue))

    def close(self) -> None:
        pass


class _Vtt:
    def __init__(self, file: TextIO) -> None:
        self._file = file
        _write(file, VTT_HEADER)

    def event(self, event: ServerEvent) -> None:
        if (cue := _final_cue(event)) is not None:
            _write(self._file, vtt_block(cue))

    def close(self) -> None:
        pass


class _Text:
    """One utterance a line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def event(self, event: ServerEvent) -> None:
        told = _told(event)
        if isinstance(told, Final) and told.text:
            _write(self._file, told.text + "\n")

    def close(self) -> None:
        pass


class _Json:
    """All final cues in one document, written at the end."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._cues: list[Cue] = []

    def event(self, event: ServerEvent) -> None:
        if (cue := _final_cue(event)) is not None:
            self._cues.append(cue)

    def close(self) -> None:
        _write(self._file, to_json(self._cues))


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


def _final_cue(event: ServerEvent) -> Cue | None:
    """Return the cue that the event makes final; None for all others, and for a cue that has no text left."""
    told = _told(event)
    if isinstance(told, CueEvent) and told.cue.state is CueState.FINAL and told.cue.lines:
        return told.cue
    return None


def _told(event: ServerEvent) -> ServerEvent:
    """Return what is said, of whichever channel."""
    return event.event if isinstance(event, OfChannel) else event


def _write(file: TextIO, text: str) -> None:
    """Write and flush, so that a reader following the file sees each caption at once."""
    file.write(text)
    file.flush()
