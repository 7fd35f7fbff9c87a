"""Deepgram's dialect of `/v2/listen`, Flux. PURE.

One segment is one turn, of which nothing is promised before its end.
"""

from collections.abc import Sequence

import msgspec

from clients.dialects.addresses import address, query_of
from clients.dialects.deepgram import token
from clients.dialects.driver import DriverEvent, Failed, Target, TimedText
from clients.dialects.json_messages import parse, type_of
from clients.dialects.single_connection import SingleConnectionDriver
from gateway.wire.deepgram.messages import CloseStream, encode

__all__ = ["DeepgramFluxDriver"]

_PATH = "/v2/listen"

_ENGLISH, _MULTILINGUAL = "flux-general-en", "flux-general-multi"
"""Flux has no default model."""


class _Word(msgspec.Struct):
    word: str
    start: float | None = None
    end: float | None = None


class _TurnInfo(msgspec.Struct):
    event: str
    turn_index: int
    transcript: str
    words: tuple[_Word, ...] = ()


class _Error(msgspec.Struct):
    code: str = "Error"
    description: str = ""


class DeepgramFluxDriver(SingleConnectionDriver):
    """A conversation in turns.

    Args:
        options: the user's; `extra` becomes parameters of the query: `eot_threshold` …
    """

    ends_by_closing = True

    def target(self, url: str) -> Target:
        """Return the address with all options."""
        options = self._options
        is_english = options.language in (None, "en")
        pairs = [
            ("model", options.model or (_ENGLISH if is_english else _MULTILINGUAL)),
            ("encoding", "linear16"),
            ("sample_rate", str(self.sample_rate_hz)),
            ("language_hint", None if is_english else options.language),
            *(("keyterm", term) for term in options.terms),
        ]
        return Target(address(url, _PATH, query_of(pairs, options.extra)), headers=token(options.api_key))

    def _audio_messages(self, pcm: bytes) -> Sequence[bytes]:
        return [pcm]

    def _last_messages(self) -> Sequence[str]:
        return [encode(CloseStream())]

    def _events(self, message: str | bytes) -> Sequence[DriverEvent]:
        match type_of(message):
            case "Connected":
                return self._ready()
            case "TurnInfo":
                return self._turn(parse(message, _TurnInfo))
            case "Error":
                error = parse(message, _Error)
                return [Failed(error.code, error.description)]
            case _:
                return []

    def _turn(self, turn: _TurnInfo) -> Sequence[DriverEvent]:
        words = tuple(
            TimedText(word.word, word.start, word.end)
            for word in turn.words
            if word.start is not None and word.end is not None
        )
        is_final = turn.event == "EndOfTurn"
        return self._segments.update(turn.turn_index, turn.transcript.strip(), is_final=is_final, words=words)
