"""Conversion between the events and the JSON messages of the native dialect, in both directions. PURE."""

from typing import assert_never

import msgspec

from gateway.wire import (
    Ack,
    AudioFormat,
    CadenceChanged,
    ClientEvent,
    Correction,
    CueEvent,
    Details,
    DrainBegun,
    Eager,
    Endpointing,
    Error,
    Final,
    Finished,
    Flush,
    Flushed,
    Gap,
    KeepAlive,
    LostAudio,
    ProtocolError,
    Ready,
    Resume,
    Resumed,
    ServerEvent,
    SessionEvent,
    SinksStatus,
    SpeechEnded,
    SpeechStarted,
    Start,
    Stop,
    Warning,
)
from gateway.wire.event_name import read_event_name
from gateway.wire.native.details import details_event, details_message, name_objects, read_names, read_title
from gateway.wire.native.messages import (
    PROTOCOL_VERSION,
    AckMessage,
    AudioFormatObject,
    CadenceMessage,
    ClientMessage,
    CorrectionMessage,
    CueMessage,
    CuesObject,
    DetailsMessage,
    DrainingMessage,
    EagerMessage,
    EndpointingObject,
    EngineOptionsObject,
    ErrorMessage,
    FinalMessage,
    FinishedMessage,
    FlushedMessage,
    FlushMessage,
    GapMessage,
    KeepAliveMessage,
    LostMessage,
    ReadyMessage,
    ResumedMessage,
    ResumeMessage,
    ServerMessage,
    SinksMessage,
    SpeechEndedMessage,
    SpeechStartedMessage,
    StartMessage,
    StopMessage,
    WarningMessage,
)
from gateway.wire.native.sink_messages import choice_objects, sink_choices, sinks_event, sinks_message
from gateway.wire.native.units import to_ms, to_samples, to_seconds
from gateway.wire.native.utterance_messages import utterance_event, utterance_message
from vad.errors import AudioFormatError

__all__ = ["client_event", "server_event", "server_message", "start_message"]

MAX_PROMPT_CHARS = 1_000
"""Whisper reads at most 223 tokens of prompt, which is about this many characters."""


def client_event(message: ClientMessage) -> ClientEvent:
    """Return the event of a client message.

    Raises:
        ProtocolError: its values are not allowed.
    """
    match message:
        case FlushMessage(id=flush_id):
            return Flush(flush_id)
        case LostMessage(duration_s=duration_s):
            return LostAudio(to_samples(duration_s))
        case StopMessage():
            return Stop()
        case KeepAliveMessage():
            return KeepAlive()
        case StartMessage():
            return _start_event(message)
        case ResumeMessage(session_id, token, after_seq, held_sample):
            return Resume(session_id, token, after_seq, held_sample)
    assert_never(message)


def _start_event(message: StartMessage) -> Start:
    if message.version != PROTOCOL_VERSION:
        raise ProtocolError(f"version {message.version} is not supported: expected {PROTOCOL_VERSION}", "version")
    if len(message.engine.prompt) > MAX_PROMPT_CHARS:
        got = len(message.engine.prompt)
        raise ProtocolError(f"prompt has {got} characters: at most {MAX_PROMPT_CHARS} allowed", "engine.prompt")
    try:
        audio = AudioFormat(message.audio.encoding, message.audio.sample_rate_hz, message.audio.channels)
    except AudioFormatError as error:
        raise ProtocolError(str(error), "audio") from error
    return Start(
        audio=audio,
        language=message.language,
        prompt=message.engine.prompt,
        endpointing=Endpointing(**msgspec.structs.asdict(message.endpointing)),
        cue_profile=message.cues.profile,
        partials=message.partials,
        words=message.words,
        eager=message.eager,
        guard=message.guard,
        resumable=message.resumable,
        languages=message.languages,
        file=message.file,
        title=read_title(message.title),
        names=read_names(message.names),
        event=read_event_name(message.event),
        sinks=sink_choices(message.sinks),
    )


