"""Exports transcripts of journaled sessions. PURE."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import assert_never

from gateway.captions.correction import SettledUtterance
from gateway.captions.subtitles import to_json, to_srt, to_vtt
from gateway.exports.document import Document, Passage, caption_of, most_spoken, passage_of
from gateway.exports.formats import DocumentFormat, Export, export
from gateway.journal.utterances import settled_utterances
from gateway.wire import Cue

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

    Corrected utterances have their newest text. In a session with several channels the id of a cue begins with its
    channel: `1/3.2`.

    Args:
        messages: of one session, as `gateway.journal.event_json.event_json` returned them.
        transcript_format: of the transcript.

    Raises:
        ProtocolError: a message is malformed.
        NotLatin: the format is SCC, and most of the text is in another script.
    """
    utterances = settled_utterances(messages)
    cues = [_with_channel(channel, cue) for (channel, _), each in utterances.items() for cue in each.cues]
    cues.sort(key=lambda cue: cue.start_sample)
    match transcript_format:
        case TranscriptFormat.TXT:
            return _text("".join(f"{passage.text}\n" for passage in _passages(utterances.values())))
        case TranscriptFormat.SRT:
            return _text(to_srt(cues))
        case TranscriptFormat.VTT:
            return _text(to_vtt(cues))
        case TranscriptFormat.JSON:
            return _text(to_json(cues))
        case TranscriptFormat.ASS | TranscriptFormat.TTML | TranscriptFormat.SCC | TranscriptFormat.DOCX:
            return export(_document(cues, utterances.values()), DocumentFormat(transcript_format))
        case _:
            assert_never(transcript_format)


def _text(text: str) -> Export:
    return Export(text.encode())


def _document(cues: Sequence[Cue], utterances: Collection[SettledUtterance]) -> Document:
    language = most_spoken(each.final for each in utterances if each.final is not None)
    return Document(tuple(map(caption_of, cues)), _passages(utterances), language=language)


def _passages(utterances: Iterable[SettledUtterance]) -> tuple[Passage, ...]:
    spoken = [(each.final, each.text) for each in utterances if each.final is not None and each.text]
    spoken.sort(key=lambda found: found[0].start_sample)
    return tuple(passage_of(replace(final, text=text)) for final, text in spoken)


def _with_channel(channel: int | None, cue: Cue) -> Cue:
    return cue if channel is None else replace(cue, cue_id=f"{channel}/{cue.cue_id}")
