"""Captions for YouTube, against a server after its document."""

import pytest

from gateway.sinks.sink import Delivery, Item, SessionFacts, SinkUnavailable, kind_of
from gateway.sinks.target import parse_target
from gateway.wire import Cue, CueEvent, CueState
from tests.caption_services import youtube
from tests.events import final_cue
from tests.sinks import OPENED_S


def delivery(number: int, session: SessionFacts, *lines: str) -> Delivery:
    cue = Cue("1.1", 1, 1, 0, 16_000, lines, 0, CueState.FINAL) if lines else final_cue(number).cue
    return Delivery(CueEvent(number, cue), Item.CUE, number, session, OPENED_S + 6.873)


async def test_a_cue_has_the_time_of_its_first_word_and_lines_as_breaks() -> None:
    session = SessionFacts("a", OPENED_S)
    with youtube() as service:
        async with kind_of("youtube").open(parse_target("yt", f"youtube+{service.url}"), session) as sink:
            await sink.send(delivery(1, session, "I'M SENDING", "TWO LINES"))
    assert service.received[0].body == b"2023-11-14T22:13:26.873\nI'M SENDING<br>TWO LINES\n"


async def test_numbers_increase_over_the_sessions_of_a_stream_and_a_repeated_one_is_dropped() -> None:
    with youtube() as service:
        for opened_s in (OPENED_S, OPENED_S + 2):  # the server refuses a gap, and the first session has two cues
            session = SessionFacts("a", opened_s)
            async with kind_of("youtube").open(parse_target("yt", f"youtube+{service.url}"), session) as sink:
                await sink.send(delivery(1, session))
                service.loses_replies = True
                with pytest.raises(SinkUnavailable):
                    await sink.send(delivery(2, session))
                service.loses_replies = False
                await sink.send(delivery(2, session))
    assert len(service.shown) == 4
