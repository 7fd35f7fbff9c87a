"""The dialect of vosk-server: one reply to each audio message, and one to the end. PURE.

One segment is one utterance. Its texts before the result are hypotheses without a promise.
"""

from collections.abc import Sequence

import msgspec

from clients.dialects.addresses import address
from clients.dialects.driver import DriverEvent, DriverOptions, Failed, Finished, Target, TimedText, Transcript
from clients.dialects.json_messages import encode, parse, with_options
from clients.dialects.single_connection import SingleConnectionDriver, bearer

__all__ = ["VoskDriver"]

_EOF = '{"eof" : 1}'
"""vosk-server compares it literally."""


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float


class _Alternative(msgspec.Struct):
    text: str = ""
    result: tuple[_Word, ...] = ()


class _Reply(msgspec.Struct):
    partial: str | None = None
    text: str | None = None
    result: tuple[_Word, ...] = ()
    alternatives: tuple[_Alternative, ...] = ()
    error: str | None = None


class VoskDriver(SingleConnectionDriver):
    """A stream with word times.

    Terms are not sent: vosk's `phrase_list` is a grammar, outside of which nothing is recognized.

    Args:
        options: the user's; `extra` sets fields of the config: `max_alternatives`, `phrase_list` …
    """

    ends_by_closing = True

    def __init__(self, options: DriverOptions) -> None:
        super().__init__(options)
        self._utterance = 0
        self._unanswered = 0
        """Messages without a reply."""
        self._error: str | None = None

    def target(self, url: str) -> Target:
        """Return the address: vosk-server has no path, and a gateway's is kept."""
        return Target(address(url, "/"), headers=bearer(self._options.api_key))

    def _first_messages(self) -> Sequence[str]:
        config = {"sample_rate": self.sample_rate_hz, "words": True}
        return [encode({"config": with_options(config, self._options.extra)})]

    def _audio_messages(self, pcm: bytes) -> Sequence[bytes]:
        self._unanswered += 1
        return [pcm]

    def _last_messages(self) -> Sequence[str]:
        self._unanswered += 1
        return [_EOF]

    def _events(self, message: str | bytes) -> Sequence[DriverEvent]:
        reply = parse(message, _Reply)
        self._unanswered -= 1
        self._error = reply.error or self._error
        events: list[DriverEvent] = [*self._ready()]
        if reply.partial is not None:
            events += self._segments.update(self._utterance, reply.partial.strip())
        elif reply.alternatives:
            events += self._result(reply.alternatives[0].text, reply.alternatives[0].result)
        elif reply.text is not None:
            events += self._result(reply.text, reply.result)
        if self._is_finishing and self._unanswered <= 0:
            events.append(Finished())
        return events

    def _result(self, text: str, result: Sequence[_Word]) -> list[Transcript]:
        words = tuple(TimedText(word.word, word.start, word.end) for word in result)
        transcripts = self._segments.update(self._utterance, text.strip(), is_final=True, words=words)
        self._utterance += bool(transcripts)
        return transcripts

    def _failure(self, code: int | None, reason: str) -> Failed:
        """Return the failure with the error that the server sent before, if there was one."""
        failed = super()._failure(code, reason)
        return failed if self._error is None else Failed(failed.code, self._error)
