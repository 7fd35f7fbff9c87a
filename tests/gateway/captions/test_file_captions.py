"""Cues of recordings, from finals."""

from dataclasses import replace

from gateway.captions.cue_profiles import PROFILES
from gateway.captions.file_captions import FileCaptions
from gateway.wire import Final, Latency, WordSpan
from gateway.wire.cue import Cue

NETFLIX = PROFILES["netflix"]
WORD_S = 0.3


def final(utterance_id: int, start_s: float, text: str, language: str | None = "en") -> Final:
    words = tuple(
        WordSpan(word, round((start_s + n * WORD_S) * 16_000), round((start_s + (n + 1) * WORD_S) * 16_000), None)
        for n, word in enumerate(text.split())
    )
    return Final(
        1, utterance_id, words[0].start_sample, words[-1].end_sample, text, language, Latency(0, 0, 0, 0), words
    )


def times(cues: list[Cue]) -> list[tuple[float, float]]:
    return [(round(cue.start_sample / 16_000, 3), round(cue.end_sample / 16_000, 3)) for cue in cues]


def test_a_sentence_goes_on_beyond_its_utterance() -> None:
    captions = FileCaptions(NETFLIX)
    assert captions.add(final(1, 0.0, "This is one")) == []
    assert captions.add(final(2, 1.5, "sentence, and not two.")) == []
    (cue,) = captions.finish()
    assert cue.lines == ("This is one sentence, and not two.",)
    assert (cue.cue_id, cue.utterance_id) == ("1.1", 1)
    assert captions.finish() == []


def test_cues_come_as_soon_as_a_long_pause_follows() -> None:
    captions = FileCaptions(NETFLIX)
    captions.add(final(1, 0.0, "The first part ends here."))
    first = captions.add(final(2, 4.0, "And the second begins.", language="de"))
    assert [cue.lines for cue in first] == [("The first part ends here.",)]
    assert [cue.cue_id for cue in captions.finish()] == ["2.1"]


def test_pauses_within_an_utterance_separate_too() -> None:
    spoken = final(1, 0.0, "One part. Another part.")
    later = tuple(
        replace(word, start_sample=word.start_sample + 80_000, end_sample=word.end_sample + 80_000)
        for word in spoken.words[2:]
    )
    captions = FileCaptions(NETFLIX)
    first = captions.add(replace(spoken, words=(*spoken.words[:2], *later)))
    rest = captions.finish()
    assert [cue.lines for cue in (*first, *rest)] == [("One part.",), ("Another part.",)]
    assert [cue.cue_id for cue in (*first, *rest)] == ["1.1", "1.2"]


def test_short_pauses_are_closed_and_the_gap_is_kept() -> None:
    captions = FileCaptions(NETFLIX)
    captions.add(final(1, 0.0, "The first sentence is of a good length for a cue, as it seems."))
    captions.add(final(2, 4.2, "The second sentence is of a good length for a cue, as it seems."))
    assert times(captions.finish()) == [(0.0, 4.12), (4.2, 8.4)]


def test_without_a_maximum_a_cue_lasts_as_long_as_its_words() -> None:
    captions = FileCaptions(PROFILES["bbc"])
    captions.add(replace(final(1, 0.0, "Yes."), words=(WordSpan("Yes.", 0, 160_000, None),)))
    assert times(captions.finish()) == [(0.0, 10.0)]


def test_cues_are_gone_when_what_follows_begins() -> None:
    captions = FileCaptions(NETFLIX)
    captions.add(final(1, 0.0, "Yes."))
    assert times(captions.finish(next_sample=8_000)) == [(0.0, 0.42)]


def test_speech_that_overlaps_is_displayed_one_after_the_other() -> None:
    captions = FileCaptions(NETFLIX)
    captions.add(final(1, 1.0, "The first sentence is of a good length for a cue, as it seems."))
    captions.add(final(2, 0.9, "The second sentence is of a good length for a cue, as it seems."))
    first, second = times(captions.finish())
    assert first[0] < first[1] < second[0] < second[1]


def test_text_without_word_times_is_spread_over_its_utterance() -> None:
    captions = FileCaptions(NETFLIX)
    captions.add(replace(final(1, 0.0, "Good morning to all of you."), words=()))
    captions.add(replace(final(2, 1.0, "x"), text="", words=()))
    (cue,) = captions.finish()
    assert cue.lines == ("Good morning to all of you.",)


def test_a_long_cue_ends_at_the_maximum_and_text_for_608_is_spelt_with_its_characters() -> None:
    captions = FileCaptions(replace(PROFILES["608"], max_duration_s=2.0))
    captions.add(replace(final(1, 0.0, "Łódź"), words=(WordSpan("Łódź", 0, 80_000, None),)))
    captions.add(final(2, 5.1, "Yes."))
    (first, second) = captions.finish()
    assert (first.lines, second.lines) == (("Lódz",), ("Yes.",))
    assert times([first]) == [(0.0, 2.0)]


def test_chinese_is_joined_without_spaces() -> None:
    captions = FileCaptions(NETFLIX)
    captions.add(replace(final(1, 0.0, "你好。", "zh"), words=()))
    captions.add(replace(final(2, 0.5, "再见。", "zh"), words=()))
    (cue,) = captions.finish()
    assert cue.lines == ("你好。再见。",)
