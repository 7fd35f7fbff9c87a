"""Exports transcripts of journaled sessions. PURE."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import assert_never

from gateway.captions.correction import SettledUtterance
from gateway.captions.subtitles import to_json, to_srt, to_vtt
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
    channel: `1/3.2`. Names of channels are voices in WebVTT and JSON; in text and SubRip they precede the words where
    several channels have one. A title heads the text.

    Args:
        messages: of one session, as `event_json` returned them.

    Raises:
        ProtocolError: a message is malformed.
    """
    messages = tuple(messages)
    utterances, details = settled_utterances(messages), details_in(messages)
    names = names_of(details.names)
    numbered = [
        (channel or 0, _with_channel(channel, cue)) for (channel, _), own in utterances.items() for cue in own.cues
    ]
    ordered = sorted((cue for _, cue in numbered), key=lambda cue: cue.start_sample)
    voices = {cue.cue_id: names[channel] for channel, cue in numbered if channel in names}
    is_prefixed = len(names) > 1
    match transcript_format:
        case TranscriptFormat.TXT:
            return _text(utterances, names if is_prefixed else {}, details.title)
        case TranscriptFormat.SRT:
            return to_srt(ordered, voices if is_prefixed else {})
        case TranscriptFormat.VTT:
            return to_vtt(ordered, voices, details.title)
        case TranscriptFormat.JSON:
            return to_json(ordered, voices)
        case _:
            assert_never(transcript_format)


def _text(utterances: Mapping[UtteranceKey, SettledUtterance], names: Mapping[int, str], title: str | None) -> str:
    heading = "" if title is None else f"{title}\n\n"
    spoken = [
        (each.final.start_sample, names.get(channel or 0), each.text)
        for (channel, _), each in utterances.items()
        if each.final is not None and each.text
    ]
    spoken.sort(key=lambda found: found[0])
    return heading + "".join(f"{text}\n" if name is None else f"{name}: {text}\n" for _, name, text in spoken)


def _with_channel(channel: int | None, cue: Cue) -> Cue:
    return cue if channel is None else replace(cue, cue_id=f"{channel}/{cue.cue_id}")
