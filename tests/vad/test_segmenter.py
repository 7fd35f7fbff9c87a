"""Windows and probabilities to utterances."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vad.audio import Float32, s_to_samples
from vad.audio_history import AudioHistory
from vad.events import EndReason, SpeechEnded, SpeechEvent, SpeechPaused, SpeechProgress, SpeechResumed, SpeechStarted
from vad.segmenter import MAX_DOUBT_MS, Segmenter
from vad.settings import SegmenterSettings

WINDOW = 512
SETTINGS = SegmenterSettings(pause_ms=200, silence_ms=500, pad_before_ms=300)
SHORT = replace(SETTINGS, max_utterance_s=2.0, split_search_s=0.5, progress_interval_ms=300)
NOTHING = np.zeros(0, np.float32)


def audio(window_count: int) -> Float32:
    return np.random.default_rng(7).uniform(-1, 1, window_count * WINDOW).astype(np.float32)


def receive(segmenter: Segmenter, stream: Float32, probabilities: Sequence[float]) -> list[SpeechEvent]:
    windows = stream[: len(probabilities) * WINDOW].reshape(-1, WINDOW)
    return [
        event
        for window, probability in zip(windows, probabilities, strict=True)
        for event in segmenter.push(window, probability)
    ]


def events_of(*runs: tuple[float, int], settings: SegmenterSettings = SETTINGS) -> list[SpeechEvent]:
    probabilities = [probability for probability, count in runs for _ in range(count)]
    return receive(Segmenter(settings, WINDOW), audio(len(probabilities)), probabilities)


def names(events: Sequence[SpeechEvent]) -> list[str]:
    return [type(event).__name__.removeprefix("Speech").lower() for event in events]


def ended(events: Sequence[SpeechEvent]) -> list[SpeechEnded]:
    return [event for event in events if isinstance(event, SpeechEnded)]


def test_speech_starts_pauses_and_ends() -> None:
    events = events_of((0, 20), (0.9, 20), (0, 20))
    assert names(events) == ["started", "progress", "paused", "ended"]
    started, *_, paused, end = events
    assert started.start_sample == 20 * WINDOW - SETTINGS.pad_before_samples
    assert started.audio_end_sample == started.end_sample == 23 * WINDOW
    assert end.voiced_end_sample == 40 * WINDOW
    assert end.end_sample == paused.end_sample == 40 * WINDOW + SETTINGS.pause_samples
    assert paused.audio_end_sample == 47 * WINDOW
    assert end.audio_end_sample == 56 * WINDOW
    assert isinstance(end, SpeechEnded)
    assert end.reason is EndReason.SILENCE


def test_no_more_than_the_silence_that_ends_an_utterance_is_kept_after_its_speech() -> None:
    assert Segmenter(SETTINGS, WINDOW).pad_after_samples == SETTINGS.pause_samples
    assert Segmenter(replace(SETTINGS, silence_ms=100), WINDOW).pad_after_samples == s_to_samples(0.1)


def test_a_blip_shorter_than_the_onset_never_starts() -> None:
    assert events_of((0, 5), (1, 2), (0, 1), (1, 2), (0.24, 30)) == []


def test_inside_speech_a_weaker_window_is_enough_but_after_silence_it_is_not() -> None:
    weak = (SETTINGS.onset_threshold + SETTINGS.offset_threshold) / 2
    assert events_of((1, 3), (weak, 5), (0, 20))[-1].voiced_end_sample == 8 * WINDOW
    assert events_of((1, 3), (0, 1), (weak, 5), (0, 20))[-1].voiced_end_sample == 3 * WINDOW


def test_doubtful_windows_after_the_last_word_do_not_delay_the_end() -> None:
    doubtful = (SETTINGS.offset_threshold + SETTINGS.endpoint_threshold) / 2
    [sure] = ended(events_of((1, 10), (0, 40)))
    [unsure] = ended(events_of((1, 10), (doubtful, 6), (0, 40)))
    assert unsure.audio_end_sample == sure.audio_end_sample
    assert unsure.voiced_end_sample == sure.voiced_end_sample + 6 * WINDOW


def test_a_speaker_who_is_doubtful_throughout_is_not_cut_at_every_gap() -> None:
    doubtful = (SETTINGS.offset_threshold + SETTINGS.endpoint_threshold) / 2
    gap = (SETTINGS.silence_ms - MAX_DOUBT_MS) // 32 - 1
    assert len(ended(events_of((1, 5), (doubtful, 30), (0, gap), (1, 5), (0, 40)))) == 1


def test_a_long_utterance_is_split_where_speech_resumes_after_a_pause() -> None:
    long = replace(SETTINGS, long_utterance_s=1.0)
    events = events_of((1, 40), (0, 10), (1, 10), (0, 30), settings=long)
    first, second = ended(events)
    assert (first.reason, second.reason) == (EndReason.MAX_LENGTH, EndReason.SILENCE)
    assert second.start_sample == first.end_sample
    [paused] = [event for event in events if isinstance(event, SpeechPaused)][:1]
    assert np.array_equal(paused.samples, first.samples)
    assert not any(isinstance(event, SpeechResumed) for event in events)


def test_a_short_utterance_continues_after_a_pause() -> None:
    long = replace(SETTINGS, long_utterance_s=2.0)
    assert len(ended(events_of((1, 40), (0, 10), (1, 10), (0, 30), settings=long))) == 1


def test_each_pause_is_emitted_once() -> None:
    events = events_of((1, 5), (0, 10), (1, 5), (0, 10), (1, 5), (0, 16))
    assert names(events).count("paused") == 3
    assert names(events).count("ended") == 1


def test_a_pause_as_long_as_the_silence_is_not_emitted() -> None:
    events = events_of((1, 5), (0, 30), settings=SegmenterSettings(pause_ms=500, silence_ms=500))
    assert "paused" not in names(events)
    assert events[-1].end_sample == 5 * WINDOW + SETTINGS.silence_samples


def test_padding_does_not_reach_back_into_the_utterance_before() -> None:
    first, second = ended(events_of((1, 5), (0, 17), (1, 5), (0, 20), settings=replace(SETTINGS, pad_before_ms=2_000)))
    assert first.end_sample == second.start_sample


def test_progress_comes_each_interval_of_new_audio_and_the_interval_can_be_stretched() -> None:
    segmenter = Segmenter(SETTINGS, WINDOW)
    stream = audio(240)
    before = receive(segmenter, stream[: 120 * WINDOW], [1] * 120)
    segmenter.progress_interval_samples = s_to_samples(1.5)
    after = receive(segmenter, stream[120 * WINDOW :], [1] * 120)
    assert [len(later.samples) - len(earlier.samples) for earlier, later in pairwise(before)] == [16 * WINDOW] * 7
    assert [len(later.samples) - len(earlier.samples) for earlier, later in pairwise(after)] == [47 * WINDOW]
    assert set(names(after)) == {"progress"}


def test_a_progress_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="expected more than 0"):
        Segmenter(SETTINGS, WINDOW).progress_interval_samples = 0


def test_long_speech_is_split_at_its_quietest_place_without_a_gap() -> None:
    stream = audio(100)
    quiet = slice(26_000, 28_000)
    stream[quiet] *= 0.01
    events = receive(Segmenter(SHORT, WINDOW), stream, [1] * 60 + [0] * 40)
    first, second = ended(events)
    assert first.reason is EndReason.MAX_LENGTH
    assert second.reason is EndReason.SILENCE
    assert quiet.start < first.end_sample < quiet.stop
    assert second.start_sample == first.end_sample
    split = events.index(first)
    assert isinstance(events[split + 1], SpeechStarted)
    assert events[split + 1].end_sample == first.audio_end_sample
    np.testing.assert_array_equal(np.concatenate([first.samples, second.samples]), stream[: second.end_sample])


def test_speech_that_stops_at_its_longest_ends_without_an_empty_rest() -> None:
    longest = SHORT.max_utterance_samples - SHORT.pad_after_samples
    (end,) = ended(events_of((1, longest // WINDOW), (0, 30), settings=SHORT))
    assert end.reason is EndReason.SILENCE
    assert len(end.samples) <= SHORT.max_utterance_samples


def test_flush_ends_what_is_open_with_the_samples_of_no_window() -> None:
    segmenter = Segmenter(SETTINGS, WINDOW)
    stream = audio(11)
    receive(segmenter, stream, [1] * 10)
    (end,) = ended(segmenter.flush(stream[10 * WINDOW : 10 * WINDOW + 99]))
    assert end.reason is EndReason.FLUSH
    np.testing.assert_array_equal(end.samples, stream[: 10 * WINDOW + 99])
    assert segmenter.flush(NOTHING) == []


def test_after_a_flush_the_stream_continues() -> None:
    segmenter = Segmenter(SETTINGS, WINDOW)
    stream = audio(30)
    receive(segmenter, stream, [1] * 5)
    segmenter.flush(stream[5 * WINDOW : 5 * WINDOW + 100])
    events = receive(segmenter, stream[5 * WINDOW + 100 :], [1] * 5)
    assert events[0].utterance_id == 1
    assert events[0].start_sample == 5 * WINDOW + 100


def test_flush_of_silence_emits_nothing() -> None:
    segmenter = Segmenter(SETTINGS, WINDOW)
    receive(segmenter, audio(4), [0, 0, 1, 1])
    assert segmenter.flush(NOTHING) == []
    assert receive(segmenter, audio(1), [1]) == []


@pytest.mark.parametrize("shape", [(0,), (511,), (513,), (1, 512), (512, 1)])
def test_a_window_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(512,\)"):
        Segmenter(SETTINGS, WINDOW).push(np.zeros(shape, np.float32), 0.5)


def test_a_rest_as_long_as_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="expected fewer than 512 samples"):
        Segmenter(SETTINGS, WINDOW).flush(np.zeros(WINDOW, np.float32))


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("onset_threshold", 0, "0.01–1"),
        ("onset_threshold", 1.1, "0.01–1"),
        ("offset_threshold", 0.6, "0.01–0.25"),
        ("onset_ms", 0, "1–1000"),
        ("pause_ms", -1, "1–2000"),
        ("silence_ms", 0, "1–10000"),
        ("pad_before_ms", -1, "0–2000"),
        ("max_utterance_s", 31, "1.0–30"),
        ("max_utterance_s", float("nan"), "1.0–30"),
        ("split_search_s", 0, "0.2–30"),
        ("progress_interval_ms", 0, "50–30000"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(field: str, value: float, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"^{field} {value} out of range: expected {allowed}$"):
        replace(SETTINGS, **{field: value})  # type: ignore[arg-type]  # one field of many types


def test_a_clients_shorter_value_needs_no_other_setting() -> None:
    replace(SETTINGS, silence_ms=100)
    replace(SETTINGS, max_utterance_s=2.0)


def test_views_are_read_only_and_never_change() -> None:
    stream = audio(2_000)
    events = receive(Segmenter(SETTINGS, WINDOW), stream, [1] * 2_000)
    for event in events:
        assert not event.samples.flags.writeable
        np.testing.assert_array_equal(event.samples, stream[event.start_sample : event.end_sample])


def test_memory_stays_bounded_by_the_longest_utterance() -> None:
    segmenter = Segmenter(SETTINGS, WINDOW)
    window = audio(1)
    bases = {
        id(base): base.nbytes
        for _ in range(6_000)
        for event in segmenter.push(window, 1.0)
        if (base := event.samples.base) is not None
    }
    assert max(bases.values()) <= 2 * 4 * (SETTINGS.max_utterance_samples + WINDOW)


def test_audio_is_copied_a_bounded_number_of_times() -> None:
    history, buffers = AudioHistory(), set[int]()
    for _ in range(1_000):
        history.append(np.ones(WINDOW, np.float32))
        base = history.view(0, history.end_sample).base
        assert isinstance(base, np.ndarray)
        buffers.add(len(base))
    assert sum(buffers) <= 4 * 1_000 * WINDOW


def test_forgotten_audio_cannot_be_viewed() -> None:
    history = AudioHistory()
    history.append(np.ones(100, np.float32))
    history.forget(50)
    with pytest.raises(ValueError, match="the history holds 50–100"):
        history.view(49, 100)


any_settings = st.builds(
    SegmenterSettings,
    onset_ms=st.sampled_from([1, 96, 200]),
    pause_ms=st.sampled_from([1, 64, 200, 400]),
    silence_ms=st.sampled_from([1, 200, 500, 3_000]),
    pad_before_ms=st.sampled_from([0, 300, 1_500]),
    max_utterance_s=st.sampled_from([1.0, 2.0, 5.0]),
    split_search_s=st.sampled_from([0.2, 1.0, 5.0]),
    progress_interval_ms=st.sampled_from([50, 500]),
)
streams = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.4, 0.45, 0.6, 1.0]), st.integers(1, 90)), min_size=1, max_size=12
)


@settings(max_examples=150, deadline=None)
@given(settings=any_settings, runs=streams, rest_samples=st.integers(0, WINDOW - 1))
def test_any_stream_keeps_the_promises(
    settings: SegmenterSettings, runs: list[tuple[float, int]], rest_samples: int
) -> None:
    probabilities = [probability for probability, count in runs for _ in range(count)]
    stream = audio(len(probabilities) + 1)
    segmenter = Segmenter(settings, WINDOW)
    events = receive(segmenter, stream, probabilities)
    received = len(probabilities) * WINDOW
    events += segmenter.flush(stream[received : received + rest_samples])
    assert_order(events)
    assert_samples(events, stream)
    assert_spans(ended(events), settings)
    assert_no_speech_is_lost(ended(events), probabilities, settings)


def assert_order(events: list[SpeechEvent]) -> None:
    open_id: int | None = None
    next_id = 0
    for event in events:
        if isinstance(event, SpeechStarted):
            assert open_id is None
            assert event.utterance_id == next_id
            open_id, next_id = next_id, next_id + 1
        assert event.utterance_id == open_id
        if isinstance(event, SpeechEnded):
            open_id = None
    assert open_id is None
    for event, after in pairwise(events):
        if isinstance(event, SpeechPaused) and isinstance(after, SpeechEnded):
            assert after.reason is EndReason.MAX_LENGTH or len(after.samples) == len(event.samples)
        if isinstance(event, SpeechProgress) and isinstance(after, SpeechProgress):
            assert len(after.samples) > len(event.samples)
    assert [event.audio_end_sample for event in events] == sorted(event.audio_end_sample for event in events)


def assert_samples(events: list[SpeechEvent], stream: Float32) -> None:
    for event in events:
        np.testing.assert_array_equal(event.samples, stream[event.start_sample : event.end_sample])
        assert event.start_sample < event.end_sample <= event.audio_end_sample
        assert event.start_sample < event.voiced_end_sample <= event.end_sample


def assert_spans(ends: list[SpeechEnded], settings: SegmenterSettings) -> None:
    for end in ends:
        assert len(end.samples) <= settings.max_utterance_samples
        assert len(end.samples) <= end.voiced_end_sample - end.start_sample + settings.pad_after_samples
    for earlier, later in pairwise(ends):
        assert earlier.end_sample <= later.start_sample
        if earlier.reason is EndReason.MAX_LENGTH:
            assert earlier.end_sample == later.start_sample


def assert_no_speech_is_lost(ends: list[SpeechEnded], probabilities: list[float], settings: SegmenterSettings) -> None:
    kept = np.zeros(len(probabilities) * WINDOW + WINDOW, bool)
    for end in ends:
        kept[end.start_sample : end.end_sample] = True
    run = 0
    for index, probability in enumerate(probabilities):
        run = run + 1 if probability >= settings.onset_threshold else 0
        if run * WINDOW >= settings.onset_samples:
            assert kept[(index - run + 1) * WINDOW : (index + 1) * WINDOW].all()
