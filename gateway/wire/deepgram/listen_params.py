"""The query parameters of `/v1/listen`. PURE."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from gateway.wire import AudioFormat, Endpointing, ProtocolError, Start
from gateway.wire.deepgram.query import MAX_MS, Pairs, Query

__all__ = ["Listen", "prompt_of", "read_listen"]

_MAX_CHANNELS = 8

_MAX_KEYTERM_WORDS, _MAX_KEYTERM_CHARS = 500, 5_000
"""Deepgram's limit is 500 tokens."""

_MAX_PROMPT_CHARS = 1_000
"""Whisper reads at most 223 tokens of prompt, which is about this many characters."""


@dataclass(frozen=True, slots=True)
class Listen:
    """The options of a connection to `/v1/listen`.

    Attributes:
        start: of the session.
        is_containerized: whether the audio comes in a container, which states its format.
        interim_results: whether interim results are sent.
        endpointing: whether results mark the end of an utterance, as `speech_final`.
        vad_events: whether the beginning of speech is sent, as `SpeechStarted`.
        utterance_end_ms: silence after a word that sends `UtteranceEnd`; None: it is never sent.
        is_multilingual: whether results name their language.
        model: the client's name for it.
        extra: key-value pairs that are repeated in each result.
        keyterms: words to expect.
        utterances: whether the response for a file lists its utterances.
    """

    start: Start = field(default_factory=lambda: Start(words=True, partials=False))
    is_containerized: bool = False
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
    """Parse the query of `/v1/listen`; unknown parameters are ignored, as clients send many.

    Args:
        pairs: the parameters.
        languages: ISO 639-1 codes that the engine supports; empty: any.

    Raises:
        ProtocolError: a parameter has a value that is not allowed.
    """
    query = Query(pairs)
    query.refuse_callback()
    listen = _listen(query, languages)
    query.refuse_misspellings()
    return listen


def _listen(query: Query, languages: Collection[str]) -> Listen:
    audio, channels = _audio(query)
    choice, is_multilingual = query.languages(languages)
    interim_results = query.flag("interim_results")
    keyterms = (*query.every("keyterm"), *(word.partition(":")[0] for word in query.every("keywords")))
    endpointing, silence_ms = query.endpointing()
    return Listen(
        start=Start(
            audio=audio or AudioFormat(),
            language=choice.tag,
            languages=choice.allowed_tags,
            prompt=prompt_of(keyterms),
            endpointing=Endpointing(silence_ms=silence_ms),
            partials=interim_results,
            words=True,
            transcripts=interim_results,
            channels=channels,
        ),
        is_containerized=audio is None,
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


def _audio(query: Query) -> tuple[AudioFormat | None, int]:
    """Return the format of raw audio, None for a container, and the number of channels to transcribe separately."""
    multichannel, channels = query.flag("multichannel"), query.number("channels", 1, _MAX_CHANNELS)
    audio = query.audio(channels=1 if multichannel else channels or 1)
    if multichannel and audio is None and channels != 1:
        raise ProtocolError("multichannel requires raw audio: set encoding and sample_rate", "multichannel")
    return audio, (channels or 1) if multichannel else 1


def prompt_of(keyterms: Iterable[str]) -> str:
    """Return a prompt of the first keyterms, as many as the engine reads.

    Raises:
        ProtocolError: there are more keyterms than allowed.
    """
    terms = [" ".join(term.split()) for term in keyterms]
    words = sum(len(term.split()) for term in terms)
    chars = sum(map(len, terms))
    if words > _MAX_KEYTERM_WORDS or chars > _MAX_KEYTERM_CHARS:
        limit = f"at most {_MAX_KEYTERM_WORDS} and {_MAX_KEYTERM_CHARS} allowed"
        raise ProtocolError(f"keyterms of {words} words and {chars} characters: {limit}", "keyterm")
    prompt = ""
    for term in terms:
        longer = f"{prompt}, {term}" if prompt else term
        if len(longer) >= _MAX_PROMPT_CHARS:
            break
        prompt = longer
    return f"{prompt}." if prompt else ""
