"""Whole text is divided by sentences, reading speed and duration."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoder.types import Word
from gateway.captions.cue_profiles import PROFILES, CueProfile
from gateway.captions.cue_segmentation import cue_ends, reading_end_sample
from gateway.captions.line_breaking import Piece, lexicon_of, line_text, pieces_of

ENGLISH = lexicon_of("en")
NETFLIX = PROFILES["netflix"]


def pieces(text: str, word_s: float = 0.4, pauses_s: dict[int, float] | None = None) -> tuple[Piece, ...]:
    """Return words of equal length, with a pause before some of them, by position."""
    words, at_s = [], 0.0
    for position, word in enumerate(text.split()):
        at_s += (pauses_s or {}).get(position, 0.0)
        words.append(Word(f" {word}", round(at_s * 16_000), round((at_s + word_s) * 16_000), None))
        at_s += word_s
    return pieces_of(words, 42)


def divided(spoken: tuple[Piece, ...], profile: CueProfile = NETFLIX, next_sample: int | None = None) -> list[str]:
    ends = cue_ends(spoken, profile, ENGLISH, next_sample)
    return [line_text(spoken[start:end]) for start, end in pairwise([0, *ends])]


def test_no_text_has_no_cues() -> None:
    assert cue_ends((), NETFLIX, ENGLISH, None) == []


def test_cues_end_with_sentences() -> None:
    spoken = pieces(
        "This is the first sentence of the talk. The second one is about as long as the first was. And a third."
    )
    assert divided(spoken) == [
        "This is the first sentence of the talk.",
        "The second one is about as long as the first was. And a third.",
    ]


def test_a_long_sentence_is_broken_at_a_clause() -> None:
    spoken = pieces(
        "When the storm had passed and the sea was calm, the old captain of the ship came up on the deck to look."
    )
    assert divided(spoken) == [
        "When the storm had passed and the sea was calm,",
        "the old captain of the ship came up on the deck to look.",
    ]


def test_text_without_punctuation_is_broken_at_pauses() -> None:
    text = "we begin with the first of them and the others then comes another one here and the rest of it all"
    assert divided(pieces(text, 0.2, {10: 1.2})) == [
        "we begin with the first of them and the others",
        "then comes another one here and the rest of it all",
    ]
    assert divided(pieces(text, 0.2))[0] != "we begin with the first of them and the others"


def test_short_sentences_share_a_cue_where_each_would_be_a_flash() -> None:
    assert divided(pieces("Yes. No. Why not?", word_s=0.2), next_sample=16_000) == ["Yes. No. Why not?"]


def test_a_cue_is_never_longer_than_the_profile_allows_but_for_a_single_piece() -> None:
    slow = pieces("one two three four", word_s=4.0)
    assert divided(slow) == ["one", "two", "three", "four"]
    assert divided(pieces("one", word_s=9.0)) == ["one"]
    assert divided(slow, PROFILES["bbc"]) == ["one two three four"]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from(["a", "the", "dog,", "ran.", "and", "extraordinarily"]), min_size=1, max_size=40),
    st.sampled_from(sorted(PROFILES)),
    st.floats(0.05, 2.0),
)
def test_no_word_is_lost_and_every_cue_fits(words: list[str], name: str, word_s: float) -> None:
    spoken = pieces(" ".join(words), word_s)
    cues = divided(spoken, PROFILES[name])
    assert " ".join(cues) == " ".join(words)
    assert all(len(cue) <= PROFILES[name].max_chars_per_line * PROFILES[name].max_lines for cue in cues)


@pytest.mark.parametrize(
    ("profile", "lines", "speech_s", "end_s"),
    [
        (NETFLIX, ("x" * 30,), 1.0, 1.5),  # 20 characters a second
        (NETFLIX, ("x" * 84,), 1.0, 2.5),  # 1.5 s after the last word, though it takes longer to read
        (NETFLIX, ("x",), 0.1, 0.833),  # the minimum
        (NETFLIX, ("x",), 9.0, 7.0),  # the maximum
        (PROFILES["bbc"], ("one two three",), 0.5, 1.0),  # 180 words a minute
        (PROFILES["bbc"], ("one",), 9.0, 9.0),
        (replace(NETFLIX, comfortable_cps=None), ("x" * 84,), 1.0, 1.0),
    ],
)
def test_a_cue_is_displayed_as_long_as_it_takes_to_read(
    profile: CueProfile, lines: tuple[str, ...], speech_s: float, end_s: float
) -> None:
    assert reading_end_sample(lines, 0, round(speech_s * 16_000), profile) == round(end_s * 16_000)
