"""The rules that subtitles may break: those of every format, and those of a profile. PURE."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway.captions.cue_profiles import CueProfile, to_latin
from gateway.captions.line_breaking import Lexicon, bare_word, lexicon_of
from gateway.checks.subtitle import Subtitle
from gateway.text import text_width

__all__ = ["RULES", "Breach", "breaches"]

_MS_PER_S = 1000
_S_PER_MINUTE = 60

RULES: dict[str, str] = {
    "number": "counters of SubRip go up by one from 1",
    "identifier": "identifiers of WebVTT are unique",
    "parity": "bytes of SCC have odd parity",
    "transmission": "a line of SCC begins when the one before it is over: two bytes a frame",
    "columns": "a row of SCC has 32 columns",
    "empty": "a subtitle has text",
    "times": "a subtitle ends after it begins",
    "order": "subtitles are sorted by their start",
    "overlap": "a subtitle ends before the next one begins",
    "gap": "pauses between subtitles are as long as the profile wants, or there is none",
    "too_short": "a subtitle is displayed for the minimum duration",
    "too_long": "a subtitle is displayed for no more than the maximum duration",
    "reading_speed": "a subtitle can be read while it is displayed, in characters a second",
    "word_rate": "a subtitle can be read while it is displayed, in words a minute",
    "line_length": "lines are no longer than the profile allows",
    "line_count": "a subtitle has no more lines than the profile allows",
    "line_break": "no line ends with a word that belongs to the next one, such as an article",
    "characters": "the profile's medium has all of the characters",
}
"""Name → what the rule asks for."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A broken rule.

    Attributes:
        rule: its name in `RULES`.
        number: of the subtitle in the file, from 1.
        start_ms: when the subtitle begins.
        got: what was found, with its unit.
        allowed: what the rule allows, with its unit.
    """

    rule: str
    number: int
    start_ms: int
    got: str
    allowed: str


def breaches(
    subtitles: Sequence[Subtitle], profile: CueProfile, tolerance_ms: int, language: str | None = None
) -> list[Breach]:
    """Return the broken rules, sorted by subtitle.

    Args:
        subtitles: in the order of the file.
        profile: whose rules are checked.
        tolerance_ms: by how much the format rounds times, ≥ 0.
        language: ISO 639-1 code, to check line breaks; None: they are not checked.
    """
    checks = _Checks(profile, tolerance_ms, lexicon_of(language))
    found = [Breach(rule, each.number, each.start_ms, *rest) for each in subtitles for rule, *rest in each.faults]
    found += [breach for each in subtitles for breach in checks.of_subtitle(each)]
    found += [breach for before, after in pairwise(subtitles) for breach in checks.of_pair(before, after)]
    return sorted(found, key=lambda breach: breach.number)


@dataclass(frozen=True, slots=True)
class _Checks:
    """The rules of a profile."""

    profile: CueProfile
    tolerance_ms: int
    lexicon: Lexicon

    def of_subtitle(self, subtitle: Subtitle) -> Iterator[Breach]:
        """Yield the rules that a subtitle breaks by itself."""
        found = (*self._text(subtitle), *self._duration(subtitle), *self._line_breaks(subtitle.lines))
        return (Breach(rule, subtitle.number, subtitle.start_ms, got, allowed) for rule, got, allowed in found)

    def of_pair(self, before: Subtitle, after: Subtitle) -> Iterator[Breach]:
        """Yield the rules that a subtitle breaks with the one before it."""
        gap_ms, profile = after.start_ms - before.end_ms, self.profile
        least_ms = round(profile.gap_s * _MS_PER_S)
        found: tuple[str, str, str] | None = None
        if after.start_ms < before.start_ms:
            found = "order", f"begins {_s(before.start_ms - after.start_ms)} before the one before it", "a later start"
        elif gap_ms < -self.tolerance_ms:
            found = "overlap", f"{_s(-gap_ms)} with the one before it", "none"
        elif gap_ms < least_ms - self.tolerance_ms:
            found = "gap", f"{_s(gap_ms)} after the one before it", f"at least {_s(least_ms)}"
        elif profile.closed_gap_s is not None:
            closed_ms = round(profile.closed_gap_s * _MS_PER_S)
            if least_ms + self.tolerance_ms < gap_ms < closed_ms - self.tolerance_ms:
                found = "gap", f"{_s(gap_ms)} after the one before it", f"{_s(least_ms)}, or at least {_s(closed_ms)}"
        if found is not None:
            yield Breach(found[0], after.number, after.start_ms, *found[1:])

    def _text(self, subtitle: Subtitle) -> Iterator[tuple[str, str, str]]:
        lines, profile = subtitle.lines, self.profile
        if not any(lines):
            yield "empty", "no text", "at least a word"
        if len(lines) > profile.max_lines:
            yield "line_count", f"{len(lines)} lines", str(profile.max_lines)
        for number, line in enumerate(lines, start=1):
            if (width := text_width(line)) > profile.max_chars_per_line:
                yield "line_length", f"{width} characters in line {number}", str(profile.max_chars_per_line)
        if profile.latin_only:
            foreign = sorted({letter for line in lines for letter in line if to_latin(letter) != letter})
            if foreign:
                yield "characters", f"{''.join(foreign)!r}", "those of CEA-608"

    def _duration(self, subtitle: Subtitle) -> Iterator[tuple[str, str, str]]:
        duration_ms, profile = subtitle.end_ms - subtitle.start_ms, self.profile
        if duration_ms <= 0:
            yield "times", f"ends {_s(-duration_ms)} before it begins", "an end after the start"
            return
        if duration_ms < profile.min_duration_s * _MS_PER_S - self.tolerance_ms:
            yield "too_short", _s(duration_ms), f"at least {profile.min_duration_s:g} s"
        if profile.max_duration_s is not None and duration_ms > profile.max_duration_s * _MS_PER_S + self.tolerance_ms:
            yield "too_long", _s(duration_ms), f"at most {profile.max_duration_s:g} s"
        longest_s, text = (duration_ms + self.tolerance_ms) / _MS_PER_S, " ".join(subtitle.lines)
        width, words = text_width(text), len(text.split())
        if profile.comfortable_cps is not None and width > profile.comfortable_cps * longest_s:
            speed = width * _MS_PER_S / duration_ms
            yield "reading_speed", f"{speed:.1f} characters/s", f"at most {profile.comfortable_cps:g}"
        if profile.max_wpm is not None and words > profile.max_wpm * longest_s / _S_PER_MINUTE:
            rate = words * _MS_PER_S * _S_PER_MINUTE / duration_ms
            yield "word_rate", f"{rate:.0f} words/min", f"at most {profile.max_wpm:g}"

    def _line_breaks(self, lines: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        for line in lines[:-1]:
            last = (line.split() or [""])[-1]
            if last and last[-1].isalnum() and bare_word(last) in self.lexicon.binding:
                yield "line_break", f"a line that ends with {last!r}", "a break before it"


def _s(time_ms: int) -> str:
    return f"{time_ms / _MS_PER_S:.2f} s"
