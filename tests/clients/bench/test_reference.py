"""The truth of a stream."""

from clients.bench.reference import ReferenceWord, with_ends_of_speech


def test_a_pause_and_the_end_end_speech() -> None:
    words = [ReferenceWord("a", 0, 1), ReferenceWord("b", 1.5, 2), ReferenceWord("c", 2.75, 3)]

    assert [word.ends_speech for word in with_ends_of_speech(words)] == [False, True, True]
    assert [word.ends_speech for word in with_ends_of_speech(words, pause_s=0.5)] == [True, True, True]
    assert with_ends_of_speech([]) == ()


def test_speech_goes_on_while_anybody_speaks() -> None:
    words = [ReferenceWord("long", 0, 3), ReferenceWord("a", 1, 1.25), ReferenceWord("b", 2, 2.25)]

    assert [word.ends_speech for word in with_ends_of_speech(words)] == [False, False, True]
