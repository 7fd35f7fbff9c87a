"""Cues as a viewer meets them, one example each; `test_cues_properties` has what always holds."""

from dataclasses import replace

import pytest

from decoder.types import Transcript, Word
from gateway.captions.cue_builder import PROFILES, CueBuilder
from gateway.wire.cue import Cue, CueState

SECOND = 16_000
WEB = PROFILES["web"]
GAP = 1280  # 0.08 s


def spoken(text: str, start_s: float = 0.0, word_s: float = 0.3) -> tuple[Word, ...]:
    """Return consecutive words without a pause."""
    starts = [round((start_s + index * word_s) * SECOND) for index in range(len(text.split()) + 1)]
    return tuple(Word(" " + word, starts[i], starts[i + 1]) for i, word in enumerate(text.split()))


def partial(
    committed: tuple[Word, ...], tail: tuple[Word, ...] = (), utterance_id: int = 0, revision: int = 1
) -> Transcript:
    return Transcript(utterance_id, revision, committed, tail, is_final=False)


def final(words: tuple[Word, ...], utterance_id: int = 0, revision: int = 99) -> Transcript:
    return Transcript(utterance_id, revision, words, (), is_final=True)


def texts(cues: list[Cue]) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues]


def test_a_short_final_is_one_line() -> None:
    (cue,) = CueBuilder(WEB).update(final(spoken("Good morning.", start_s=1.0)), 3 * SECOND)

    assert cue == Cue("0.1", 0, 99, SECOND, 2 * SECOND, ("Good morning.",), 13, CueState.FINAL)


def test_a_partial_that_grows_is_a_new_revision_of_its_cue() -> None:
    builder = CueBuilder(WEB)
    words = spoken("Good morning to all")

    (first,) = builder.update(partial((), words[:2], revision=4), SECOND)
    (second,) = builder.update(partial(words[:2], words[2:], revision=7), 2 * SECOND)

    assert (first.lines, first.stable_chars, first.revision) == (("Good morning",), 0, 4)
    assert (second.lines, second.stable_chars, second.revision) == (("Good morning to all",), len("Good morning"), 7)
    assert first.cue_id == second.cue_id


def test_an_unchanged_partial_emits_nothing() -> None:
    builder = CueBuilder(PROFILES["live"])
    words = spoken("Good morning to all of you")
    builder.update(partial((), words, revision=1), 5 * SECOND)

    assert builder.update(partial((), words, revision=2), 5 * SECOND) == []


def test_a_repeated_revision_still_makes_a_greater_one() -> None:
    builder = CueBuilder(WEB)
    words = spoken("Good morning")
    builder.update(partial((), words, revision=5), SECOND)

    (cue,) = builder.update(final(words, revision=5), SECOND)

    assert cue.revision == 6


def test_live_text_breaks_only_when_the_line_is_full() -> None:
    builder = CueBuilder(WEB)
    words = spoken("everybody waited patiently for the bus and nobody said a word")
    lines = [builder.update(partial(words[:n]), n * SECOND, "en")[-1].lines for n in range(1, len(words) + 1)]

    assert lines[6] == ("everybody waited patiently for the bus and",)
    assert lines[7] == ("everybody waited patiently for the bus", "and nobody")


def test_a_final_at_once_has_balanced_lines() -> None:
    words = spoken("everybody waited patiently for the late bus and nobody said anything", word_s=0.2)

    (cue,) = CueBuilder(WEB).update(final(words), 10 * SECOND)

    assert cue.lines == ("everybody waited patiently for the", "late bus and nobody said anything")


def test_a_final_at_once_breaks_where_the_sense_does_rather_than_in_the_middle() -> None:
    words = spoken("everybody waited for the very late bus and nobody said anything", word_s=0.2)

    (cue,) = CueBuilder(WEB).update(final(words), 10 * SECOND, "en")

    assert cue.lines == ("everybody waited for the very late bus", "and nobody said anything")


def test_a_break_stays_when_the_word_after_it_changes() -> None:
    builder = CueBuilder(WEB)
    words = spoken("everybody waited patiently for the bus and nobody")
    other = spoken("everybody waited patiently for the bus ends")
    builder.update(partial(words[:6], words[6:]), 3 * SECOND, "en")

    (cue,) = builder.update(partial(words[:6], other[6:]), 3 * SECOND, "en")

    assert cue.lines == ("everybody waited patiently for the bus", "ends")


def test_no_cue_is_final_before_its_utterance() -> None:
    builder = CueBuilder(PROFILES["teams"])
    words = spoken("one line of fifty is all that Teams will ever take and then the next")

    displayed = builder.update(partial(words[:13], words[13:]), 9 * SECOND, "en")
    last = builder.update(final(words), 9 * SECOND, "en")

    assert [(cue.cue_id, cue.state) for cue in displayed] == [("0.1", CueState.PARTIAL), ("0.2", CueState.PARTIAL)]
    assert [(cue.cue_id, cue.state) for cue in last] == [("0.1", CueState.FINAL), ("0.2", CueState.FINAL)]
    assert texts(last) == texts(displayed)


