"""Corrections: the text as it is kept, and cues that fit between those of other utterances."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.captions.correction import MAX_TEXT_CHARS, Room, SettledUtterance, corrected, corrected_text
from gateway.captions.cue_profiles import PROFILES
from gateway.wire import Correction, Cue, CueState, Final, Finished, Latency, WordSpan
from tests.events import final_cue, partial_cue

WEB = PROFILES["web"]
FINAL = Final(9, 3, 16_000, 80_000, "the quick brown focks jumps", "en", Latency(0, 0, 0, 0))
CUE = Cue("3.1", 3, 4, 17_600, 70_400, ("the quick brown focks jumps",), 27, CueState.FINAL)
UTTERANCE = SettledUtterance(FINAL, (CUE,))


def made(
    text: str, utterance: SettledUtterance = UTTERANCE, room: Room | None = None, profile: str = "web"
) -> Correction:
    return corrected(utterance, text, PROFILES[profile], room or Room(), seq=41)


# --- the text --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("  one\t two \r\n three\u2028four ", "one two three four"),
        ("Vraiment\u00a0?", "Vraiment\u00a0?"),
        (" \u00a0 ", ""),
        ("", ""),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 👩\u200d💻",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 👩\u200d💻",
        ),
        ("x" * MAX_TEXT_CHARS, "x" * MAX_TEXT_CHARS),
    ],
)
def test_white_space_becomes_one_space_and_other_characters_stay(given_text: str, kept: str) -> None:
    assert corrected_text(given_text) == kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * (MAX_TEXT_CHARS + 1), "text of 2001 characters: at most 2000 allowed"),
        ("a\0b", "text with the control character U+0000: expected printable characters"),
        ("a\x1b[31mb", "text with the control character U+001B: expected printable characters"),
        ("a\ud800", "text with the control character U+D800: expected printable characters"),
    ],
)
def test_a_text_that_is_too_long_or_not_printable_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="text") as refused:
        corrected_text(text)
    assert str(refused.value) == message


# --- the utterance ---------------------------------------------------------------------------------------------------


def test_an_utterance_has_the_text_and_cues_of_its_newest_correction() -> None:
    first, second = made("the fox"), replace(made("the foxes"), revision=2)
    events = (replace(final_cue(1, 3), cue=CUE), FINAL, first, second, Finished(50, 0, 1))
    utterance = SettledUtterance()
    for event in events:
        utterance = utterance.after(event)
    assert (utterance.text, utterance.cues, utterance.revision) == ("the foxes", second.cues, 2)
    assert (utterance.final, utterance.engine_cues) == (FINAL, (CUE,))


def test_an_uncorrected_utterance_has_those_of_the_engine() -> None:
    assert (UTTERANCE.text, UTTERANCE.cues, UTTERANCE.revision) == (FINAL.text, (CUE,), 0)
    assert (SettledUtterance().text, SettledUtterance().cues) == ("", ())


def test_partial_and_withdrawn_cues_are_none() -> None:
    withdrawn = replace(final_cue(2), cue=replace(final_cue(2).cue, lines=()))
    assert SettledUtterance().after(partial_cue(1)).after(withdrawn) == SettledUtterance()


def test_a_repeated_final_cue_replaces_those_from_before_a_crash() -> None:
    utterance = SettledUtterance()
    for event in (final_cue(1, 1, 1), final_cue(2, 1, 2), final_cue(1_001, 1, 1)):
        utterance = utterance.after(event)
    assert utterance.cues == (final_cue(1_001, 1, 1).cue,)


# --- the correction --------------------------------------------------------------------------------------------------


def test_a_correction_has_the_text_and_final_cues_of_a_new_revision() -> None:
    cue = replace(CUE, revision=5, lines=("the quick brown fox jumps",), stable_chars=25)
    assert made("the quick brown fox jumps") == Correction(41, 3, 1, "the quick brown fox jumps", (cue,))


def test_a_second_correction_is_aligned_with_the_words_of_the_engine() -> None:
    first = made("nothing like it at all")
    second = made("the quick brown fox jumps", replace(UTTERANCE, correction=first))
    assert second.revision == 2
    assert second.cues[0] == replace(made("the quick brown fox jumps").cues[0], revision=6)


def test_an_empty_text_removes_the_cues_and_a_later_one_brings_them_back() -> None:
    removed = made("")
    assert (removed.text, removed.cues, removed.revision) == ("", (), 1)
    restored = made(FINAL.text, replace(UTTERANCE, correction=removed))
    assert [cue.lines for cue in restored.cues] == [CUE.lines]
    assert restored.cues[0].revision > CUE.revision


def test_words_are_listed_if_the_final_lists_them() -> None:
    words = (WordSpan("the", 17_600, 20_000, 0.9), WordSpan("focks", 20_000, 30_000, 0.2))
    utterance = SettledUtterance(replace(FINAL, text="the focks", words=words))
    assert made("The fox", utterance).words == (
        WordSpan("The", 17_600, 20_000, 0.9),
        WordSpan("fox", 20_000, 30_000, None),
    )
    assert made("The fox").words == ()


def test_cues_are_laid_out_with_the_profile_of_the_session() -> None:
    text = "the quick brown fox jumps over the lazy dog and it does so day after day in every season of the year"
    assert [len(cue.lines) for cue in made(text, profile="teams").cues] == [1, 1]
    assert [cue.cue_id for cue in made(text, profile="608").cues] == ["3.1", "3.2"]
    assert made("café – naïve", profile="608").cues[0].lines == ("café - naïve",)


def test_an_utterance_without_words_gets_cues_where_its_audio_is() -> None:
    (cue,) = made("hello", SettledUtterance(replace(FINAL, text=""))).cues
    assert (cue.start_sample, cue.end_sample) == (16_000, 80_000)


def test_cues_end_before_the_next_utterance_and_begin_after_the_one_before() -> None:
    (cue,) = made("so the quick brown fox jumps", room=Room(17_000, 60_000)).cues
    assert cue.start_sample == 17_000 + 1_280, "the gap of the profile"
    assert cue.end_sample <= 60_000


def test_while_nothing_follows_cues_end_with_the_audio_of_the_utterance() -> None:
    cues = made("the quick brown focks jumps " * 4).cues
    assert cues[-1].end_sample <= FINAL.end_sample


def test_cues_that_are_too_many_share_the_time_equally() -> None:
    cues = made("many words " * 20, room=Room(17_000, 18_000)).cues
    assert [cue.start_sample for cue in cues] == [17_000, 17_333, 17_666]
    assert cues[-1].end_sample == 18_000


@given(st.integers(0, 60), st.integers(16_400, 90_000), st.sampled_from(sorted(PROFILES)))
def test_any_text_fits_into_the_time_without_overlaps(words: int, after_sample: int, profile: str) -> None:
    text = " ".join(["word"] * words)
    correction = made(text, room=Room(16_000, after_sample), profile=profile)
    assert " ".join(line for cue in correction.cues for line in cue.lines) == text
    assert all(cue.start_sample < cue.end_sample for cue in correction.cues)
    assert all(before.end_sample <= after.start_sample for before, after in pairwise(correction.cues))
    assert all(cue.start_sample >= 16_000 and cue.end_sample <= after_sample for cue in correction.cues)
