"""Captions in OBS, against a scripted server of obs-websocket."""

from dataclasses import replace

import pytest

from gateway.errors import ConfigurationError
from gateway.sinks import obs as obs_module
from gateway.sinks.sink import Delivery, EventRefused, Item, SessionFacts, SinkUnavailable, kind_of
from gateway.sinks.target import address_of, parse_target
from gateway.wire import Correction, ServerEvent
from tests.events import final_cue, partial_cue
from tests.obs_server import PASSWORD, obs
from tests.sinks import OPENED_S

FACTS = SessionFacts("a", OPENED_S)


def delivery(event: ServerEvent, item: Item) -> Delivery:
    return Delivery(event, item, 1, FACTS, OPENED_S)


async def test_partials_are_in_the_source_and_final_cues_in_the_stream_too() -> None:
    async with obs() as server, kind_of("obs").open(parse_target("obs", server.url), FACTS) as sink:
        await sink.send(delivery(partial_cue(1), Item.PARTIAL))
        await sink.send(delivery(final_cue(2, line=2), Item.CUE))
    assert (server.shown, server.streamed) == (["line 1", "line 2"], ["line 2"])


async def test_a_correction_replaces_what_is_displayed_and_comes_too_late_for_what_is_not() -> None:
    async with obs() as server, kind_of("obs").open(parse_target("obs", server.url), FACTS) as sink:
        await sink.send(delivery(final_cue(1, 1), Item.CUE))
        corrected = replace(final_cue(2, 1).cue, lines=("corrected",))
        await sink.send(delivery(Correction(2, 1, 1, "corrected", (corrected,)), Item.CORRECTION))
        await sink.send(delivery(Correction(3, 1, 2, "", ()), Item.CORRECTION))
        with pytest.raises(EventRefused, match="not displayed any more"):
            await sink.send(delivery(Correction(4, 9, 1, "other", (corrected,)), Item.CORRECTION))
    assert server.shown == ["line 1", "corrected", ""]
    assert server.streamed == ["line 1"]


async def test_a_wrong_password_and_a_lost_connection_are_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obs_module, "_TIMEOUT_S", 0.3)
    async with obs() as server:
        wrong = parse_target("obs", server.url.replace(PASSWORD, "wrong"))
        async with kind_of("obs").open(wrong, FACTS) as sink:
            with pytest.raises(SinkUnavailable, match="OBS"):
                await sink.send(delivery(final_cue(1), Item.CUE))
        async with kind_of("obs").open(parse_target("obs", server.url), FACTS) as sink:
            await sink.send(delivery(final_cue(1), Item.CUE))
            server.is_down = True
            with pytest.raises(SinkUnavailable):
                await sink.send(delivery(final_cue(2), Item.CUE))
            server.is_down = False
            await sink.send(delivery(final_cue(2), Item.CUE))
    assert server.shown == ["line 1", "line 1"]


async def test_a_source_that_does_not_exist_and_a_stream_that_does_not_run_are_named() -> None:
    async with obs() as server:
        other = parse_target("obs", server.url.replace("Captions", "Other"))
        async with kind_of("obs").open(other, FACTS) as sink:
            with pytest.raises(EventRefused, match="OBS refuses SetInputSettings: No source was found"):
                await sink.send(delivery(final_cue(1), Item.CUE))
        server.is_streaming = False
        async with kind_of("obs").open(parse_target("obs", server.url), FACTS) as sink:
            with pytest.raises(EventRefused, match="OBS refuses SendStreamCaption: status 501"):
                await sink.send(delivery(final_cue(1), Item.CUE))


async def test_only_the_stream_takes_no_partials() -> None:
    async with obs() as server:
        target = parse_target("obs", server.url.replace("source=Captions&", ""))
        assert kind_of("obs").takes(target) == {Item.CUE}
        assert PASSWORD not in address_of(target)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("obs:#stream=1", "expected obs://"),
        ("obs://127.0.0.1", "expected #source=NAME"),
        ("obs://h#stream=0", "#source"),
    ],
)
def test_a_wrong_url_is_refused(url: str, message: str) -> None:
    pytest.importorskip("simpleobsws")
    with pytest.raises(ConfigurationError, match=message):
        parse_target("obs", url)


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obs_module, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"needs the extra 'obs': pip install 'livecue\[obs\]'"):
        parse_target("obs", "obs://127.0.0.1#stream=1")
