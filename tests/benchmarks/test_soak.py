"""What a long session has to show, by short ones; and that what is missing in one is found."""

import wave
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.soak import QUARTERS, FinalsCheck, Quarter, Soak, SoakRun, going_round, require_complete, resident_mib
from benchmarks.virtual import TimedEvents, VirtualGateway
from decoder.engines.scripted import CostModel, ScriptedEngine
from decoder.types import DecodeRequest, EngineError, Hypothesis, RequestKind
from gateway.settings import SessionSettings, Settings
from gateway.wire import SAMPLE_RATE_HZ, Final, Finished, ServerEvent, SpeechEnded, SpeechStarted, Start
from tests.audio import silence, speechlike
from vad.audio import Float32

UTTERANCES = 4

SETTINGS = Settings(session=SessionSettings(detector="webrtc"))
"""What only resembles speech is speech to this detector."""

Tampering = Callable[[list[ServerEvent]], list[ServerEvent]]


def pcm(*parts: Float32) -> bytes:
    return (np.concatenate(parts) * 32_767).astype("<i2").tobytes()


SOUND = pcm(*[speechlike(1.5), silence(1.0)] * UTTERANCES)
SOUND_SAMPLES = len(SOUND) // 2


class CountingEngine(ScriptedEngine):
    """Takes three steps and a second of the encoder for each partial, and much more for a final."""

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        for request in batch:
            self.work.decoder_steps += 3 if request.kind is RequestKind.PARTIAL else 300
            self.work.encoder_s += 1.0 if request.kind is RequestKind.PARTIAL else 30.0
        return await super().decode(batch)


def soak_run(sound: bytes = SOUND) -> SoakRun:
    return SoakRun(CountingEngine(), SETTINGS, sound, CostModel(batch_s=0.15))


async def events_of(sound: bytes) -> list[ServerEvent]:
    [said] = await VirtualGateway(ScriptedEngine(), SETTINGS, Start(), [sound]).run()
    return [event for moment in said for event in moment.events]


def problems(events: Sequence[ServerEvent]) -> tuple[str, ...]:
    check = FinalsCheck(SOUND_SAMPLES)
    for event in events:
        check.note(event)
    return check.problems()


def changed(kind: type[ServerEvent], change: Callable[[ServerEvent], Sequence[ServerEvent]]) -> Tampering:
    """Return what changes the second event of a kind, or the only one."""

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
    quarters = [Quarter(0.0, 0, 0, 0, mib, mib, *[None] * 4, *[None] * 3) for mib in resident_mib]
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

    assert result.problems == ("there is no final at all",)


async def test_a_last_frame_that_is_not_full_is_heard() -> None:
    result = await soak_run(SOUND + bytes(500)).run()

    assert result.problems == ()


def test_sound_with_fewer_frames_than_quarters_is_refused() -> None:
    with pytest.raises(ValueError, match="sound of 3 frames: at least 4 are needed"):
        soak_run(pcm(silence(0.3)))


async def test_a_gateway_that_tells_keeps_nothing() -> None:
    told: list[TimedEvents] = []
    gateway = VirtualGateway(ScriptedEngine(), SETTINGS, Start(), [SOUND], tell=told.append)

    assert await gateway.run() == [[]]
    assert [event for moment in told for event in moment.events] == await events_of(SOUND)


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (changed(Final, lambda event: []), "utterance 1 ended and has no final"),
        (changed(Final, lambda event: [event, event]), "final of utterance 1, which has not ended or has one already"),
        (changed(Final, lambda event: [with_error(event)]), "final of utterance 1 has the error engine_failed"),
        (changed(Final, lambda event: [longer(event, 1)]), "final of utterance 1 has another span than its end"),
        (second_final_before_the_first, "final of utterance 0 came after that of 1"),
        (changed(SpeechStarted, lambda event: []), "utterance 1 ended and had not begun"),
        (changed(SpeechEnded, lambda event: []), "utterance 2 began before the last had ended"),
        (changed(SpeechEnded, lambda event: [longer(event, SOUND_SAMPLES)]), "utterance 1 left the sound"),
        (changed(SpeechEnded, lambda event: [longer(event, SAMPLE_RATE_HZ)]), "utterance 2 overlaps the one before"),
        (changed(SpeechEnded, lambda event: [longer(event, -SOUND_SAMPLES)]), "utterance 1 has no sound"),
        (changed(Finished, lambda event: [counting(event, utterances=-1)]), "Finished counts 3 finals of 4"),
        (changed(Finished, lambda event: [counting(event, audio_samples=-5)]), "Finished counts 159995 samples of 160"),
        (changed(Finished, lambda event: []), "Finished never came"),
        (changed(Finished, lambda event: [event, event]), "Finished came after Finished"),
        (lambda events: events[: events.index(next(e for e in events if isinstance(e, SpeechEnded)))], "never ended"),
    ],
)
async def test_what_is_wrong_with_the_finals_is_found(tamper: Tampering, problem: str) -> None:
    events = await events_of(SOUND)

    assert problems(events) == ()
    assert any(problem in found for found in problems(tamper(events))), problems(tamper(events))


def test_incomplete_finals_end_the_command_with_a_message() -> None:
    with pytest.raises(SystemExit) as end:
        require_complete(soak(problems=["utterance 1 ended and has no final"]))

    # Python prints a message that is the exit's code, and ends with status 1
    assert end.value.code == "the finals are not complete:\n  utterance 1 ended and has no final"


def test_many_problems_are_said_to_be_more() -> None:
    with pytest.raises(SystemExit, match=r"number 9\n  and 5 more"):
        require_complete(soak(problems=[f"number {number}" for number in range(15)]))


def test_complete_finals_end_nothing() -> None:
    require_complete(soak())


def test_growth_is_counted_from_the_end_of_the_first_quarter() -> None:
    assert soak(resident_mib=[100.0, 180.0, 90.0, 130.0]).growth_mib == 30.0


def test_memory_that_is_used_is_resident() -> None:
    before_mib = resident_mib()
    hoard = b"x" * 2**26  # more than malloc ever takes from what it has freed

    assert resident_mib() >= before_mib + 60
    assert len(hoard) == 2**26


def test_recordings_are_heard_one_after_the_other_and_round_again(tmp_path: Path) -> None:
    one, two = bytes([1, 0]) * (SAMPLE_RATE_HZ // 2), bytes([2, 0]) * (SAMPLE_RATE_HZ // 4)
    paths = [written(tmp_path / f"{number}.wav", sound) for number, sound in enumerate([one, two])]

    assert going_round(paths, 1.6) == (one + two + one + two + one)[: round(1.6 * SAMPLE_RATE_HZ) * 2]


def test_recordings_without_sound_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no sound in .*empty\.wav"):
        going_round([written(tmp_path / "empty.wav", b"")], 1.0)


def written(path: Path, sound: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(sound)
    return path
