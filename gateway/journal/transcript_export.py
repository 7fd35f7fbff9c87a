"""Exports transcripts of journaled sessions. PURE."""

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import assert_never

from gateway.captions.correction import SettledUtterance
from gateway.captions.subtitles import to_json, to_srt, to_vtt
from gateway.journal.utterances import settled_utterances
from gateway.wire import Cue

__all__ = ["TranscriptFormat", "transcript"]


class TranscriptFormat(StrEnum):
    """The file formats of transcripts."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"

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
            case _:
                assert_never(self)


def transcript(messages: Iterable[str], transcript_format: TranscriptFormat) -> str:
    """Return the transcript of a session, sorted by start: one line for each utterance as text, else the final cues.

    Corrected utterances have their newest text. In a session with several channels the id of a cue begins with its
    channel: `1/3.2`.

    Args:
        messages: of one session, as `gateway.journal.event_json.event_json` returned them.
        transcript_format: of the transcript.

    Raises:
        ProtocolError: a message is malformed.
    """
    utterances = settled_utterances(messages)
    cues = [_with_channel(channel, cue) for (channel, _), each in utterances.items() for cue in each.cues]
    cues.sort(key=lambda cue: cue.start_sample)
    match transcript_format:
        case TranscriptFormat.TXT:
            return "".join(f"{text}\n" for text in _texts(utterances.values()))
        case TranscriptFormat.SRT:
            return to_srt(cues)
        case TranscriptFormat.VTT:
            return to_vtt(cues)
        case TranscriptFormat.JSON:
            return to_json(cues)
        case _:
            assert_never(transcript_format)


def _texts(utterances: Iterable[SettledUtterance]) -> list[str]:
    texts = [(each.final.start_sample, each.text) for each in utterances if each.final is not None and each.text]
    return [text for _, text in sorted(texts, key=lambda found: found[0])]


def _with_channel(channel: int | None, cue: Cue) -> Cue:
    return cue if channel is None else replace(cue, cue_id=f"{channel}/{cue.cue_id}")
