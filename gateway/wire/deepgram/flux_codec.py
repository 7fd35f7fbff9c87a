"""Deepgram's dialect of `/v2/listen`, called Flux: turns of a conversation. PURE.

| state | what happens | message | state |
|---|---|---|---|
| no turn | words | StartOfTurn | turn |
| turn | words | Update | turn |
| turn | a pause, sure enough | EagerEndOfTurn | eager |
| eager | speech goes on | TurnResumed | turn |
| turn, eager | silence, sure enough or long enough, or ForceEndTurn | EndOfTurn | no turn |
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
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
from gateway.wire.bounds import Number, Phrases, Whole
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
"""A turn of a quarter of an hour is ended: all of it is repeated in each message."""


_IN_ITS_TURN = "configured"
"""Stands for a reply until it can be numbered."""


class ForceEndTurn(msgspec.Struct, tag_field="type", tag="ForceEndTurn"):
    """The turn is over."""


class Thresholds(msgspec.Struct, omit_defaults=True):
    """When a turn is over; None leaves it as it is."""

    eot_threshold: Number | None = None
    eager_eot_threshold: Number | None = None
    eot_timeout_ms: Whole | None = None


class Configure(msgspec.Struct, tag_field="type", tag="Configure"):
    """Go on otherwise; None leaves a thing as it is."""

    thresholds: Thresholds | None = None
    keyterms: Phrases | None = None
    language_hints: Phrases | None = None


FluxMessage = ForceEndTurn | Configure | CloseStream | KeepAliveMessage
"""What a client says beside sound."""

_decoder: msgspec.json.Decoder[FluxMessage] = msgspec.json.Decoder(FluxMessage)


class Connected(msgspec.Struct, tag_field="type", tag="Connected"):
    """The first message."""

    request_id: str
    sequence_id: int


class TurnWord(msgspec.Struct):
    """One word of a turn."""

    word: str
    confidence: float
    start: float
    end: float


class TurnInfo(msgspec.Struct, tag_field="type", tag="TurnInfo", omit_defaults=True):
    """The turn as far as it has been heard."""

    request_id: str
    sequence_id: int
    event: str
    turn_index: int
    audio_window_start: float
    audio_window_end: float
    transcript: str
    words: list[TurnWord]
    end_of_turn_confidence: float
    trigger: str | None = None
    languages: list[str] | None = None


class ConfigureSuccess(msgspec.Struct, tag_field="type", tag="ConfigureSuccess"):
    """It goes on so."""

    request_id: str
    sequence_id: int
    thresholds: Thresholds
    keyterms: list[str]
    language_hints: list[str]


class ConfigureFailure(msgspec.Struct, tag_field="type", tag="ConfigureFailure"):
    """It goes on as before."""

    request_id: str
    sequence_id: int
    code: str
    description: str


class WarningMessage(msgspec.Struct, tag_field="type", tag="Warning"):
    """Something to be mended; it goes on."""

    request_id: str
    sequence_id: int
    code: str
    description: str


class FatalError(msgspec.Struct, tag_field="type", tag="Error"):
    """It is over."""

    sequence_id: int
    code: str
    description: str


class FluxCodec:
    """The gateway's end of one connection to `/v2/listen`.

    Args:
        turns: what its address says.
        request_id: name of the connection.
        languages: ISO-639-1 codes that the engine writes; empty: any.
    """

    def __init__(self, turns: Turns | None = None, request_id: str = "", languages: Sequence[str] = ()) -> None:
        self._turns = turns or Turns()
        self._request_id = request_id
        self._languages = tuple(languages)
        self._replies: deque[ConfigureSuccess | ConfigureFailure] = deque()
        """To be numbered when it is their turn; each is a `DialectReply` meanwhile; bounded by the send queue."""
        self._sequence_id = 0
        self._turn_index = 0
        self._turn_start: int | None = None
        self._earlier: tuple[WordSpan, ...] = ()
        """Of the turn, in utterances that were split off."""
        self._words: tuple[WordSpan, ...] = ()
        """Of the turn, as last told."""
        self._audio_end_sample = 0
        self._language: str | None = None
        self._is_open = False
        self._is_eager = False
        """Whether the end of the turn has been told early."""
        self._reasons: dict[int, str] = {}
        """Why utterances ended whose finals are outstanding."""
        self._has_stopped = False

    def open(self) -> list[ClientEvent]:
        """Return the start: all of it is in the address."""
        return [self._turns.start]

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Read one message of the client; after CloseStream there is nothing to be read.

        Raises:
            ProtocolError: the message is not of the dialect.
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
        """Write one event; the dialect has no words for many."""
        match event:
            case Ready():
                return [encode(Connected(self._request_id, self._next_id()))]
            case DialectMessage():
                reply = self._replies.popleft()
                reply.sequence_id = self._next_id()
                return [encode(reply)]
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

    def _configure(self, wanted: Configure) -> list[ClientEvent]:
        turns = self._turns
        try:
            self._turns = _reconfigured(turns, wanted, self._languages)
        except ProtocolError as error:
            self._replies.append(ConfigureFailure(self._request_id, 0, "INVALID_CONFIGURATION", str(error)))
            return [DialectReply(_IN_ITS_TURN)]
        turns = self._turns
        now = turns.thresholds
        thresholds = Thresholds(now.eot_threshold, now.eager_eot_threshold, now.eot_timeout_ms)
        told = list(turns.keyterms), list(turns.language_hints)
        self._replies.append(ConfigureSuccess(self._request_id, 0, thresholds, *told))
        return [Update(turns.start), DialectReply(_IN_ITS_TURN)]

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
        """Tell the words of the open utterance, if there are any."""
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
        """Tell an early end; its words were in the partial before, unless a newer one has replaced that."""
        if not text:
            return []
        told = self._words[len(self._earlier) :]
        if join_words(told) != text:
            start = self._turn_start or 0
            told = tuple(WordSpan(word, start, max(start, self._audio_end_sample), None) for word in text.split())
            self._words, self._language = self._with_earlier(told), language
        self._is_eager = True
        threshold = self._turns.thresholds.eager_eot_threshold or 0.0
        return [*self._opened(), self._info("EagerEndOfTurn", max(threshold, self._silence_confidence()))]

    def _resumed(self) -> list[str]:
        """Take an early end back, if one has been told."""
        was_eager, self._is_eager = self._is_eager, False
        return [self._info("TurnResumed", self._silence_confidence())] if was_eager else []

    def _final(self, event: Final) -> list[str]:
        reason = self._reasons.pop(event.utterance_id, "silence")
        self._begin(event.start_sample)
        self._audio_end_sample = max(self._audio_end_sample, event.end_sample)
        if reason == "max_length" and len(self._earlier) < _MAX_TURN_WORDS:  # the turn goes on
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
        """Return how sure it is that the turn is over, after the last word of what was heard of it."""
        silence = self._audio_end_sample - self._words[-1].end_sample if self._words else 0
        sure = self._turns.thresholds.eager_eot_threshold or self._turns.thresholds.eot_threshold
        return min(confidence_of(silence * 1000 / SAMPLE_RATE_HZ), sure)

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


def _reconfigured(turns: Turns, wanted: Configure, languages: Sequence[str]) -> Turns:
    """Return what is wanted from here on.

    Raises:
        ProtocolError: a value is not allowed.
    """
    thresholds = turns.thresholds
    if wanted.thresholds is not None:
        given = {name: value for name, value in msgspec.structs.asdict(wanted.thresholds).items() if value is not None}
        thresholds = check_thresholds(replace(thresholds, **given))
    keyterms = turns.keyterms if wanted.keyterms is None else tuple(wanted.keyterms)
    hints, start = turns.language_hints, turns.start
    if wanted.language_hints is not None and turns.is_multilingual:
        hints = tuple(wanted.language_hints)
        choice = hinted_languages(hints, languages)
        start = replace(start, language=choice.tag, languages=choice.allowed_tags)
    start = with_thresholds(replace(start, prompt=prompt_of(keyterms)), thresholds)
    return replace(turns, start=start, thresholds=thresholds, keyterms=keyterms, language_hints=hints)


def _word(word: WordSpan) -> TurnWord:
    return TurnWord(word.text, confidence_of_words((word,)), seconds(word.start_sample), seconds(word.end_sample))
