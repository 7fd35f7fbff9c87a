"""Deepgram's dialect of `/v1/listen`. PURE.

One segment is one utterance: Deepgram closes it in windows (`is_final`), which are committed here, until `speech_final`
ends it. A server that is asked not to endpoint thus gives one segment.
"""

from collections.abc import Sequence

import msgspec

from clients.dialects.addresses import address, query_of
from clients.dialects.driver import (
    DriverEvent,
    DriverOptions,
    Failed,
    Finished,
    Target,
    TimedText,
    Transcript,
)
from clients.dialects.json_messages import parse, type_of
from clients.dialects.single_connection import SingleConnectionDriver
from gateway.wire.deepgram.messages import CloseStream, encode

__all__ = ["DeepgramDriver", "token"]

_PATH = "/v1/listen"

_NONFATAL = "SchemaError"
"""Variant of the error that answers an unknown message; the session continues."""


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float
    punctuated_word: str | None = None


class _Alternative(msgspec.Struct):
    transcript: str = ""
    words: tuple[_Word, ...] = ()


class _Channel(msgspec.Struct):
    alternatives: tuple[_Alternative, ...] = ()


class _Results(msgspec.Struct):
    channel: _Channel
    is_final: bool = False
    speech_final: bool = False


class _Error(msgspec.Struct):
    variant: str = ""
    description: str = ""
    message: str = ""


class DeepgramDriver(SingleConnectionDriver):
    """A stream with interim results.

    Args:
        options: the user's; `extra` becomes parameters of the query: `endpointing`, `smart_format` …
    """

    ends_by_closing = True

    def __init__(self, options: DriverOptions) -> None:
        super().__init__(options)
        self._utterance = 0
        self._closed_text = ""
        """Text of the utterance's closed windows."""
        self._closed_words: tuple[TimedText, ...] = ()

    def target(self, url: str) -> Target:
        """Return the address with all options."""
        options = self._options
        pairs = [
            ("encoding", "linear16"),
            ("sample_rate", str(self.sample_rate_hz)),
            ("interim_results", "true"),
            ("model", options.model),
            ("language", options.language),
            *(("keyterm", term) for term in options.terms),
        ]
        return Target(address(url, _PATH, query_of(pairs, options.extra)), headers=token(options.api_key))

    def _audio_messages(self, pcm: bytes) -> Sequence[bytes]:
        return [pcm]

    def _last_messages(self) -> Sequence[str]:
        return [encode(CloseStream())]

    def _events(self, message: str | bytes) -> Sequence[DriverEvent]:
        is_first = not self._is_ready
        events: list[DriverEvent] = [*self._ready()]
        match type_of(message):
            case "Results":
                events += self._results(parse(message, _Results))
            case "UtteranceEnd":
                events += self._end_utterance()
            case "Metadata" if self._is_finishing and not is_first:  # WhisperLiveKit begins with one
                events += [*self._end_utterance(), Finished()]
            case "Error" if (error := parse(message, _Error)).variant != _NONFATAL:
                events.append(Failed(error.variant or "Error", error.description or error.message))
        return events

    def _results(self, results: _Results) -> list[Transcript]:
        best = results.channel.alternatives[0] if results.channel.alternatives else _Alternative()
        text = f"{self._closed_text} {best.transcript}".strip()
        words = tuple(TimedText(word.punctuated_word or word.word, word.start, word.end) for word in best.words)
        words = (*self._closed_words, *words)
        if results.is_final:
            self._closed_text, self._closed_words = text, words
        committed = len(self._closed_text)
        transcripts = self._segments.update(self._utterance, text, committed_chars=committed, words=words)
        if results.speech_final:
            return self._end_utterance() or transcripts
        return transcripts

    def _end_utterance(self) -> list[Transcript]:
        transcripts = self._segments.finish(self._utterance)
        self._utterance += bool(transcripts)
        self._closed_text, self._closed_words = "", ()
        return transcripts


def token(api_key: str | None) -> dict[str, str]:
    """Return the header with a key, if there is one."""
    return {} if api_key is None else {"Authorization": f"Token {api_key}"}
