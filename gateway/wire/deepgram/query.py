"""Typed access to the query parameters that Deepgram's routes share. PURE."""

from collections.abc import Collection, Iterable
from reprlib import repr as shortened

from gateway.wire import AudioFormat, Encoding, ProtocolError
from gateway.wire.bounds import MAX_NAME_CHARS
from gateway.wire.language_choice import LanguageChoice, choose_languages
from gateway.wire.misspellings import meant_by
from vad.errors import AudioFormatError

__all__ = ["MAX_MS", "MAX_SILENCE_MS", "MIN_SILENCE_MS", "Pairs", "Query"]

Pairs = Iterable[tuple[str, str]]
"""Query parameters in their order; a name may occur several times."""

_RAW_ENCODINGS = {
    "linear16": Encoding.PCM_S16LE,
    "linear32": Encoding.PCM_F32LE,
    "mulaw": Encoding.PCM_MULAW,
    "alaw": Encoding.PCM_ALAW,
}

_CONTAINER_ENCODINGS = ("flac", "opus", "ogg-opus", "speex", "amr-nb", "amr-wb")
"""FFmpeg detects these in the bytes themselves."""

MIN_SILENCE_MS, MAX_SILENCE_MS = 200, 10_000
"""Deepgram's own default of 10 ms would split utterances into single words; 10 s is the segmenter's limit."""

MAX_MS = 600_000

_MAX_EXTRA_CHARS = 2_048
"""They are repeated in every result."""

_FALSE, _TRUE = ("false", "0", "no"), ("true", "1", "yes", "")


class Query:
    """Query parameters by name; where one value is expected, the last counts."""

    def __init__(self, pairs: Pairs) -> None:
        self._known = {"language", "sample_rate"}
        """Names that have been read; these two are not read in combination with some others."""
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def one(self, name: str) -> str | None:
        """Return the value of a name; None if it is missing or empty."""
        self._known.add(name)
        value = self._values.get(name, [None])[-1] or None
        if value is not None and len(value) > MAX_NAME_CHARS:
            raise ProtocolError(f"{name}: got {len(value)} characters, at most {MAX_NAME_CHARS} allowed", name)
        return value

    def every(self, name: str) -> tuple[str, ...]:
        """Return all non-empty values of a name."""
        self._known.add(name)
        return tuple(value for value in self._values.get(name, ()) if value.strip())

    def flag(self, name: str) -> bool:
        """Return a boolean; false if it is missing."""
        self._known.add(name)
        value = self._values.get(name, ["false"])[-1].strip().lower()
        if value not in (*_FALSE, *_TRUE):
            raise ProtocolError(f"{name} {shortened(value)}: expected true or false", name)
        return value in _TRUE

    def number(self, name: str, minimum: int, maximum: int) -> int | None:
        """Return a whole number; None if it is missing."""
        value = self.one(name)
        if value is None:
            return None
        # Up to nine digits: Python refuses to parse thousands of them
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else -1
        if not minimum <= number <= maximum:
            raise ProtocolError(f"{name} {shortened(value)}: expected {minimum} to {maximum}", name)
        return number

    def fraction(self, name: str) -> float | None:
        """Return a number above 0 and up to 1; None if it is missing."""
        value = self.one(name)
        if value is None:
            return None
        try:
            fraction = float(value)
        except ValueError:
            fraction = -1.0
        if not 0 < fraction <= 1:
            raise ProtocolError(f"{name} {shortened(value)}: expected a number from 0 to 1", name)
        return fraction

    def endpointing(self) -> tuple[bool, int | None]:
        """Return whether results mark the ends of utterances, and the silence in ms that does; None: the gateway's."""
        value = (self.one("endpointing") or "true").lower()
        if value in ("true", "false"):
            return value == "true", None
        silence_ms = self.number("endpointing", 0, MAX_MS)
        assert silence_ms is not None, "its value was just read"
        return True, min(max(silence_ms, MIN_SILENCE_MS), MAX_SILENCE_MS)

    def audio(self, channels: int) -> AudioFormat | None:
        """Return the format of raw audio; None if the audio is in a container, which states its format."""
        encoding = self.one("encoding")
        if encoding is None or encoding.lower() in _CONTAINER_ENCODINGS:
            return None
        if encoding.lower() not in _RAW_ENCODINGS:
            allowed = ", ".join((*_RAW_ENCODINGS, *_CONTAINER_ENCODINGS))
            raise ProtocolError(f"encoding {shortened(encoding)}: expected one of {allowed}", "encoding")
        rate_hz = self.number("sample_rate", 1, 10**6)
        if rate_hz is None:
            raise ProtocolError(f"sample_rate is missing: encoding {encoding} requires it", "sample_rate")
        try:
            return AudioFormat(_RAW_ENCODINGS[encoding.lower()], rate_hz, channels)
        except AudioFormatError as error:
            raise ProtocolError(str(error), "encoding") from error

    def languages(self, supported: Collection[str]) -> tuple[LanguageChoice, bool]:
        """Return the language or the candidates for its detection, and whether results name theirs.

        Args:
            supported: ISO 639-1 codes that the engine supports; empty: any.
        """
        candidates = [
            value for value in self.every("detect_language") if value.strip().lower() not in (*_FALSE, *_TRUE)
        ]
        detects = bool(candidates) or self.flag("detect_language")
        language = None if detects else self.one("language")
        choice = choose_languages(language, candidates, supported, names=("language", "detect_language"))
        is_detected = language is not None and choice.code is None
        return choice, detects or is_detected

    def extra(self) -> tuple[tuple[str, str], ...]:
        """Return the pairs of `extra=key:value`."""
        values = self.every("extra")
        if sum(map(len, values)) > _MAX_EXTRA_CHARS:
            raise ProtocolError(f"extra: at most {_MAX_EXTRA_CHARS} characters allowed", "extra")
        pairs = (text.partition(":") for text in values)
        return tuple((key, value) for key, _, value in pairs)

    def refuse_misspellings(self) -> None:
        """Refuse misspelt names of parameters that have been read, such as `sampleRate`."""
        for name in self._values.keys() - self._known:
            if (meant := meant_by(name, self._known, only_spelling=True)) is not None:
                raise ProtocolError(f"unknown parameter {name}: did you mean {meant}?", name)

    def refuse_callback(self) -> None:
        """Refuse a callback URL."""
        if self.one("callback") is not None:
            raise ProtocolError("callback is not supported: results are sent on this connection", "callback")
