"""Which words of an utterance only its final may still change."""

import unicodedata

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
    """Take in partial hypotheses, and return the last transcript."""
    *_, last = [
        made.update(sentence_words(sentence), revision, 0) for revision, sentence in enumerate(sentences, start=1)
    ]
    return last


def finish(made: Stabiliser, sentence: str) -> str:
    return text(made.finish(sentence_words(sentence), 99).committed)


def shown(transcript: Transcript) -> tuple[str, str]:
    return text(transcript.committed), text(transcript.tail)


def all_of(transcript: Transcript) -> str:
    return text(transcript.committed + transcript.tail)


def normalised(words: tuple[Word, ...]) -> list[str]:
    return [normalise_word(word.text) for word in words]


def test_a_word_is_committed_when_two_hypotheses_agree_on_it() -> None:
    made = stabiliser()
    assert shown(receive(made, "the cat")) == ("", "the cat")
    assert shown(receive(made, "the cat sat")) == ("the cat", "sat")
    assert shown(receive(made, "the cat sat down")) == ("the cat sat", "down")


def test_three_must_agree_where_three_are_asked_for() -> None:
    made = stabiliser(agreement=3)
    assert shown(receive(made, "a b c", "a b d")) == ("", "a b c")
    assert shown(receive(made, "a b d")) == ("a b", "d")


def test_an_unsure_hypothesis_shows_only_what_the_one_before_has_too() -> None:
    made = stabiliser(agreement=3)
    assert shown(made.update(sentence_words("a b c"), 1, 0, avg_logprob=-0.7)) == ("", "")
    assert shown(made.update(sentence_words("a b d"), 2, 0, avg_logprob=-0.7)) == ("", "a b")
    assert shown(made.update(sentence_words("a b e"), 3, 0, avg_logprob=-0.5)) == ("a b", "e")


def test_an_unsure_hypothesis_takes_away_what_two_no_longer_have() -> None:
    made = stabiliser(agreement=3)
    made.update(sentence_words("a b c"), 1, 0, avg_logprob=-0.2)
    assert shown(made.update(sentence_words("x y"), 2, 0, avg_logprob=-0.9)) == ("", "a b c")
    assert shown(made.update(sentence_words("x z"), 3, 0, avg_logprob=-0.9)) == ("", "x")


def test_an_unsure_hypothesis_commits_what_one_more_agrees_on() -> None:
    made = stabiliser(agreement=2)
    assert shown(made.update(sentence_words("a b"), 1, 0, avg_logprob=-0.7)) == ("", "")
    assert shown(made.update(sentence_words("a b"), 2, 0, avg_logprob=-0.7)) == ("", "a b")
    assert shown(made.update(sentence_words("a b"), 3, 0, avg_logprob=-0.7)) == ("a b", "")


def test_the_last_word_is_left_out_while_it_may_be_cut_off() -> None:
    made = stabiliser()
    assert shown(made.update(sentence_words("the cat sat on a mount"), 1, 0, is_cut=True)) == ("", "the cat sat on a")
    assert shown(made.update(sentence_words("the cat sat on a"), 2, 0, is_cut=True)) == ("the cat sat on", "a")
    assert shown(made.update(sentence_words("the cat sat on a mountain"), 3, 0)) == ("the cat sat on", "a mountain")


@pytest.mark.parametrize("slip", ["alpha gravel charlie", "alpha", "", "gravel"])
def test_a_shown_word_survives_one_hypothesis_that_disagrees(slip: str) -> None:
    made = stabiliser(agreement=3)
    assert all_of(receive(made, "alpha bravo", slip)) == "alpha bravo"
    assert all_of(receive(made, "alpha bravo charlie")) == "alpha bravo charlie"


@pytest.mark.parametrize("correction", ["alpha gravel charlie", "alpha", "", "gravel"])
def test_a_shown_word_gives_way_when_two_hypotheses_in_a_row_agree_what_is_there(correction: str) -> None:
    made = stabiliser(agreement=3)
    assert all_of(receive(made, "alpha bravo", correction, correction)) == correction


def test_a_word_that_stays_shown_starts_no_sooner_than_the_committed_ones_end() -> None:
    made = stabiliser()
    receive(made, "alpha bravo")
    later = sentence_words("alpha", start_sample=90_000)
    transcript = made.update(later, 9, 0)
    assert shown(transcript) == ("alpha", "bravo")
    assert transcript.tail[0].start_sample >= transcript.committed[-1].end_sample


@pytest.mark.parametrize(
    ("heard_s", "committed"),
    [((0.5, 1.0), ""), ((0.5, 1.5), "a b"), ((0.5, 1.0, 1.5), "a b"), ((0.5, 1.0, 1.2), "a b")],
)
def test_two_are_enough_when_they_are_a_second_apart(heard_s: tuple[float, ...], committed: str) -> None:
    made = stabiliser(agreement=3)
    last = [
        made.update(sentence_words("a b"), 1 + place, round(heard * 16_000)) for place, heard in enumerate(heard_s)
    ][-1]
    assert shown(last)[0] == committed


