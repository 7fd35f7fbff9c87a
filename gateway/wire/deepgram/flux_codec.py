"""Deepgram's dialect of `/v2/listen`, called Flux: turns of a conversation. PURE.

| state | event | message | next state |
|---|---|---|---|
| no turn | words | StartOfTurn | turn |
| turn | words | Update | turn |
| turn | a pause above the eager threshold | EagerEndOfTurn | eager |
| eager | speech resumes | TurnResumed | turn |
| turn, eager | silence above the threshold or the timeout, or ForceEndTurn | EndOfTurn | no turn |
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import msgspec

from gateway.wire import (
    SAMPLE_RATE_HZ,
    Audio,
    ClientEvent,
    DialectMessage,
    DialectReply,
    Eager,
    Error,
    Final,
    Flush,
    KeepAlive,
    Note,
    Partial,
    ProtocolError,
    Ready,
    Resumed,
    ServerEvent,
    SpeechEnded,
    Stop,
    Update,
    Warning,
    WordSpan,
)
from gateway.wire.deepgram.flux_messages import (
    Configure,
    ConfigureFailure,
    ConfigureSuccess,
    Connected,
    FatalError,
    FluxMessage,
    ForceEndTurn,
    Thresholds,
    TurnInfo,
    TurnWord,
    WarningMessage,
)
from gateway.wire.deepgram.flux_params import (
    Turns,
    check_thresholds,
    confidence_of,
    hinted_languages,
    is_timeout,
    with_thresholds,
)
from gateway.wire.deepgram.listen_params import prompt_of
from gateway.wire.deepgram.messages import CloseStream, KeepAliveMessage, confidence_of_words, encode, parsed, seconds
from gateway.wire.words import after_words, join_words

__all__ = ["FluxCodec", "FluxMessage"]

_MAX_TURN_WORDS = 2_000
"""A turn of a quarter of an hour is ended: each message repeats the whole turn."""

_decoder: msgspec.json.Decoder[FluxMessage] = msgspec.json.Decoder(FluxMessage)


@dataclass(frozen=True, slots=True)
class ConfiguredNote(Note):
    """A reply to Configure; the sending half numbers it in its turn."""

    reply: ConfigureSuccess | ConfigureFailure

    @property
    def size_bytes(self) -> int:
        """Bytes of the reply as JSON."""
        return len(encode(self.reply))


class FluxCodec:
    """The gateway's end of one connection to `/v2/listen`.

    Args:
        turns: the options in its URL.
        request_id: id of the connection.
        languages: ISO 639-1 codes that the engine supports; empty: any.
    """

    def __init__(self, turns: Turns | None = None, request_id: str = "", languages: Sequence[str] = ()) -> None:
        self._turns = turns or Turns()
        self._request_id = request_id
        self._languages = tuple(languages)
        self._sequence_id = 0
        self._turn_index = 0
        self._turn_start: int | None = None
        self._earlier: tuple[WordSpan, ...] = ()
        """Words of the turn, in utterances that were split at their maximum length."""
        self._words: tuple[WordSpan, ...] = ()
        """Words of the turn, as last sent."""
        self._audio_end_sample = 0
        self._language: str | None = None
        self._is_open = False
        self._is_eager = False
        """Whether `EagerEndOfTurn` has been sent."""
        self._reasons: dict[int, str] = {}
        """End reasons of the utterances whose finals are outstanding."""
        self._has_stopped = False

    def open(self) -> list[ClientEvent]:
        """Return the start: the URL carries all options."""
        return [self._turns.start]

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Parse one message of the client; those after CloseStream are ignored.

        Raises:
            ProtocolError: it is not a message of Flux.
        """
        if self._has_stopped:
            return []
        if isinstance(message, bytes):
            return [Audio(message)]
        match control := parsed(_decoder, message):
            case ForceEndTurn():
                return [Flush("turn")]
            case KeepAliveMessage():
                return [KeepAlive()]
            case CloseStream():
                self._has_stopped = True
                return [Stop()]
            case Configure() as configure:
                return self._configure(configure)
        assert_never(control)

    def send(self, event: ServerEvent) -> list[str]:
        """Return an event as messages; for many, Flux has none."""
        match event:
            case Ready():
                return [encode(Connected(self._request_id, self._next_id()))]
            case DialectMessage(ConfiguredNote(reply)):
                return [encode(msgspec.structs.replace(reply, sequence_id=self._next_id()))]
            case SpeechEnded(utterance_id=utterance_id, reason=reason):
                self._reasons[utterance_id] = reason
                return []
            case Partial() | Eager() | Resumed() | Final():
                return self._turn(event)
            case Warning(code=code, message=text) | Error(code=code, message=text, fatal=False):
                return [encode(WarningMessage(self._request_id, self._next_id(), code.upper(), text))]
            case Error(code=code, message=text):
                name = "INTERNAL_SERVER_ERROR" if code == "internal_error" else code.upper()
                return [encode(FatalError(self._next_id(), name, text))]
            case _:
                return []

    def _configure(self, changes: Configure) -> list[ClientEvent]:
        turns = self._turns
        try:
            self._turns = _reconfigured(turns, changes, self._languages)
        except ProtocolError as error:
            failure = ConfigureFailure(self._request_id, 0, "INVALID_CONFIGURATION", str(error))
            return [DialectReply(ConfiguredNote(failure))]
        turns = self._turns
        current = turns.thresholds
        thresholds = Thresholds(current.eot_threshold, current.eager_eot_threshold, current.eot_timeout_ms)
        success = ConfigureSuccess(self._request_id, 0, thresholds, list(turns.keyterms), list(turns.language_hints))
        return [Update(turns.start), DialectReply(ConfiguredNote(success))]

    def _turn(self, event: Partial | Eager | Resumed | Final) -> list[str]:
        match event:
            case Partial():
                self._begin(event.start_sample)
                self._audio_end_sample = event.audio_end_sample
                return self._updated((*event.committed, *event.tail), event.language)
            case Eager(text=text):
                return self._eager(text, event.language)
            case Resumed():
                return self._resumed()
            case Final():
                return self._final(event)
        assert_never(event)

    def _begin(self, start_sample: int) -> None:
        if self._turn_start is None:
            self._turn_start = start_sample

    def _updated(self, words: tuple[WordSpan, ...], language: str | None) -> list[str]:
        """Return a message with the words of the open utterance, if it has any."""
        self._words, self._language = self._with_earlier(words), language
        if not self._words:
            return []
        return [self._info("Update", self._silence_confidence())] if self._is_open else self._opened()

    def _with_earlier(self, words: Sequence[WordSpan]) -> tuple[WordSpan, ...]:
        return (*self._earlier, *after_words(self._earlier, words))

    def _opened(self) -> list[str]:
        if self._is_open:
            return []
        self._is_open = True
        return [self._info("StartOfTurn", self._silence_confidence())]

    def _eager(self, text: str, language: str | None) -> list[str]:
        """Send `EagerEndOfTurn`; its words were in the last partial, unless a newer one replaced it."""
        if not text:
            return []
        words = self._words[len(self._earlier) :]
        if join_words(words) != text:
            start = self._turn_start or 0
            words = tuple(WordSpan(word, start, max(start, self._audio_end_sample), None) for word in text.split())
            self._words, self._language = self._with_earlier(words), language
        self._is_eager = True
        threshold = self._turns.thresholds.eager_eot_threshold or 0.0
        return [*self._opened(), self._info("EagerEndOfTurn", max(threshold, self._silence_confidence()))]

    def _resumed(self) -> list[str]:
        """Retract `EagerEndOfTurn`, if it has been sent."""
        was_eager, self._is_eager = self._is_eager, False
        return [self._info("TurnResumed", self._silence_confidence())] if was_eager else []

    def _final(self, event: Final) -> list[str]:
        reason = self._reasons.pop(event.utterance_id, "silence")
        self._begin(event.start_sample)
        self._audio_end_sample = max(self._audio_end_sample, event.end_sample)
        if reason == "max_length" and len(self._earlier) < _MAX_TURN_WORDS:  # the turn continues
            messages = [*self._resumed(), *self._updated(event.words, event.language)]
            self._earlier = self._words
            return messages
        self._words, self._language = self._with_earlier(event.words), event.language or self._language
        messages = []
        if self._words or self._is_open:
            messages = [*self._opened(), self._end(reason)]
            self._turn_index += 1
        self._is_open = self._is_eager = False
        self._earlier, self._words, self._turn_start = (), (), None
        return messages

    def _end(self, reason: str) -> str:
        thresholds = self._turns.thresholds
        if reason == "flush":
            return self._info("EndOfTurn", self._silence_confidence(), "manual")
        silence_ms = self._turns.start.endpointing.silence_ms or 0
        if reason == "silence" and not is_timeout(thresholds):
            return self._info("EndOfTurn", max(confidence_of(silence_ms), thresholds.eot_threshold), "model")
        return self._info("EndOfTurn", confidence_of(silence_ms), "timeout")

    def _silence_confidence(self) -> float:
        """Return the confidence that the turn is over, from the audio after its last word."""
        silence = self._audio_end_sample - self._words[-1].end_sample if self._words else 0
        limit = self._turns.thresholds.eager_eot_threshold or self._turns.thresholds.eot_threshold
        return min(confidence_of(silence * 1000 / SAMPLE_RATE_HZ), limit)

    def _info(self, event: str, confidence: float, trigger: str | None = None) -> str:
        start = self._turn_start or 0
        language = self._language if self._turns.is_multilingual else None
        info = TurnInfo(
            request_id=self._request_id,
            sequence_id=self._next_id(),
            event=event,
            turn_index=self._turn_index,
            audio_window_start=seconds(start),
            audio_window_end=seconds(max(start, self._audio_end_sample)),
            transcript=join_words(self._words),
            words=[_word(word) for word in self._words],
            end_of_turn_confidence=round(confidence, 4),
            trigger=trigger,
            languages=None if language is None else [language],
        )
        return encode(info)

    def _next_id(self) -> int:
        self._sequence_id += 1
        return self._sequence_id - 1


def _reconfigured(turns: Turns, changes: Configure, languages: Sequence[str]) -> Turns:
    """Return the options after a Configure.

    Raises:
        ProtocolError: a value is not allowed.
    """
    thresholds = turns.thresholds
    if changes.thresholds is not None:
        given = {name: value for name, value in msgspec.structs.asdict(changes.thresholds).items() if value is not None}
        thresholds = check_thresholds(replace(thresholds, **given))
    keyterms = turns.keyterms if changes.keyterms is None else tuple(changes.keyterms)
    hints, start = turns.language_hints, turns.start
    if changes.language_hints is not None and turns.is_multilingual:
        hints = tuple(changes.language_hints)
        choice = hinted_languages(hints, languages)
        start = replace(start, language=choice.tag, languages=choice.allowed_tags)
    start = with_thresholds(replace(start, prompt=prompt_of(keyterms)), thresholds)
    return replace(turns, start=start, thresholds=thresholds, keyterms=keyterms, language_hints=hints)


def _word(word: WordSpan) -> TurnWord:
    return TurnWord(word.text, confidence_of_words((word,)), seconds(word.start_sample), seconds(word.end_sample))
