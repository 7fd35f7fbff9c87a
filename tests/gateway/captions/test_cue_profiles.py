"""Profiles are complete, and refuse what no cue could obey."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.captions.cue_profiles import DEFAULT_PROFILE, PROFILES, to_latin


def test_the_profiles_are_those_of_the_reference() -> None:
    lines = {name: (profile.max_chars_per_line, profile.max_lines) for name, profile in PROFILES.items()}

    assert lines == {
        "web": (42, 2),
        "live": (42, 2),
        "broadcast-eu": (37, 2),
        "608": (32, 2),
        "teams": (50, 1),
        "netflix": (42, 2),
        "bbc": (37, 2),
        "ebu": (37, 2),
    }
    assert all(name == profile.name for name, profile in PROFILES.items())
    assert DEFAULT_PROFILE in PROFILES


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_chars_per_line", 1),
        ("max_lines", 0),
        ("comfortable_cps", 0.0),
        ("gap_s", -0.1),
        ("max_wpm", 0.0),
        ("closed_gap_s", 0.08),
        ("min_duration_s", -1.0),
        ("max_duration_s", 1.0),
        ("max_duration_s", float("nan")),
    ],
)
def test_a_field_out_of_range_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        replace(PROFILES["web"], **{field: value})  # type: ignore[arg-type]  # each value has its field's type


@pytest.mark.parametrize(("profile", "reading_s"), [("netflix", 0.65), ("bbc", 1.0), ("live", 0.0)])
def test_lines_take_as_long_to_read_as_the_profile_says(profile: str, reading_s: float) -> None:
    assert PROFILES[profile].reading_s(("one two", "three")) == pytest.approx(reading_s)


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("déjà vu", "déjà vu"),
        ("Łódź, Škoda", "Lódz, Skoda"),
        ("œuvre “café” – 5 €", "oeuvre “café” - 5 EUR"),
        ("it’s…", "it's..."),
        ("ＡＢＣ ﬁn", "ABC fin"),
        ("Привет", "??????"),
        ("e\u0301z\u0301", "éz"),
        ("co\u00adop\u200d", "coop"),
    ],
)
def test_text_for_608_is_spelt_with_its_characters(text: str, latin: str) -> None:
    assert to_latin(text) == latin


@settings(deadline=None)
@given(st.text())
def test_spelling_twice_changes_nothing(text: str) -> None:
    assert to_latin(to_latin(text)) == to_latin(text)