def test_a_final_corrects_committed_words_and_leaves_the_lines_before_them() -> None:
    builder = CueBuilder(WEB)
    words = spoken("everybody waited patiently for the bus and nobody bawled", word_s=0.2)
    right = spoken("everybody waited patiently for the bus and nobody boarded it", word_s=0.2)
    builder.update(partial(words), 3 * SECOND, "en")

    (cue,) = builder.update(final(right), 3 * SECOND, "en")

    assert cue.lines == ("everybody waited patiently for the bus", "and nobody boarded it")
    assert (cue.cue_id, cue.state, cue.stable_chars) == ("0.1", CueState.FINAL, len("\n".join(cue.lines)))


def test_a_final_that_changes_only_case_and_punctuation_moves_no_line() -> None:
    builder = CueBuilder(WEB)
    builder.update(partial(spoken("it was the best of times it was the worst of times", word_s=0.2)), 3 * SECOND, "en")

    (cue,) = builder.update(
        final(spoken("It was the best of times, it was the worst of times.", word_s=0.2)), 3 * SECOND
    )

    assert cue.lines == ("It was the best of times, it was the worst", "of times.")


def test_a_line_that_punctuation_makes_too_wide_is_broken_again() -> None:
    builder = CueBuilder(WEB)
    builder.update(partial(spoken("it was the best of times it was the worst now of times", word_s=0.2)), 3 * SECOND)

    (cue,) = builder.update(final(spoken("It was: the best, of times, it was the worst, now, of times")), 9 * SECOND)

    assert all(len(line) <= 42 for line in cue.lines)


def test_a_final_that_is_much_shorter_withdraws_the_cues_that_it_has_no_words_for() -> None:
    builder = CueBuilder(PROFILES["teams"])
    builder.update(partial(spoken("one line of fifty is all that Teams will ever take and then the next")), 9 * SECOND)

    cues = builder.update(final(spoken("one line")), 9 * SECOND)

    assert [(cue.cue_id, cue.lines, cue.state) for cue in cues] == [
        ("0.1", ("one line",), CueState.FINAL),
        ("0.2", (), CueState.PARTIAL),
    ]


def test_a_final_leaves_no_word_alone_after_a_full_cue() -> None:
    builder = CueBuilder(PROFILES["teams"])
    words = spoken("somebody brought some lunch and coffee to everyone today")
    displayed = builder.update(partial(words), 9 * SECOND)

    cues = builder.update(final(words), 9 * SECOND)

    assert texts(displayed) == [("somebody brought some lunch and coffee to everyone",), ("today",)]
    assert texts(cues) == [("somebody brought some lunch",), ("and coffee to everyone today",)]


def test_a_final_merges_what_a_live_line_left_over_where_one_cue_holds_it() -> None:
    builder = CueBuilder(WEB)
    text = "we waited for a very long time outside the station until somebody brought lunch today"
    words = spoken(text, word_s=0.2)
    displayed = builder.update(partial(words), 9 * SECOND, "en")

    cues = builder.update(final(words), 9 * SECOND, "en")

    assert texts(displayed)[1:] == [("today",)]
    assert texts(cues) == [
        ("we waited for a very long time outside the", "station until somebody brought lunch today"),
        (),
    ]


def test_a_cue_without_words_is_withdrawn_and_may_come_back() -> None:
    builder = CueBuilder(WEB)
    words = spoken("Hm")
    (displayed,) = builder.update(partial((), words, revision=1), SECOND)

    (withdrawn,) = builder.update(partial((), (), revision=2), SECOND)
    (back,) = builder.update(partial((), words, revision=3), SECOND)

    assert withdrawn == replace(displayed, revision=2, lines=(), stable_chars=0)
    assert back == replace(displayed, revision=3)


def test_a_withdrawn_cue_is_not_withdrawn_again() -> None:
    builder = CueBuilder(WEB)
    builder.update(partial((), spoken("Hm"), revision=1), SECOND)
    builder.update(partial((), (), revision=2), SECOND)

    assert builder.update(partial((), (), revision=3), SECOND) == []
    assert builder.update(final(()), SECOND) == []


def test_a_final_without_words_withdraws_the_displayed_cues() -> None:
    builder = CueBuilder(WEB)
    builder.update(partial((), spoken("Hm")), SECOND)

    assert [(cue.lines, cue.state) for cue in builder.update(final(()), SECOND)] == [((), CueState.PARTIAL)]


def test_a_final_without_words_after_nothing_brings_nothing() -> None:
    assert CueBuilder(WEB).update(final(()), SECOND) == []


def test_a_cue_lasts_until_it_can_be_read() -> None:
    words = spoken("Incomprehensibilities notwithstanding", word_s=0.2)

    (cue,) = CueBuilder(WEB).update(final(words), 9 * SECOND)

    assert cue.end_sample == round(37 / 17 * SECOND)


def test_a_cue_does_not_last_beyond_the_decoded_audio() -> None:
    words = spoken("Incomprehensibilities notwithstanding", word_s=0.2)

    (cue,) = CueBuilder(WEB).update(final(words), SECOND)

    assert cue.end_sample == SECOND - GAP


