"""The metrics, their names, and the page that describes them."""

import re

from prometheus_client.parser import text_string_to_metric_families

from decoder.engines.scripted import ScriptedEngine
from decoder.scheduler import Answer
from decoder.types import EngineFailed, Hypothesis, RequestKind
from gateway.delivery.broadcast import Broadcast, Broadcaster, SessionInfo
from gateway.metrics import Metrics
from gateway.runtime import open_gateway
from gateway.settings import load_settings
from gateway.wire import Final, Gap, Latency, OfChannel
from tests.requests import request
from tests.sessions import call, open_context
from tools.metrics_table import PAGE, metrics_table, with_table

LATENCY = Latency(0.0, 0.0, 0.0, 0.0)


def samples(metrics: Metrics) -> dict[str, float]:
    """Return the value of each series, under its name and the values of its labels."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
    }


def test_the_page_has_the_metrics_as_they_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), "make metrics"


def test_names_follow_the_conventions_of_prometheus() -> None:
    for name, kind in re.findall(r"^\| `(\w+)` \| (\w+) \|", metrics_table(), re.MULTILINE):
        assert name.startswith("livecue_")
        assert name.endswith("_total") == (kind == "counter")
        assert not re.search(r"_(ms|minutes|kb|percent)(_|$)", name), "base units"


async def test_the_lag_of_partials_is_measured_and_nothing_else() -> None:
    async with open_context() as context:
        metrics = context.metrics
        partial = request(kind=RequestKind.PARTIAL)
        metrics.answered(Answer(partial, Hypothesis.answering(partial, ()), 0.25, 0.5, 0.0))
        metrics.answered(Answer(partial, EngineFailed("x"), 8.0, 8.0, 0.0))
        final = request(kind=RequestKind.FINAL)
        metrics.answered(Answer(final, Hypothesis.answering(final, ()), 8.0, 8.0, 0.0))

    found = samples(metrics)
    assert (found["livecue_partial_lag_seconds_count"], found["livecue_partial_lag_seconds_sum"]) == (1, 0.75)


async def test_audio_without_words_is_counted_by_reason() -> None:
    async with open_context() as context:
        broadcast: Broadcast = context.broadcaster.create(SessionInfo("native", None, 0.0))
        broadcast.publish(Gap(1, 0, 16_000))
        broadcast.publish(OfChannel(1, Final(2, 1, 16_000, 48_000, "", None, LATENCY, error="engine_timeout")))
        broadcast.publish(Final(3, 2, 48_000, 64_000, "fine", None, LATENCY))

    found = samples(context.metrics)
    assert found["livecue_audio_lost_seconds_total gap"] == 1.0
    assert found["livecue_audio_lost_seconds_total final_failed"] == 2.0


async def test_the_real_time_factor_is_that_of_the_batches() -> None:
    async with open_context() as context:
        assert "livecue_engine_real_time_factor" not in samples(context.metrics)
        batch = (request(kind=RequestKind.FINAL, seconds=2.0),)
        context.scheduler.statistics.count(batch, 0.5, 0.0)

    found = samples(context.metrics)
    assert found["livecue_engine_real_time_factor"] == 0.25
    assert found["livecue_engine_audio_seconds_total final"] == 2.0


async def test_keys_beyond_the_limit_share_a_series_and_no_key_is_in_it() -> None:
    keys = ["secret-a", "secret-b", "secret-c"]
    settings = load_settings({"server": {"api_keys": keys}, "limits": {"max_key_labels": 1}})
    async with open_gateway(settings, ScriptedEngine()) as gateway:
        for number, key in enumerate(keys):
            caller = await gateway.authenticator.admit(f"Bearer {key}")
            gateway.authenticator.spend(caller, 2.0**number)
        found = samples(gateway.sessions.metrics)
        text = gateway.sessions.metrics.exposition().decode()

    usage = {name: value for name, value in found.items() if name.startswith("livecue_key_audio_seconds_total")}
    assert usage == {
        "livecue_key_audio_seconds_total static-1": 1.0,
        "livecue_key_audio_seconds_total other": 6.0,
    }
    assert "secret" not in text


async def test_open_sessions_are_counted_by_key() -> None:
    async with open_context() as context:
        async with call(context, subject=SessionInfo("native", "studio", 0.0)) as peer, call(context) as other:
            for each in (peer, other):
                await each.stream.send('{"type":"start"}')
                await each.receive()
            assert context.live.by_owner() == {"studio": 1}
        assert isinstance(context.broadcaster, Broadcaster)
