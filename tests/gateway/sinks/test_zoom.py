"""Captions for Zoom, against a server after its document."""

import pytest

from gateway.sinks.sink import Delivery, Item, SessionFacts, SinkUnavailable, kind_of
from gateway.sinks.target import parse_target
from tests.caption_services import Service, zoom
from tests.events import final_cue
from tests.sinks import OPENED_S

FACTS = SessionFacts("a", OPENED_S, "de")


async def sent(service: Service, *seqs: int, options: str = "", first: int = 1) -> None:
    """Send cues by a sink of their own, as one session does."""
    async with kind_of("zoom").open(parse_target("zoom", f"zoom+{service.url}{options}"), FACTS) as sink:
        for number, seq in enumerate(seqs, first):
            await sink.send(Delivery(final_cue(seq, seq), Item.CUE, number, FACTS, OPENED_S))


async def test_cues_are_numbered_from_one_in_the_language_of_the_session() -> None:
    with zoom() as service:
        await sent(service, 4, 7)
    assert service.shown == ["line 1", "line 1"]
    posts = [request.query.partition("signature=nYtX")[2] for request in service.received if request.method == "POST"]
    assert posts == ["&seq=1&lang=de-DE", "&seq=2&lang=de-DE"]


async def test_the_next_session_of_the_meeting_goes_on_with_the_numbers() -> None:
    with zoom() as service:
        await sent(service, 4, 7)
        await sent(service, 3, 5, options="#lang=fr-CA")
    assert len(service.shown) == 4
    assert service.received[-1].query.endswith("&seq=4&lang=fr-CA")


async def test_a_repeated_cue_has_its_number_and_is_displayed_once() -> None:
    with zoom() as service:
        async with kind_of("zoom").open(parse_target("zoom", f"zoom+{service.url}"), FACTS) as sink:
            delivery = Delivery(final_cue(4, 4), Item.CUE, 1, FACTS, OPENED_S)
            await sink.send(Delivery(final_cue(2, 2), Item.CUE, 1, FACTS, OPENED_S))
            service.loses_replies = True
            with pytest.raises(SinkUnavailable, match="504"):
                await sink.send(delivery)
            service.loses_replies = False
            await sink.send(delivery)
            await sink.send(Delivery(final_cue(6, 6), Item.CUE, 2, FACTS, OPENED_S))
    assert len(service.shown) == 3


async def test_a_server_that_does_not_tell_the_number_gets_that_of_the_session() -> None:
    with zoom() as service:
        service.url = service.url.replace("/closedcaption", "/other")
        with pytest.raises(SinkUnavailable):
            await sent(service, 9, first=5)
    assert "&seq=5&" in service.received[-1].query


@pytest.mark.parametrize("status", [400, 403, 405, 408, 500, 503])
async def test_every_code_is_repeated(status: int) -> None:
    with zoom() as service:
        async with kind_of("zoom").open(parse_target("zoom", f"zoom+{service.url}"), FACTS) as sink:
            await sink.send(Delivery(final_cue(1, 1), Item.CUE, 1, FACTS, OPENED_S))
            service.failure = status
            with pytest.raises(SinkUnavailable, match=str(status)):
                await sink.send(Delivery(final_cue(2, 2), Item.CUE, 2, FACTS, OPENED_S))
