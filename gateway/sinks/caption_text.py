"""What text sinks write of an event, and in which language they call it. PURE."""

from gateway.sinks.sink import Delivery, SessionFacts, SinkTarget
from gateway.wire import CueEvent

__all__ = ["language_tag", "text_of"]

_REGIONS = {
    "ar": "SA",
    "cs": "CZ",
    "da": "DK",
    "de": "DE",
    "en": "US",
    "es": "ES",
    "fi": "FI",
    "fr": "FR",
    "he": "IL",
    "hi": "IN",
    "it": "IT",
    "ja": "JP",
    "ko": "KR",
    "nl": "NL",
    "pl": "PL",
    "pt": "BR",
    "ru": "RU",
    "sv": "SE",
    "tr": "TR",
    "uk": "UA",
    "vi": "VN",
    "zh": "CN",
}
"""Language → the region that services expect with it, where nothing else is set."""


def text_of(delivery: Delivery, line_end: str = "\n") -> str:
    """Return the lines of a cue."""
    cue_event = delivery.inner
    assert isinstance(cue_event, CueEvent), "it takes cues only"
    return line_end.join(line.strip() for line in cue_event.cue.lines)


def language_tag(target: SinkTarget, session: SessionFacts) -> str:
    """Return the language and region of captions: of the option `lang`, else of the session; `en-US` if unknown."""
    if language := target.options.get("lang"):
        return language
    language = session.language or "en"
    region = _REGIONS.get(language)
    return language if region is None else f"{language}-{region}"
