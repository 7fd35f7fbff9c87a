"""Conversion of the events of utterances to JSON messages of the native dialect, and back. PURE."""

from typing import assert_never

import msgspec

from gateway.wire import (
    Correction,
    Cue,
    CueEvent,
    Eager,
    Final,
    Latency,
    Resumed,
    SpeechEnded,
    SpeechStarted,
    WordSpan,
)
from gateway.wire.native.messages import (
    CorrectionMessage,
    CueMessage,
    CueObject,
    EagerMessage,
    FinalMessage,
    LatencyObject,
    ResumedMessage,
    SpeechEndedMessage,
    SpeechStartedMessage,
    WordObject,
)
from gateway.wire.native.units import to_ms, to_samples, to_seconds

__all__ = ["UtteranceEvent", "UtteranceMessage", "utterance_event", "utterance_message"]

UtteranceEvent = SpeechStarted | SpeechEnded | CueEvent | Eager | Resumed | Final | Correction
"""The events of utterances."""

UtteranceMessage = (
    SpeechStartedMessage
    | SpeechEndedMessage
    | CueMessage
    | EagerMessage
    | ResumedMessage
    | FinalMessage
    | CorrectionMessage
)
"""Their messages."""


def utterance_message(event: UtteranceEvent) -> UtteranceMessage:
    """Return the message of an utterance's event."""
    match event:
        case SpeechStarted(seq, utterance_id, start):
            return SpeechStartedMessage(seq, utterance_id, to_seconds(start))
        case SpeechEnded(seq, utterance_id, start, end, reason):
            return SpeechEndedMessage(seq, utterance_id, to_seconds(start), to_seconds(end), reason)
        case CueEvent(seq, cue):
            return CueMessage(seq, **msgspec.structs.asdict(_cue_object(cue)))
        case Eager(seq, utterance_id, text, language):
            return EagerMessage(seq, utterance_id, text, language)
        case Resumed(seq, utterance_id):
            return ResumedMessage(seq, utterance_id)
        case Final():
            return _final_message(event)
        case Correction(seq, utterance_id, revision, text, cues, words):
            objects = tuple(map(_cue_object, cues))
            return CorrectionMessage(seq, utterance_id, revision, text, objects, _word_objects(words))
    assert_never(event)


def utterance_event(message: UtteranceMessage) -> UtteranceEvent:
    """Return the event of an utterance's message."""
    match message:
        case SpeechStartedMessage(seq=seq, utterance_id=utterance_id, start_s=start_s):
            return SpeechStarted(seq, utterance_id, to_samples(start_s))
        case SpeechEndedMessage(seq=seq, utterance_id=utterance_id, start_s=start_s, end_s=end_s, reason=reason):
            return SpeechEnded(seq, utterance_id, to_samples(start_s), to_samples(end_s), reason)
        case CueMessage():
            return CueEvent(message.seq, _cue(message))
        case EagerMessage(seq=seq, utterance_id=utterance_id, text=text, language=language):
            return Eager(seq, utterance_id, text, language)
        case ResumedMessage(seq=seq, utterance_id=utterance_id):
            return Resumed(seq, utterance_id)
        case FinalMessage():
            return _final_event(message)
        case CorrectionMessage(seq, utterance_id, revision, text, cues, words):
            return Correction(seq, utterance_id, revision, text, tuple(map(_cue, cues)), _word_spans(words))
    assert_never(message)


def _cue_object(cue: Cue) -> CueObject:
    start_s, end_s = to_seconds(cue.start_sample), to_seconds(cue.end_sample)
    return CueObject(cue.cue_id, cue.utterance_id, cue.revision, start_s, end_s, cue.lines, cue.stable_chars, cue.state)


def _word_objects(words: tuple[WordSpan, ...]) -> tuple[WordObject, ...]:
    return tuple(WordObject(w.text, to_seconds(w.start_sample), to_seconds(w.end_sample), w.probability) for w in words)


def _final_message(event: Final) -> FinalMessage:
    latency = event.latency
    return FinalMessage(
        seq=event.seq,
        utterance_id=event.utterance_id,
        start_s=to_seconds(event.start_sample),
        end_s=to_seconds(event.end_sample),
        text=event.text,
        language=event.language,
        latency_ms=LatencyObject(
            to_ms(latency.endpoint_s), to_ms(latency.queue_s), to_ms(latency.decode_s), to_ms(latency.delivery_s)
        ),
        words=_word_objects(event.words),
        error=event.error,
        guard=event.guard,
    )


def _cue(m: CueMessage | CueObject) -> Cue:
    start, end = to_samples(m.start_s), to_samples(m.end_s)
    return Cue(m.id, m.utterance_id, m.revision, start, end, m.lines, m.stable_chars, m.state)


def _word_spans(words: tuple[WordObject, ...]) -> tuple[WordSpan, ...]:
    return tuple(WordSpan(w.text, to_samples(w.start_s), to_samples(w.end_s), w.probability) for w in words)


def _final_event(m: FinalMessage) -> Final:
    ms = m.latency_ms
    return Final(
        seq=m.seq,
        utterance_id=m.utterance_id,
        start_sample=to_samples(m.start_s),
        end_sample=to_samples(m.end_s),
        text=m.text,
        language=m.language,
        latency=Latency(ms.endpoint / 1000, ms.queue / 1000, ms.decode / 1000, ms.delivery / 1000),
        words=_word_spans(m.words),
        error=m.error,
        guard=m.guard,
    )
