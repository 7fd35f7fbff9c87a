"""What every sink must do: a new kind is a line in `SINKS` and a place in `PLACES`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from gateway.errors import ConfigurationError
from gateway.sinks.sink import SINKS, Delivery, Item, SessionFacts, Sink, SinkTarget, SinkUnavailable, item_of, kind_of
from gateway.sinks.target import address_of, parse_target
from gateway.wire import ServerEvent
from tests.contracts.sinks import PLACES, Place
from tests.events import final, final_cue
from tests.sinks import OPENED_S

FACTS = SessionFacts("a", OPENED_S, "en")
SECRET = "0123456789abcdef"


def test_every_kind_has_a_place() -> None:
    assert SINKS.keys() == PLACES.keys()


@asynccontextmanager
async def opened(name: str, folder: Path) -> AsyncIterator[tuple[Sink, Place, SinkTarget]]:
    async with PLACES[name](folder) as place:
        target = parse_target("one", place.url)
        async with kind_of(name).open(target, FACTS) as sink:
            yield sink, place, target


def deliveries(target: SinkTarget, *utterances: int, first: int = 1) -> list[Delivery]:
    """Return what a sink takes of some utterances, each of one cue."""
    taken = kind_of(target.kind).takes(target)
    numbered: list[ServerEvent] = [
        event for each in utterances for event in (final_cue(2 * each, each), final(2 * each + 1, each))
    ]
    items = [(event, item) for event in numbered if (item := item_of(event)) in taken and item is not None]
    return [Delivery(event, item, n, FACTS, OPENED_S + n) for n, (event, item) in enumerate(items, first)]


@pytest.mark.parametrize("name", PLACES)
async def test_captions_arrive_in_order(name: str, tmp_path: Path) -> None:
    async with opened(name, tmp_path) as (sink, place, target):
        sent = deliveries(target, 1, 2, 3)
        for delivery in sent:
            await sink.send(delivery)
        assert len(place.texts()) == len(sent) >= 3
        assert all("1" in text for text in place.texts()[:1])


@pytest.mark.parametrize("name", PLACES)
async def test_it_takes_finals_or_final_cues_and_can_be_opened_while_its_place_is_down(
    name: str, tmp_path: Path
) -> None:
    async with PLACES[name](tmp_path) as place:
        place.set_down(True)
        target = parse_target("one", place.url)
        assert kind_of(name).takes(target) & {Item.FINAL, Item.CUE}
        async with kind_of(name).open(target, FACTS):
            pass


@pytest.mark.parametrize("name", PLACES)
async def test_a_place_that_is_down_is_unavailable_and_takes_the_same_caption_later(name: str, tmp_path: Path) -> None:
    async with opened(name, tmp_path) as (sink, place, target):
        first, second = deliveries(target, 1, 2)[:2]
        await sink.send(first)
        place.set_down(True)
        for _ in range(2):
            with pytest.raises(SinkUnavailable):
                await sink.send(second)
        place.set_down(False)
        await sink.send(second)
        assert len(place.texts()) == 2


@pytest.mark.parametrize("name", PLACES)
async def test_an_error_and_an_address_have_no_secrets(name: str, tmp_path: Path) -> None:
    async with opened(name, tmp_path) as (sink, place, target):
        place.set_down(True)
        with pytest.raises(SinkUnavailable) as caught:
            await sink.send(deliveries(target, 1)[0])
        for text in (str(caught.value), address_of(target), repr(target)):
            assert SECRET not in text
            assert "token=" not in text
            assert "signature=" not in text
        place.set_down(False)


@pytest.mark.parametrize("name", PLACES)
async def test_a_call_that_was_cancelled_can_be_made_again(name: str, tmp_path: Path) -> None:
    async with opened(name, tmp_path) as (sink, place, target):
        delivery = deliveries(target, 1)[0]
        with anyio.CancelScope() as scope:
            scope.cancel()
            await sink.send(delivery)
        await sink.send(delivery)
        assert place.texts()


@pytest.mark.parametrize("name", PLACES)
async def test_an_unknown_option_is_refused(name: str, tmp_path: Path) -> None:
    async with PLACES[name](tmp_path) as place:
        separator = "&" if "#" in place.url else "#"
        with pytest.raises(ConfigurationError, match="no option 'colour'"):
            parse_target("one", f"{place.url}{separator}colour=red")
