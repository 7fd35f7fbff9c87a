"""The text of a session has a line for each utterance, as corrected."""

from gateway.journal.event_json import event_json
from gateway.journal.session_text import session_text
from gateway.wire import Correction, OfChannel, ServerEvent
from tests.events import final, final_cue, partial_cue, ready


def text(*events: ServerEvent) -> str:
    return session_text(map(event_json, events))


def test_utterances_are_lines_in_order_of_time() -> None:
    events = (ready(), OfChannel(1, final(2, 3)), OfChannel(0, final(3, 1)), OfChannel(0, partial_cue(4, 2)))
    assert text(*events) == "words 1\nwords 3"


def test_corrected_utterances_have_their_newest_text_and_removed_ones_none() -> None:
    corrections = (
        Correction(7, 1, 1, "first", ()),
        Correction(8, 1, 2, "a  new\ttext", ()),
        Correction(9, 2, 1, "", ()),
    )
    assert text(final(2, 1), final(3, 2), final(4, 3), *corrections) == "a new text\nwords 3"


def test_a_session_without_finals_has_no_text() -> None:
    assert text(ready(), final_cue(2)) == ""