def start_message(event: Start) -> StartMessage:
    """Return the message of a start."""
    audio, endpointing = event.audio, event.endpointing
    return StartMessage(
        audio=AudioFormatObject(audio.encoding, audio.sample_rate_hz, audio.channels),
        language=event.language,
        engine=EngineOptionsObject(event.prompt),
        endpointing=EndpointingObject(
            endpointing.detector,
            endpointing.silence_ms,
            endpointing.pause_ms,
            endpointing.max_utterance_s,
            endpointing.partial_interval_ms,
        ),
        cues=CuesObject(event.cue_profile),
        partials=event.partials,
        words=event.words,
        eager=event.eager,
        guard=event.guard,
        resumable=event.resumable,
        languages=event.languages,
        file=event.file,
        title=event.title,
        names=name_objects(event.names),
        event=event.event,
        sinks=choice_objects(event.sinks),
    )


def server_message(event: SessionEvent) -> ServerMessage:
    """Return the message of a session's event."""
    match event:
        case Ready():
            return _ready_message(event)
        case SpeechStarted() | SpeechEnded() | CueEvent() | Eager() | Resumed() | Final() | Correction():
            return utterance_message(event)
        case CadenceChanged(seq, interval):
            return CadenceMessage(seq, to_ms(to_seconds(interval)))
        case Flushed(seq, flush_id):
            return FlushedMessage(seq, flush_id)
        case Ack(seq, received, processed):
            return AckMessage(seq, received, processed)
        case Gap(seq, start, end):
            return GapMessage(seq, to_seconds(start), to_seconds(end))
        case Details():
            return details_message(event)
        case Warning(seq, code, text):
            return WarningMessage(seq, code, text)
        case SinksStatus():
            return sinks_message(event)
        case DrainBegun(seq, grace_s, can_resume):
            return DrainingMessage(seq, grace_s, can_resume)
        case Error(seq, code, text, fatal, field):
            return ErrorMessage(seq, code, text, fatal, field)
        case Finished(seq, audio_samples, utterances):
            return FinishedMessage(seq, to_seconds(audio_samples), utterances)
    assert_never(event)


def _ready_message(event: Ready) -> ReadyMessage:
    about = event.engine, event.model, event.device, event.language
    message = ReadyMessage(event.seq, event.session_id, *about)
    if event.resume_token is not None:
        message.resume_token, message.next_sample = event.resume_token, event.next_sample
    return message


def server_event(message: ServerMessage) -> ServerEvent:
    """Return the event of a server message."""
    match message:
        case ReadyMessage():
            return _ready_event(message)
        case SpeechStartedMessage() | SpeechEndedMessage() | EagerMessage() | ResumedMessage():
            return utterance_event(message)
        case CueMessage() | FinalMessage() | CorrectionMessage():
            return utterance_event(message)
        case CadenceMessage(seq=seq, partial_interval_ms=interval_ms):
            return CadenceChanged(seq, to_samples(interval_ms / 1000))
        case FlushedMessage(seq=seq, id=flush_id):
            return Flushed(seq, flush_id)
        case AckMessage(seq=seq, received_samples=received, processed_samples=processed):
            return Ack(seq, received, processed)
        case GapMessage(seq=seq, start_s=start_s, end_s=end_s):
            return Gap(seq, to_samples(start_s), to_samples(end_s))
        case DetailsMessage():
            return details_event(message)
        case WarningMessage(seq=seq, code=code, message=text):
            return Warning(seq, code, text)
        case SinksMessage():
            return sinks_event(message)
        case DrainingMessage(seq=seq, grace_s=grace_s, can_resume=can_resume):
            return DrainBegun(seq, grace_s, can_resume)
        case ErrorMessage(seq=seq, code=code, message=text, fatal=fatal, field=field):
            return Error(seq, code, text, fatal, field)
        case FinishedMessage(seq=seq, audio_s=audio_s, utterances=utterances):
            return Finished(seq, to_samples(audio_s), utterances)
    assert_never(message)


def _ready_event(m: ReadyMessage) -> Ready:
    token = None if isinstance(m.resume_token, msgspec.UnsetType) else m.resume_token
    next_sample = 0 if isinstance(m.next_sample, msgspec.UnsetType) else m.next_sample
    return Ready(m.seq, m.session_id, m.engine, m.model, m.device, m.language, token, next_sample)
