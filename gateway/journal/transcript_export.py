"""Exports transcripts of journaled sessions. PURE."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import assert_never

from gateway.captions.subtitles import to_json, to_srt, to_vtt
from gateway.exports.document import Document, caption_of, most_spoken, passage_of
from gateway.exports.formats import DocumentFormat, Export, export
from gateway.journal.event_json import event_of
from gateway.wire import CueEvent, Final
from gateway.wire.cue import Cue, CueState
from gateway.wire.server_events import channel_of

__all__ = ["TranscriptFormat", "transcript"]


class TranscriptFormat(StrEnum):
    """The file formats of transcripts."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"
    ASS = "ass"
    TTML = "ttml"
    SCC = "scc"
    DOCX = "docx"

    @property
    def media_type(self) -> str:
        """Its media type for HTTP."""
        match self:
            case TranscriptFormat.TXT:
                return "text/plain; charset=utf-8"
            case TranscriptFormat.SRT:
                return "application/x-subrip; charset=utf-8"
            case TranscriptFormat.VTT:
                return "text/vtt; charset=utf-8"
            case TranscriptFormat.JSON:
                return "application/json"
            case TranscriptFormat.ASS | TranscriptFormat.TTML | TranscriptFormat.SCC | TranscriptFormat.DOCX:
                return DocumentFormat(self).media_type
            case _:
                assert_never(self)


def transcript(messages: Iterable[str], transcript_format: TranscriptFormat) -> Export:
    """Return the transcript of a session, sorted by start.

    As text it has a line for each utterance, as DOCX a paragraph for each piece of speech, else the final cues.

    In a session with several channels the id of a cue begins with its channel: `1/3.2`.

    Args:
        messages: of one session, as `gateway.journal.event_json.event_json` returned them.
        transcript_format: of the transcript.

    Raises:
        ProtocolError: a message is malformed.
        NotLatin: the format is SCC, and most of the text is in another script.
    """
    cues: dict[tuple[int | None, int], list[Cue]] = {}
    finals: list[Final] = []
    for channel, event in (channel_of(known) for message in messages if (known := event_of(message)) is not None):
        match event:
            case CueEvent(_, cue) if cue.state is CueState.FINAL and cue.lines:
                _add_cue(cues.setdefault((channel, cue.utterance_id), []), cue)
            case Final() if event.text:
                finals.append(event)
            case _:
                pass
    numbered = [_with_channel(channel, cue) for (channel, _), own in cues.items() for cue in own]
    numbered.sort(key=lambda cue: cue.start_sample)
    finals.sort(key=lambda final: final.start_sample)
    return _written(numbered, finals, transcript_format)


def _written(cues: Sequence[Cue], finals: Sequence[Final], transcript_format: TranscriptFormat) -> Export:
    match transcript_format:
        case TranscriptFormat.TXT:
            return _text("".join(f"{final.text}\n" for final in finals))
        case TranscriptFormat.SRT:
            return _text(to_srt(cues))
        case TranscriptFormat.VTT:
            return _text(to_vtt(cues))
        case TranscriptFormat.JSON:
            return _text(to_json(cues))
        case TranscriptFormat.ASS | TranscriptFormat.TTML | TranscriptFormat.SCC | TranscriptFormat.DOCX:
            return export(_document(cues, finals), DocumentFormat(transcript_format))
        case _:
            assert_never(transcript_format)


def _text(text: str) -> Export:
    return Export(text.encode())


def _document(cues: Sequence[Cue], finals: Sequence[Final]) -> Document:
    return Document(tuple(map(caption_of, cues)), tuple(map(passage_of, finals)), language=most_spoken(finals))


def _add_cue(cues: list[Cue], cue: Cue) -> None:
    """Add a final cue to those of its utterance; a repeated cue replaces them all.

    An utterance whose final was not written before a crash is decoded again.
    """
    if any(known.cue_id == cue.cue_id for known in cues):
        cues.clear()
    cues.append(cue)


def _with_channel(channel: int | None, cue: Cue) -> Cue:
    return cue if channel is None else replace(cue, cue_id=f"{channel}/{cue.cue_id}")
