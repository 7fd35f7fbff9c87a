"""Exports transcripts of journaled sessions. PURE."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import assert_never

from gateway.captions.correction import SettledUtterance
from gateway.captions.subtitles import to_json, to_srt, to_vtt
from gateway.exports.document import Document, Passage, caption_of, most_spoken, passage_of
from gateway.exports.formats import DocumentFormat, Export, export
from gateway.journal.details import details_in
from gateway.journal.utterances import UtteranceKey, settled_utterances
from gateway.wire import Cue
from gateway.wire.details import names_of

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
    channel: `1/3.2`. Names of channels are voices in WebVTT and JSON; in text and SubRip they precede the words where
    several channels have one. A title heads the text.

    Args:
        messages: of one session, as `event_json` returned them.
        transcript_format: of the transcript.

    Raises:
        ProtocolError: a message is malformed.
        NotLatin: the format is SCC, and most of the text is in another script.
    """
    messages = tuple(messages)
    utterances, details = settled_utterances(messages), details_in(messages)
    names = names_of(details.names)
    ordered, voices = _cues(utterances, names)
    passages = _passages(utterances, names)
    match transcript_format:
        case TranscriptFormat.TXT:
            return _text(_plain(passages, details.title, is_prefixed=len(names) > 1))
        case TranscriptFormat.SRT:
            return _text(to_srt(ordered, voices if len(names) > 1 else {}))
        case TranscriptFormat.VTT:
            return _text(to_vtt(ordered, voices, details.title))
        case TranscriptFormat.JSON:
            return _text(to_json(ordered, voices))
        case TranscriptFormat.ASS | TranscriptFormat.TTML | TranscriptFormat.SCC | TranscriptFormat.DOCX:
            captions = tuple(caption_of(cue, voices.get(cue.cue_id)) for cue in ordered)
            language = most_spoken(each.final for each in utterances.values() if each.final is not None)
            document = Document(captions, passages, details.title, language)
            return export(document, DocumentFormat(transcript_format))
        case _:
            assert_never(transcript_format)


def _cues(
    utterances: Mapping[UtteranceKey, SettledUtterance], names: Mapping[int, str]
) -> tuple[list[Cue], dict[str, str]]:
    """Return the cues of all channels, sorted by start, and the names of their channels by the ids of cues."""
    numbered = [
        (_with_channel(channel, cue), channel or 0) for (channel, _), each in utterances.items() for cue in each.cues
    ]
    numbered.sort(key=lambda found: found[0].start_sample)
    return [cue for cue, _ in numbered], {cue.cue_id: names[channel] for cue, channel in numbered if channel in names}


def _text(text: str) -> Export:
    return Export(text.encode())


def _plain(passages: Iterable[Passage], title: str | None, *, is_prefixed: bool) -> str:
    heading = "" if title is None else f"{title}\n\n"
    lines = (
        f"{passage.speaker}: {passage.text}\n" if is_prefixed and passage.speaker else f"{passage.text}\n"
        for passage in passages
    )
    return heading + "".join(lines)


def _passages(utterances: Mapping[UtteranceKey, SettledUtterance], names: Mapping[int, str]) -> tuple[Passage, ...]:
    spoken = [
        (replace(each.final, text=each.text), names.get(channel or 0))
        for (channel, _), each in utterances.items()
        if each.final is not None and each.text
    ]
    spoken.sort(key=lambda found: found[0].start_sample)
    return tuple(passage_of(final, speaker) for final, speaker in spoken)


def _with_channel(channel: int | None, cue: Cue) -> Cue:
    return cue if channel is None else replace(cue, cue_id=f"{channel}/{cue.cue_id}")
