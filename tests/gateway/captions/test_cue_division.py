"""Complete text is divided into cues that fit, as few as can be, and of like width."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from decoder.types import Word
from gateway.captions.cue_division import Break, divide, lasts_too_long, lines_needed
from gateway.captions.cue_profiles import PROFILES, CueProfile
from gateway.captions.line_breaking import Piece, lexicon_of, line_width, pieces_of

TINY = CueProfile("tiny", 8, 2, comfortable_cps=10.0, min_duration_s=0.5, max_duration_s=2.0, gap_s=0.08)
ENGLISH = ("the", "a", "fox,", "and", "dog.", "river", "because", "of", "water!", "20", "Mr.", "x" * 12)
CHINESE = "今天的氣很好我們去公園散步吧現在已經了解"

always = settings(deadline=None)
profiles = st.sampled_from([*PROFILES.values(), TINY])
durations = st.sampled_from([1_600, 3_200, 6_400, 40_000])


@st.composite
def english(draw: st.DrawFn) -> tuple[Piece, ...]:
    texts = draw(st.lists(st.sampled_from(ENGLISH), max_size=60))
    return _pieces([" " + text for text in texts], draw(durations))


@st.composite
def chinese(draw: st.DrawFn) -> tuple[Piece, ...]:
    """Clauses of three characters and more, at the pace of speech, each after a pause or a comma."""
    clauses = draw(st.lists(st.text(CHINESE, min_size=3, max_size=20), min_size=1, max_size=8))
    texts = [character for clause in clauses for character in (draw(st.sampled_from(["", " "])) + clause)]
    return _pieces([*"".join(texts).replace(" ", "，")], draw(st.sampled_from([1_600, 3_200, 5_600])))


def _pieces(texts: Sequence[str], duration_samples: int) -> tuple[Piece, ...]:
    words = [Word(text, n * duration_samples, (n + 1) * duration_samples) for n, text in enumerate(texts)]
    return pieces_of(words, TINY.max_chars_per_line)


def cues_of(pieces: Sequence[Piece], breaks: Sequence[Break]) -> list[Sequence[Piece]]:
    ends = [0, *(each.position for each in breaks if each.ends_cue), len(pieces)]
    return [pieces[start:end] for start, end in pairwise(ends)] if pieces else []


@always
@given(profiles, st.one_of(english(), chinese()), st.sampled_from([None, "en", "zh"]))
def test_every_cue_fits(profile: CueProfile, pieces: tuple[Piece, ...], language: str | None) -> None:
    breaks = divide(pieces, profile, lexicon_of(language))
    positions = [each.position for each in breaks]
    assert positions == sorted(set(positions))
    for cue in cues_of(pieces, breaks):
        assert cue
        assert lines_needed(cue, profile.max_chars_per_line) <= profile.max_lines
        assert not lasts_too_long(cue, profile)
    for start, end in pairwise([0, *positions, len(pieces)]):
        assert line_width(pieces[start:end]) <= profile.max_chars_per_line


@always
@given(profiles, st.one_of(english(), chinese()), st.sampled_from([None, "en", "zh"]))
def test_there_are_no_more_cues_than_filling_them_would_need(
    profile: CueProfile, pieces: tuple[Piece, ...], language: str | None
) -> None:
    filled, start = 0, 0
    while start < len(pieces):
        fitting = range(start + 1, len(pieces) + 1)
        start = max(end for end in fitting if _fits(pieces[start:end], profile))
        filled += 1
    assert len(cues_of(pieces, divide(pieces, profile, lexicon_of(language)))) == filled


def _fits(pieces: Sequence[Piece], profile: CueProfile) -> bool:
    is_narrow = lines_needed(pieces, profile.max_chars_per_line) <= profile.max_lines
    return is_narrow and not lasts_too_long(pieces, profile)


@always
@given(st.sampled_from([*PROFILES.values()]), chinese(), st.sampled_from([None, "zh"]))
def test_no_cue_of_chinese_has_one_or_two_characters_where_there_are_several(
    profile: CueProfile, pieces: tuple[Piece, ...], language: str | None
) -> None:
    cues = cues_of(pieces, divide(pieces, profile, lexicon_of(language)))
    if len(cues) > 1:
        assert min(sum(character in CHINESE for piece in cue for character in piece.text) for cue in cues) > 2
