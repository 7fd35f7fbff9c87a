from clients.dialects.driver import TimedText, Transcript
from clients.dialects.segments import Segments


def test_only_changes_are_reported() -> None:
    segments = Segments()
    assert segments.update(0, "a") == [Transcript("0", "a", is_final=False)]
    assert segments.update(0, "a") == []
    assert segments.update(0, "a", committed_chars=1) == [Transcript("0", "a", is_final=False, committed_chars=1)]
    assert segments.update("0", "a", is_final=True) == [Transcript("0", "a", is_final=True)]


def test_a_final_does_not_change() -> None:
    segments = Segments()
    segments.update(0, "a", is_final=True)
    assert segments.update(0, "b") == []
    assert segments.update(0, "b", is_final=True) == []


def test_text_that_was_displayed_can_be_withdrawn() -> None:
    segments = Segments()
    assert segments.update(0, "") == []
    assert segments.update(0, "", is_final=True) == []
    segments.update(0, "a")
    assert segments.update(0, "") == [Transcript("0", "", is_final=False)]


def test_a_segment_is_finished_as_it_is_displayed() -> None:
    segments = Segments()
    words = (TimedText("a", 0.0, 0.5),)
    segments.update(0, "a b", committed_chars=1, words=words)
    assert segments.finish(0) == [Transcript("0", "a b", is_final=True, committed_chars=3, words=words)]
    assert segments.finish(0) == []
    assert segments.finish(1) == []
    segments.update(1, "c")
    assert segments.finish(1) == [Transcript("1", "c", is_final=True)]


def test_the_displayed_text_is_known() -> None:
    segments = Segments()
    segments.update(0, "a")
    assert (segments.text(0), segments.text(1)) == ("a", "")
