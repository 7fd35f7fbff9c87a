"""Rules for cues, by the medium that displays them. PURE."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gateway.text import text_width

__all__ = ["DEFAULT_PROFILE", "PROFILES", "CueProfile", "to_latin"]

DEFAULT_PROFILE = "web"

_NARROWEST_LINE = 2  # one wide East Asian character

_S_PER_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class CueProfile:
    """Limits of the duration, width and reading speed of cues.

    Attributes:
        name: its key in `PROFILES`.
        max_chars_per_line: maximum width of a line in columns, ≥ 2; an East Asian wide character takes two.
        max_lines: maximum lines of a cue, ≥ 1.
        comfortable_cps: reading speed in columns per second, > 0, for which a cue is extended if there is room; None:
            cues are not extended. Live speech is never delayed for it.
        min_duration_s: minimum display time of a cue if there is room; 0: no minimum.
        max_duration_s: maximum display time of a cue; None: no limit.
        gap_s: pause between the end of a cue and the start of the next, ≥ 0.
        latin_only: whether text is transliterated to the characters of CEA-608 (`to_latin`).
        max_wpm: reading speed in words per minute, > 0, for which a cue is extended as for `comfortable_cps`; None:
            words are not counted.
        closed_gap_s: pause between two cues below which the first one of a recording stays until `gap_s` before the
            next; None: pauses of any length are left.

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
    max_wpm: float | None = None
    closed_gap_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that no cue could satisfy."""
        if self.max_chars_per_line < _NARROWEST_LINE:
            raise ValueError(f"max_chars_per_line of {self.max_chars_per_line}: expected at least {_NARROWEST_LINE}")
        if self.max_lines < 1:
            raise ValueError(f"max_lines of {self.max_lines}: expected at least 1")
        if self.comfortable_cps is not None and self.comfortable_cps <= 0:
            raise ValueError(f"comfortable_cps of {self.comfortable_cps}: expected a value above 0, or None")
        if self.max_wpm is not None and self.max_wpm <= 0:
            raise ValueError(f"max_wpm of {self.max_wpm}: expected a value above 0, or None")
        if self.gap_s < 0:
            raise ValueError(f"gap_s of {self.gap_s}: expected 0 or more")
        if self.closed_gap_s is not None and not self.closed_gap_s > self.gap_s:
            raise ValueError(f"closed_gap_s of {self.closed_gap_s}: expected more than gap_s, or None")
        if self.min_duration_s < 0:
            raise ValueError(f"min_duration_s of {self.min_duration_s}: expected 0 or more")
        if self.max_duration_s is not None and not self.max_duration_s > self.min_duration_s:
            raise ValueError(f"max_duration_s of {self.max_duration_s}: expected more than min_duration_s, or None")

    def reading_s(self, lines: Sequence[str]) -> float:
        """Return the time that the lines take to read, in seconds; 0: the profile has no reading speed.

        Args:
            lines: of one cue; may be empty.
        """
        text = " ".join(lines)
        by_width_s = 0.0 if self.comfortable_cps is None else text_width(text) / self.comfortable_cps
        by_words_s = 0.0 if self.max_wpm is None else len(text.split()) * _S_PER_MINUTE / self.max_wpm
        return max(by_width_s, by_words_s)


# Netflix: lines of 42, cues of 5/6 to 7 s, a gap of two frames (0.08 s), and an adult reading speed of 17 columns per
# second for English. 6 s is a second below their hard limit.
_PROFILES = (
    CueProfile("web", 42, 2, comfortable_cps=17.0, min_duration_s=1.0, max_duration_s=6.0, gap_s=0.08),
    # Rolls up live: cues are not extended for reading speed, and there is no gap between them.
    CueProfile("live", 42, 2, comfortable_cps=None, min_duration_s=0.83, max_duration_s=6.0, gap_s=0.0),
    # BBC: 68 % of the width of a 16:9 picture, which is 37 to 39 characters; 160 to 180 words a minute.
    CueProfile("broadcast-eu", 37, 2, comfortable_cps=15.0, min_duration_s=1.0, max_duration_s=6.0, gap_s=0.08),
    # CEA-608: 32 columns, Latin characters; the encoder rolls up and decides how long a row stays.
    CueProfile("608", 32, 2, comfortable_cps=None, min_duration_s=0.0, max_duration_s=None, gap_s=0.0, latin_only=True),
    # Teams takes one line of 50 per POST and rolls up by itself.
    CueProfile("teams", 50, 1, comfortable_cps=None, min_duration_s=0.0, max_duration_s=None, gap_s=0.0),
    # Netflix, Timed Text Style Guide: 5/6 to 7 s, two frames between cues (here of 25 Hz), pauses of less than half a
    # second closed; English (USA): 42 characters a line, 20 a second for adults.
    CueProfile(
        "netflix", 42, 2, comfortable_cps=20.0, min_duration_s=0.833, max_duration_s=7.0, gap_s=0.08, closed_gap_s=0.5
    ),
    # BBC, Subtitle Guidelines: lines of 37 characters (3.1), at most 180 words a minute (4), 0.3 s for a single word
    # (4.1), no pause between cues or one of a second (4.5). They name no maximum duration.
    CueProfile(
        "bbc",
        37,
        2,
        comfortable_cps=None,
        min_duration_s=0.3,
        max_duration_s=None,
        gap_s=0.0,
        max_wpm=180.0,
        closed_gap_s=1.0,
    ),
    # European broadcasters: 37 of the 40 columns of a teletext row (EBU Tech 3264), the "six-second rule" for a full
    # cue, 1 s at least, 15 characters a second, two frames of 25 Hz between cues.
    CueProfile("ebu", 37, 2, comfortable_cps=15.0, min_duration_s=1.0, max_duration_s=6.0, gap_s=0.08),
)

PROFILES: Mapping[str, CueProfile] = MappingProxyType({profile.name: profile for profile in _PROFILES})
"""Profiles by name."""

# Basic, special and extended Western European sets of CEA-608, beyond ASCII.
_LATIN_608 = frozenset("áéíóúçñÑ÷®°½¿™¢£♪àèâêîôûÁÉÓÚÜü¡—©℠•“”ÀÂÇÈÊËëÎÏïÔÙùÛ«»ÃãÍÌìÒòÕõÄäÖöß¥¤ÅåØø")

# Letters that Unicode does not decompose, and punctuation outside the set.
_SPELT_LATIN = {
    "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th",
    "Þ": "Th", "ı": "i", "ħ": "h", "Ħ": "H", "ẞ": "SS", "‘": "'", "’": "'", "‚": "'", "„": '"', "‹": "<", "›": ">",
    "–": "-", "‐": "-", "‑": "-", "−": "-", "€": "EUR", "。": ".", "、": ",", "「": '"', "」": '"',
}  # fmt: skip

_UNWRITABLE = "?"


def to_latin(text: str) -> str:
    """Return the text in the characters that CEA-608 can display.

    A letter outside its set loses its accents or is spelt out; one of another script becomes `?`, so that viewers see
    that words are missing.

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
