"""Exports transcripts of journaled sessions. PURE."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import assert_never

from gateway.captions.subtitles import to_json, to_srt, to_vtt
from gateway.journal.event_json import event_of
from gateway.wire import CueEvent, Details, Final
from gateway.wire.cue import Cue, CueState
from gateway.wire.details import names_of
from gateway.wire.server_events import channel_of

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

    In a session with several channels the id of a cue begins with its channel: `1/3.2`. Names of channels are voices in
    WebVTT and JSON; in text and SubRip they precede the words where several channels have one. A title heads the text.

    Args:
        messages: of one session, as `event_json` returned them.

    Raises:
        ProtocolError: a message is malformed.
    """
    cues: dict[tuple[int | None, int], list[Cue]] = {}
    finals: list[tuple[int | None, Final]] = []
    details = Details(0)
    for channel, event in (channel_of(known) for message in messages if (known := event_of(message)) is not None):
        match event:
            case CueEvent(_, cue) if cue.state is CueState.FINAL and cue.lines:
                _add_cue(cues.setdefault((channel, cue.utterance_id), []), cue)
            case Final() if event.text:
                finals.append((channel, event))
            case Details():
                details = event
    names = names_of(details.names)
    numbered = [(channel or 0, _with_channel(channel, cue)) for (channel, _), own in cues.items() for cue in own]
    ordered = sorted((cue for _, cue in numbered), key=lambda cue: cue.start_sample)
    voices = {cue.cue_id: names[channel] for channel, cue in numbered if channel in names}
    is_prefixed = len(names) > 1
    match transcript_format:
        case TranscriptFormat.TXT:
            return _text(finals, names if is_prefixed else {}, details.title)
        case TranscriptFormat.SRT:
            return to_srt(ordered, voices if is_prefixed else {})
        case TranscriptFormat.VTT:
            return to_vtt(ordered, voices, details.title)
        case TranscriptFormat.JSON:
            return to_json(ordered, voices)
        case _:
            assert_never(transcript_format)


def _text(finals: Iterable[tuple[int | None, Final]], names: Mapping[int, str], title: str | None) -> str:
    heading = "" if title is None else f"{title}\n\n"
    ordered = sorted(finals, key=lambda each: each[1].start_sample)
    lines = ((names.get(channel or 0), final.text) for channel, final in ordered)
    return heading + "".join(f"{text}\n" if name is None else f"{name}: {text}\n" for name, text in lines)


def _add_cue(cues: list[Cue], cue: Cue) -> None:
    """Add a final cue to those of its utterance; a repeated cue replaces them all.

    An utterance whose final was not written before a crash is decoded again.
    """
    if any(known.cue_id == cue.cue_id for known in cues):
        cues.clear()
    cues.append(cue)


def _with_channel(channel: int | None, cue: Cue) -> Cue:
    return cue if channel is None else replace(cue, cue_id=f"{channel}/{cue.cue_id}")
