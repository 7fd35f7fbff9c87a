"""The words that text sinks send, and the language they name."""

import pytest

from gateway.sinks.caption_text import language_tag, text_of
from gateway.sinks.sink import Delivery, Item, SessionFacts, SinkTarget
from gateway.wire import Cue, CueEvent, CueState


def test_lines_are_joined() -> None:
    cue = CueEvent(1, Cue("1.1", 1, 1, 0, 1, ("one ", " two"), 0, CueState.FINAL))
    delivery = Delivery(cue, Item.CUE, 1, SessionFacts("a", 0.0), 0.0)
    assert (text_of(delivery), text_of(delivery, "<br>")) == ("one\ntwo", "one<br>two")


@pytest.mark.parametrize(
    ("language", "option", "tag"),
    [("de", None, "de-DE"), (None, None, "en-US"), ("cy", None, "cy"), ("de", "de-AT", "de-AT")],
)
def test_the_language_has_a_region(language: str | None, option: str | None, tag: str) -> None:
    target = SinkTarget("one", "zoom", "", {} if option is None else {"lang": option})
    assert language_tag(target, SessionFacts("a", 0.0, language)) == tag
