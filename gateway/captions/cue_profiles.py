"""Rules a cue obeys, by where it will be read. PURE."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["DEFAULT_PROFILE", "PROFILES", "CueProfile", "to_latin"]

DEFAULT_PROFILE = "web"

_NARROWEST_LINE = 2  # one wide East Asian character


@dataclass(frozen=True, slots=True)
class CueProfile:
    """How long, wide and fast cues may be.

    Attributes:
        name: its key in `PROFILES`.
        max_chars_per_line: widest line in columns, ≥ 2; an East Asian wide character takes two.
        max_lines: most lines of a cue, ≥ 1.
        comfortable_cps: reading speed in columns per second, > 0, towards which a cue is shown longer where there is
            room; None: reading speed lengthens nothing. Live speech is never delayed for it.
        min_duration_s: a cue is shown at least so long where there is room; 0: no minimum.
        max_duration_s: no cue is shown longer; None: no limit.
        gap_s: pause between one cue's end and the next one's start, ≥ 0.
        latin_only: text is transliterated to the characters of CEA-608 (`to_latin`).

    Raises:
        ValueError: a field is out of its range.
    """

    name: str
    max_chars_per_line: int
    max_lines: int
    comfortable_cps: float | None
    min_duration_s: float
    max_duration_s: float | None
    gap_s: float
    latin_only: bool = False

    def __post_init__(self) -> None:
        """Refuse what no cue could obey."""
        if self.max_chars_per_line < _NARROWEST_LINE:
            raise ValueError(f"max_chars_per_line of {self.max_chars_per_line}: must be at least {_NARROWEST_LINE}")
        if self.max_lines < 1:
            raise ValueError(f"max_lines of {self.max_lines}: must be at least 1")
        if self.comfortable_cps is not None and self.comfortable_cps <= 0:
            raise ValueError(f"comfortable_cps of {self.comfortable_cps}: must be above 0, or None")
        if self.gap_s < 0:
            raise ValueError(f"gap_s of {self.gap_s}: must not be negative")
        if self.min_duration_s < 0:
            raise ValueError(f"min_duration_s of {self.min_duration_s}: must not be negative")
        if self.max_duration_s is not None and not self.max_duration_s > self.min_duration_s:
            raise ValueError(f"max_duration_s of {self.max_duration_s}: must exceed min_duration_s, or be None")


# Lines of 42 and cues of 5/6 to 7 s are Netflix's, who add a gap of two frames (0.08 s); 17 columns per second is the
# adult reading speed of their English template. 6 s keeps a second of room below their hard limit.
_PROFILES = (
    CueProfile("web", 42, 2, comfortable_cps=17.0, min_duration_s=1.0, max_duration_s=6.0, gap_s=0.08),
    # Rolled up as it is said: nothing is held for reading speed, nothing is blanked between cues.
    CueProfile("live", 42, 2, comfortable_cps=None, min_duration_s=0.83, max_duration_s=6.0, gap_s=0.0),
    # BBC: 68 % of the width of a 16:9 picture, which is 37 to 39 characters; 160 to 180 words a minute.
    CueProfile("broadcast-eu", 37, 2, comfortable_cps=15.0, min_duration_s=1.0, max_duration_s=6.0, gap_s=0.08),
    # CEA-608: 32 columns, Latin characters; the encoder rolls up and decides how long a row stays.
    CueProfile("608", 32, 2, comfortable_cps=None, min_duration_s=0.0, max_duration_s=None, gap_s=0.0, latin_only=True),
    # Teams takes one line of 50 per POST and rolls up by itself.
    CueProfile("teams", 50, 1, comfortable_cps=None, min_duration_s=0.0, max_duration_s=None, gap_s=0.0),
)

PROFILES: Mapping[str, CueProfile] = MappingProxyType({profile.name: profile for profile in _PROFILES})
"""Profiles by name."""

# Basic, special and extended Western European sets of CEA-608, beyond ASCII.
_LATIN_608 = frozenset("áéíóúçñÑ÷®°½¿™¢£♪àèâêîôûÁÉÓÚÜü¡—©℠•“”ÀÂÇÈÊËëÎÏïÔÙùÛ«»ÃãÍÌìÒòÕõÄäÖöß¥¤ÅåØø")

# Letters that Unicode does not decompose, and the punctuation writing systems share.
_SPELT_LATIN = {
    "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th",
    "Þ": "Th", "ı": "i", "ħ": "h", "Ħ": "H", "ẞ": "SS", "‘": "'", "’": "'", "‚": "'", "„": '"', "‹": "<", "›": ">",
    "–": "-", "‐": "-", "‑": "-", "−": "-", "€": "EUR", "。": ".", "、": ",", "「": '"', "」": '"',
}  # fmt: skip

_UNWRITABLE = "?"


def to_latin(text: str) -> str:
    """Return the text in the characters CEA-608 can show.

    A letter outside its set loses its accents or is spelt out; one of another script becomes `?`, so that it is seen
    that something was said.

    Args:
        text: any text.
    """
    return "".join(_latin(character) for character in unicodedata.normalize("NFC", text))


def _latin(character: str) -> str:
    if character.isascii() or character in _LATIN_608:
        return character
    if character in _SPELT_LATIN:
        return _SPELT_LATIN[character]
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return ""
    bare = (_SPELT_LATIN.get(part, part) for part in unicodedata.normalize("NFKD", character))
    return "".join(part for part in bare if part.isascii()) or _UNWRITABLE
