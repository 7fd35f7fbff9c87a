"""The results of a long session, by short ones; and the detection of incomplete finals."""

import wave
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.process_figures import resident_mib
from benchmarks.soak import QUARTERS, FinalsCheck, Quarter, Soak, SoakRun, looped, require_complete
from benchmarks.virtual import TimedEvents, VirtualGateway
from decoder.engines.scripted import CostModel, ScriptedEngine
from decoder.types import DecodeRequest, EngineError, Hypothesis, RequestKind
from gateway.settings import SessionSettings, Settings
from gateway.wire import SAMPLE_RATE_HZ, Final, Finished, ServerEvent, SpeechEnded, SpeechStarted, Start
from tests.audio import silence, speechlike
from vad.audio import Float32

UTTERANCES = 4

SETTINGS = Settings(session=SessionSettings(detector="webrtc"))
"""Audio that only resembles speech counts as speech to this detector."""

Tampering = Callable[[list[ServerEvent]], list[ServerEvent]]


def pcm(*parts: Float32) -> bytes:
    return (np.concatenate(parts) * 32_767).astype("<i2").tobytes()


AUDIO = pcm(*[speechlike(1.5), silence(1.0)] * UTTERANCES)
AUDIO_SAMPLES = len(AUDIO) // 2


class CountingEngine(ScriptedEngine):
    """Takes three steps and a second of the encoder for each partial, and much more for a final."""

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        for request in batch:
            self.work.decoder_steps += 3 if request.kind is RequestKind.PARTIAL else 300
            self.work.encoder_s += 1.0 if request.kind is RequestKind.PARTIAL else 30.0
        return await super().decode(batch)


def soak_run(audio: bytes = AUDIO) -> SoakRun:
    return SoakRun(CountingEngine(), SETTINGS, audio, CostModel(batch_s=0.15))


async def events_of(audio: bytes) -> list[ServerEvent]:
    [moments] = await VirtualGateway(ScriptedEngine(), SETTINGS, Start(), [audio]).run()
    return [event for moment in moments for event in moment.events]


def problems(events: Sequence[ServerEvent]) -> tuple[str, ...]:
    check = FinalsCheck(AUDIO_SAMPLES)
    for event in events:
        check.note(event)
    return check.problems()


def changed(kind: type[ServerEvent], change: Callable[[ServerEvent], Sequence[ServerEvent]]) -> Tampering:
    """Return a function that changes the second event of a kind, or the only one."""

    def tamper(events: list[ServerEvent]) -> list[ServerEvent]:
        places = [place for place, event in enumerate(events) if isinstance(event, kind)]
        place = places[min(1, len(places) - 1)]
        return [*events[:place], *change(events[place]), *events[place + 1 :]]

    return tamper


def second_final_before_the_first(events: list[ServerEvent]) -> list[ServerEvent]:
    finals = [event for event in events if isinstance(event, Final)]
    rest = [event for event in events if not isinstance(event, Final | Finished)]
    return [*rest, finals[1], finals[0], *finals[2:], events[-1]]


def longer(event: ServerEvent, samples: int) -> ServerEvent:
    assert isinstance(event, SpeechEnded | Final)
    return replace(event, end_sample=event.end_sample + samples)


def with_error(event: ServerEvent) -> ServerEvent:
    assert isinstance(event, Final)
    return replace(event, error="engine_failed")


def counting(event: ServerEvent, utterances: int = 0, audio_samples: int = 0) -> ServerEvent:
    assert isinstance(event, Finished)
    return replace(event, utterances=event.utterances + utterances, audio_samples=event.audio_samples + audio_samples)


def soak(resident_mib: Sequence[float] = (1.0,) * QUARTERS, problems: Sequence[str] = ()) -> Soak:
    quarters = [Quarter(0.0, 0, 0, 0, mib, mib, None, None, None, None, None, None, None) for mib in resident_mib]
    return Soak(tuple(quarters), tuple(resident_mib), 0, tuple(problems))


async def test_a_session_through_the_real_pipeline_has_all_its_finals() -> None:
    result = await soak_run().run()

    assert result.problems == ()
    assert result.warnings == 0
    assert [quarter.finals for quarter in result.quarters] == [1] * QUARTERS
    assert all(quarter.words for quarter in result.quarters)
    assert [quarter.end_s for quarter in result.quarters] == [2.5, 5.0, 7.5, 10.0]


async def test_only_partials_count_as_updates() -> None:
    result = await soak_run().run()

    for quarter in result.quarters:
        assert quarter.partials > 0
        assert quarter.steps_per_partial == 3.0
        assert quarter.encoder_s_per_partial == 1.0
        assert quarter.sound_s_per_partial is not None
        assert 0.5 < quarter.sound_s_per_partial < 2.5
        assert quarter.engine_p50_ms is not None
        assert quarter.pipeline_p95_ms is not None


async def test_counts_are_the_same_in_every_run() -> None:
    def counts(result: Soak) -> list[tuple[object, ...]]:
        return [(q.partials, q.finals, q.words, q.steps_per_partial, q.sound_s_per_partial) for q in result.quarters]

    assert counts(await soak_run().run()) == counts(await soak_run().run())


