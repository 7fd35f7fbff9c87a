"""Deepgram's dialect of `/v1/listen`: binary audio in, windows of words out. PURE.

Each result covers a window of the audio; windows are consecutive. An interim result describes the open window and
replaces the interim before it; a final result closes the window, and the next begins at its end. A final result cannot
be retracted, so it is sent with the final of the utterance, which may still correct the committed words of partials.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import assert_never

import numpy as np

from gateway.wire import (
    SAMPLE_RATE_HZ,
    Ack,
    Audio,
    ClientEvent,
    DialectMessage,
    DialectReply,
    Error,
    Final,
    Finished,
    Flush,
    Flushed,
    KeepAlive,
    OfChannel,
    Partial,
    ProtocolError,
    Ready,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
    Stop,
    Update,
    WordSpan,
)
from gateway.wire.deepgram.listen_params import Listen, prompt_of
from gateway.wire.deepgram.messages import (
    MODEL_UUID,
    ChannelObject,
    CloseStream,
    Configure,
    ConfigureFailure,
    ConfigureSuccess,
    ErrorMessage,
    Finalize,
    KeepAliveMessage,
    Metadata,
    ModelInfo,
    Results,
    ResultsMetadata,
    SpeechStartedMessage,
    UtteranceEnd,
    alternative,
    encode,
    parse,
    seconds,
)
from gateway.wire.words import join_words

__all__ = ["DeepgramCodec", "closing_of"]

_CLOSINGS = {
    "idle_timeout": (1011, "NET-0001: no audio data or text message within the timeout window"),
    "internal_error": (1011, "NET-0000: the gateway failed"),
    "invalid_audio": (1008, "DATA-0000: the payload cannot be decoded as audio"),
    "unsupported_media": (1008, "DATA-0000: the payload cannot be decoded as audio"),
}
"""Error code → close code and reason of the service."""


def closing_of(code: int, reason: str) -> tuple[int, str]:
    """Return the close code and reason of this dialect.

    Args:
        code: the gateway's close code.
        reason: code of the error, or empty.
    """
    return _CLOSINGS.get(reason, (code, reason))


@dataclass(slots=True)
class _Channel:
    """The results sent so far for one channel."""

    index: int
    window_start: int = 0
    reasons: dict[int, str] = field(default_factory=dict)
    """End reasons of the utterances whose finals are outstanding."""
    last_word_end: int | None = None
    """Of the last final, until its `UtteranceEnd` is sent."""
    has_finalized: bool = False
    """Whether a final result has already answered Finalize."""


class DeepgramCodec:
    """The gateway's end of one connection to `/v1/listen`.

    Args:
        listen: the options in its URL.
        request_id: id of the connection.
        created: time at which it was opened, ISO 8601.
    """

    def __init__(self, listen: Listen | None = None, request_id: str = "", created: str = "") -> None:
        self._listen = listen or Listen()
        self._request_id = request_id
        self._created = created
        self._channels = [_Channel(index) for index in range(self._listen.start.channels)]
        self._model = ModelInfo(self._listen.model, "1", "")
        self._start = self._listen.start
        self._audio_hash = sha256()
        self._remainder = b""
        """The beginning of an incomplete sample frame of several channels."""
        self._finalizes = 0
        """Finalize messages that have not been answered."""
        self._has_stopped = False

    def open(self) -> list[ClientEvent]:
        """Return the start, which the URL carries."""
        return [self._start]

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Parse one message of the client. Whatever follows CloseStream is ignored.

        Raises:
            ProtocolError: it is none of the API's messages.
        """
        if self._has_stopped:
            return []
        if isinstance(message, bytes):
            return self._audio(message) if message else self._stop()
        match control := parse(message):
            case KeepAliveMessage():
                return [KeepAlive()]
            case Finalize():
                self._finalizes += 1
                return [Flush("finalize")]
            case CloseStream():
                return self._stop()
            case Configure(keyterms):
                return self._configure(keyterms)
        assert_never(control)

    def send(self, event: ServerEvent) -> list[str]:
        """Return an event as messages; many have no equivalent in the dialect."""
        match event:
            case OfChannel(index, inner):
                return self._channel_messages(self._channels[index], inner)
            case Ready(model=model):
                self._model = ModelInfo(self._listen.model, "1", model)
                return []
            case DialectMessage(str() as message):
                return [message]
            case Flushed():
                return self._finalized()
            case Finished(audio_samples=samples):
                ends = [end for channel in self._channels for end in self._utterance_end(channel, samples)]
                return [*ends, encode(self._metadata(samples))]
            case Error(code=code, message=text, fatal=fatal):
                return [encode(ErrorMessage(code if fatal else "SchemaError", text, text))]
            case _:
                return self._channel_messages(self._channels[0], event)

    # --- from the client ---------------------------------------------------------------------------------------

    def _audio(self, data: bytes) -> list[ClientEvent]:
        self._audio_hash.update(data)
        channels = len(self._channels)
        if channels == 1:
            return [Audio(data)]
        sample_bytes = self._start.audio.bytes_per_sample_frame
        data = self._remainder + data
        whole = len(data) - len(data) % (sample_bytes * channels)
        self._remainder = data[whole:]
        frames = np.frombuffer(data[:whole], np.uint8).reshape(-1, channels, sample_bytes)
        return [Audio(frames[:, channel].tobytes(), channel) for channel in range(channels) if whole]

    def _stop(self) -> list[ClientEvent]:
        self._has_stopped = True
        return [Stop()]

    def _configure(self, keyterms: list[str] | None) -> list[ClientEvent]:
        if keyterms is None:
            return [DialectReply(encode(ConfigureSuccess(self._request_id)))]
        try:
            prompt = prompt_of(keyterms)
        except ProtocolError as error:
            code = "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"
            return [DialectReply(encode(ConfigureFailure(self._request_id, code, str(error))))]
        self._start = replace(self._start, prompt=prompt)
        return [Update(self._start), DialectReply(encode(ConfigureSuccess(self._request_id, keyterms)))]

    # --- to the client -----------------------------------------------------------------------------------------

    def _channel_messages(self, channel: _Channel, event: ServerEvent) -> list[str]:
        match event:
            case SpeechStarted(start_sample=start) if self._listen.vad_events:
                return [encode(SpeechStartedMessage(self._index(channel), seconds(start)))]
            case SpeechEnded(utterance_id=utterance_id, reason=reason):
                channel.reasons[utterance_id] = reason
                return []
            case Partial() if self._listen.interim_results:
                words = (*event.committed, *event.tail)
                return [self._results(channel, event.audio_end_sample, words, event.language)]
            case Final():
                return [self._final(channel, event)]
            case Ack(processed_samples=processed):
                return self._utterance_end(channel, processed * SAMPLE_RATE_HZ // self._start.audio.sample_rate_hz)
            case _:
                return []

    def _final(self, channel: _Channel, event: Final) -> str:
        reason = channel.reasons.pop(event.utterance_id, "")
        if event.words:
            channel.last_word_end = min(event.words[-1].end_sample, event.end_sample)
        from_finalize = reason == "flush" and self._finalizes > 0
        channel.has_finalized |= from_finalize
        return self._results(
            channel,
            event.end_sample,
            event.words,
            event.language,
            text=event.text,
            is_final=True,
            speech_final=from_finalize or (self._listen.endpointing and reason != "max_length"),
            from_finalize=from_finalize,
        )

    def _finalized(self) -> list[str]:
        """Answer Finalize on the channels where no final did: clients wait for an answer."""
        self._finalizes -= 1
        unanswered = [channel for channel in self._channels if not channel.has_finalized]
        for channel in self._channels:
            channel.has_finalized = False
        return [
            self._results(channel, 0, (), None, is_final=True, speech_final=True, from_finalize=True)
            for channel in unanswered
        ]

    def _utterance_end(self, channel: _Channel, processed: int) -> list[str]:
        """Return `UtteranceEnd` if the silence after the last word is long enough, given the processed samples."""
        silence_ms, last = self._listen.utterance_end_ms, channel.last_word_end
        if silence_ms is None or last is None or (processed - last) * 1000 < silence_ms * SAMPLE_RATE_HZ:
            return []
        channel.last_word_end = None
        return [encode(UtteranceEnd(self._index(channel), seconds(last)))]

    def _results(
        self,
        channel: _Channel,
        end: int,
        words: Sequence[WordSpan],
        language: str | None,
        *,
        text: str | None = None,
        is_final: bool = False,
        speech_final: bool = False,
        from_finalize: bool = False,
    ) -> str:
        """Return the result of the window that ends at a sample; a final result starts the next window there."""
        start, end = channel.window_start, max(end, channel.window_start)
        if is_final:
            channel.window_start = end
        transcript = join_words(words) if text is None else text
        best = alternative(transcript, words, language if self._listen.is_multilingual else None)
        results = Results(
            channel_index=self._index(channel),
            duration=seconds(end - start),
            start=seconds(start),
            is_final=is_final,
            speech_final=speech_final,
            from_finalize=from_finalize,
            channel=ChannelObject([best]),
            metadata=ResultsMetadata(self._request_id, self._model, MODEL_UUID, dict(self._listen.extra) or None),
        )
        return encode(results)

    def _metadata(self, audio_samples: int) -> Metadata:
        return Metadata(
            request_id=self._request_id,
            sha256=self._audio_hash.hexdigest(),
            created=self._created,
            duration=seconds(audio_samples),
            channels=len(self._channels),
            models=[MODEL_UUID],
            model_info={MODEL_UUID: self._model},
            transaction_key="deprecated",
            extra=dict(self._listen.extra) or None,
        )

    def _index(self, channel: _Channel) -> tuple[int, int]:
        return channel.index, len(self._channels)
