"""Recordings joined into one stream."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.bench.concatenation import Clip, concatenate, rotation
from clients.bench.reference import Reference
from tests.clients.bench.observing import spoken

RATE_HZ = 100


def clip(name: str, text: str = "red blue", *, duration_s: float = 3.0, language: str | None = "en") -> Clip:
    words = spoken(text)
    return Clip(Reference(name, language, duration_s, words), name.encode() * 2 * round(duration_s * RATE_HZ))


def test_references_are_shifted_by_the_audio_and_the_gaps_before_them() -> None:
    joined = concatenate([clip("a"), clip("b"), clip("c")], RATE_HZ, gap_s=0.5)

    assert joined.reference.recording == "a+b+c"
    assert joined.reference.duration_s == len(joined.pcm) / 2 / RATE_HZ == 10
    assert [word.start_s for word in joined.reference.words] == [1, 1.5, 4.5, 5, 8, 8.5]
    assert joined.pcm[600:700] == bytes(100)


def test_speech_may_go_on_over_a_short_gap() -> None:
    parts = [clip("a", duration_s=2.0), clip("b")]
    parts[1] = replace(parts[1], reference=replace(parts[1].reference, words=spoken("pink", start_s=0.0)))

    assert [word.ends_speech for word in concatenate(parts, RATE_HZ, gap_s=0.25).reference.words] == [
        False,
        False,
        True,
    ]
    assert [word.ends_speech for word in concatenate(parts, RATE_HZ).reference.words] == [False, True, True]


def test_terms_are_those_of_all_and_times_are_known_if_those_of_all_are() -> None:
    one, other = clip("a"), clip("b")
    one = replace(one, reference=replace(one.reference, terms=("Ada", "Bob")))
    other = replace(other, reference=replace(other.reference, terms=("Bob", "Cid"), has_times=False))

    joined = concatenate([one, other], RATE_HZ).reference

    assert joined.terms == ("Ada", "Bob", "Cid")
    assert not joined.has_times


def test_one_clip_is_returned_as_it_is() -> None:
    assert concatenate([one := clip("a")], RATE_HZ) is one


def test_clips_without_speech_join_those_of_any_language() -> None:
    silent = clip("b", "", language=None)

    assert concatenate([silent, clip("a")], RATE_HZ).reference.language == "en"
    assert concatenate([silent, silent], RATE_HZ).reference.language is None


@pytest.mark.parametrize("clips", [[], [clip("a"), clip("b", language="de")]])
def test_clips_of_two_languages_or_none_are_refused(clips: list[Clip]) -> None:
    with pytest.raises(ValueError, match="expected at least one clip, and one language"):
        concatenate(clips, RATE_HZ)


@given(st.lists(st.sampled_from([1.0, 2.5, 4.0]), min_size=1, max_size=5), st.sampled_from([0.0, 0.5, 1.0]))
def test_no_word_is_lost_and_every_word_keeps_its_distance_to_its_clip(lengths_s: list[float], gap_s: float) -> None:
    clips = [clip("a", duration_s=length_s) for length_s in lengths_s]
    joined = concatenate(clips, RATE_HZ, gap_s)

    starts_s = [sum(lengths_s[:number]) + number * gap_s for number in range(len(clips))]
    assert [word.start_s for word in joined.reference.words] == [
        start_s + offset_s for start_s in starts_s for offset_s in (1.0, 1.5)
    ]
    assert joined.reference.duration_s == pytest.approx(sum(lengths_s) + gap_s * (len(clips) - 1))


def test_streams_begin_with_different_recordings_and_go_round() -> None:
    references = [clip(name).reference for name in "abc"]

    assert rotation(references, 0, least_s=0) == [0]
    assert rotation(references, 4, least_s=8) == [1, 2, 0]
    assert rotation(references[:1], 7, least_s=7.5) == [0, 0, 0]


def test_recordings_of_another_kind_are_not_joined() -> None:
    other = [clip("a"), clip("b", language="de"), clip("c", "", language=None), clip("d")]
    references = [each.reference for each in other]

    assert rotation(references, 0, least_s=10) == [0, 3, 0]
    assert rotation(references, 1, least_s=5) == [1, 1]
    assert rotation(references, 2, least_s=5) == [2, 2]
