"""The streams of the benchmark of doubled phrases; and that overload on the virtual clock doubles none."""

import pytest

from benchmarks.arms import gateway_settings
from benchmarks.doubled import Utterances, Written, orders, read_utterances, spoken_until
from benchmarks.doubling import doubled_phrases
from benchmarks.virtual import VirtualGateway
from clients.paced_media import MEDIA_FORMAT
from decoder.engine_selection import create_engine
from decoder.engines.scripted import CostModel
from decoder.types import RequestKind
from gateway.wire import SAMPLE_RATE_HZ, Final, Latency, Start
from tests.real_speech import weights
from tests.recordings import recording_path

RECORDINGS = [Utterances(bytes(32_000 * seconds), (f"word{seconds}",)) for seconds in (1, 2, 3)]


def final(text: str, end_sample: int) -> Final:
    return Final(0, 0, 0, end_sample, text, "en", Latency(0, 0, 0, 0))


def test_each_stream_plays_all_recordings_and_starts_at_another() -> None:
    first, second, third = orders(RECORDINGS, streams=3, seconds=7.0)

    assert first == RECORDINGS * 2
    assert second == [*RECORDINGS[1:], *RECORDINGS, RECORDINGS[0]]
    assert third == [RECORDINGS[2], *RECORDINGS, *RECORDINGS[:2]]


def test_words_spoken_until_a_sample_include_its_recording() -> None:
    assert spoken_until(RECORDINGS, 0) == []
    assert spoken_until(RECORDINGS, 16_000) == ["word1"]
    assert spoken_until(RECORDINGS, 16_001) == ["word1", "word2"]
    assert spoken_until(RECORDINGS, 10_000_000) == ["word1", "word2", "word3"]


def test_finals_without_text_are_not_counted() -> None:
    written = Written([[], []], [0, 0])

    written.note(0, final("one", 16_000), 0.0)
    written.note(1, final(" ", 8_000), 0.0)
    written.note(1, final("two", 32_000), 0.0)

    assert written.finals == 2
    assert written.texts == [["one"], [" ", "two"]]
    assert written.audio_samples == [16_000, 32_000]


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_overload_doubles_no_phrase() -> None:
    streams, seconds = 8, 45.0
    settings = gateway_settings(weights("whisper-tiny.en"), {})
    played = orders(read_utterances(recording_path("manifest.json").parent), streams, seconds)
    length_bytes = round(seconds * SAMPLE_RATE_HZ) * MEDIA_FORMAT.bytes_per_sample_frame
    audio = [b"".join(one.audio for one in order)[:length_bytes] for order in played]
    engine = create_engine(settings.engine)
    await engine.warm_up()
    gateway = VirtualGateway(
        engine, settings, Start(MEDIA_FORMAT, language="en"), audio, cost=CostModel(batch_s=0.4, request_s=0.2)
    )

    written = Written([[] for _ in played], [0] * streams)
    for stream, moments in enumerate(await gateway.run()):
        for moment in moments:
            for event in moment.events:
                written.note(stream, event, moment.at_s)
    await engine.aclose()

    partials_per_s = gateway.requests[RequestKind.PARTIAL] / (streams * seconds)
    assert partials_per_s < 0.8, "an engine that keeps up decodes more than one a second of speech"
    assert written.finals > 5 * streams
    for order, texts, end_sample in zip(played, written.texts, written.audio_samples, strict=True):
        assert doubled_phrases(texts, spoken_until(order, end_sample)) == []
