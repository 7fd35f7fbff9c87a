"""The query parameters of `/v2/listen` (Flux), and how its end-of-turn confidence maps to silence. PURE."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from gateway.wire import AudioFormat, Endpointing, ProtocolError, Start
from gateway.wire.deepgram.listen_params import prompt_of
from gateway.wire.deepgram.query import MAX_MS, MAX_SILENCE_MS, MIN_SILENCE_MS, Pairs, Query
from gateway.wire.language_choice import LanguageChoice, choose_languages

__all__ = [
    "TurnThresholds",
    "Turns",
    "check_thresholds",
    "confidence_of",
    "hinted_languages",
    "is_timeout",
    "read_turns",
    "with_thresholds",
]

_HALF_CONFIDENCE_MS = 214
"""Silence after which the confidence is 0.5: so at Flux's default threshold of 0.7 a turn ends after the gateway's
default of 500 ms."""

_MIN_PAUSE_MS, _MAX_PAUSE_MS = 100, 2_000
"""The lower limit is the audio kept after the last speech, which must not be cut off; the upper the segmenter's."""


_TURN_START = Start(words=True, transcripts=True, endpointing=Endpointing(partial_interval_ms=250))
"""Flux sends a turn's words every quarter of a second."""


@dataclass(frozen=True, slots=True)
class TurnThresholds:
    """When a turn is over.

    Attributes:
        eot_threshold: confidence 0.5..1 that ends a turn.
        eager_eot_threshold: confidence 0.3..0.9 that sends `EagerEndOfTurn`; None: it is never sent.
        eot_timeout_ms: silence 500..60 000 that ends a turn in any case.
    """

    eot_threshold: float = 0.7
    eager_eot_threshold: float | None = None
    eot_timeout_ms: int = 5_000


@dataclass(frozen=True, slots=True)
class Turns:
    """The options of a connection to `/v2/listen`.

    Attributes:
        start: of the session.
        is_containerized: whether the audio comes in a container.
        thresholds: when a turn is over.
        keyterms: words to expect.
        language_hints: languages to expect, as the client writes them.
        is_multilingual: whether its model supports several languages and events name theirs.
    """

    start: Start = field(default_factory=lambda: with_thresholds(_TURN_START, TurnThresholds()))
    is_containerized: bool = False
    thresholds: TurnThresholds = field(default_factory=TurnThresholds)
    keyterms: tuple[str, ...] = ()
    language_hints: tuple[str, ...] = ()
    is_multilingual: bool = False


def read_turns(pairs: Pairs, languages: Collection[str] = ()) -> Turns:
    """Parse the query of `/v2/listen`; arguments and errors are those of `listen_params.read_listen`."""
    query = Query(pairs)
    audio = query.audio(channels=1)
    model = query.one("model") or ""
    is_multilingual = not model.endswith("-en")
    hints = query.every("language_hint")
    thresholds = TurnThresholds()
    thresholds = check_thresholds(
        TurnThresholds(
            query.fraction("eot_threshold") or thresholds.eot_threshold,
            query.fraction("eager_eot_threshold"),
            query.number("eot_timeout_ms", 1, MAX_MS) or thresholds.eot_timeout_ms,
        )
    )
    keyterms = query.every("keyterm")
    query.refuse_misspellings()
    names = "model", "model"
    choice = (
        hinted_languages(hints, languages) if is_multilingual else choose_languages("en", (), languages, names=names)
    )
    start = replace(
        _TURN_START,
        audio=audio or AudioFormat(),
        language=choice.tag,
        languages=choice.allowed_tags,
        prompt=prompt_of(keyterms),
    )
    return Turns(with_thresholds(start, thresholds), audio is None, thresholds, keyterms, hints, is_multilingual)


def hinted_languages(hints: Iterable[str], languages: Collection[str]) -> LanguageChoice:
    """Return the hinted language, or the candidates for its detection.

    Raises:
        ProtocolError: a hint is unknown, or the engine supports none of them.
    """
    return choose_languages(None, hints, languages, names=("language_hint", "language_hint"))


def confidence_of(silence_ms: float) -> float:
    """Return the confidence, 0..1, that a turn is over after that much silence: it rises with the silence."""
    return max(0.0, silence_ms) / (max(0.0, silence_ms) + _HALF_CONFIDENCE_MS)


def is_timeout(thresholds: TurnThresholds) -> bool:
    """Return whether turns end by the timeout, because the silence that reaches the threshold is longer."""
    return silence_of(thresholds.eot_threshold, MAX_MS) > min(thresholds.eot_timeout_ms, MAX_SILENCE_MS)


def silence_of(confidence: float, max_ms: int) -> int:
    """Return the silence after which a turn is over with that confidence, in ms, at most `max_ms`."""
    return max_ms if confidence >= 1 else min(max_ms, round(_HALF_CONFIDENCE_MS * confidence / (1 - confidence)))


def with_thresholds(start: Start, thresholds: TurnThresholds) -> Start:
    """Return a start whose utterances end when turns do."""
    timeout_ms = min(thresholds.eot_timeout_ms, MAX_SILENCE_MS)
    silence_ms = max(MIN_SILENCE_MS, silence_of(thresholds.eot_threshold, timeout_ms))
    eager, pause_ms = thresholds.eager_eot_threshold, None
    if eager is not None:
        pause_ms = max(_MIN_PAUSE_MS, silence_of(eager, _MAX_PAUSE_MS))
    endpointing = replace(start.endpointing, silence_ms=silence_ms, pause_ms=pause_ms)
    return replace(start, endpointing=endpointing, eager=eager is not None)


def check_thresholds(thresholds: TurnThresholds) -> TurnThresholds:
    """Return the thresholds if they are in Flux's ranges.

    Raises:
        ProtocolError: one is out of range.
    """
    eager = thresholds.eager_eot_threshold
    _within("eot_threshold", thresholds.eot_threshold, 0.5, 1.0)
    _within("eot_timeout_ms", thresholds.eot_timeout_ms, 500, 60_000)
    if eager is not None:
        _within("eager_eot_threshold", eager, 0.3, min(0.9, thresholds.eot_threshold))
    return thresholds


def _within(name: str, value: float, minimum: float, maximum: float) -> None:
    if not minimum <= value <= maximum:
        raise ProtocolError(f"{name} {value} out of range: expected {minimum:g} to {maximum:g}", name)
