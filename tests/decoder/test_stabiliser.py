"""Which words of an utterance are committed, so that only its final may change them."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.settings import StabiliserSettings
from decoder.stabiliser import Stabiliser, normalise_word
from decoder.types import Transcript, Word
from tests.requests import sentence_words, text

VOCABULARY = ("one", "One,", "two", "TWO.", "three", "…", "straße", "你")
SENTENCES = st.lists(st.sampled_from(VOCABULARY), max_size=6).map(" ".join)
TRUTH = "alpha bravo charlie delta echo foxtrot golf hotel"


def stabiliser(agreement: int = 2) -> Stabiliser:
    return Stabiliser(7, StabiliserSettings(agreement))


def receive(made: Stabiliser, *sentences: str) -> Transcript:
    """Add partial hypotheses, and return the last transcript."""
    *_, last = [
        made.update(sentence_words(sentence), revision, 0) for revision, sentence in enumerate(sentences, start=1)
    ]
    return last


def finish(made: Stabiliser, sentence: str) -> str:
    return text(made.finish(sentence_words(sentence), 99).committed)


def displayed(transcript: Transcript) -> tuple[str, str]:
    return text(transcript.committed), text(transcript.tail)


def all_of(transcript: Transcript) -> str:
    return text(transcript.committed + transcript.tail)


def normalised(words: tuple[Word, ...]) -> list[str]:
    return [normalise_word(word.text) for word in words]


def test_a_word_is_committed_when_two_hypotheses_agree_on_it() -> None:
    made = stabiliser()
    assert displayed(receive(made, "the cat")) == ("", "the cat")
    assert displayed(receive(made, "the cat sat")) == ("the cat", "sat")
    assert displayed(receive(made, "the cat sat down")) == ("the cat sat", "down")


def test_three_must_agree_where_three_are_asked_for() -> None:
    made = stabiliser(agreement=3)
    assert displayed(receive(made, "a b c", "a b d")) == ("", "a b c")
    assert displayed(receive(made, "a b d")) == ("a b", "d")


def test_an_unsure_hypothesis_displays_only_words_of_the_previous_one() -> None:
    made = stabiliser(agreement=3)
    assert displayed(made.update(sentence_words("a b c"), 1, 0, avg_logprob=-0.7)) == ("", "")
    assert displayed(made.update(sentence_words("a b d"), 2, 0, avg_logprob=-0.7)) == ("", "a b")
    assert displayed(made.update(sentence_words("a b e"), 3, 0, avg_logprob=-0.5)) == ("a b", "e")


def test_an_unsure_hypothesis_withdraws_words_that_two_hypotheses_lack() -> None:
    made = stabiliser(agreement=3)
    made.update(sentence_words("a b c"), 1, 0, avg_logprob=-0.2)
    assert displayed(made.update(sentence_words("x y"), 2, 0, avg_logprob=-0.9)) == ("", "a b c")
    assert displayed(made.update(sentence_words("x z"), 3, 0, avg_logprob=-0.9)) == ("", "x")


def test_an_unsure_hypothesis_commits_what_one_more_agrees_on() -> None:
    made = stabiliser(agreement=2)
    assert displayed(made.update(sentence_words("a b"), 1, 0, avg_logprob=-0.7)) == ("", "")
    assert displayed(made.update(sentence_words("a b"), 2, 0, avg_logprob=-0.7)) == ("", "a b")
    assert displayed(made.update(sentence_words("a b"), 3, 0, avg_logprob=-0.7)) == ("a b", "")


def test_the_last_word_is_left_out_while_it_may_be_cut_off() -> None:
    made = stabiliser()
    assert displayed(made.update(sentence_words("the cat sat on a mount"), 1, 0, is_cut=True)) == (
        "",
        "the cat sat on a",
    )
    assert displayed(made.update(sentence_words("the cat sat on a"), 2, 0, is_cut=True)) == ("the cat sat on", "a")
    assert displayed(made.update(sentence_words("the cat sat on a mountain"), 3, 0)) == ("the cat sat on", "a mountain")


@pytest.mark.parametrize("slip", ["alpha gravel charlie", "alpha", "", "gravel"])
def test_a_displayed_word_survives_one_hypothesis_that_disagrees(slip: str) -> None:
    made = stabiliser(agreement=3)
    assert all_of(receive(made, "alpha bravo", slip)) == "alpha bravo"
    assert all_of(receive(made, "alpha bravo charlie")) == "alpha bravo charlie"


@pytest.mark.parametrize("correction", ["alpha gravel charlie", "alpha", "", "gravel"])
def test_a_displayed_word_is_withdrawn_when_two_hypotheses_agree_on_its_replacement(correction: str) -> None:
    made = stabiliser(agreement=3)
    assert all_of(receive(made, "alpha bravo", correction, correction)) == correction


def test_a_word_that_stays_displayed_starts_no_sooner_than_the_committed_ones_end() -> None:
    made = stabiliser()
    receive(made, "alpha bravo")
    later = sentence_words("alpha", start_sample=90_000)
    transcript = made.update(later, 9, 0)
    assert displayed(transcript) == ("alpha", "bravo")
    assert transcript.tail[0].start_sample >= transcript.committed[-1].end_sample


@pytest.mark.parametrize(
    ("ends_s", "committed"),
    [((0.5, 1.0), ""), ((0.5, 1.5), "a b"), ((0.5, 1.0, 1.5), "a b"), ((0.5, 1.0, 1.2), "a b")],
)
def test_two_are_enough_when_they_are_a_second_apart(ends_s: tuple[float, ...], committed: str) -> None:
    made = stabiliser(agreement=3)
    last = [
        made.update(sentence_words("a b"), 1 + place, round(hypothesis * 16_000))
        for place, hypothesis in enumerate(ends_s)
    ][-1]
    assert displayed(last)[0] == committed


def test_with_an_agreement_of_one_all_is_committed_at_once() -> None:
    assert displayed(receive(stabiliser(agreement=1), "the cat")) == ("the cat", "")


def test_a_transcript_has_its_utterance_and_revision() -> None:
    made = stabiliser()
    partial, final = made.update(sentence_words("one"), 3, 0), made.finish(sentence_words("one"), 4)
    assert (partial.utterance_id, partial.revision, partial.is_final) == (7, 3, False)
    assert (final.utterance_id, final.revision, final.is_final) == (7, 4, True)


def test_words_are_compared_without_case_and_punctuation_and_committed_as_spelt_last() -> None:
    assert displayed(receive(stabiliser(), "hello world", "Hello, World! so")) == ("Hello, World!", "so")


def test_committed_words_keep_their_spelling() -> None:
    assert displayed(receive(stabiliser(), "hello", "hello", "HELLO! you")) == ("hello", "you")


def test_an_empty_hypothesis_takes_nothing_back() -> None:
    made = stabiliser()
    assert displayed(receive(made, "one two", "one two", "")) == ("one two", "")


def test_an_utterance_without_words_has_an_empty_final() -> None:
    assert stabiliser().finish((), 1) == Transcript(7, 1, (), (), is_final=True)
    assert stabiliser().abandon(1) == Transcript(7, 1, (), (), is_final=True)


@pytest.mark.parametrize(
    "contradiction",
    [
        "bravo charlie delta echo",
        "alpha charlie delta echo",
        "ALPHA, beta charlie delta echo",
        "well alpha bravo charlie delta echo",
        "alpha bravo bravo charlie delta echo",
        "alpha bravo Charlotte delta echo",
    ],
)
def test_a_contradiction_changes_no_committed_word_and_repeats_none_but_a_final_does(contradiction: str) -> None:
    made = stabiliser()
    receive(made, "alpha bravo charlie", "alpha bravo charlie")
    assert displayed(receive(made, contradiction)) == ("alpha bravo charlie", "delta echo")
    assert finish(made, contradiction) == contradiction


def test_words_spoken_twice_are_kept_twice() -> None:
    made = stabiliser()
    receive(made, "no no", "no no no")
    assert finish(made, "no no no no") == "no no no no"


def test_a_final_is_the_words_of_the_final_hypothesis_whatever_was_committed() -> None:
    made = stabiliser()
    receive(made, "alpha bravo charlie", "alpha bravo charlie")
    better = sentence_words("Bravo, Charles", start_sample=800, probability=0.9)
    assert made.finish(better, 3) == Transcript(7, 3, better, (), is_final=True)


def test_an_abandoned_utterance_keeps_the_words_of_its_last_partial() -> None:
    made = stabiliser()
    receive(made, "the cat", "the cap sat")
    assert displayed(made.abandon(3)) == ("the cap sat", "")


def test_an_abandoned_utterance_keeps_a_single_partial() -> None:
    made = stabiliser(agreement=3)
    receive(made, "the cat")
    abandoned = made.abandon(2)
    assert displayed(abandoned) == ("the cat", "")
    assert abandoned.is_final


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("İstanbul", "i\u0307stanbul"),
        ("café", "cafe\u0301"),
        ("ΠΡΑΫ\u0301ΝΩ", "πραΰνω"),
        ("ＡＢＣ", "abc"),
        ("don't", "Don’t"),
        ("«hello»", "hello"),
        ("¿qué?", "Qué"),
        ("你好。", "你好"),
        ("…", "..."),
    ],
)
def test_two_spellings_of_one_word_are_the_same(one: str, other: str) -> None:
    assert normalise_word(one) == normalise_word(other)


@pytest.mark.parametrize(
    ("one", "other"), [("?", "!"), ("cafe", "café"), ("5", "$5"), ("-", ""), ("か", "が"), ("で", "て")]
)
def test_different_words_differ(one: str, other: str) -> None:
    assert normalise_word(one) != normalise_word(other)


def test_words_without_spaces_are_committed_one_by_one() -> None:
    made = stabiliser()
    words = [tuple(Word(character, 0, 1) for character in sentence) for sentence in ("你好", "你好吗", "你好吗?")]
    transcripts = [made.update(hypothesis, revision, 0) for revision, hypothesis in enumerate(words, start=1)]
    assert [displayed(transcript) for transcript in transcripts] == [("", "你好"), ("你好", "吗"), ("你好吗", "?")]


def test_punctuation_on_its_own_is_a_word() -> None:
    assert displayed(receive(stabiliser(), "well …", "Well … then")) == ("Well …", "then")


@given(st.text())
def test_normalising_is_stable_whatever_the_word(word: str) -> None:
    plain = normalise_word(word)
    assert normalise_word(plain) == plain
    assert normalise_word(f" {word} ") == plain
    assert normalise_word(unicodedata.normalize("NFD", word)) == plain


@given(st.lists(SENTENCES, max_size=8), SENTENCES, st.integers(1, 4), st.booleans())
def test_committed_text_only_grows_until_the_final_which_has_its_own_words(
    sentences: list[str], last: str, agreement: int, is_abandoned: bool
) -> None:
    made = stabiliser(agreement)
    committed: tuple[Word, ...] = ()
    hypothesis: list[tuple[Word, ...]] = []
    for revision, sentence in enumerate(sentences):
        transcript = made.update(sentence_words(sentence), revision, 0)
        assert transcript.committed[: len(committed)] == committed
        assert made.committed == transcript.committed
        hypothesis.append(sentence_words(sentence))
        assert any(
            [word.text for word in words[len(words) - len(transcript.tail) :]] == [w.text for w in transcript.tail]
            for words in hypothesis
        )
        committed = transcript.committed
    final = made.abandon(99) if is_abandoned else made.finish(sentence_words(last), 99)
    assert final.committed[: len(committed)] == committed if is_abandoned else final.committed == sentence_words(last)
    assert final.is_final
    assert final.tail == ()
    assert made.committed == final.committed


@given(st.lists(SENTENCES, max_size=8), st.integers(1, 4))
def test_nothing_is_committed_that_fewer_hypotheses_agree_on(sentences: list[str], agreement: int) -> None:
    made = stabiliser(agreement)
    before = 0
    for revision, sentence in enumerate(sentences):
        transcript = made.update(sentence_words(sentence), revision, 0)
        new = normalised(transcript.committed[before:])
        recent = [
            normalised(sentence_words(hypothesis))
            for hypothesis in sentences[max(0, revision - agreement + 1) : revision + 1]
        ]
        assert not new or len(recent) == agreement
        assert all(" ".join(new) in " ".join(hypothesis) for hypothesis in recent)
        before = len(transcript.committed)


@given(st.lists(st.integers(0, 8), min_size=1), st.integers(1, 4))
def test_hypotheses_that_only_grow_and_shrink_commit_what_all_the_last_ones_have(
    lengths: list[int], agreement: int
) -> None:
    made = stabiliser(agreement)
    truth = sentence_words(TRUTH)
    committed = displayed = 0
    for number, length in enumerate(lengths):
        recent = lengths[max(0, number - agreement + 1) : number + 1]
        committed = max(committed, min(recent) if len(recent) == agreement else 0)
        transcript = made.update(truth[:length], number, 0)
        assert transcript.committed == truth[:committed]
        seen = max(committed, length)
        is_repeated = number > 0 and max(committed, lengths[number - 1]) == seen
        displayed = seen if seen >= displayed or is_repeated else displayed
        assert transcript.tail == truth[committed:displayed]
    assert made.finish(truth, 99).committed == truth


@given(data=st.data(), committed=st.integers(2, 8), kind=st.sampled_from(("drop", "replace", "insert")))
def test_one_misrecognized_committed_word_neither_repeats_nor_loses_another(
    data: st.DataObject, committed: int, kind: str
) -> None:
    made = stabiliser()
    words = TRUTH.split()
    receive(made, *[" ".join(words[:committed])] * 2)
    # A missing last committed word cannot be distinguished from one spelled differently.
    place = data.draw(st.integers(0, committed - 2 if kind == "drop" else committed - 1))
    misheard = {"drop": [], "replace": ["zulu"], "insert": ["zulu", words[place]]}[kind]
    sentence = " ".join([*words[:place], *misheard, *words[place + 1 :]])
    assert displayed(receive(made, sentence)) == (" ".join(words[:committed]), " ".join(words[committed:]))


def timed(sentence: str, *ends_s: float) -> tuple[Word, ...]:
    """Return the words of a sentence that end at these times."""
    words = sentence_words(sentence)
    return tuple(
        replace(word, start_sample=0, end_sample=round(end_s * 16_000))
        for word, end_s in zip(words, ends_s, strict=True)
    )


def test_two_hypotheses_commit_a_word_that_ends_well_before_their_audio() -> None:
    made = stabiliser(agreement=3)
    made.update(timed("one two three", 0.4, 0.9, 1.2), 1, 16_000, is_timed=True)

    second = made.update(timed("one two three", 0.4, 0.9, 1.2), 2, 24_000, is_timed=True)

    assert displayed(second) == ("one two", "three")


def test_times_that_were_not_measured_commit_nothing() -> None:
    made = stabiliser(agreement=3)
    made.update(timed("one two", 0.4, 0.9), 1, 16_000)

    assert displayed(made.update(timed("one two", 0.4, 0.9), 2, 24_000)) == ("", "one two")


def test_one_hypothesis_commits_no_word_however_long_ago_it_ended() -> None:
    made = stabiliser(agreement=3)
    made.update(timed("one", 0.4), 1, 80_000, is_timed=True)

    assert displayed(made.update(timed("two", 0.4), 2, 88_000, is_timed=True))[0] == ""


@pytest.mark.parametrize(("avg_logprob", "committed"), [(-0.41, ""), (-0.4, "one")])
def test_times_commit_only_words_of_a_likely_hypothesis(avg_logprob: float, committed: str) -> None:
    made = stabiliser(agreement=3)
    made.update(timed("one", 0.4), 1, 16_000, avg_logprob=-0.2, is_timed=True)

    second = made.update(timed("one", 0.4), 2, 24_000, avg_logprob=avg_logprob, is_timed=True)

    assert displayed(second)[0] == committed
