"""AssemblyAI's Universal-Streaming, `/v3/ws`. PURE.

One segment is one turn; the words of it that are final are committed.
"""

import json
from collections.abc import Sequence

import msgspec

from clients.dialects.addresses import address, query_of
from clients.dialects.driver import DriverEvent, DriverOptions, Failed, Finished, Target, TimedText
from clients.dialects.json_messages import encode, parse, type_of
from clients.dialects.single_connection import SingleConnectionDriver

__all__ = ["AssemblyAiDriver"]

_PATH = "/v3/ws"

_ENGLISH, _MULTILINGUAL = "universal-streaming-english", "universal-streaming-multilingual"
"""The service has no default model."""

_BYTES_PER_MS = 32

_MIN_BYTES, _MAX_BYTES = 50 * _BYTES_PER_MS, 1_000 * _BYTES_PER_MS
"""The service refuses messages outside 50 to 1,000 ms, so shorter audio waits for more."""

_MS_PER_S = 1_000


class _Word(msgspec.Struct):
    text: str
    start: float
    end: float
    word_is_final: bool = True


class _Turn(msgspec.Struct):
    turn_order: int
    transcript: str
    end_of_turn: bool = False
    turn_is_formatted: bool = False
    words: tuple[_Word, ...] = ()


class _Error(msgspec.Struct):
    error: str = ""
    error_code: int | str = "Error"


class AssemblyAiDriver(SingleConnectionDriver):
    """A stream with formatted turns: a turn is final once it is formatted, unless `format_turns` is `false`.

    Args:
        options: the user's; `extra` becomes parameters of the query.
    """

    def __init__(self, options: DriverOptions) -> None:
        super().__init__(options)
        self._waiting = b""
        """Audio for the next message."""
        self._formats_turns = options.extra.get("format_turns", "true").lower() == "true"

    def target(self, url: str) -> Target:
        """Return the address with all options."""
        options = self._options
        model = options.model or (_ENGLISH if options.language in (None, "en") else _MULTILINGUAL)
        pairs = [
            ("sample_rate", str(self.sample_rate_hz)),
            ("encoding", "pcm_s16le"),
            ("format_turns", "true"),
            ("speech_model", model),
            ("keyterms_prompt", json.dumps(options.terms) if options.terms else None),
        ]
        headers = {} if options.api_key is None else {"Authorization": options.api_key}
        return Target(address(url, _PATH, query_of(pairs, options.extra)), headers=headers)

    def _audio_messages(self, pcm: bytes) -> Sequence[bytes]:
        waiting = self._waiting + pcm
        pieces: list[bytes] = []
        while len(waiting) >= _MIN_BYTES:
            pieces.append(waiting[:_MAX_BYTES])
            waiting = waiting[_MAX_BYTES:]
        self._waiting = waiting
        return pieces

    def _last_messages(self) -> Sequence[str | bytes]:
        rest = [self._waiting.ljust(_MIN_BYTES, b"\0")] if self._waiting else []
        return [*rest, encode({"type": "Terminate"})]

    def _events(self, message: str | bytes) -> Sequence[DriverEvent]:
        match type_of(message):
            case "Begin":
                return self._ready()
            case "Turn":
                return self._turn(parse(message, _Turn))
            case "Termination":
                return [Finished()]
            case "Error":
                error = parse(message, _Error)
                return [Failed(str(error.error_code), error.error)]
            case _:
                return []

    def _turn(self, turn: _Turn) -> Sequence[DriverEvent]:
        words = tuple(TimedText(word.text, word.start / _MS_PER_S, word.end / _MS_PER_S) for word in turn.words)
        if turn.end_of_turn and (turn.turn_is_formatted or not self._formats_turns):
            text = turn.transcript
            return self._segments.update(turn.turn_order, text, is_final=True, committed_chars=len(text), words=words)
        committed = " ".join(word.text for word in turn.words if word.word_is_final)
        text = " ".join(word.text for word in turn.words) or turn.transcript
        return self._segments.update(turn.turn_order, text, committed_chars=len(committed), words=words)
