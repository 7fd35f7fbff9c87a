"""The native dialect: JSON control messages and binary sound. PURE; `docs/protocol.md` describes it.

Times on the wire are seconds since the session's first sample; a second is exactly 16 000 samples, so nothing is lost.
"""

from typing import TypeVar, assert_never

import msgspec

from gateway.wire import (
    SAMPLE_RATE_HZ,
    Ack,
    Audio,
    AudioFormat,
    CadenceChanged,
    ClientEvent,
    Cue,
    CueEvent,
    DialectMessage,
    DialectReply,
    Eager,
    Endpointing,
    Error,
    Final,
    Finished,
    Flush,
    Flushed,
    Gap,
    KeepAlive,
    Latency,
    OfChannel,
    Partial,
    ProtocolError,
    Ready,
    Resume,
    Resumed,
    ServerEvent,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
    Start,
    Stop,
    Update,
    Warning,
    WordSpan,
)
from gateway.wire.native.messages import (
    PROTOCOL_VERSION,
    AckMessage,
    AudioFormatObject,
    CadenceMessage,
    ClientMessage,
    CueMessage,
    CuesObject,
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
    LatencyObject,
    ReadyMessage,
    ResumedMessage,
    ResumeMessage,
    ServerMessage,
    SpeechEndedMessage,
    SpeechStartedMessage,
    StartMessage,
    StopMessage,
    WarningMessage,
    WordObject,
)
from gateway.wire.native.validation_errors import message_types, refusal, type_of
from vad.errors import AudioFormatError

__all__ = ["PROTOCOL_VERSION", "NativeClientCodec", "NativeCodec"]

MAX_PROMPT_CHARS = 1_000
"""Whisper reads at most 223 tokens of prompt, which is about this many characters."""


_M = TypeVar("_M")

_encode = msgspec.json.Encoder().encode
_client_decoder = msgspec.json.Decoder(ClientMessage)
_server_decoder = msgspec.json.Decoder(ServerMessage)


class NativeCodec:
    """The gateway's end: `start` or `resume` first and once, then sound and control messages, nothing after `stop`."""

    def __init__(self) -> None:
        self._has_started = False
        self._has_stopped = False

    def open(self) -> list[ClientEvent]:
        """Return nothing: the start is a message."""
        return []

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Read one message of the client.

        Raises:
            ProtocolError: the message is not of the dialect, or comes out of turn.
        """
        event = (
            Audio(message)
            if isinstance(message, bytes)
            else _client_event(_parse(_client_decoder, message, ClientMessage))
        )
        if self._has_stopped:
            raise ProtocolError("nothing may follow the stop message")
        if isinstance(event, Start | Resume) is self._has_started:
            if self._has_started:
                raise ProtocolError(f"got a second {_describe(event)}: expected sound, flush, stop or keepalive")
            raise ProtocolError(f"got {_describe(event)}: expected a start or resume message, and that first")
        self._has_started = True
        self._has_stopped = isinstance(event, Stop)
        return [event]

    def send(self, event: ServerEvent) -> list[str | bytes]:
        """Write one event as one text message."""
        match event:
            case DialectMessage(message):
                return [message]
            case OfChannel() | Partial():
                return []  # the dialect has one channel, and cues
            case _:
                return [_encode(_server_message(event)).decode()]


class NativeClientCodec:
    """The client's end, the mirror of `NativeCodec`."""

    def receive(self, message: str | bytes) -> list[ServerEvent]:
        """Read one message of the gateway; of a type that this client is too old to know, make nothing.

        Raises:
            ProtocolError: the message is not of the dialect.
        """
        message_type = type_of(message)
        if message_type is not None and message_type not in message_types(ServerMessage):
            return []
        return [_server_event(_parse(_server_decoder, message, ServerMessage))]

    def send(self, event: ClientEvent) -> list[str | bytes]:
        """Write one event: sound as binary, all else as text."""
        match event:
            case Audio(data):
                return [data]
            case Flush(flush_id):
                message: ClientMessage = FlushMessage(flush_id)
            case Stop():
                message = StopMessage()
            case KeepAlive():
                message = KeepAliveMessage()
            case Start():
                message = _start_message(event)
            case Resume(session_id, token, after_seq, held_sample):
                message = ResumeMessage(session_id, token, after_seq, held_sample)
            case Update() | DialectReply():
                return []  # the dialect has no word for it
            case _:
                assert_never(event)
        return [_encode(message).decode()]


def _parse(decoder: msgspec.json.Decoder[_M], message: str | bytes, union: object) -> _M:
    try:
        return decoder.decode(message)
    except msgspec.ValidationError as error:
        raise refusal(error, message, union) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError("text that is not JSON: control messages are JSON, sound is binary") from error


def _describe(event: ClientEvent) -> str:
    return "sound" if isinstance(event, Audio) else f"{type(event).__name__.lower()} message"


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


def _seconds(samples: int) -> float:
    return samples / SAMPLE_RATE_HZ


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _client_event(message: ClientMessage) -> ClientEvent:
    match message:
        case FlushMessage(id=flush_id):
            return Flush(flush_id)
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
        raise ProtocolError(f"version {message.version}: this gateway speaks {PROTOCOL_VERSION}", "version")
    if len(message.engine.prompt) > MAX_PROMPT_CHARS:
        got = len(message.engine.prompt)
        raise ProtocolError(f"prompt of {got} characters: at most {MAX_PROMPT_CHARS} are read", "engine.prompt")
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
    )


def _start_message(event: Start) -> StartMessage:
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
    )


