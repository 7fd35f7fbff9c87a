"""The seam: what each event is for sinks, and the table of kinds."""

from dataclasses import replace

import pytest

from gateway.errors import ConfigurationError
from gateway.sinks.sink import Delivery, Item, SessionFacts, SinkTarget, SinkUnavailable, item_of, kind_of
from gateway.wire import Correction, CueEvent, CueState, Finished, OfChannel, ServerEvent, SpeechStarted
from tests.events import final, final_cue, partial_cue, ready

WITHDRAWN = CueEvent(1, replace(partial_cue(1).cue, lines=(), state=CueState.FINAL))


@pytest.mark.parametrize(
    ("event", "item"),
    [
        (ready(), Item.READY),
        (partial_cue(1), Item.PARTIAL),
        (final_cue(1), Item.CUE),
        (WITHDRAWN, None),
        (OfChannel(1, final(1)), Item.FINAL),
        (replace(final(1), text=""), None),
        (replace(final(1), text="", error="engine_failed"), Item.FINAL),
        (Correction(1, 1, 1, "text", ()), Item.CORRECTION),
        (Finished(1, 0, 0), Item.FINISHED),
        (SpeechStarted(1, 1, 0), None),
    ],
)
def test_what_an_event_is(event: ServerEvent, item: Item | None) -> None:
    assert item_of(event) is item


def test_a_delivery_knows_the_number_and_channel_of_its_event() -> None:
    delivery = Delivery(OfChannel(1, final(7)), Item.FINAL, 1, SessionFacts("a", 0.0), 0.0)
    assert (delivery.seq, delivery.channel, delivery.inner) == (7, 1, final(7))


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="sink of kind 'fax': expected one of webhook, file"):
        kind_of("fax")


def test_a_target_does_not_print_its_secrets() -> None:
    target = SinkTarget("one", "webhook", "https://example.com/?token=secret", {"secret": "very-secret"})
    assert "secret" not in repr(target)


def test_a_place_may_say_when_it_is_to_be_tried_again() -> None:
    assert SinkUnavailable("HTTP 503", 12.0).retry_after_s == 12.0
    assert SinkUnavailable("no route").retry_after_s is None