def test_a_word_stamped_past_what_was_decoded_does_not_delay_the_next_cue() -> None:
    builder = CueBuilder(WEB)
    (stray,) = builder.update(final((Word(" stray", 29 * SECOND, 30 * SECOND),)), 2 * SECOND)
    (after,) = builder.update(final(spoken("after", start_s=2.5), utterance_id=1), 4 * SECOND)

    assert stray.end_sample == 2 * SECOND
    assert after.start_sample == round(2.5 * SECOND)


def test_the_next_utterance_waits_for_the_gap() -> None:
    builder = CueBuilder(WEB)
    (before,) = builder.update(final(spoken("no pause", word_s=1.0)), 2 * SECOND)
    (after,) = builder.update(final(spoken("at all", start_s=1.9), utterance_id=1), 4 * SECOND)

    assert before.end_sample == 2 * SECOND
    assert after.start_sample == before.end_sample + GAP


def test_slow_speech_is_split_where_the_sense_breaks() -> None:
    words = spoken("we waited, and we waited, and then", word_s=1.0)

    cues = CueBuilder(WEB).update(final(words), 9 * SECOND, "en")

    assert texts(cues) == [("we waited,",), ("and we waited, and then",)]


def test_a_second_line_that_comes_too_late_begins_a_cue() -> None:
    words = spoken("the representatives of all associations", word_s=1.1) + spoken("reassembled", start_s=5.5)

    cues = CueBuilder(WEB).update(final(words), 9 * SECOND, "en")

    assert all(cue.end_sample - cue.start_sample <= 6 * SECOND for cue in cues)
    assert " ".join(line for cue in cues for line in cue.lines) == "the representatives of all associations reassembled"


FULL_LINE = "everybody waited patiently for their coach"


def test_a_live_word_too_late_for_the_cue_of_a_full_line_begins_the_next() -> None:
    words = spoken(FULL_LINE) + spoken("nobody came", start_s=8.0)

    cues = CueBuilder(WEB).update(partial((), words), 9 * SECOND, "en")

    assert texts(cues) == [(FULL_LINE,), ("nobody came",)]


def test_a_short_live_line_moves_to_the_next_cue_when_what_follows_it_is_too_late() -> None:
    words = spoken(FULL_LINE + " until") + spoken("nobody came", start_s=6.5)

    cues = CueBuilder(WEB).update(partial((), words), 9 * SECOND, "en")

    assert texts(cues) == [(FULL_LINE,), ("until nobody came",)]


def test_a_short_live_line_that_is_committed_stays_in_its_cue() -> None:
    builder = CueBuilder(WEB)
    shown, late = spoken(FULL_LINE + " until"), spoken("nobody came", start_s=6.5)
    displayed = builder.update(partial(shown), 3 * SECOND, "en")

    cues = builder.update(partial(shown, late), 9 * SECOND, "en")

    assert texts(displayed) == [(FULL_LINE, "until")]
    assert [(cue.cue_id, cue.lines) for cue in cues] == [("0.2", ("nobody came",))]


def test_chinese_fills_lines_by_width() -> None:
    words = tuple(
        Word(character, i * 3200, (i + 1) * 3200) for i, character in enumerate("今天天气很好我们去公园散步吧" * 2)
    )

    cues = CueBuilder(WEB).update(final(words), 20 * SECOND, "zh")

    assert "".join(line for cue in cues for line in cue.lines) == "今天天气很好我们去公园散步吧" * 2
    assert all(len(line) <= 21 for cue in cues for line in cue.lines)


def test_608_gets_latin_text() -> None:
    (cue,) = CueBuilder(PROFILES["608"]).update(final(spoken("Škoda für Москва")), 3 * SECOND)

    assert cue.lines == ("Skoda für ??????",)


def test_words_of_a_finished_utterance_are_refused() -> None:
    builder = CueBuilder(WEB)
    builder.update(final(spoken("over")), SECOND)

    with pytest.raises(ValueError, match="0 is already final"):
        builder.update(partial(spoken("not over")), SECOND)


def test_an_utterance_before_the_end_of_another_is_refused() -> None:
    builder = CueBuilder(WEB)
    builder.update(partial(spoken("I was saying")), SECOND)

    with pytest.raises(ValueError, match="0 is not yet final"):
        builder.update(partial(spoken("me too"), utterance_id=1), SECOND)


def test_committed_words_that_change_while_partial_are_refused() -> None:
    builder = CueBuilder(WEB)
    builder.update(partial(spoken("it was me")), SECOND)

    with pytest.raises(ValueError, match="committed words of utterance 0"):
        builder.update(partial(spoken("it was you")), SECOND)


def test_cues_of_a_resumed_session_do_not_overlap_those_before() -> None:
    builder = CueBuilder(WEB, 5 * SECOND)
    (cue,) = builder.update(final(spoken("Good morning.", start_s=4.9), utterance_id=7), 9 * SECOND)
    assert cue.start_sample == 5 * SECOND + GAP