def _server_message(event: SessionEvent) -> ServerMessage:
    match event:
        case Ready(seq, session_id, engine, model, device, language, token, next_sample):
            message = ReadyMessage(seq, session_id, engine, model, device, language)
            if token is not None:
                message.resume_token, message.next_sample = token, next_sample
            return message
        case SpeechStarted(seq, utterance_id, start):
            return SpeechStartedMessage(seq, utterance_id, _seconds(start))
        case SpeechEnded(seq, utterance_id, start, end, reason):
            return SpeechEndedMessage(seq, utterance_id, _seconds(start), _seconds(end), reason)
        case CueEvent(seq, cue):
            return _cue_message(seq, cue)
        case Final():
            return _final_message(event)
        case Eager(seq, utterance_id, text, language):
            return EagerMessage(seq, utterance_id, text, language)
        case Resumed(seq, utterance_id):
            return ResumedMessage(seq, utterance_id)
        case CadenceChanged(seq, interval):
            return CadenceMessage(seq, _ms(_seconds(interval)))
        case Flushed(seq, flush_id):
            return FlushedMessage(seq, flush_id)
        case Ack(seq, received, processed):
            return AckMessage(seq, received, processed)
        case Gap(seq, start, end):
            return GapMessage(seq, _seconds(start), _seconds(end))
        case Warning(seq, code, text):
            return WarningMessage(seq, code, text)
        case Error(seq, code, text, fatal, field):
            return ErrorMessage(seq, code, text, fatal, field)
        case Finished(seq, audio_samples, utterances):
            return FinishedMessage(seq, _seconds(audio_samples), utterances)
    assert_never(event)


def _cue_message(seq: int, cue: Cue) -> CueMessage:
    start_s, end_s = _seconds(cue.start_sample), _seconds(cue.end_sample)
    return CueMessage(
        seq, cue.cue_id, cue.utterance_id, cue.revision, start_s, end_s, cue.lines, cue.stable_chars, cue.state
    )


def _final_message(event: Final) -> FinalMessage:
    latency = event.latency
    return FinalMessage(
        seq=event.seq,
        utterance_id=event.utterance_id,
        start_s=_seconds(event.start_sample),
        end_s=_seconds(event.end_sample),
        text=event.text,
        language=event.language,
        latency_ms=LatencyObject(
            _ms(latency.endpoint_s), _ms(latency.queue_s), _ms(latency.decode_s), _ms(latency.delivery_s)
        ),
        words=tuple(
            WordObject(w.text, _seconds(w.start_sample), _seconds(w.end_sample), w.probability) for w in event.words
        ),
        error=event.error,
        guard=event.guard,
    )


def _server_event(message: ServerMessage) -> ServerEvent:
    match message:
        case ReadyMessage():
            return _ready_event(message)
        case SpeechStartedMessage(seq=seq, utterance_id=utterance_id, start_s=start_s):
            return SpeechStarted(seq, utterance_id, _samples(start_s))
        case SpeechEndedMessage(seq=seq, utterance_id=utterance_id, start_s=start_s, end_s=end_s, reason=reason):
            return SpeechEnded(seq, utterance_id, _samples(start_s), _samples(end_s), reason)
        case CueMessage():
            return CueEvent(message.seq, _cue(message))
        case FinalMessage():
            return _final_event(message)
        case EagerMessage(seq=seq, utterance_id=utterance_id, text=text, language=language):
            return Eager(seq, utterance_id, text, language)
        case ResumedMessage(seq=seq, utterance_id=utterance_id):
            return Resumed(seq, utterance_id)
        case CadenceMessage(seq=seq, partial_interval_ms=interval_ms):
            return CadenceChanged(seq, _samples(interval_ms / 1000))
        case FlushedMessage(seq=seq, id=flush_id):
            return Flushed(seq, flush_id)
        case AckMessage(seq=seq, received_samples=received, processed_samples=processed):
            return Ack(seq, received, processed)
        case GapMessage(seq=seq, start_s=start_s, end_s=end_s):
            return Gap(seq, _samples(start_s), _samples(end_s))
        case WarningMessage(seq=seq, code=code, message=text):
            return Warning(seq, code, text)
        case ErrorMessage(seq=seq, code=code, message=text, fatal=fatal, field=field):
            return Error(seq, code, text, fatal, field)
        case FinishedMessage(seq=seq, audio_s=audio_s, utterances=utterances):
            return Finished(seq, _samples(audio_s), utterances)
    assert_never(message)


def _ready_event(m: ReadyMessage) -> Ready:
    token = None if isinstance(m.resume_token, msgspec.UnsetType) else m.resume_token
    next_sample = 0 if isinstance(m.next_sample, msgspec.UnsetType) else m.next_sample
    return Ready(m.seq, m.session_id, m.engine, m.model, m.device, m.language, token, next_sample)


def _cue(m: CueMessage) -> Cue:
    start, end = _samples(m.start_s), _samples(m.end_s)
    return Cue(m.id, m.utterance_id, m.revision, start, end, m.lines, m.stable_chars, m.state)


def _final_event(m: FinalMessage) -> Final:
    ms = m.latency_ms
    return Final(
        seq=m.seq,
        utterance_id=m.utterance_id,
        start_sample=_samples(m.start_s),
        end_sample=_samples(m.end_s),
        text=m.text,
        language=m.language,
        latency=Latency(ms.endpoint / 1000, ms.queue / 1000, ms.decode / 1000, ms.delivery / 1000),
        words=tuple(WordSpan(w.text, _samples(w.start_s), _samples(w.end_s), w.probability) for w in m.words),
        error=m.error,
        guard=m.guard,
    )