async def test_memory_is_sampled_at_each_minute_and_each_quarters_end() -> None:
    result = await soak_run(pcm(silence(64.0))).run()

    assert len(result.resident_mib) == QUARTERS + 1
    assert all(mib > 0 for mib in result.resident_mib)
    assert [quarter.partials for quarter in result.quarters] == [0] * QUARTERS
    assert result.quarters[-1].engine_p50_ms is result.quarters[-1].steps_per_partial is None


async def test_a_session_without_speech_is_not_complete() -> None:
    result = await soak_run(pcm(silence(1.0))).run()

    assert result.problems == ("no finals",)


async def test_an_incomplete_last_frame_is_processed() -> None:
    result = await soak_run(AUDIO + bytes(500)).run()

    assert result.problems == ()


def test_audio_with_fewer_frames_than_quarters_is_refused() -> None:
    with pytest.raises(ValueError, match="audio of 3 frames: expected at least 4"):
        soak_run(pcm(silence(0.3)))


async def test_a_gateway_with_a_callback_keeps_no_events() -> None:
    moments: list[TimedEvents] = []
    gateway = VirtualGateway(ScriptedEngine(), SETTINGS, Start(), [AUDIO], on_events=moments.append)

    assert await gateway.run() == [[]]
    assert [event for moment in moments for event in moment.events] == await events_of(AUDIO)


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (changed(Final, lambda event: []), "utterance 1 ended without a final"),
        (changed(Final, lambda event: [event, event]), "final of utterance 1, which has not ended or already has one"),
        (changed(Final, lambda event: [with_error(event)]), "final of utterance 1 has the error engine_failed"),
        (
            changed(Final, lambda event: [longer(event, 1)]),
            "final of utterance 1 has another span than its SpeechEnded",
        ),
        (second_final_before_the_first, "final of utterance 0 after that of 1"),
        (changed(SpeechStarted, lambda event: []), "utterance 1 ended without having begun"),
        (changed(SpeechEnded, lambda event: []), "utterance 2 began during another one"),
        (changed(SpeechEnded, lambda event: [longer(event, AUDIO_SAMPLES)]), "utterance 1 exceeds the audio"),
        (changed(SpeechEnded, lambda event: [longer(event, SAMPLE_RATE_HZ)]), "utterance 2 overlaps the previous one"),
        (changed(SpeechEnded, lambda event: [longer(event, -AUDIO_SAMPLES)]), "utterance 1 has no audio"),
        (changed(Finished, lambda event: [counting(event, utterances=-1)]), "Finished counts 3 finals of 4"),
        (changed(Finished, lambda event: [counting(event, audio_samples=-5)]), "Finished counts 159995 samples of 160"),
        (changed(Finished, lambda event: []), "no Finished"),
        (changed(Finished, lambda event: [event, event]), "Finished after Finished"),
        (lambda events: events[: events.index(next(e for e in events if isinstance(e, SpeechEnded)))], "never ended"),
    ],
)
async def test_problems_with_the_finals_are_found(tamper: Tampering, problem: str) -> None:
    events = await events_of(AUDIO)

    assert problems(events) == ()
    assert any(problem in found for found in problems(tamper(events))), problems(tamper(events))


def test_incomplete_finals_end_the_command_with_a_message() -> None:
    with pytest.raises(SystemExit) as end:
        require_complete(soak(problems=["utterance 1 ended without a final"]))

    # Python prints a message that is the exit's code, and ends with status 1
    assert end.value.code == "the finals are not complete:\n  utterance 1 ended without a final"


def test_many_problems_are_summarised() -> None:
    with pytest.raises(SystemExit, match=r"number 9\n  and 5 more"):
        require_complete(soak(problems=[f"number {number}" for number in range(15)]))


def test_complete_finals_pass() -> None:
    require_complete(soak())


def test_growth_is_counted_from_the_end_of_the_first_quarter() -> None:
    assert soak(resident_mib=[100.0, 180.0, 90.0, 130.0]).growth_mib == 30.0


def test_used_memory_is_resident() -> None:
    before_mib = resident_mib()
    hoard = b"x" * 2**26  # more than malloc ever takes from what it has freed

    assert resident_mib() >= before_mib + 60
    assert len(hoard) == 2**26


def test_recordings_are_played_one_after_the_other_in_a_loop(tmp_path: Path) -> None:
    one, two = bytes([1, 0]) * (SAMPLE_RATE_HZ // 2), bytes([2, 0]) * (SAMPLE_RATE_HZ // 4)
    paths = [written(tmp_path / f"{number}.wav", audio) for number, audio in enumerate([one, two])]

    assert looped(paths, 1.6) == (one + two + one + two + one)[: round(1.6 * SAMPLE_RATE_HZ) * 2]


def test_recordings_without_audio_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no audio in .*empty\.wav"):
        looped([written(tmp_path / "empty.wav", b"")], 1.0)


def written(path: Path, audio: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(audio)
    return path
