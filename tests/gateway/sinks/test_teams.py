"""CART captions for Teams, against a server after its document."""

import pytest

from gateway.sinks.sink import Delivery, Item, SessionFacts, SinkRefused, SinkUnavailable, kind_of
from gateway.sinks.target import parse_target
from gateway.wire import Cue, CueEvent, CueState
from tests.caption_services import teams
from tests.sinks import OPENED_S

FACTS = SessionFacts("a", OPENED_S)
CUE = CueEvent(3, Cue("1.1", 1, 1, 0, 16_000, ("Hello, welcome", "to my meeting."), 0, CueState.FINAL))
DELIVERY = Delivery(CUE, Item.CUE, 1, FACTS, OPENED_S)


async def test_a_cue_is_one_line_in_the_language_of_the_session() -> None:
    with teams() as service:
        async with kind_of("teams").open(parse_target("teams", f"teams+{service.url}"), FACTS) as sink:
            await sink.send(DELIVERY)
    assert service.shown == ["Hello, welcome to my meeting."]
    assert service.received[0].query.endswith("token=04751eac&lang=en-us")


async def test_the_language_of_the_link_stays() -> None:
    with teams() as service:
        target = parse_target("teams", f"teams+{service.url}&lang=de-de")
        async with kind_of("teams").open(target, FACTS) as sink:
            await sink.send(DELIVERY)
    assert service.received[0].query.count("lang=") == 1


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_a_meeting_that_has_not_started_is_tried_again(status: int) -> None:
    with teams() as service:
        service.failure = status
        async with kind_of("teams").open(parse_target("teams", f"teams+{service.url}"), FACTS) as sink:
            with pytest.raises(SinkUnavailable, match=f"status {status}"):
                await sink.send(DELIVERY)


async def test_an_expired_link_ends_the_sink_and_says_what_to_do() -> None:
    with teams() as service:
        target = parse_target("teams", f"teams+{service.url}".replace("04751eac", "old"))
        async with kind_of("teams").open(target, FACTS) as sink:
            with pytest.raises(SinkRefused, match="status 401 Unauthorized: the CART link is wrong or has expired"):
                await sink.send(DELIVERY)
