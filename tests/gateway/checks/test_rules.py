"""Each rule is broken by what it forbids, and by nothing else."""

import pytest

from gateway.captions.cue_profiles import PROFILES
from gateway.checks.rules import RULES, Breach, breaches
from gateway.checks.subtitle import Subtitle

GOOD = Subtitle(1, 1_000, 3_000, ("Good morning,", "everyone."))


def broken(*subtitles: Subtitle, profile: str = "netflix", language: str | None = "en") -> list[tuple[str, str, str]]:
    found = breaches(subtitles, PROFILES[profile], 1, language)
    assert all(breach.rule in RULES for breach in found)
    return [(breach.rule, breach.got, breach.allowed) for breach in found]


def second(start_ms: int, end_ms: int) -> Subtitle:
    return Subtitle(2, start_ms, end_ms, ("Yes.",))


def test_good_subtitles_break_no_rule() -> None:
    assert broken(GOOD, second(3_080, 4_000), Subtitle(3, 4_500, 6_000, ("No.",))) == []
    assert broken(GOOD, profile="608") == []


@pytest.mark.parametrize(
    ("subtitle", "profile", "expected"),
    [
        (Subtitle(1, 0, 2_000, ()), "web", ("empty", "no text", "at least a word")),
        (Subtitle(1, 2_000, 1_000, ("x",)), "web", ("times", "ends 1.00 s before it begins", "an end after the start")),
        (Subtitle(1, 0, 500, ("x",)), "netflix", ("too_short", "0.50 s", "at least 0.833 s")),
        (Subtitle(1, 0, 7_100, ("x",)), "netflix", ("too_long", "7.10 s", "at most 7 s")),
        (Subtitle(1, 0, 1_000, ("x" * 30,)), "netflix", ("reading_speed", "30.0 characters/s", "at most 20")),
        (Subtitle(1, 0, 1_000, ("a b c d",)), "bbc", ("word_rate", "240 words/min", "at most 180")),
        (Subtitle(1, 0, 6_000, ("x" * 43,)), "netflix", ("line_length", "43 characters in line 1", "42")),
        (Subtitle(1, 0, 2_000, ("x", "y", "z")), "netflix", ("line_count", "3 lines", "2")),
        (
            Subtitle(1, 0, 3_000, ("Over the", "lazy dog")),
            "netflix",
            ("line_break", "a line that ends with 'the'", "a break before it"),
        ),
        (Subtitle(1, 0, 3_000, ("Łódź",)), "608", ("characters", "'Łź'", "those of CEA-608")),
        (Subtitle(1, 0, 3_000, ("x",), (("number", "7", "1"),)), "web", ("number", "7", "1")),
    ],
)
def test_a_subtitle_breaks_a_rule(subtitle: Subtitle, profile: str, expected: tuple[str, str, str]) -> None:
    assert broken(subtitle, profile=profile) == [expected]


@pytest.mark.parametrize(
    ("after", "profile", "expected"),
    [
        (second(500, 4_000), "web", ("order", "begins 0.50 s before the one before it", "a later start")),
        (second(2_500, 4_000), "web", ("overlap", "0.50 s with the one before it", "none")),
        (second(3_000, 4_000), "web", ("gap", "0.00 s after the one before it", "at least 0.08 s")),
        (
            second(3_300, 5_000),
            "bbc",
            ("gap", "0.30 s after the one before it", "0.00 s, or at least 1.00 s"),
        ),
    ],
)
def test_a_pair_breaks_a_rule(after: Subtitle, profile: str, expected: tuple[str, str, str]) -> None:
    assert broken(GOOD, after, profile=profile) == [expected]


def test_a_breach_names_the_subtitle_and_its_time() -> None:
    assert breaches([GOOD, second(2_500, 4_000)], PROFILES["web"], 1) == [
        Breach("overlap", 2, 2_500, "0.50 s with the one before it", "none")
    ]


def test_times_that_the_format_rounds_are_no_breach() -> None:
    subtitles = [Subtitle(1, 0, 990, ("x" * 17,)), Subtitle(2, 1_062, 2_062, ("x",))]
    assert breaches(subtitles, PROFILES["web"], 10) == []
    assert {breach.rule for breach in breaches(subtitles, PROFILES["web"], 1)} == {"too_short", "gap", "reading_speed"}


def test_punctuation_and_other_languages_allow_any_line_break() -> None:
    assert broken(Subtitle(1, 0, 3_000, ("Is it the?", "Yes"))) == []
    assert broken(Subtitle(1, 0, 3_000, ("Over the", "lazy dog")), language=None) == []
    assert broken(Subtitle(1, 0, 3_000, ("", "lazy dog"))) == []