def test_with_an_agreement_of_one_all_is_committed_at_once() -> None:
    assert shown(receive(stabiliser(agreement=1), "the cat")) == ("the cat", "")


def test_a_transcript_tells_its_utterance_and_revision() -> None:
    made = stabiliser()
    partial, final = made.update(sentence_words("one"), 3, 0), made.finish(sentence_words("one"), 4)
    assert (partial.utterance_id, partial.revision, partial.is_final) == (7, 3, False)
    assert (final.utterance_id, final.revision, final.is_final) == (7, 4, True)


def test_words_are_compared_without_case_and_punctuation_and_committed_as_spelt_last() -> None:
    assert shown(receive(stabiliser(), "hello world", "Hello, World! so")) == ("Hello, World!", "so")


def test_committed_words_keep_their_spelling() -> None:
    assert shown(receive(stabiliser(), "hello", "hello", "HELLO! you")) == ("hello", "you")


def test_an_empty_hypothesis_takes_nothing_back() -> None:
    made = stabiliser()
    assert shown(receive(made, "one two", "one two", "")) == ("one two", "")


def test_nothing_heard_is_an_empty_final() -> None:
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
    assert shown(receive(made, contradiction)) == ("alpha bravo charlie", "delta echo")
    assert finish(made, contradiction) == contradiction


def test_words_said_twice_stay_said_twice() -> None:
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
    assert shown(made.abandon(3)) == ("the cap sat", "")


def test_an_abandoned_utterance_keeps_a_single_partial() -> None:
    made = stabiliser(agreement=3)
    receive(made, "the cat")
    abandoned = made.abandon(2)
    assert shown(abandoned) == ("the cat", "")
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
    transcripts = [made.update(heard, revision, 0) for revision, heard in enumerate(words, start=1)]
    assert [shown(transcript) for transcript in transcripts] == [("", "你好"), ("你好", "吗"), ("你好吗", "?")]


def test_punctuation_on_its_own_is_a_word() -> None:
    assert shown(receive(stabiliser(), "well …", "Well … then")) == ("Well …", "then")


@given(st.text())
def test_normalising_is_stable_whatever_the_word(word: str) -> None:
    plain = normalise_word(word)
    assert normalise_word(plain) == plain
    assert normalise_word(f" {word} ") == plain
    assert normalise_word(unicodedata.normalize("NFD", word)) == plain


@given(st.lists(SENTENCES, max_size=8), SENTENCES, st.integers(1, 4), st.booleans())
def test_committed_text_only_grows_until_the_final_which_is_what_it_says(
    sentences: list[str], last: str, agreement: int, is_abandoned: bool
) -> None:
    made = stabiliser(agreement)
    committed: tuple[Word, ...] = ()
    heard: list[tuple[Word, ...]] = []
    for revision, sentence in enumerate(sentences):
        transcript = made.update(sentence_words(sentence), revision, 0)
        assert transcript.committed[: len(committed)] == committed
        assert made.committed == transcript.committed
        heard.append(sentence_words(sentence))
        assert any(
            [word.text for word in words[len(words) - len(transcript.tail) :]] == [w.text for w in transcript.tail]
            for words in heard
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
            normalised(sentence_words(heard)) for heard in sentences[max(0, revision - agreement + 1) : revision + 1]
        ]
        assert not new or len(recent) == agreement
        assert all(" ".join(new) in " ".join(heard) for heard in recent)
        before = len(transcript.committed)


@given(st.lists(st.integers(0, 8), min_size=1), st.integers(1, 4))
def test_hypotheses_that_only_grow_and_shrink_commit_what_all_the_last_ones_have(
    lengths: list[int], agreement: int
) -> None:
    made = stabiliser(agreement)
    truth = sentence_words(TRUTH)
    committed = shown = 0
    for number, length in enumerate(lengths):
        recent = lengths[max(0, number - agreement + 1) : number + 1]
        committed = max(committed, min(recent) if len(recent) == agreement else 0)
        transcript = made.update(truth[:length], number, 0)
        assert transcript.committed == truth[:committed]
        seen = max(committed, length)
        is_repeated = number > 0 and max(committed, lengths[number - 1]) == seen
        shown = seen if seen >= shown or is_repeated else shown
        assert transcript.tail == truth[committed:shown]
    assert made.finish(truth, 99).committed == truth


@given(data=st.data(), committed=st.integers(2, 8), kind=st.sampled_from(("drop", "replace", "insert")))
def test_one_word_misheard_among_the_committed_neither_repeats_nor_loses_another(
    data: st.DataObject, committed: int, kind: str
) -> None:
    made = stabiliser()
    words = TRUTH.split()
    receive(made, *[" ".join(words[:committed])] * 2)
    # A committed last word that is missing looks like one that is spelt otherwise.
    place = data.draw(st.integers(0, committed - 2 if kind == "drop" else committed - 1))
    misheard = {"drop": [], "replace": ["zulu"], "insert": ["zulu", words[place]]}[kind]
    sentence = " ".join([*words[:place], *misheard, *words[place + 1 :]])
    assert shown(receive(made, sentence)) == (" ".join(words[:committed]), " ".join(words[committed:]))
