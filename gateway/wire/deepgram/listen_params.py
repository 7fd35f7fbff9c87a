"""What a client of Deepgram says in its address: query parameters in, wishes out. PURE."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from reprlib import repr as shortened

from gateway.wire import AudioFormat, Encoding, Endpointing, ProtocolError, Start
from gateway.wire.bounds import MAX_NAME_CHARS
from gateway.wire.language_choice import LanguageChoice, choose_languages
from gateway.wire.misspellings import meant_by
from vad.errors import AudioFormatError

__all__ = [
    "MAX_MS",
    "MAX_SILENCE_MS",
    "MIN_SILENCE_MS",
    "Listen",
    "Pairs",
    "Query",
    "prompt_of",
    "read_listen",
]

Pairs = Iterable[tuple[str, str]]
"""Query parameters in their order; a name may come several times."""

_RAW_ENCODINGS = {
    "linear16": Encoding.PCM_S16LE,
    "linear32": Encoding.PCM_F32LE,
    "mulaw": Encoding.PCM_MULAW,
    "alaw": Encoding.PCM_ALAW,
}

_PACKED_ENCODINGS = ("flac", "opus", "ogg-opus", "speex", "amr-nb", "amr-wb")
"""What FFmpeg finds in the bytes itself, so that it needs no telling."""

MIN_SILENCE_MS, MAX_SILENCE_MS = 200, 10_000
"""Deepgram's own default of 10 ms would make utterances of single words; 10 s is the segmenter's limit."""

MAX_MS = 600_000

_MAX_CHANNELS = 8

_MAX_EXTRA_CHARS = 2_048
"""They are repeated in every result."""

_MAX_KEYTERM_WORDS, _MAX_KEYTERM_CHARS = 500, 5_000
"""Deepgram's limit is 500 tokens."""

_MAX_PROMPT_CHARS = 1_000
"""Whisper reads at most 223 tokens of prompt, which is about this many characters."""

_FALSE, _TRUE = ("false", "0", "no"), ("true", "1", "yes", "")


@dataclass(frozen=True, slots=True)
class Listen:
    """What a connection to `/v1/listen` wants.

    Attributes:
        start: of the session.
        is_packed: whether the sound comes in a container, so that its format is found in it.
        interim_results: whether results are told before they are final.
        endpointing: whether the end of an utterance is told.
        vad_events: whether the beginning of speech is told.
        utterance_end_ms: silence after a word that is told; None: none is.
        is_multilingual: whether results name their language.
        model: as the client calls it.
        extra: what the client wants repeated in each result.
        keyterms: words that may be said.
        utterances: whether the answer about a file lists its utterances.
    """

    start: Start = field(default_factory=lambda: Start(words=True, partials=False))
    is_packed: bool = False
    interim_results: bool = False
    endpointing: bool = True
    vad_events: bool = False
    utterance_end_ms: int | None = None
    is_multilingual: bool = False
    model: str = "general"
    extra: tuple[tuple[str, str], ...] = ()
    keyterms: tuple[str, ...] = ()
    utterances: bool = False


def read_listen(pairs: Pairs, languages: Collection[str] = ()) -> Listen:
    """Read the query of `/v1/listen`. What is not known here is ignored, as clients send much.

    Args:
        pairs: the parameters.
        languages: ISO-639-1 codes that the engine writes; empty: any.

    Raises:
        ProtocolError: a parameter has a value that is not allowed.
    """
    query = Query(pairs)
    query.refuse_callback()
    multichannel, channels = query.flag("multichannel"), query.number("channels", 1, _MAX_CHANNELS)
    audio = query.audio(channels=1 if multichannel else channels or 1)
    if multichannel and audio is None and channels != 1:
        raise ProtocolError("multichannel: only with raw sound, so with encoding and sample_rate", "multichannel")
    choice, is_multilingual = query.languages(languages)
    interim_results = query.flag("interim_results")
    keyterms = (*query.every("keyterm"), *(word.partition(":")[0] for word in query.every("keywords")))
    endpointing, silence_ms = query.endpointing()
    listen = Listen(
        start=Start(
            audio=audio or AudioFormat(),
            language=choice.tag,
            languages=choice.allowed_tags,
            prompt=prompt_of(keyterms),
            endpointing=Endpointing(silence_ms=silence_ms),
            partials=interim_results,
            words=True,
            transcripts=interim_results,
            channels=(channels or 1) if multichannel else 1,
        ),
        is_packed=audio is None,
        interim_results=interim_results,
        endpointing=endpointing,
        vad_events=query.flag("vad_events"),
        utterance_end_ms=query.number("utterance_end_ms", 1, MAX_MS),
        is_multilingual=is_multilingual,
        model=query.one("model") or "general",
        extra=query.extra(),
        keyterms=keyterms,
        utterances=query.flag("utterances"),
    )
    query.refuse_nearly_right()
    return listen


def prompt_of(keyterms: Iterable[str]) -> str:
    """Return a text that makes the engine think of these words: the first of them, as many as it reads.

    Raises:
        ProtocolError: there are more than allowed.
    """
    terms = [" ".join(term.split()) for term in keyterms]
    words = sum(len(term.split()) for term in terms)
    chars = sum(map(len, terms))
    if words > _MAX_KEYTERM_WORDS or chars > _MAX_KEYTERM_CHARS:
        allowed = f"allowed are {_MAX_KEYTERM_WORDS} and {_MAX_KEYTERM_CHARS}"
        raise ProtocolError(f"keyterms of {words} words and {chars} characters: {allowed}", "keyterm")
    prompt = ""
    for term in terms:
        longer = f"{prompt}, {term}" if prompt else term
        if len(longer) >= _MAX_PROMPT_CHARS:
            break
        prompt = longer
    return f"{prompt}." if prompt else ""


class Query:
    """Query parameters by name; the last of a name counts where one is meant."""

    def __init__(self, pairs: Pairs) -> None:
        self._known = {"language", "sample_rate"}
        """Names that were asked for; these have no effect beside some others."""
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def one(self, name: str) -> str | None:
        """Return the value of a name; None where it is missing or empty."""
        self._known.add(name)
        value = self._values.get(name, [None])[-1] or None
        if value is not None and len(value) > MAX_NAME_CHARS:
            raise ProtocolError(f"{name}: {len(value)} characters, allowed are {MAX_NAME_CHARS}", name)
        return value

    def every(self, name: str) -> tuple[str, ...]:
        """Return all values of a name that are not empty."""
        self._known.add(name)
        return tuple(value for value in self._values.get(name, ()) if value.strip())

    def flag(self, name: str) -> bool:
        """Return whether something is wanted."""
        self._known.add(name)
        value = self._values.get(name, ["false"])[-1].strip().lower()
        if value not in (*_FALSE, *_TRUE):
            raise ProtocolError(f"{name} {shortened(value)}: allowed are true and false", name)
        return value in _TRUE

    def number(self, name: str, least: int, most: int) -> int | None:
        """Return a whole number; None where it is missing."""
        value = self.one(name)
        if value is None:
            return None
        # Up to nine digits: Python refuses to read thousands of them
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else -1
        if not least <= number <= most:
            raise ProtocolError(f"{name} {shortened(value)}: allowed is {least} to {most}", name)
        return number

    def fraction(self, name: str) -> float | None:
        """Return a number from above 0 to 1; None where it is missing."""
        value = self.one(name)
        if value is None:
            return None
        try:
            fraction = float(value)
        except ValueError:
            fraction = -1.0
        if not 0 < fraction <= 1:
            raise ProtocolError(f"{name} {shortened(value)}: allowed is a number from 0 to 1", name)
        return fraction

    def endpointing(self) -> tuple[bool, int | None]:
        """Return whether the ends of utterances are told, and the silence that ends one in ms, None: the gateway's."""
        value = (self.one("endpointing") or "true").lower()
        if value in ("true", "false"):
            return value == "true", None
        silence_ms = self.number("endpointing", 0, MAX_MS)
        assert silence_ms is not None, "there is a value"
        return True, min(max(silence_ms, MIN_SILENCE_MS), MAX_SILENCE_MS)

    def audio(self, channels: int) -> AudioFormat | None:
        """Return the format of raw sound; None where the sound itself says what it is."""
        encoding = self.one("encoding")
        if encoding is None or encoding.lower() in _PACKED_ENCODINGS:
            return None
        if encoding.lower() not in _RAW_ENCODINGS:
            allowed = ", ".join((*_RAW_ENCODINGS, *_PACKED_ENCODINGS))
            raise ProtocolError(f"encoding {shortened(encoding)}: allowed are {allowed}", "encoding")
        rate_hz = self.number("sample_rate", 1, 10**6)
        if rate_hz is None:
            raise ProtocolError(f"sample_rate: missing, and encoding {encoding} needs it", "sample_rate")
        try:
            return AudioFormat(_RAW_ENCODINGS[encoding.lower()], rate_hz, channels)
        except AudioFormatError as error:
            raise ProtocolError(str(error), "encoding") from error

    def languages(self, written: Collection[str]) -> tuple[LanguageChoice, bool]:
        """Return the language or those among which it is detected, and whether results name theirs.

        Args:
            written: ISO 639-1 codes that the engine writes; empty: any.
        """
        among = [value for value in self.every("detect_language") if value.strip().lower() not in (*_FALSE, *_TRUE)]
        detects = bool(among) or self.flag("detect_language")
        language = None if detects else self.one("language")
        choice = choose_languages(language, among, written, names=("language", "detect_language"))
        is_detected = language is not None and choice.code is None
        return choice, detects or is_detected

    def extra(self) -> tuple[tuple[str, str], ...]:
        """Return what `extra=key:value` says."""
        given = self.every("extra")
        if sum(map(len, given)) > _MAX_EXTRA_CHARS:
            raise ProtocolError(f"extra: allowed are {_MAX_EXTRA_CHARS} characters", "extra")
        pairs = (text.partition(":") for text in given)
        return tuple((key, value) for key, _, value in pairs)

    def refuse_nearly_right(self) -> None:
        """Refuse names that are those of parameters that have been read, but for their spelling: `sampleRate`."""
        for name in self._values.keys() - self._known:
            if (meant := meant_by(name, self._known, only_spelling=True)) is not None:
                raise ProtocolError(f"{name}: there is no such parameter: did you mean {meant}?", name)

    def refuse_callback(self) -> None:
        """Refuse to answer anywhere but here."""
        if self.one("callback") is not None:
            raise ProtocolError("callback: answers are given on the connection that asks for them", "callback")
